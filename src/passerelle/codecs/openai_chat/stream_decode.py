"""A chat stream into core events: the completion automaton of the dialect.

| state    | what comes                              | goes to                                       |
|----------|-----------------------------------------|-----------------------------------------------|
| waiting  | nothing that is an event, then the end  | over, `Failed`: a web page, an error, silence  |
| waiting  | a chunk that names a model or a choice  | open, `Started`                                |
| open     | deltas                                  | open, the events of parts (`stream_parts`)     |
| open     | `usage`                                 | open, `UsageReported`                          |
| open     | a `finish_reason`                       | finished; usage, even words, may still follow  |
| open     | `[DONE]`, or the end                    | over, `Failed`: no finish reason, not complete |
| finished | `[DONE]`, or the end                    | over: parts end, `Finished`                    |
| any      | an error, broken JSON, an endless event | over, `Failed`                                 |
| over     | anything                                | over, silently                                 |

A missing `[DONE]` after a finish reason is no failure: several servers never send it.
"""

from typing import Any, Final

from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_chat.answers import (
    EMPTY,
    HEAD_BYTES,
    chunk_error,
    is_empty,
    not_a_stream,
    seems_whole,
)
from passerelle.codecs.openai_chat.citations import read_sources
from passerelle.codecs.openai_chat.errors import decode_error
from passerelle.codecs.openai_chat.finish import BROKEN, decode_finish
from passerelle.codecs.openai_chat.opaque import ORIGIN
from passerelle.codecs.openai_chat.stream_parts import Parts
from passerelle.codecs.openai_chat.usage import decode_usage
from passerelle.codecs.openai_chat.wire import Choice, Chunk, read_chunk
from passerelle.codecs.sse import Frame, SseParser
from passerelle.core.errors import AnswerError
from passerelle.core.event import Event, Failed, Finished, Started, UsageReported
from passerelle.core.usage import NO_USAGE, Usage

NO_FINISH: Final = "the provider's stream ended without a finish reason: the answer is not complete"
TORN: Final = "the provider's stream was cut in the middle of an event"
MALFORMED: Final = "the provider sent a stream event that is not valid JSON"
NAMELESS: Final = "the provider began a tool call and never named the tool"


class StreamDecoder:
    """Obeys `codecs.base.StreamDecoder`."""

    __slots__ = (
        "_finish", "_head", "_over", "_parser", "_parts", "_started", "_stopped_at", "_tier", "_usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser = SseParser()
        self._parts = Parts()
        self._head: bytes | None = b""
        """What came while nothing was an event; None once something was."""
        self._over = False
        self._started = False
        self._finish: str | None = None
        self._stopped_at: Any = None
        self._usage: Usage = NO_USAGE
        self._tier: str | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Events that `data` completes."""
        if self._over:
            return []
        try:
            frames = self._parser.feed(data)
        except AnswerError as error:
            return [self._failed(Failed(error.failure, error.message))]
        events: list[Event] = []
        if self._head is not None:
            if frames:
                self._head = None
            else:
                self._head = keep_head(self._head, data)
                if seems_whole(self._head):
                    events.append(self._failed(not_a_stream(self._head)))
        for frame in frames:
            if self._frame(frame, events):
                break
        return events

    def close(self) -> list[Event]:
        """The provider's bytes ended."""
        if self._over:
            return []
        pending = self._parser.pending
        if is_whole(pending):
            events = self.feed(b"\n\n")
            return events if events and self._over else [*events, *self.close()]
        if self._finish is not None:
            return self._complete()
        if self._head is not None:
            return [self._failed(not_a_stream(self._head))]
        return [self._failed(Failed("protocol", TORN if pending else NO_FINISH))]

    def _frame(self, frame: Frame, events: list[Event]) -> bool:
        """Whether the stream is over with this frame."""
        data = frame.data
        if data[:6] == b"[DONE]":
            events.extend(self._complete())
            return True
        if not data:
            return False
        try:
            chunk = read_chunk(data)
        except BAD_JSON:
            events.append(self._failed(Failed("protocol", MALFORMED)))
            return True
        failed = chunk_error(chunk)
        if failed is None and frame.event == b"error":
            failed = decode_error(chunk.message)
        if failed is not None:
            events.append(self._failed(failed))
            return True
        counted = chunk.usage or (chunk.x_groq.usage if chunk.x_groq is not None else None)
        if not self._started and (chunk.model or chunk.choices or counted is not None):
            self._start(chunk, events)
        if chunk.service_tier is not None:
            self._tier = chunk.service_tier
        if chunk.citations or chunk.search_results:
            self._parts.sources = read_sources(chunk.citations, chunk.search_results)
        for choice in chunk.choices or ():
            # Core carries one answer, and no other is ever asked for.
            if not choice.index and self._choice(choice, events):
                return True
        if counted is not None:
            usage = decode_usage(counted)
            if usage is not NO_USAGE and usage != self._usage:
                self._usage = usage
                events.append(UsageReported(usage))
        return False

    def _start(self, chunk: Chunk, events: list[Event]) -> None:
        self._started = True
        identifier = str(chunk.id) if chunk.id else None
        self._parts.answer_id = identifier or ""
        print_ = chunk.system_fingerprint
        extra = {ORIGIN: {"system_fingerprint": print_}} if print_ else None
        events.append(Started(chunk.model or "", identifier, extra=extra))

    def _choice(self, choice: Choice, events: list[Event]) -> bool:
        if choice.delta is not None:
            self._parts.add(choice.delta, choice.logprobs, events)
        word = choice.finish_reason
        if not word:
            return False
        if (failure := BROKEN.get(word)) is not None:
            events.append(
                self._failed(Failed(failure, f"the provider broke the answer off: `{word}`", code=word))
            )
            return True
        self._finish = word
        if choice.stop_reason is not None:
            self._stopped_at = choice.stop_reason
        return False

    def _complete(self) -> list[Event]:
        """Nothing more will come."""
        word = self._finish
        if word is None:
            return [self._failed(Failed("protocol", NO_FINISH))]
        if self._parts.nameless:
            return [self._failed(Failed("protocol", NAMELESS))]
        finish = decode_finish(word, called=self._parts.called, refused=self._parts.refused)
        if is_empty(finish, self._usage, content=self._parts.any, stopped_at=self._stopped_at):
            return [self._failed(Failed("protocol", EMPTY))]
        self._over = True
        events: list[Event] = [] if self._started else [Started()]
        self._parts.end(events)
        stopped_at = self._stopped_at if isinstance(self._stopped_at, str) else None
        events.append(Finished(finish, stopped_at, raw_finish=word, service_tier=self._tier))
        return events

    def _failed(self, failed: Failed) -> Failed:
        self._over = True
        return failed


def keep_head(head: bytes, data: bytes) -> bytes:
    """`head` with `data`, as far as it may tell what came instead of a stream."""
    if len(head) >= HEAD_BYTES:
        return head
    return head + data[: HEAD_BYTES - len(head)]


def is_whole(pending: bytes) -> bool:
    """Whether an event without its blank line is all there: JSON says itself where it ends."""
    if pending[:5] != b"data:" or b"\n" in pending:
        return False
    data = pending[5:].strip()
    if data == b"[DONE]":
        return True
    try:
        read_chunk(data)
    except BAD_JSON:
        return False
    return True
