"""A provider's stream → core events: the completion automaton of the dialect.

    event                                         state before → after     core
    response.created, .in_progress, .queued       any → begun              Started, once
    response.output_item.added                    begun                    PartStarted of a call
    response.content_part.added                   begun                    PartStarted of words or a refusal
    …output_text.delta, .refusal.delta            begun                    PartDelta
    …reasoning_summary_text.delta, _text.delta    begun                    PartDelta of the reasoning part
    …function_call_arguments.delta, …input.delta  begun                    PartDelta of the call
    …output_text.annotation.added                 begun                    PartDelta with a citation
    response.content_part.done, .output_item.done begun                    what no delta said, PartEnded
    response.completed, .incomplete               begun → over             UsageReported, Finished
    response.failed, error                        any → over               Failed
    end of the bytes                              not over → over          Failed
    others (a search's progress, next week's)     —                        nothing

The parts themselves are kept in `stream_parts`.
"""

from typing import Final

from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_responses.answer_in import EMPTY, settle
from passerelle.codecs.openai_responses.errors import decode_error
from passerelle.codecs.openai_responses.stream_parts import PART_HANDLERS, PartsIn
from passerelle.codecs.openai_responses.tools import DIALECT
from passerelle.codecs.openai_responses.types import (
    Error,
    error_event,
    glance,
    response_event,
    whole_event,
)
from passerelle.codecs.openai_responses.usage import usage_in
from passerelle.codecs.sse import SseParser
from passerelle.core.errors import AnswerError
from passerelle.core.event import Event, Failed, Finished, UsageReported
from passerelle.core.usage import NO_USAGE

_HEAD: Final = 4096
"""How much of a stream without any event is kept, to say what it was."""

CUT: Final = "the stream ended before `response.completed`"
MALFORMED_EVENT: Final = "the provider sent a malformed stream event"

BEGINNINGS: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
ENDINGS: Final = frozenset({"response.completed", "response.incomplete"})
FAILURES: Final = frozenset({"response.failed", "response.cancelled"})
ERRORS: Final = frozenset({"error", ""})


class ResponsesDecoder:
    """Obeys `codecs.base.StreamDecoder`."""

    def __init__(self) -> None:
        self._parser = SseParser()
        self._parts = PartsIn()
        self._head: bytes | None = b""
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """Events that `data` completes."""
        if self._over:
            return []
        if self._head is not None and len(self._head) < _HEAD:
            self._head += data[:_HEAD]
        parts = self._parts
        try:
            for frame in self._parser.feed(data):
                self._head = None
                if self._take(frame.data):
                    self._over = True
                    break
        except AnswerError as error:
            self._fail(Failed(error.failure, error.message))
        except BAD_JSON:
            self._fail(Failed("protocol", MALFORMED_EVENT))
        out, parts.out = parts.out, []
        return out

    def close(self) -> list[Event]:
        """The provider's bytes ended."""
        if self._over:
            return []
        out: list[Event] = []
        if self._parser.pending and self._head is None:
            out = self.feed(b"\n\n")  # a last event may lack its blank line; half a one is malformed
        if not (out and isinstance(out[-1], Finished | Failed)):
            out.append(ending(self._head, self._parser.pending))
        self._over = True
        return out

    def _fail(self, failed: Failed) -> bool:
        self._over = True
        self._parts.out.append(failed)
        return True

    def _take(self, data: bytes) -> bool:
        """One event; whether it was the last."""
        if data == b"[DONE]":
            return False  # Chat's goodbye, which some servers add; it ends nothing here
        event = glance.decode(data)
        kind = event.type
        handler = PART_HANDLERS.get(kind)
        if handler is not None:
            handler(self._parts, event, data)
            return False
        if kind in ENDINGS:
            return self._terminal(kind, data)
        if kind in BEGINNINGS:
            if not self._parts.begun:
                self._parts.begin(response_event.decode(data).response)
        elif kind in FAILURES:
            response = response_event.decode(data).response
            return self._fail(decode_error(response.error if response is not None else None))
        elif kind in ERRORS:
            failed = error_in(kind, data)
            return failed is not None and self._fail(failed)
        return False

    def _terminal(self, kind: str, data: bytes) -> bool:
        response = response_event.decode(data).response
        if response is None:
            raise AnswerError(f"`{kind}` came without its response")
        output = response.output
        if output is None:
            response.output = []
        finish = settle(response)
        parts = self._parts
        parts.begin(response)
        if parts.silent and output:
            whole = whole_event.decode(data).response
            for at, item in enumerate((whole.output if whole else None) or ()):
                parts.finish_item(at, item)
        parts.close_all()
        usage = usage_in(response.usage)
        if finish == "stop":
            finish = "tool_calls" if parts.called else "refusal" if parts.refused else "stop"
        if finish == "stop" and not parts.anything and not usage.explains_silence:
            raise AnswerError(EMPTY)
        if usage is not NO_USAGE:
            parts.out.append(UsageReported(usage))
        reason = response.incomplete_details.reason if response.incomplete_details else None
        parts.out.append(
            Finished(
                finish,
                raw_finish=reason or response.status,
                service_tier=response.service_tier,
                extra={DIALECT: {"items": parts.beside}} if parts.beside else None,
            )
        )
        return True


def error_in(kind: str, data: bytes) -> Failed | None:
    """The error an event tells: in its own form, or as the `error` object compatible servers send bare."""
    said = error_event.decode(data)
    if said.error is not None:
        return decode_error(said.error)
    return decode_error(Error(said.message, said.code)) if kind == "error" else None


def ending(head: bytes | None, pending: bytes) -> Failed:
    """What an end without a terminal event means. `head`: the first bytes, when no event ever came."""
    if head is None:
        return Failed("protocol", "the stream ended inside an event" if pending else CUT)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        return Failed("protocol", "the provider sent an empty stream")
    if start[:1] == b"<":
        return Failed("protocol", "the provider sent a web page instead of a stream")
    if start[:1] == b"{":
        try:
            said = error_event.decode(start)
        except BAD_JSON:
            return Failed("protocol", "the provider sent JSON instead of a stream")
        if said.error is not None:
            return decode_error(said.error)
        if said.message is not None:
            return decode_error(Error(said.message, said.code, said.type))
        return Failed("protocol", "the provider sent JSON instead of a stream")
    return Failed("protocol", "the stream ended inside an event" if pending else CUT)
