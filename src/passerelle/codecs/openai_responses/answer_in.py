"""A provider's whole answer → core, and the look a relay takes at one.

An answer is complete when its `status` is `completed` or `incomplete`. A 200 with an error in it, with a
status that promises more (`queued`, `in_progress`: nobody will fetch it), or with nothing at all in its
output and no tokens spent, is a failure.
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.base import Watched
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_reading import Json, take_text
from passerelle.codecs.openai_responses.agent_api import sources_in
from passerelle.codecs.openai_responses.content_in import image_in, output_text_in
from passerelle.codecs.openai_responses.errors import decode_error
from passerelle.codecs.openai_responses.finish import called_or_refused, finish_in, holds_content
from passerelle.codecs.openai_responses.items_in import call_in, reasoning_in
from passerelle.codecs.openai_responses.tools import DIALECT, Names
from passerelle.codecs.openai_responses.types import Whole, WireResponse
from passerelle.codecs.openai_responses.usage import usage_in
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.message import Part, RefusalPart, TextPart
from passerelle.core.response import FinishReason, Response
from passerelle.core.usage import Usage

_wire = msgspec.json.Decoder(WireResponse)
_whole = msgspec.json.Decoder(Whole)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_count = msgspec.json.Decoder(Any)

_NO_NAMES: Final = Names()

_KNOWN: Final = frozenset({
    "id", "object", "created_at", "status", "model", "output", "usage", "error", "incomplete_details",
    "service_tier", "background", "completed_at", "instructions", "max_output_tokens", "max_tool_calls",
    "metadata", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key",
    "prompt_cache_retention", "prompt_cache_options", "reasoning", "safety_identifier", "store",
    "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
    "conversation", "frequency_penalty", "presence_penalty",
})  # fmt: skip
"""Fields that are read, or that only repeat the request."""

EMPTY: Final = "the provider sent an empty completion: no output, and nothing that explains it"


def decode_response(body: bytes) -> Response:
    """Raises `AnswerError` for anything that is not a complete answer."""
    wire, usage, finish = _read(body)
    try:
        items = _whole.decode(body).output or []
        fields = {k: msgspec.json.decode(v) for k, v in _fields.decode(body).items() if k not in _KNOWN}
    except BAD_JSON as error:  # in what `_read` skips
        raise AnswerError(_not_json(body, error)) from None
    parts: list[Part] = []
    beside: list[list[Any]] = []
    try:
        for at, item in enumerate(items):
            found = item_parts(item, at)
            if found is None:
                beside.append([len(parts), item])
            else:
                parts.extend(found)
    except ProblemError as error:
        raise AnswerError(f"the provider's output is malformed: {error.problem.message}") from None
    if beside:
        _cite(parts, sources_in(beside))
    logprobs = [entry for part in parts if isinstance(part, TextPart) for entry in _logprobs(part)]
    kept: Json = {"items": beside} if beside else {}
    if fields:
        kept["fields"] = fields
    return Response(
        parts=tuple(parts),
        finish=finish,
        model=wire.model or "",
        id=wire.id,
        usage=usage,
        service_tier=wire.service_tier,
        raw_finish=(wire.incomplete_details.reason if wire.incomplete_details else None) or wire.status,
        logprobs={"content": logprobs} if logprobs else None,
        extra={DIALECT: kept} if kept else None,
    )


def _cite(parts: list[Part], sources: list[Json]) -> None:
    """Words that cite nothing themselves come from what was searched."""
    for at, part in enumerate(parts):
        if sources and isinstance(part, TextPart) and not part.citations:
            parts[at] = msgspec.structs.replace(part, citations=tuple(sources))


def watch_response(body: bytes) -> Watched:
    """What a relay needs. Raises `AnswerError` as `decode_response` does."""
    wire, usage, finish = _read(body)
    return Watched(model=wire.model or "", usage=usage, finish=finish)


def _read(body: bytes) -> tuple[WireResponse, Usage, FinishReason]:
    try:
        wire = _wire.decode(body)
    except BAD_JSON as error:
        raise AnswerError(_not_json(body, error)) from None
    usage = usage_in(wire.usage)
    finish = settle(wire)
    if finish == "stop" and not holds_content(wire.output or ()) and not usage.explains_silence:
        raise AnswerError(EMPTY)
    return wire, usage, finish


def settle(wire: WireResponse) -> FinishReason:
    """How a response object that is the last word ended. Raises `AnswerError` when it is none."""
    if wire.error is not None or wire.status == "failed":
        failed = decode_error(wire.error)
        raise AnswerError(failed.message, failed.failure)
    if wire.output is None:
        raise AnswerError("the provider's answer has no `output`")
    if wire.status not in ("completed", "incomplete", None):
        raise AnswerError(f"the provider's answer is not over: its status is `{wire.status[:40]}`")
    called, refused = called_or_refused(wire.output)
    reason = wire.incomplete_details.reason if wire.incomplete_details else None
    return finish_in(wire.status, reason, called=called, refused=refused)


def _not_json(body: bytes, error: Exception) -> str:
    start = body[:64].lstrip()
    if start[:1] == b"<":
        return "the provider answered with a web page"
    if not start:
        return "the provider answered with an empty body"
    return f"the provider's answer is not a response object: {str(error)[:200]}"


def item_parts(item: Json, at: int) -> list[Part] | None:
    """The parts of one output item; None for an item core has no part for. Raises `ProblemError`."""
    where = f"output[{at}]"
    match item.get("type"):
        case "message":
            return _message(item, at, where)
        case "reasoning":
            fields = {key: value for key, value in item.items() if key != "type"}
            part = reasoning_in(fields, take_text(fields, "encrypted_content", where), None, where)
            return [part] if part.text or part.encrypted else []
        case "function_call" | "custom_tool_call":
            return [call_in(dict(item), where, _NO_NAMES)]
        case "image_generation_call" if isinstance(item.get("result"), str):
            return [image_in(item)]
        case _:
            return None


def _message(item: Json, at: int, where: str) -> list[Part]:
    memo: Json = {"at": at}
    memo |= {key: item[key] for key in ("id", "phase") if isinstance(item.get(key), str)}
    content = item.get("content")
    parts: list[Part] = []
    for i, entry in enumerate(content if isinstance(content, list) else ()):
        if not isinstance(entry, dict):
            continue
        if entry.get("type") == "refusal":
            parts.append(RefusalPart(str(entry.get("refusal") or ""), memo=memo))
        elif entry.get("type") == "output_text":
            part = output_text_in(dict(entry), f"{where}.content[{i}]")
            parts.append(msgspec.structs.replace(part, memo={**(part.memo or {}), **memo}))
    return parts


def _logprobs(part: TextPart) -> list[Any]:
    found = (part.memo or {}).get("logprobs")
    return found if isinstance(found, list) else []


def decode_token_count(body: bytes) -> int:
    """The answer of `POST /v1/responses/input_tokens`. Raises `AnswerError`."""
    try:
        found = _count.decode(body)
    except BAD_JSON as error:
        raise AnswerError(_not_json(body, error)) from None
    tokens = found.get("input_tokens") if isinstance(found, dict) else None
    if isinstance(tokens, bool) or not isinstance(tokens, int) or tokens < 0:
        raise AnswerError("the provider's token count has no `input_tokens`")
    return tokens
