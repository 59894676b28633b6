"""Watching a relayed chat stream: whole events pass as they came, and what they say is noted.

Judges by the same rules as `stream_decode`, without making events: the state table stands there.
"""

from typing import Any

from passerelle.codecs.base import Envelope
from passerelle.codecs.ending import Ending
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_chat.answers import EMPTY, chunk_error, is_empty, not_a_stream, seems_whole
from passerelle.codecs.openai_chat.errors import decode_error
from passerelle.codecs.openai_chat.finish import BROKEN, decode_finish
from passerelle.codecs.openai_chat.stream_decode import MALFORMED, NO_FINISH, TORN, is_whole, keep_head
from passerelle.codecs.openai_chat.stream_parts import detail_words, image_url, read_piece, words_of
from passerelle.codecs.openai_chat.usage import decode_usage
from passerelle.codecs.openai_chat.wire import Choice, Chunk, Delta, read_chunk
from passerelle.codecs.sse import Frame, SseParser
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed
from passerelle.core.usage import NO_USAGE, Usage


class StreamWatcher:
    """Obeys `codecs.base.StreamWatcher`."""

    __slots__ = (
        "_called", "_ended", "_ending", "_head", "_include_usage", "_open", "_parser", "_refused",
        "_stopped_at", "_word", "content", "done", "failed", "finish", "model", "progress", "text_bytes",
        "usage",
    )  # fmt: skip

    def __init__(self, envelope: Envelope) -> None:
        self.model = ""
        self.usage: Usage = NO_USAGE
        self.finish: str | None = None
        self.content = False
        self.progress = 0
        self.done = False
        self.failed: Failed | None = None
        self.text_bytes = 0
        self._parser = SseParser()
        self._include_usage = envelope.include_usage
        self._head: bytes | None = b""
        self._open: set[int] = set()
        """Further choices (`n` > 1) that have begun and not finished."""
        self._ended = False
        """The first choice has finished."""
        self._ending = Ending()
        self._word = ""
        self._stopped_at: Any = None
        self._called = False
        self._refused = False

    def feed(self, data: bytes) -> bytes:
        """The part of `data` (with what was left before) that may go to the caller."""
        if self._over():
            return b""
        try:
            frames = self._parser.feed(data)
        except AnswerError as error:
            self.failed = Failed(error.failure, error.message)
            return b""
        if len(frames) == 1:
            self._head = None
            return self._passed(frames[0])
        if self._head is not None:
            if frames:
                self._head = None
            else:
                self._head = keep_head(self._head, data)
                if seems_whole(self._head):
                    self.failed = not_a_stream(self._head)
                return b""
        passed: list[bytes] = []
        for frame in frames:
            passed.append(self._passed(frame))
            if self._over():
                break
        return b"".join(passed)

    def _passed(self, frame: Frame) -> bytes:
        """What goes to the caller now that the frame has come."""
        if not self._pass(frame):
            return b""
        if not self._ended:
            return frame.raw
        if self.done or self._open:
            return self._ending.take() + frame.raw
        return self._ending.hold(frame.raw, self.progress)

    def _over(self) -> bool:
        return self.done or self.failed is not None

    def close(self) -> bytes:
        """The provider's bytes ended; sets `failed` unless `done`."""
        if self._over():
            return b""
        pending = self._parser.pending
        if is_whole(pending):
            return self.feed(b"\n\n") + self.close()
        if self._ended and not self._open:
            self._complete()
            return self._ending.take() + b"data: [DONE]\n\n" if self.done else b""  # its callers wait for it
        if self._head is not None:
            self.failed = not_a_stream(self._head)
        else:
            self.failed = Failed("protocol", TORN if pending else NO_FINISH)
        return b""

    def _pass(self, frame: Frame) -> bool:
        """Whether the frame goes on to the caller."""
        data = frame.data
        if data[:6] == b"[DONE]":
            if not self._ended or self._open:
                self.failed = Failed("protocol", NO_FINISH)
            else:
                self._complete()
            return self.failed is None
        if not data:
            return True
        try:
            chunk = read_chunk(data)
        except BAD_JSON:
            self.failed = Failed("protocol", MALFORMED)
            return False
        choices = chunk.choices
        if choices is not None and len(choices) == 1 and not chunk.error:
            # Nearly every chunk of nearly every stream: one choice, whose words are all there is.
            choice = choices[0]
            delta = choice.delta
            if delta is not None and not choice.index:
                content = delta.content
                if (
                    type(content) is str
                    and content
                    and delta.tool_calls is None
                    and delta.refusal is None
                    and delta.function_call is None
                ):
                    self.content = True
                    self.progress += 1
                    self.text_bytes += len(content) if content.isascii() else len(content.encode())
                else:
                    self._delta(delta)
                if choice.finish_reason:
                    self._finished(choice)
            else:
                self._choice(choice)
        else:
            self._many(chunk, frame)
        if self.failed is not None:
            return False
        if choices is None and chunk.usage is None and chunk.x_groq is None:
            return False  # no chunk at all: no caller could read it
        if not self.model and chunk.model:
            self.model = chunk.model
        if chunk.usage is not None or chunk.x_groq is not None:
            return self._counted(chunk)
        return True

    def _many(self, chunk: Chunk, frame: Frame) -> None:
        failed = chunk_error(chunk)
        if failed is None and frame.event == b"error":
            failed = decode_error(chunk.message)
        if failed is not None:
            self.failed = failed
            return
        for choice in chunk.choices or ():
            self._choice(choice)

    def _choice(self, choice: Choice) -> None:
        if choice.delta is not None:
            self._delta(choice.delta)
        if choice.index:
            self._open.add(choice.index)
        if choice.finish_reason:
            self._finished(choice)

    def _finished(self, choice: Choice) -> None:
        word = choice.finish_reason or ""
        if (failure := BROKEN.get(word)) is not None:
            self.failed = Failed(failure, f"the provider broke the answer off: `{word}`", code=word)
        elif choice.index:
            self._open.discard(choice.index)
        else:
            self._ended = True
            self._word = word
            self.finish = decode_finish(word, called=self._called, refused=self._refused)
            if choice.stop_reason is not None:
                self._stopped_at = choice.stop_reason

    def _delta(self, delta: Delta) -> None:
        """Anything a caller would see: words of any kind, calls, sound, pictures."""
        content = delta.content
        if isinstance(content, list):
            content = "".join([read_piece(piece)[1] for piece in content])
        thought = delta.reasoning_content or words_of(delta.reasoning)
        if not thought and delta.reasoning_details:
            thought = detail_words(delta.reasoning_details)
        size = sum([len(words.encode()) for words in (content, thought, delta.refusal) if words])
        if delta.refusal:
            self._refused = True
        for call in delta.tool_calls or ():
            self._called = True
            body = call.function
            given = body.arguments if body is not None else call.custom.input if call.custom else None
            size += 1 + (len(given) if given else 0)
        if delta.function_call is not None:
            self._called = True
            size += 1 + len(delta.function_call.arguments or "")
        if delta.audio is not None and (delta.audio.data or delta.audio.transcript):
            size += 1
        if any(image_url(image) is not None for image in delta.images or ()):
            size += 1
        if any(isinstance(citation, dict) for citation in delta.annotations or ()):
            size += 1
        if size:
            self.content = True
            self.progress += 1
            self.text_bytes += size

    def _counted(self, chunk: Chunk) -> bool:
        """Note the usage. A chunk that holds nothing else is for us, unless the caller asked for it."""
        counted = chunk.usage
        if counted is None and chunk.x_groq is not None:
            counted = chunk.x_groq.usage
            if chunk.x_groq.error:
                self.failed = decode_error(chunk.x_groq.error)
                return False
        if counted is None:
            return True
        usage = decode_usage(counted)
        if usage is not NO_USAGE:
            self.usage = usage
        return bool(chunk.choices) or self._include_usage

    def _complete(self) -> None:
        self.finish = decode_finish(self._word, called=self._called, refused=self._refused)
        if is_empty(self.finish, self.usage, content=self.content, stopped_at=self._stopped_at):
            self.failed = Failed("protocol", EMPTY)
        else:
            self.done = True
