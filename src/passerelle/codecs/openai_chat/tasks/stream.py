"""Streams of tasks: events with a `type`, as OpenAI tells pictures, speech and transcripts piece by piece.

Shapes: `openai.types.image_gen_*_event`, `audio.transcription_text_*_event` (SDK 3.54, read 2026-11-22).
There is no `[DONE]`: a stream is whole when the event that completes its work has come, as often as was asked
for.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_chat.answers import not_a_stream
from passerelle.codecs.openai_chat.errors import decode_error, encode_failed
from passerelle.codecs.sse import Frame, SseParser, write_event
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed
from passerelle.core.usage import NO_USAGE, Usage

_decoder = msgspec.json.Decoder(dict[str, Any])


class EventWatcher:
    """Obeys `codecs.base.StreamWatcher`: passes whole events on, and knows which one is the last."""

    def __init__(self, completes: str, times: int, usage_of: Callable[[dict[str, Any]], Usage]) -> None:
        self.model = ""
        self.usage = NO_USAGE
        self.finish: str | None = None
        self.content = False
        self.progress = 0
        self.done = False
        self.failed: Failed | None = None
        self.text_bytes = 0
        self._completes = completes
        self._left = times
        self._usage_of = usage_of
        self._parser = SseParser()
        self._head = b""

    def feed(self, data: bytes) -> bytes:
        """The part of `data` that may go to the caller."""
        if self._over():
            return b""
        if not self.progress:
            self._head = (self._head + data)[: 64 << 10]
        try:
            frames = self._parser.feed(data)
        except AnswerError as error:
            self.failed = Failed(error.failure, error.message)
            return b""
        passed = []
        for frame in frames:
            if self._pass(frame):
                passed.append(frame.raw)
            if self._over():
                break
        return b"".join(passed)

    def _over(self) -> bool:
        return self.done or self.failed is not None

    def close(self) -> bytes:
        """The provider's bytes ended; sets `failed` unless `done`."""
        if self._over():
            return b""
        if not self.progress:
            self.failed = not_a_stream(self._head)
        else:
            self.failed = Failed("protocol", f"the stream ended before its `{self._completes}`")
        return b""

    def _pass(self, frame: Frame) -> bool:
        if frame.data[:6] == b"[DONE]":
            return False
        try:
            event = _decoder.decode(frame.data)
        except BAD_JSON:
            self.failed = Failed("protocol", "the provider sent an event that is no JSON object")
            return False
        kind = event.get("type")
        if event.get("error") is not None or kind == "error":
            self.failed = decode_error(event.get("error") or event)
            return False
        self.content = True
        self.progress += 1
        if kind == self._completes:
            self._left -= 1
            found = self._usage_of(event)
            self.usage = found if self.usage is NO_USAGE else self.usage + found
            self.done = self._left <= 0
        return True


def error_event(failed: Failed) -> bytes:
    """The honest end of such a stream."""
    return write_event(b"error", b'{"type":"error",%b' % encode_failed(failed)[1:])
