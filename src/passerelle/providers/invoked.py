"""InvokeModel's streams of Claude as Anthropic's own: the events are the same, the envelope is not.

InvokeModelWithResponseStream sends event-stream frames of type `chunk`, each with one Anthropic event as
base64 in `bytes` (`ResponseStream` and `PayloadPart` in botocore 1.44.5's service model; "Anthropic Claude
Messages API" of docs.aws.amazon.com/bedrock; anthropic SDK 2.12 `lib/bedrock/_stream_decoder.py`; read
2026-11-22). An exception frame becomes Anthropic's in-band `error` of the like type.
"""

import binascii
from collections.abc import AsyncIterator, Mapping
from typing import Final

import msgspec

from passerelle.codecs.eventstream import EventStreamParser, Frame
from passerelle.codecs.sse import write_event
from passerelle.core.errors import AnswerError
from passerelle.providers.base import Reply, SendError

_ERRORS: Final = {
    "throttlingexception": "rate_limit_error",
    "servicequotaexceededexception": "rate_limit_error",
    "validationexception": "invalid_request_error",
    "modeltimeoutexception": "timeout_error",
    "serviceunavailableexception": "overloaded_error",
    "modelnotreadyexception": "overloaded_error",
}
"""Others are `api_error`."""


class _Chunk(msgspec.Struct):
    bytes: str = ""


class _Typed(msgspec.Struct):
    type: str = ""


class _Words(msgspec.Struct, rename="camel"):
    message: str | None = None
    original_message: str | None = None


_chunk: Final = msgspec.json.Decoder(_Chunk)
_typed: Final = msgspec.json.Decoder(_Typed)
_words: Final = msgspec.json.Decoder(_Words)
_BAD: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, binascii.Error, ValueError)


class InvokedStream:
    """A reply whose frames are taken apart. Obeys `Reply`."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._parser = EventStreamParser()
        self.status = reply.status
        self.complete_by_eof = reply.complete_by_eof

    @property
    def headers(self) -> Mapping[str, str]:
        """The reply's own."""
        return self._reply.headers

    async def read(self) -> bytes:
        """The whole body as it came: what stands beside an error status is no stream."""
        return await self._reply.read()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Server-sent events. Raises `SendError`."""
        async for data in self._reply:
            events: list[bytes] = []
            broken = None
            try:
                events.extend(_event(frame) for frame in self._parser.feed(data))
                broken = self._parser.broken
            except AnswerError as error:
                broken = error
            if events:
                yield b"".join(events)
            if broken is not None:
                raise SendError(broken.failure, broken.message)
        self.complete_by_eof = self._reply.complete_by_eof
        if self._parser.pending:
            raise SendError("transport", "the provider's stream ended inside a frame")

    def set_deadline(self, at: float | None) -> None:
        """The reply's own."""
        self._reply.set_deadline(at)

    async def aclose(self) -> None:
        """The reply's own."""
        await self._reply.aclose()


def _event(frame: Frame) -> bytes:
    """A frame as an event of Anthropic's. Raises `AnswerError` for a chunk that holds none."""
    if frame.kind.message != "event":
        return _failure(frame)
    if frame.kind.name != "chunk":
        return b""
    try:
        event = binascii.a2b_base64(_chunk.decode(frame.payload).bytes.encode(), strict_mode=True)
        name = _typed.decode(event).type
    except _BAD:
        raise AnswerError("the provider sent a chunk that is not an Anthropic event") from None
    if b"\n" in event or b"\r" in event:
        event = msgspec.json.format(event, indent=-1)
    return write_event(name.encode(), event)


def _failure(frame: Frame) -> bytes:
    name, words = frame.kind.name, frame.kind.words
    if not words:
        try:
            said = _words.decode(frame.payload)
        except _BAD:
            said = _Words()
        words = said.message or said.original_message or name
    kind = _ERRORS.get(name.lower(), "api_error")
    body = {"type": "error", "error": {"type": kind, "message": words}}
    return write_event(b"error", msgspec.json.encode(body))
