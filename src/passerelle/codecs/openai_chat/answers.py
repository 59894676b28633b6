"""Judging a provider's answer: errors dressed as success, and answers with nothing in them."""

import json
from typing import Any, Final

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_chat.errors import decode_error, decode_top_error
from passerelle.codecs.openai_chat.wire import Chunk
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed
from passerelle.core.usage import Usage

_any_decoder = msgspec.json.Decoder()
_prefix_decoder = json.JSONDecoder()

HEAD_BYTES: Final = 64 << 10
"""How much is kept of a body that is not the stream it should be, to say what it was."""

EMPTY: Final = "the provider gave an empty completion: it stopped without a word, a thought or a call"


def is_empty(finish: str, usage: Usage, *, content: bool, stopped_at: object = None) -> bool:
    """Whether a finished answer holds nothing at all and says nothing that explains it.

    An answer cut by its limit, filtered, or counted as thoughts was made by a model; an answer of nothing,
    counted as nothing or as words that never came, was not.
    """
    return (
        not content and finish in ("stop", "tool_calls") and stopped_at is None and not usage.explains_silence
    )


def chunk_error(chunk: Chunk) -> Failed | None:
    """The error a chunk carries, in any of the places servers put it."""
    if chunk.error:
        return decode_error(chunk.error)
    if chunk.x_groq is not None and chunk.x_groq.error:
        return decode_error(chunk.x_groq.error)
    if chunk.choices or chunk.usage is not None or chunk.message is None:
        return None
    if chunk.object == "error" or chunk.type is not None or chunk.code is not None:
        return decode_top_error(chunk.message, chunk.code, chunk.type)
    return None


def parse_answer(body: bytes) -> dict[str, Any]:
    """The JSON object of a whole answer. Raises `AnswerError` for an error, HTML, or torn JSON."""
    try:
        value = _any_decoder.decode(body)
    except BAD_JSON:
        raise AnswerError(_not_json(body)) from None
    if isinstance(value, list) and len(value) == 1:  # Gemini's endpoint wraps its errors
        value = value[0]
    if not isinstance(value, dict):
        raise AnswerError("the provider's answer is not a JSON object")
    failed = _error_of(value)
    if failed is not None:
        raise AnswerError(failed.message, failed.failure)
    return value


def not_a_stream(head: bytes) -> Failed:
    """What bytes that hold no event were instead."""
    lines = [line for line in head.splitlines() if not line.startswith(b":")]
    text = b"\n".join(lines).strip()
    if not text:
        return Failed("protocol", "the provider ended its stream without sending an event")
    try:
        value = _first(text)
    except (ValueError, RecursionError):
        return Failed("protocol", _not_json(text))
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    failed = _error_of(value) if isinstance(value, dict) else None
    return failed or Failed("protocol", "the provider sent one JSON body where a stream was asked for")


def _first(text: bytes) -> Any:
    """The JSON value `text` begins with. What follows must not change the verdict: where `seems_whole` was
    asked before it came, it did not. Raises `ValueError` or `RecursionError`.
    """
    value, _ = _prefix_decoder.raw_decode(text.decode("utf-8", "replace"))
    return value


def seems_whole(head: bytes) -> bool:
    """Whether bytes that are no stream can be judged already, without waiting for their end."""
    text = head.strip()
    return text[:1] == b"<" or (text[:1] in (b"{", b"[") and text[-1:] in (b"}", b"]") and _is_json(text))


def _is_json(text: bytes) -> bool:
    try:
        _any_decoder.decode(text)
    except BAD_JSON:
        return False
    return True


def _error_of(value: dict[str, Any]) -> Failed | None:
    if value.get("error"):
        return decode_error(value["error"])
    if "choices" in value or "data" in value:
        return None
    message = value.get("message") or value.get("detail")
    if message is not None:
        return decode_top_error(message, value.get("code"), value.get("type"))
    return None


def _not_json(body: bytes) -> str:
    text = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        return "the provider's answer is empty"
    if text[:1] == b"<":
        return "the provider answered with a web page, not with an answer"
    return "the provider's answer is not valid JSON, or was cut"
