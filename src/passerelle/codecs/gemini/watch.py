"""Watching relayed answers: what the road must know of them, and no more.

The structs name only what is looked at; about three microseconds a chunk. A stream is complete when every
candidate seen has given its finish reason, or the prompt was refused. `done` waits for some content unless
the reason excuses its absence, so that an empty completion is told at the end.
"""

from typing import Final

import msgspec

from passerelle.codecs.base import Envelope, Watched
from passerelle.codecs.gemini import types as wire
from passerelle.codecs.gemini.errors import read_failure
from passerelle.codecs.gemini.finish import FAILED, read_finish
from passerelle.codecs.gemini.frames import NotAStream, read_non_stream, with_lf
from passerelle.codecs.gemini.response import check_end, is_silent, read_answer
from passerelle.codecs.gemini.usage import read_usage
from passerelle.codecs.gemini.wire import WireError, canonical, check_utf8, malformed, parse
from passerelle.codecs.sse import Frame, SseParser
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed
from passerelle.core.usage import NO_USAGE, Usage


class _Object(msgspec.Struct, frozen=True):
    """Any object: that it is there is all that matters."""


class _Call(msgspec.Struct, frozen=True):
    args: msgspec.Raw = msgspec.Raw()


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    text: str | None = None
    function_call: _Call | None = None
    inline_data: _Object | None = None
    executable_code: _Object | None = None
    code_execution_result: _Object | None = None
    tool_call: _Object | None = None
    tool_response: _Object | None = None


class _Content(msgspec.Struct, frozen=True):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, frozen=True, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    index: int | None = None


class _Feedback(msgspec.Struct, frozen=True, rename="camel"):
    block_reason: str | None = None


class _Chunk(msgspec.Struct, frozen=True, rename="camel"):
    candidates: list[_Candidate] | None = None
    usage_metadata: wire.UsageMetadata | None = None
    model_version: str | None = None
    prompt_feedback: _Feedback | None = None
    error: wire.ErrorInfo | None = None


_chunk: Final = msgspec.json.Decoder(_Chunk)


class StreamWatcher:
    """Obeys `codecs.base.StreamWatcher`."""

    def __init__(self, envelope: Envelope) -> None:
        self.model = ""
        self.finish: str | None = None
        self.content = False
        self.progress = 0
        self.done = False
        self.failed: Failed | None = None
        self.text_bytes = 0
        self._frames = SseParser()
        self._other = NotAStream()
        self._several = "n" in envelope.features
        self._running: set[int] = set()
        self._word: str | None = None
        self._called = False
        self._usage = NO_USAGE
        self._counted: wire.UsageMetadata | None = None
        """The provider's latest count, until somebody asks for it in our terms."""
        self._is_stream = False

    @property
    def usage(self) -> Usage:
        """The latest count the provider gave; `NO_USAGE` before any."""
        if self._counted is not None:
            self._usage = read_usage(self._counted)
            self._counted = None
        return self._usage

    @usage.setter
    def usage(self, usage: Usage) -> None:
        self._usage = usage
        self._counted = None

    def feed(self, data: bytes) -> bytes:
        """The part of `data` (with what was left before) that may go to the caller."""
        if self.failed is not None:
            return b""
        if not self._is_stream:
            if self._other.feed(data):
                return b""
            self._is_stream = self._other.known
        try:
            frames = self._frames.feed(with_lf(data))
        except AnswerError as error:
            self.failed = Failed(error.failure, error.message)
            return b""
        if len(frames) == 1:
            return frames[0].raw if self._sees(frames[0]) else b""
        passed: list[bytes] = []
        for frame in frames:
            if self._sees(frame):
                passed.append(frame.raw)
            elif self._broken():
                break
        return b"".join(passed)

    def close(self) -> bytes:
        """The provider's bytes ended; sets `failed` unless `done`."""
        if self.failed is not None:
            return b""
        if self._other.is_one:
            self.failed = self._other.close()
            return b""
        rest = b""
        pending = self._frames.pending
        if pending[:1] in (b"{", b"["):
            self.failed = read_non_stream(pending)
        elif pending:
            rest = self.feed(b"\n\n")  # a last frame may lack its blank line; a torn one is no JSON
        if self.failed is not None or self.done:
            return rest
        try:
            check_end(None if self._running else self._word, spoke=self.content, usage=self.usage)
            self.done = True
        except AnswerError as error:
            self.failed = Failed(error.failure, error.message)
        return rest

    def _broken(self) -> bool:
        return self.failed is not None

    def _sees(self, frame: Frame) -> bool:
        """Takes note of a whole event; False when it must not be passed on."""
        if frame.data == b"[DONE]":
            return True
        try:
            chunk = _read(frame.data)
        except WireError:
            self.failed = Failed("protocol", "the provider's stream has an event that is not Gemini JSON")
            return False
        if chunk.error is not None:
            self.failed = read_failure(chunk.error)
            return False
        if chunk.model_version:
            self.model = chunk.model_version.removeprefix("models/")
        elif not (chunk.candidates or chunk.usage_metadata or chunk.prompt_feedback):
            return False  # no chunk at all: no caller could read it
        if chunk.usage_metadata is not None:
            self._counted = chunk.usage_metadata
        for candidate in chunk.candidates or ():
            self._candidate(candidate)
            if self.failed is not None:
                return False
        feedback = chunk.prompt_feedback
        if feedback is not None and feedback.block_reason and not chunk.candidates and self._word is None:
            self.finish = "content_filter"
            self.done = True
        return True

    def _candidate(self, candidate: _Candidate) -> None:
        if candidate.content is not None:
            for part in candidate.content.parts or ():
                if part.text:
                    text = part.text
                    self.text_bytes += (
                        len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
                    )
                elif part.function_call is not None:
                    self.text_bytes += len(bytes(part.function_call.args))
                    self._called = True
                elif (
                    part.inline_data is None
                    and part.executable_code is None
                    and part.code_execution_result is None
                    and part.tool_call is None
                    and part.tool_response is None
                ):
                    continue
                self.content = True
                self.progress += 1
        index = candidate.index or 0
        word = candidate.finish_reason
        if word is None:
            if self._several:
                self._running.add(index)
            return
        self._running.discard(index)
        if word in FAILED:
            failure, message = FAILED[word]
            self.failed = Failed(failure, message)
            return
        if index == 0 or self._word is None:
            self._word = word
            self.finish = read_finish(word, called=self._called)
        if not self._running:
            self.done = self.content or not is_silent(self._word or word)


def _read(data: bytes) -> _Chunk:
    """The parts looked at. What these structs cannot read, the forgiving parser may. Raises `WireError`."""
    check_utf8(data)
    try:
        return _chunk.decode(data)
    except msgspec.ValidationError:
        return _again(parse(data, wire.GenerateContentResponse))
    except (msgspec.DecodeError, RecursionError) as error:
        raise malformed(error) from None


def _again(said: wire.GenerateContentResponse) -> _Chunk:
    try:
        return _chunk.decode(canonical(said))
    except (msgspec.DecodeError, RecursionError) as error:
        raise malformed(error) from None


def watch_response(body: bytes) -> Watched:
    """A relayed whole answer. Raises `AnswerError` as `decode_response` does."""
    try:
        chunk = _read(body)
        if chunk.error is not None:
            read_answer(body)  # says what it means
    except WireError:
        said = read_answer(body)  # says what is wrong, unless a one-element list stands around the answer
        try:
            chunk = _again(said)
        except WireError as error:
            raise AnswerError(f"the provider's answer is not a Gemini answer: {error.message}") from None
    usage: Usage = read_usage(chunk.usage_metadata) if chunk.usage_metadata is not None else NO_USAGE
    model = (chunk.model_version or "").removeprefix("models/")
    first = next((one for one in chunk.candidates or () if not one.index), None)
    if first is None:
        if chunk.prompt_feedback is None or not chunk.prompt_feedback.block_reason:
            raise AnswerError("the provider's answer has no candidate and no reason for it")
        return Watched(model, usage, "content_filter")
    parts = (first.content.parts if first.content is not None else None) or []
    spoke = any(part.text or _holds(part) for part in parts)
    check_end(first.finish_reason, spoke=spoke, usage=usage)
    called = any(part.function_call is not None for part in parts)
    return Watched(model, usage, read_finish(first.finish_reason or "", called=called))


def _holds(part: _Part) -> bool:
    return any(getattr(part, name) is not None for name in _Part.__struct_fields__[1:])
