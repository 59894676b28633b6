"""Responses made in the background, in this dialect's words: before and instead of an answer, and as events.

    pending  failed  in_state     the response object while there is no answer, and where there will be none
    Numbering  since  final       the events of a stream that others follow, each with its number

Source: OpenAI's guide to background mode and openai-python 3.54, `types/responses/response.py`,
`response_status.py`, `response_retrieve_params.py`; read 2026-11-22.
"""

from typing import Any, Final

import msgspec

from passerelle.codecs.openai_reading import decode
from passerelle.codecs.openai_responses.conversation import event, frames
from passerelle.codecs.splice import join, split
from passerelle.core.background import BackgroundState
from passerelle.core.errors import Problem, ProblemKind

_encoder = msgspec.json.Encoder()


class _Background(msgspec.Struct):
    background: bool | None = None
    stream: bool | None = None


class _Event(msgspec.Struct):
    type: str = ""
    sequence_number: int | None = None


class _Ended(msgspec.Struct):
    status: str | None = None
    store: bool | None = None


_background = msgspec.json.Decoder(_Background)
_event = msgspec.json.Decoder(_Event)
_ended = msgspec.json.Decoder(_Ended)

CREATED: Final = "response.created"
ENDS: Final = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}
)
"""The events after which nothing comes."""

_ECHOED: Final[dict[str, Any]] = {
    "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {}, "model": "",
    "parallel_tool_calls": True, "prompt_cache_key": None, "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None, "service_tier": "auto", "temperature": None,
    "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_logprobs": 0,
    "top_p": None, "truncation": "disabled", "user": None,
}  # fmt: skip
"""What the object repeats of its request, and what it says where the request says nothing."""

_CODES: Final[dict[ProblemKind, str]] = {
    "rate_limited": "rate_limit_exceeded",
    "context_length": "context_length_exceeded",
    "invalid_request": "invalid_prompt",
    "content_policy": "invalid_prompt",
}
"""`error.code` of a response that failed; the SDK's list (`response_error.py`) has none for most others."""


def wanted(body: bytes) -> tuple[bool, bool]:
    """Whether a request wants its answer made in the background, and as a stream."""
    if b'"background"' not in body:
        return False, False
    said = decode(_background, body)
    return bool(said.background), bool(said.stream)


def foreground(body: bytes) -> bytes:
    """The same request, its answer waited for."""
    fields = split(body)
    fields.pop("background", None)
    return join(fields)


def pending(
    body: bytes, response_id: str, *, created_s: int, previous_id: str | None, conversation_id: str | None
) -> bytes:
    """The response object of a request that was taken."""
    asked = split(body)
    repeated = {name: asked.get(name, usual) for name, usual in _ECHOED.items()}
    told: dict[str, Any] = {
        "id": response_id,
        "object": "response",
        "created_at": created_s,
        "status": "queued",
        "background": True,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "output": [],
        "previous_response_id": previous_id,
        "store": True,
        "usage": None,
        **repeated,
    }
    if conversation_id is not None:
        told["conversation"] = {"id": conversation_id}
    return _encoder.encode(told)


def in_state(response: bytes, state: BackgroundState) -> bytes:
    """The object with another `status`."""
    fields = split(response)
    fields["status"] = msgspec.Raw(_encoder.encode(state))
    return join(fields)


def failed(response: bytes, problem: Problem) -> bytes:
    """The object of a request that came to nothing, and why."""
    fields = split(response)
    error = {"code": _CODES.get(problem.kind, "server_error"), "message": problem.message}
    fields["status"] = msgspec.Raw(b'"failed"')
    fields["error"] = msgspec.Raw(_encoder.encode(error))
    return join(fields)


def ended(response: bytes) -> tuple[str, bool]:
    """How a response object says it ended, and whether it is stored."""
    said = _ended.decode(response)
    return said.status or "", bool(said.store)


# --- events


def opening(response: bytes) -> bytes:
    """The first event, number 0: told before anybody asks a provider, so that the id is known."""
    return _numbered(CREATED, 0, {"response": msgspec.Raw(response)})


def final(response: bytes, state: BackgroundState, number: int) -> tuple[bytes, int]:
    """The last events of a stream that has no end of its own, and the number that follows. A failure is said
    twice, as in any stream: see `stream_out`.
    """
    said = b""
    if state == "failed":
        error: dict[str, Any] = msgspec.json.decode(split(response)["error"])
        told = {**error, "param": None}
        said = _numbered("error", number, {**told, "error": {"type": error["code"], **told}})
        number += 1
    return said + _numbered(f"response.{state}", number, {"response": msgspec.Raw(response)}), number + 1


class Numbering:
    """A stream on its way to its followers: our opening has taken the place of its first event, and the rest
    is numbered from 1 without a gap, whatever its provider counted.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        """Of the next event."""
        self.last: bytes | None = None
        """The data of the event that ended it."""
        self.ending = ""
        """That event's kind."""

    def take(self, chunk: bytes) -> bytes:
        """The events of a piece that holds whole events."""
        pieces: list[bytes] = []
        for data, raw in frames(chunk):
            try:
                said = _event.decode(data)
            except msgspec.DecodeError:
                continue  # `[DONE]`
            if said.type == CREATED:
                continue
            if said.sequence_number == self.number:
                pieces.append(raw)
            else:
                fields = split(data)
                fields["sequence_number"] = msgspec.Raw(b"%d" % self.number)
                pieces.append(event(said.type, join(fields)))
            self.number += 1
            if said.type in ENDS:
                self.ending, self.last = said.type, data
        return b"".join(pieces)


def since(events: bytes, after: int) -> bytes:
    """The events whose numbers are above `after`."""
    found = [(raw, _event.decode(data).sequence_number) for data, raw in frames(events)]
    return b"".join([raw for raw, number in found if number is None or number > after])


def _numbered(kind: str, number: int, fields: dict[str, Any]) -> bytes:
    return event(kind, _encoder.encode({"type": kind, "sequence_number": number, **fields}))
