"""A whole answer, both ways."""

from typing import Any

import msgspec

from passerelle.codecs.anthropic.citations import write_citation
from passerelle.codecs.anthropic.errors import read_error
from passerelle.codecs.anthropic.read_blocks import kept_block, read_block
from passerelle.codecs.anthropic.stops import finish_of, may_be_empty, stop_of
from passerelle.codecs.anthropic.types import TokenCount, WatchedMessage, WireError, WireUsage
from passerelle.codecs.anthropic.usage import from_wire, to_wire
from passerelle.codecs.anthropic.write_blocks import Block, call_input
from passerelle.codecs.arguments import UniqueIds, ending, is_malformed
from passerelle.codecs.base import ReplyContext, Watched
from passerelle.codecs.fields import BAD_JSON, JsonObject
from passerelle.codecs.media import in_words
from passerelle.codecs.sealed import Sealed, seal
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.message import Part, ReasoningPart, RefusalPart, TextPart, ToolCallPart
from passerelle.core.response import Response

EMPTY = "the provider's answer is an empty completion: no content, and no reason for having none"
_KNOWN = frozenset({"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"})
_KNOWN_USAGE = frozenset(WireUsage.__struct_fields__)

_watched = msgspec.json.Decoder(WatchedMessage)
_counted = msgspec.json.Decoder(TokenCount)
_encode = msgspec.json.Encoder().encode


def read_response(body: bytes) -> Response:
    """The answer. Raises `AnswerError` for anything that is not a complete one."""
    watched = _watch(body)
    try:
        fields: JsonObject = msgspec.json.decode(body)
    except BAD_JSON:
        raise AnswerError(not_an_answer(body)) from None
    parts: list[Part] = []
    for index, block in enumerate(fields["content"]):
        try:
            part = read_block(block, f"content.{index}")
        except ProblemError as error:
            raise AnswerError(f"the provider's answer is malformed: {error.problem.message}") from None
        if not isinstance(part, Sealed):
            parts.append(own_extra(part))
    raw = watched.stop_reason or ""
    called = any(isinstance(part, ToolCallPart) for part in parts)
    usage = fields.get("usage") or {}
    left = {name: value for name, value in fields.items() if name not in _KNOWN}
    left_usage = {name: value for name, value in usage.items() if name not in _KNOWN_USAGE}
    tier = left_usage.pop("service_tier", None)
    if left_usage:
        left["usage"] = left_usage
    sequence = fields.get("stop_sequence")
    return Response(
        parts=tuple(parts),
        finish=finish_of(raw, called),
        model=watched.model or "",
        id=fields["id"] if isinstance(fields.get("id"), str) else None,
        usage=from_wire(watched.usage),
        stop_sequence=sequence if isinstance(sequence, str) else None,
        service_tier=tier if isinstance(tier, str) else None,
        raw_finish=raw,
        extra={"anthropic": left} if left else None,
    )


def watch_response(body: bytes) -> Watched:
    """What the road reads of the answer. Raises `AnswerError` as `read_response` does."""
    watched = _watch(body)
    called = any(block.type == "tool_use" for block in watched.content or ())
    return Watched(
        watched.model or "", from_wire(watched.usage), finish_of(watched.stop_reason or "", called)
    )


def read_token_count(body: bytes) -> int:
    """The count. Raises `AnswerError`."""
    try:
        return _counted.decode(body).input_tokens
    except BAD_JSON:
        raise AnswerError("the provider's answer holds no `input_tokens`") from None


def write_response(response: Response, context: ReplyContext) -> bytes:
    """The answer to a caller of this dialect."""
    malformed = any(map(is_malformed, response.parts))
    content = _content(in_words(response.parts), context)
    called = any(block["type"] == "tool_use" for block in content)
    own: JsonObject = dict((response.extra or {}).get("anthropic") or {})
    usage = to_wire(response.usage, response.service_tier)
    usage.update(own.pop("usage", None) or {})
    message: Block = {
        "id": message_id(response.id, context),
        "type": "message",
        "role": "assistant",
        "model": context.named or response.model or context.model,
        "content": content,
        "stop_reason": stop_of(
            ending(response.finish, malformed=malformed),
            called=called,
            refused=any(isinstance(part, RefusalPart) for part in response.parts),
            stop_sequence=response.stop_sequence,
            raw=response.raw_finish,
        ),
        "stop_sequence": response.stop_sequence,
        "usage": usage,
    }
    return _encode({**message, **own})


def message_id(given: str | None, context: ReplyContext) -> str:
    """The provider's id when it is Anthropic's, ours under Anthropic's prefix otherwise."""
    if given is not None and given.startswith("msg_"):
        return given
    return "msg_" + context.id.rpartition("_")[2]


def hides_thoughts(context: ReplyContext) -> bool:
    """The caller turned thinking off, so thoughts of other dialects are none of his. Anthropic's own
    are: the next turn wants them back.
    """
    return context.request is not None and context.request.reasoning.enabled is False


def own_extra(part: Part) -> Part:
    """A part of an answer with what is Anthropic's alone under that name: an answer's reader cannot
    know who gave it, as a request's can."""
    if isinstance(part, RefusalPart) or part.extra is None or kept_block(part) is not None:
        return part
    return msgspec.structs.replace(part, extra={"anthropic": part.extra})


def thinking_block(part: ReasoningPart) -> Block:
    """A thinking block; another origin's seals travel in its signature."""
    if part.origin == "anthropic":
        if part.encrypted is not None:
            return {"type": "redacted_thinking", "data": part.encrypted}
        return {"type": "thinking", "thinking": part.text, "signature": part.signature or ""}
    sealed = foreign(part.origin, part.signature, part.encrypted, part.id)
    text = part.text or "\n\n".join(part.summary)
    if not text and (part.signature or part.encrypted):
        return {"type": "redacted_thinking", "data": sealed}
    return {"type": "thinking", "thinking": text, "signature": sealed}


def foreign(origin: str | None, signature: str | None, encrypted: str | None, id: str | None) -> str:
    """Another dialect's thoughts under our seal, empty when nobody knows whose they are.

    They are sealed even when they hold nothing opaque: some providers want their words back.
    """
    return "" if origin is None else seal(Sealed(origin, signature, encrypted, id))


def call_seal(call_id: str, origin: str | None, signature: str) -> Block:
    """The block behind a tool call that carries its thought signature (Gemini's, unless it says)."""
    sealed = seal(Sealed(origin or "gemini", signature, call_id=call_id))
    return {"type": "redacted_thinking", "data": sealed}


def _content(parts: tuple[Part, ...], context: ReplyContext) -> list[Block]:
    hidden = hides_thoughts(context)
    ids = UniqueIds(f"toolu_{context.id}_")
    blocks: list[Block] = []
    for index, part in enumerate(parts):
        if hidden and isinstance(part, ReasoningPart) and part.origin != "anthropic":
            continue
        if is_malformed(part):
            continue
        block = _block(part, index, ids)
        if block is not None:
            blocks.append(block)
        if isinstance(part, ToolCallPart) and part.signature is not None and block is not None:
            blocks.append(call_seal(block["id"], None, part.signature))
    return blocks


def _block(part: Part, index: int, ids: UniqueIds) -> Block | None:
    block: Block
    if isinstance(part, TextPart):
        kept = kept_block(part)
        if kept is not None:
            return kept
        if not part.text:
            return None
        block = {"type": "text", "text": part.text}
        if part.citations:
            cited = [written for c in part.citations if (written := write_citation(c, part.text)) is not None]
            if cited:
                block["citations"] = cited
    elif isinstance(part, ReasoningPart):
        block = thinking_block(part)
        if block.get("thinking") == "" and not (part.signature or part.encrypted):
            return None
    elif isinstance(part, ToolCallPart):
        call_id = ids.take(part.id, index)
        block = {"type": "tool_use", "id": call_id, "name": part.name, "input": call_input(part)}
    elif isinstance(part, RefusalPart):
        return {"type": "text", "text": part.text} if part.text else None
    else:  # pictures, sound and files are not things this dialect answers with
        return None
    block.update((part.extra or {}).get("anthropic") or {})
    return block


def _watch(body: bytes) -> WatchedMessage:
    try:
        watched = _watched.decode(body)
    except BAD_JSON:
        raise AnswerError(not_an_answer(body)) from None
    if watched.error is not None or watched.type == "error":
        failed = read_error(watched.error or WireError())
        raise AnswerError(failed.message, failed.failure)
    if watched.content is None:
        raise AnswerError("the provider's answer has no `content`")
    if watched.stop_reason is None:
        raise AnswerError("the provider's answer does not say why it stopped")
    if not may_be_empty(watched.stop_reason) and not any(map(_holds, watched.content)):
        raise AnswerError(EMPTY)
    return watched


def _holds(block: Any) -> bool:
    return block.type != "text" or bool(block.text)


def not_an_answer(body: bytes) -> str:
    """What stands where an answer should, without quoting it."""
    start = body.lstrip()[:64]
    if start.startswith(b"<"):
        return "the provider answered with a web page instead of an answer"
    if not start:
        return "the provider's answer is empty"
    return "the provider's answer is not a complete Anthropic message"
