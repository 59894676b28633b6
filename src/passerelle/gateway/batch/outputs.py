"""Results of lines as they stand in result files.

OpenAI's shape: `{id, custom_id, response: {status_code, request_id, body}, error}`; a request that failed has
its error in `response.body` and `error` null, one that was never asked has `response` null and an `error`
with a code (OpenAI's Batch guide and issue 302 of openai/openai-openapi, read 2026-11-22). Anthropic's:
`{custom_id, result: {type: succeeded | errored | canceled | expired}}`
(`types/messages/message_batch_result.py` of its SDK 2.12). Gemini's: `{response | error, metadata}`, the
pieces of `inlinedResponses` (ai.google.dev/api/batch-api, read 2026-11-22); their only mark is the order.
"""

from typing import Final, Literal

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.core.batch import LineResult, Surface, Tokens
from passerelle.core.ids import same
from passerelle.gateway.batch.lines import Line

Unasked = Literal["expired", "cancelled"]
"""Why a line was never asked, or never answered."""

_UNASKED: dict[Unasked, tuple[str, str]] = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed because the batch was cancelled."),
}


_RPC: Final = {
    "CANCELLED": 1, "UNKNOWN": 2, "INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4, "NOT_FOUND": 5,
    "PERMISSION_DENIED": 7, "RESOURCE_EXHAUSTED": 8, "FAILED_PRECONDITION": 9, "INTERNAL": 13,
    "UNAVAILABLE": 14, "UNAUTHENTICATED": 16,
}  # fmt: skip
"""A `google.rpc.Status` has the number of its word (googleapis, google/rpc/code.proto, read 2026-11-22)."""


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    """Of a chat completion, a response or an embedding: each has its own names for the same."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _Answer(msgspec.Struct):
    usage: _Usage | None = None


class _GeminiStatus(msgspec.Struct):
    status: str = "UNKNOWN"
    message: str = ""


class _GeminiProblem(msgspec.Struct):
    error: _GeminiStatus


_gemini_problems = msgspec.json.Decoder(_GeminiProblem)
_answers = msgspec.json.Decoder(_Answer)


def result_of(
    surface: Surface, line: Line, *, receipt_id: str, request_id: str, status: int, body: bytes
) -> LineResult:
    """How a line ended: with an answer (status 200) or a problem in its dialect's words."""
    ok = status == 200
    raw = msgspec.Raw(_one_line(body))
    if surface == "gemini":
        return LineResult(
            line.number, "ok" if ok else "error", receipt_id, _gemini(line, raw if ok else None, body)
        )
    if surface == "anthropic":
        said: object = {"type": "succeeded", "message": raw} if ok else {"type": "errored", "error": raw}
        written: object = {"custom_id": line.custom_id, "result": said}
    else:
        written = {
            "id": same("batch_req", f"rcp_{receipt_id.partition('_')[2]}"),
            "custom_id": line.custom_id,
            "response": {"status_code": status, "request_id": request_id, "body": raw},
            "error": None,
        }
    encoded = msgspec.json.encode(written)
    tokens = _tokens(body) if ok and surface == "openai" else Tokens()
    return LineResult(line.number, "ok" if ok else "error", receipt_id, encoded, tokens)


def unasked(surface: Surface, batch_id: str, line: Line, why: Unasked) -> bytes:
    """The result of a line that has none."""
    if surface == "anthropic":
        kind = "canceled" if why == "cancelled" else "expired"
        return msgspec.json.encode({"custom_id": line.custom_id, "result": {"type": kind}})
    code, message = _UNASKED[why]
    if surface == "gemini":
        status = _RPC["CANCELLED" if why == "cancelled" else "DEADLINE_EXCEEDED"]
        return _marked(line, error={"code": status, "message": message})
    return msgspec.json.encode(
        {
            "id": f"{same('batch_req', batch_id)}-{line.number}",
            "custom_id": line.custom_id,
            "response": None,
            "error": {"code": code, "message": message},
        }
    )


def _gemini(line: Line, answer: msgspec.Raw | None, body: bytes) -> bytes:
    if answer is not None:
        return _marked(line, response=answer)
    try:
        told = _gemini_problems.decode(body).error
    except BAD_JSON:  # ours are well formed
        told = _GeminiStatus()
    return _marked(line, error={"code": _RPC.get(told.status, _RPC["UNKNOWN"]), "message": told.message})


def _marked(line: Line, **result: object) -> bytes:
    if line.custom_id:
        result["metadata"] = msgspec.Raw(_one_line(line.custom_id.encode()))
    return msgspec.json.encode(result)


def _one_line(body: bytes) -> bytes:
    """JSON without line ends: between tokens they are white space, and inside strings they are escaped."""
    return body.replace(b"\n", b" ").replace(b"\r", b" ")


def _tokens(body: bytes) -> Tokens:
    try:
        usage = _answers.decode(body).usage or _Usage()
    except BAD_JSON:  # a provider's own idea of usage: the ledger counted it, this only shows it
        return Tokens()
    into = usage.input_tokens_details or usage.prompt_tokens_details or _Details()
    out = usage.output_tokens_details or usage.completion_tokens_details or _Details()
    return Tokens(
        usage.input_tokens or usage.prompt_tokens or 0,
        into.cached_tokens or 0,
        usage.output_tokens or usage.completion_tokens or 0,
        out.reasoning_tokens or 0,
    )
