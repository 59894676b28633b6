"""A provider's stream decoded, and encoded again for a caller of another dialect."""

from collections.abc import Callable, Mapping
from typing import assert_never

from passerelle.codecs.base import NOTHING_RENAMED, StreamDecoder, StreamEncoder
from passerelle.codecs.names import restore_event
from passerelle.core.event import (
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    UsageReported,
)
from passerelle.core.usage import NO_USAGE, Usage
from passerelle.gateway.estimate import text_bytes


class Translation:
    """A `StreamWatcher` that decodes one dialect and encodes another."""

    def __init__(
        self,
        decoder: StreamDecoder,
        encoder: StreamEncoder,
        renamed: Mapping[str, str] = NOTHING_RENAMED,
        estimate: Callable[[int], Usage] | None = None,
        *,
        voiceless: bool = False,
    ) -> None:
        """`estimate` gives the usage to tell of an answer of so many bytes when the provider told none.
        `voiceless`: the caller's dialect has no sound, and is told what was spoken when it is over.
        """
        self._voiceless = voiceless
        self._decoder = decoder
        self._renamed = renamed
        self._estimate = estimate
        self._media: set[int] = set()
        """Parts that are pictures or sound: their base64 is no words."""
        self._unheard: set[int] = set()
        """Sound whose words are told in its place."""
        self.encoder = encoder
        self.model = ""
        self.usage = NO_USAGE
        self.finish: str | None = None
        self.content = False
        self.progress = 0
        self.done = False
        self.failed: Failed | None = None
        self.text_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """The caller's bytes that `data` causes."""
        return b"".join([self._pass_on(event) for event in self._decoder.feed(data)])

    def close(self) -> bytes:
        """The provider's stream ended."""
        return b"".join([self._pass_on(event) for event in self._decoder.close()])

    def _pass_on(self, event: Event) -> bytes:
        if self.failed is not None or self.done:
            return b""
        if isinstance(event, PartDelta):
            self.progress += 1
            if event.index in self._unheard:
                return b""
            self.content = True
            if not self._media or event.index not in self._media:
                self.text_bytes += text_bytes(event.text)
        elif isinstance(event, PartStarted):
            self.progress += 1
            if event.kind == "tool_call":
                self.content = True
                event = restore_event(event, self._renamed)
            elif event.kind in ("image", "audio"):
                self._media.add(event.index)
                if self._voiceless and event.kind == "audio":
                    self._unheard.add(event.index)
                    return b""
        elif isinstance(event, PartEnded):
            self.progress += 1
            if event.index in self._unheard:
                return self._spoken(event.index, event.transcript)
        elif isinstance(event, Started):
            self.model = event.model
            if event.usage is not None:
                self.usage = event.usage
        elif isinstance(event, UsageReported):
            self.usage = event.usage
        elif isinstance(event, Finished):
            self.finish = event.finish
            self.done = True
            if self.usage.source == "none" and self._estimate is not None:
                self.usage = self._estimate(self.text_bytes)
                return self.encoder.encode(UsageReported(self.usage)) + self.encoder.encode(event)
        elif isinstance(event, Failed):
            # Kept back: before content another deployment may take over; after it, `in_band_error` tells.
            self.failed = event
            return b""
        else:
            assert_never(event)
        return self.encoder.encode(event)

    def _spoken(self, index: int, words: str | None) -> bytes:
        """A part of sound as one of words."""
        if not words:
            return b""
        self.content = True
        self.text_bytes += text_bytes(words)
        events = (PartStarted(index, "text"), PartDelta(index, words), PartEnded(index))
        return b"".join([self.encoder.encode(event) for event in events])
