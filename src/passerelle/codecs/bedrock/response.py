"""A whole answer, both ways."""

from typing import Any, Final

import msgspec

from passerelle.codecs.arguments import UniqueIds, ending, is_malformed
from passerelle.codecs.base import ReplyContext, Watched
from passerelle.codecs.bedrock.formats import image_format
from passerelle.codecs.bedrock.read_blocks import read_content, whole_block
from passerelle.codecs.bedrock.seals import Block, call_seal, hides_thoughts, reasoning_block
from passerelle.codecs.bedrock.stops import finish_of, may_be_empty, sequence_of, stop_of
from passerelle.codecs.bedrock.types import TokenCount, WatchedAnswer, WatchedBlock
from passerelle.codecs.bedrock.usage import from_wire, to_wire
from passerelle.codecs.citations import web_source
from passerelle.codecs.fields import BAD_JSON, JsonObject
from passerelle.codecs.media import in_words
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.message import (
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from passerelle.core.response import Response

EMPTY: Final = "the provider's answer is an empty completion: no content, and no reason for having none"
NOT_MEASURED: Final = {"latencyMs": 0}
"""SDKs want a figure; a translated answer has none of Amazon's."""
TIERS: Final = frozenset({"priority", "default", "flex", "reserved"})
_KNOWN: Final = frozenset({"output", "stopReason", "usage", "serviceTier"})

_watched = msgspec.json.Decoder(WatchedAnswer)
_counted = msgspec.json.Decoder(TokenCount)
_encode = msgspec.json.Encoder().encode


def read_response(body: bytes) -> Response:
    """The answer. Raises `AnswerError` for anything that is not a complete one."""
    watched = _watch(body)
    try:
        fields: JsonObject = msgspec.json.decode(body)
        parts = read_content(fields["output"]["message"]["content"], "output.message.content", answer=True)
    except BAD_JSON:
        raise AnswerError(not_an_answer(body)) from None
    except ProblemError as error:
        raise AnswerError(f"the provider's answer is malformed: {error.problem.message}") from None
    raw = watched.stop_reason or ""
    left = {name: value for name, value in fields.items() if name not in _KNOWN}
    return Response(
        parts=tuple([_own(part) for part in parts]),
        finish=finish_of(raw, any(isinstance(part, ToolCallPart) for part in parts)),
        model=invoked(watched),
        usage=from_wire(watched.usage),
        service_tier=watched.service_tier.type if watched.service_tier is not None else None,
        stop_sequence=sequence_of(fields.get("additionalModelResponseFields")),
        raw_finish=raw,
        extra={"bedrock": left} if left else None,
    )


def watch_response(body: bytes) -> Watched:
    """What the road reads of the answer. Raises `AnswerError` as `read_response` does."""
    watched = _watch(body)
    blocks = _blocks(watched)
    called = any(block.tool_use is not None for block in blocks)
    return Watched(invoked(watched), from_wire(watched.usage), finish_of(watched.stop_reason or "", called))


def read_token_count(body: bytes) -> int:
    """The count. Raises `AnswerError`."""
    try:
        return _counted.decode(body).input_tokens
    except BAD_JSON:
        raise AnswerError("the provider's answer holds no `inputTokens`") from None


def invoked(answer: Any) -> str:
    """The model a prompt router took; otherwise answers do not name one."""
    trace = answer.trace
    if trace is None or trace.prompt_router is None:
        return ""
    return (trace.prompt_router.invoked_model_id or "").rpartition("/")[2]


def write_response(response: Response, context: ReplyContext) -> bytes:
    """The answer to a caller of this dialect."""
    malformed = any(map(is_malformed, response.parts))
    content = _content(in_words(response.parts), context)
    own: JsonObject = dict((response.extra or {}).get("bedrock") or {})
    answer: Block = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_of(
            ending(response.finish, malformed=malformed),
            called=any("toolUse" in block for block in content),
            refused=any(isinstance(part, RefusalPart) for part in response.parts),
            stop_sequence=response.stop_sequence,
            raw=response.raw_finish,
        ),
        "usage": to_wire(response.usage),
        "metrics": NOT_MEASURED,
    }
    if response.service_tier in TIERS:
        answer["serviceTier"] = {"type": response.service_tier}
    return _encode({**answer, **own})


def _own(part: Part) -> Part:
    """A part of an answer with what is Bedrock's alone under that name: an answer's reader cannot know who
    gave it, as a request's can."""
    if isinstance(part, RefusalPart) or part.extra is None:
        return part
    return msgspec.structs.replace(part, extra={"bedrock": part.extra})


def _content(parts: tuple[Part, ...], context: ReplyContext) -> list[Block]:
    hidden = hides_thoughts(context)
    ids = UniqueIds(f"tooluse_{context.id}_")
    blocks: list[Block] = []
    for index, part in enumerate(parts):
        if isinstance(part, ReasoningPart):
            block = None if hidden and part.origin != "bedrock" else reasoning_block(part)
        elif isinstance(part, ToolCallPart):
            if is_malformed(part):
                continue
            call_id = ids.take(part.id, index)
            block = {"toolUse": {"toolUseId": call_id, "name": part.name, "input": call_input(part)}}
            if part.signature is not None:
                blocks.append(block)
                block = call_seal(call_id, None, part.signature)
        else:
            block = _block(part)
        if block is not None:
            blocks.append(block)
    return blocks


def _block(part: Part) -> Block | None:
    if isinstance(part, TextPart):
        if whole_block(part) is not None:
            own = (part.extra or {}).get("bedrock")
            return own if isinstance(own, dict) else None
        if not part.text:
            return None
        cited = [told for c in part.citations if (told := write_citation(c, part.text)) is not None]
        if cited:
            return {"citationsContent": {"content": [{"text": part.text}], "citations": cited}}
        return {"text": part.text}
    if isinstance(part, RefusalPart):
        return {"text": part.text} if part.text else None
    if isinstance(part, ImagePart):
        format = image_format(part.media_type)
        if part.data is not None and format is not None:
            return {"image": {"format": format, "source": {"bytes": part.data}}}
    return None  # sound and files are not things this dialect answers with


def call_input(part: ToolCallPart) -> object:
    """A call's arguments, which must be an object here: free text stands under `input`."""
    if part.kind == "custom":
        return {"input": part.arguments}
    return msgspec.Raw(part.arguments.strip().encode() or b"{}")


def write_citation(citation: dict[str, Any], words: str = "") -> dict[str, Any] | None:
    """A citation for a caller of this dialect: Converse's own as it came, a web page of another provider's in
    the same form; None for anything else. `words`: those it stands at.
    """
    if isinstance(citation.get("location"), dict) or "sourceContent" in citation:
        return citation
    source = web_source(citation)
    if source is None:
        return None
    told: dict[str, Any] = {"location": {"web": {"url": source.url}}}
    if source.title is not None:
        told["title"] = source.title
    if words and source.start is not None and source.end is not None:
        told["sourceContent"] = [{"text": words[source.start : source.end]}]
    return told


def _watch(body: bytes) -> WatchedAnswer:
    try:
        watched = _watched.decode(body)
    except BAD_JSON:
        raise AnswerError(not_an_answer(body)) from None
    if watched.output is None and watched.message is not None:
        raise AnswerError(f"the provider answered with an error: {watched.message[:500]}", "server_error")
    if watched.output is None or watched.output.message is None or watched.output.message.content is None:
        raise AnswerError("the provider's answer has no `output.message.content`")
    if watched.stop_reason is None:
        raise AnswerError("the provider's answer does not say why it stopped")
    if not may_be_empty(watched.stop_reason) and not any(map(_holds, _blocks(watched))):
        raise AnswerError(EMPTY)
    return watched


def _blocks(watched: WatchedAnswer) -> list[WatchedBlock]:
    output = watched.output
    return (output.message.content if output is not None and output.message is not None else None) or []


def _holds(block: WatchedBlock) -> bool:
    return bool(
        block.text
        or block.tool_use is not None
        or block.reasoning_content
        or block.image
        or block.citations_content
        or block.tool_result
    )


def not_an_answer(body: bytes) -> str:
    """What stands where an answer should, without quoting it."""
    start = body.lstrip()[:64]
    if start.startswith(b"<"):
        return "the provider answered with a web page instead of an answer"
    if not start:
        return "the provider's answer is empty"
    return "the provider's answer is not a complete Converse answer"
