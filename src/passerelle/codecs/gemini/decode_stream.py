"""Google's stream as core events: the completion automaton of the dialect.

Each frame is a whole `GenerateContentResponse`; there is no terminal sentinel. The table:

    state      sees                                          does
    open       a chunk of words of the same kind             PartDelta
               words of the other kind, a call, media        PartEnded, PartStarted …
               usageMetadata (cumulative, in every chunk)    UsageReported when it grew
               promptFeedback.blockReason, no candidates     remembers the refusal; complete
               candidate.finishReason                        remembers it; complete, yet more may come
               {"error": …}                                  Failed
               a frame that is not such JSON                 Failed
    complete   more chunks (usage, grounding, a signature;   as above: some models say STOP in every chunk
               even words)
    end        complete                                      PartEnded, UsageReported, Finished
               complete, but nothing was said and nothing    Failed (an empty completion)
               excuses it
               open; a torn frame; bytes that are no stream  Failed

A text part that carries a signature ends with it: Google asks that such parts are not merged with others.
"""

from typing import Any

from passerelle.codecs.gemini import types as wire
from passerelle.codecs.gemini.errors import read_failure
from passerelle.codecs.gemini.finish import read_finish
from passerelle.codecs.gemini.frames import NotAStream, read_non_stream, with_lf
from passerelle.codecs.gemini.logprobs import read_logprobs
from passerelle.codecs.gemini.parts import read_part
from passerelle.codecs.gemini.response import (
    block_reason,
    check_end,
    feedback,
    first_candidate,
    minted,
    read_citations,
    read_grounds,
)
from passerelle.codecs.gemini.usage import read_usage
from passerelle.codecs.gemini.wire import WireError, check_utf8, parse
from passerelle.codecs.sse import SseParser
from passerelle.core.errors import AnswerError
from passerelle.core.event import (
    Event,
    Failed,
    Finished,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    UsageReported,
)
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
)
from passerelle.core.usage import NO_USAGE


class StreamDecoder:
    """Obeys `codecs.base.StreamDecoder`."""

    def __init__(self) -> None:
        self._frames = SseParser()
        self._other = NotAStream()
        self._is_stream = False
        self._over = False
        self._started = False
        self._next = 0
        self._open: PartKind | None = None
        """The kind of the part being said, `text` or `reasoning`; other parts come whole."""
        self._memo: dict[str, Any] = {}
        self._usage = NO_USAGE
        self._said_usage: wire.UsageMetadata | None = None
        self._spoke = False
        self._called = False
        self._word: str | None = None
        self._blocked: str | None = None
        self._response_id: str | None = None
        self._extra: dict[str, Any] = {}
        self._cited: list[dict[str, Any]] = []

    def feed(self, data: bytes) -> list[Event]:
        """Events that `data` completes. Never raises for bad bytes: gives `Failed` and then nothing."""
        if self._over:
            return []
        if not self._is_stream:
            if self._other.feed(data):
                return []
            self._is_stream = self._other.known
        events: list[Event] = []
        try:
            for frame in self._frames.feed(with_lf(data)):
                self._chunk(frame.data, events)
        except (AnswerError, WireError) as error:
            failure = error.failure if isinstance(error, AnswerError) else "protocol"
            self._fail(events, Failed(failure, f"the provider's stream is malformed: {error.message}"))
        except _InBand as error:
            self._fail(events, error.failed)
        return events

    def close(self) -> list[Event]:
        """The provider's bytes ended."""
        events: list[Event] = []
        if self._over:
            return events
        if self._other.is_one:
            self._fail(events, self._other.close())
            return events
        pending = self._frames.pending
        if pending[:1] in (b"{", b"["):  # an error without `data:`, which Google's own SDK looks for
            self._fail(events, read_non_stream(pending))
            return events
        if pending:
            events += self.feed(b"\n\n")  # a last frame may lack its blank line; a torn one is no JSON
        return events if self._over else self._conclude(events)

    def _conclude(self, events: list[Event]) -> list[Event]:
        """The bytes ended between two events: is the answer complete?"""
        self._over = True
        if self._blocked is None or self._spoke:
            try:
                check_end(self._word or self._blocked, spoke=self._spoke, usage=self._usage)
            except AnswerError as error:
                events.append(Failed(error.failure, error.message))
                return events
        self._end_part(events)
        if self._usage.source != "none":
            events.append(UsageReported(self._usage))
        word = self._word or self._blocked or ""
        finish = read_finish(word, called=self._called) if self._word else "content_filter"
        tier = self._said_usage.service_tier if self._said_usage else None
        events.append(Finished(finish, raw_finish=word, service_tier=tier, extra=self._extra or None))
        return events

    def _fail(self, events: list[Event], failed: Failed) -> None:
        self._over = True
        events.append(failed)

    def _chunk(self, data: bytes, events: list[Event]) -> None:
        if data == b"[DONE]":  # some proxies in front of Google close streams OpenAI's way
            return
        check_utf8(data)
        said = parse(data, wire.GenerateContentResponse)
        if said.error is not None:
            raise _InBand(read_failure(said.error))
        if not self._started:
            self._started = True
            self._response_id = said.response_id
            events.append(Started((said.model_version or "").removeprefix("models/"), said.response_id))
        if said.prompt_feedback is not None:
            self._extra["promptFeedback"] = feedback(said.prompt_feedback)
            self._blocked = block_reason(said) or self._blocked
        candidate = first_candidate(said)
        if candidate is not None:
            self._candidate(candidate, events)
        if said.usage_metadata is not None:
            self._said_usage = said.usage_metadata
            usage = read_usage(said.usage_metadata)
            if usage != self._usage:
                self._usage = usage
                if self._word is None:  # the last one is said again, whole, at the end
                    events.append(UsageReported(usage))
        if said.extra or said.create_time is not None or said.model_status is not None:
            self._extra.update(wire.opaque(said))

    def _candidate(self, candidate: wire.Candidate, events: list[Event]) -> None:
        logprobs = read_logprobs(candidate.logprobs_result)
        if candidate.content is not None:
            for part in candidate.content.parts or ():
                logprobs = self._part(part, logprobs, events)
        if candidate.citation_metadata is not None:
            self._cite(read_citations(candidate.citation_metadata), events)
        if candidate.grounding_metadata is not None:
            self._cite(read_grounds(candidate.grounding_metadata), events)
        if candidate.finish_reason is not None:
            self._word = candidate.finish_reason
        for name, value in wire.opaque(candidate).items():
            self._extra[f"candidate.{name}"] = value

    def _part(self, part: wire.Part, logprobs: Any, events: list[Event]) -> Any:
        """The events of `part`; gives back the `logprobs` that no words took."""
        if _is_words(part):
            kind: PartKind = "reasoning" if part.thought else "text"
            if not part.text and self._open != kind:
                return logprobs  # an empty part closes nothing and opens nothing
            self._words(kind, part.text or "", logprobs, events)
            return None
        call_id = minted(self._response_id, self._next, part) if part.function_call else ""
        try:
            read = read_part(part, call_id)
        except WireError as error:
            raise AnswerError(error.message) from None
        match read:
            case TextPart() if not read.extra:
                if read.text or self._open != "text":
                    self._words("text", read.text, logprobs, events)
                self._memo = read.memo or {}
                self._end_part(events)
                return None
            case ReasoningPart() if not read.extra:
                if read.text or self._open != "reasoning":
                    self._words("reasoning", read.text, None, events)
                events.append(PartDelta(self._next, signature=read.signature))
                self._end_part(events)
            case TextPart() | ReasoningPart():
                self._end_part(events)
                kind = "text" if isinstance(read, TextPart) else "reasoning"
                self._begin(PartStarted(self._next, kind, origin=_origin(read), extra=read.extra), events)
                if read.text:
                    events.append(PartDelta(self._next, read.text))
                self._spoke = True
                self._end_part(events)
            case ToolCallPart():
                self._end_part(events)
                origin = "gemini" if read.signature is not None else None
                started = PartStarted(
                    self._next, "tool_call", read.id, read.name, origin=origin, extra=read.extra
                )
                self._begin(started, events)
                events.append(PartDelta(self._next, read.arguments, signature=read.signature))
                self._spoke = self._called = True
                self._end_part(events)
            case ImagePart() | AudioPart():
                self._end_part(events)
                kind = "image" if isinstance(read, ImagePart) else "audio"
                beside = {**(read.extra or {}), **(read.memo or {})} or None
                started = PartStarted(self._next, kind, media_type=read.media_type, extra=beside)
                self._begin(started, events)
                events.append(PartDelta(self._next, read.data or ""))
                self._spoke = True
                self._end_part(events)
            case FilePart():  # core streams no files: the part goes whole to callers of this dialect
                self._end_part(events)
                blob = {"mimeType": read.media_type, "data": read.data}
                self._begin(PartStarted(self._next, "text", extra={"inlineData": blob}), events)
                self._spoke = True
                self._end_part(events)
            case _:
                raise AnswerError("a part of a kind that an answer cannot have")
        return logprobs

    def _words(self, kind: PartKind, text: str, logprobs: Any, events: list[Event]) -> None:
        if self._open != kind:
            self._end_part(events)
            origin = "gemini" if kind == "reasoning" else None
            self._begin(PartStarted(self._next, kind, origin=origin), events)
        if text or logprobs is not None:
            events.append(PartDelta(self._next, text, logprobs=logprobs))
        self._spoke = self._spoke or bool(text)

    def _begin(self, started: PartStarted, events: list[Event]) -> None:
        events.append(started)
        self._open = started.kind

    def _end_part(self, events: list[Event]) -> None:
        if self._open is not None:
            events.append(PartEnded(self._next, extra=self._memo or None))
            self._next += 1
            self._open = None
            self._memo = {}

    def _cite(self, said: tuple[dict[str, Any], ...], events: list[Event]) -> None:
        """New citations, on the words being said; Google may repeat them in later chunks."""
        for citation in said:
            if citation not in self._cited:
                self._cited.append(citation)
                if self._open == "text":
                    events.append(PartDelta(self._next, citation=citation))


def _is_words(part: wire.Part) -> bool:
    """`part` is nothing but words, which nearly all are."""
    return (
        part.text is not None
        and part.thought_signature is None
        and part.function_call is None
        and part.inline_data is None
        and part.extra is None
        and part.executable_code is None
        and part.code_execution_result is None
        and part.tool_call is None
        and part.tool_response is None
        and part.file_data is None
        and part.part_metadata is None
        and part.video_metadata is None
        and part.media_resolution is None
    )


def _origin(part: TextPart | ReasoningPart) -> str | None:
    return part.origin if isinstance(part, ReasoningPart) else None


class _InBand(Exception):
    """The provider's own error, in the stream."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed
