"""Core events → a caller's stream, in an order the dialect allows whatever comes in.

    stream = response.created response.in_progress item* end
           | error                          broken before anything was sent, or the end of a relayed stream
    item   = response.output_item.added content* response.output_item.done      `output_index` counts up
    words  = content_part.added (output_text.delta | annotation.added)* output_text.done content_part.done
    refusal = content_part.added refusal.delta* refusal.done content_part.done
    thought = reasoning_summary_part.added reasoning_summary_text.delta* …text.done …part.done
            | content_part.added reasoning_text.delta* reasoning_text.done content_part.done
    call   = function_call_arguments.delta* .done | custom_tool_call_input.delta* .done
    image  = image_generation_call.in_progress .generating .completed
    end    = response.completed | response.incomplete | response.failed

Items may interleave, as calls made in parallel do: every event says its `output_index` and `item_id`. An
item of words or thoughts is announced with its first delta, so an empty part leaves no trace. Sequence
numbers count every event from 0; the error that ends a relayed stream takes the number after its last.

Source: openai-python 3.54 `types/responses/*_event.py` and `lib/streaming/responses`, whose accumulator
raises on any other order; read 2026-11-22.
"""

from typing import Any, assert_never

from passerelle.codecs.base import ReplyContext
from passerelle.codecs.openai_reading import Json
from passerelle.codecs.openai_responses.answer_out import Reply
from passerelle.codecs.openai_responses.errors import stream_error
from passerelle.codecs.openai_responses.finish import finish_out
from passerelle.codecs.openai_responses.shapes import MALFORMED
from passerelle.codecs.openai_responses.stream_items import (
    AudioOut,
    CallOut,
    ImageOut,
    ItemOut,
    ThoughtOut,
    WordsOut,
)
from passerelle.codecs.openai_responses.stream_log import Log, next_number
from passerelle.codecs.openai_responses.tools import DIALECT
from passerelle.codecs.sse import write_comment
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


class ResponsesEncoder:
    """Obeys `codecs.base.StreamEncoder`."""

    content_type = "text/event-stream"

    def __init__(self, context: ReplyContext) -> None:
        self._reply = Reply(context)
        self._log = Log(self._reply, next_number(context.passed) if context.passed else 0)
        self._open: dict[int, ItemOut] = {}
        self._usage: Usage = NO_USAGE
        self._model = ""
        self._begun = False
        self._refused = False
        self._over = False

    def encode(self, event: Event) -> bytes:
        """The bytes this event causes, possibly none."""
        if self._over:
            return b""
        if isinstance(event, PartDelta):
            item = self._open.get(event.index)
            if item is not None:
                item.more(event)
        elif isinstance(event, PartStarted):
            self._begin()
            self._open[event.index] = self._item(event)
        elif isinstance(event, PartEnded):
            ended = self._open.pop(event.index, None)
            if ended is not None:
                ended.end()
        elif isinstance(event, Started):
            self._model = event.model
            self._begin()
        elif isinstance(event, UsageReported):
            self._usage = event.usage
        elif isinstance(event, Finished):
            self._finish(event)
        elif isinstance(event, Failed):
            self._fail(event)
        else:
            assert_never(event)
        return self._log.take()

    def keepalive(self) -> bytes:
        """A comment, which every reader skips."""
        return write_comment()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            response = self._reply.write("in_progress", model=self._model)
            self._log.raw("response.created", b'"response":' + response)
            self._log.raw("response.in_progress", b'"response":' + response)

    def _item(self, event: PartStarted) -> ItemOut:
        own: Json = (event.extra or {}).get(DIALECT) or {}
        match event.kind:
            case "text" | "refusal":
                self._refused = self._refused or event.kind == "refusal"
                return WordsOut(self._log, event, own)
            case "reasoning":
                return ThoughtOut(self._log, event, own)
            case "tool_call":
                return CallOut(self._log, event, own)
            case "image":
                return ImageOut(self._log, event, own)
            case "audio":
                return AudioOut(self._log)
            case _:
                assert_never(event.kind)

    def _finish(self, event: Finished) -> None:
        self._begin()
        for index in sorted(self._open):
            self._open.pop(index).end()
        for _, item in ((event.extra or {}).get(DIALECT) or {}).get("items") or ():
            at = self._log.place()
            self._log.added(at, item)
            self._log.done(at, item)
        status, reason = finish_out(event.finish, refused=self._refused)
        self._terminal(
            status,
            reason=reason,
            error=MALFORMED if event.finish == "malformed_tool_call" else None,
            tier=event.service_tier,
        )

    def _fail(self, failed: Failed) -> None:
        for item in self._open.values():
            item.abandon()
        error = stream_error(failed)
        if self._begun:
            self._terminal("failed", error=error)
        else:
            self._say_error(error)
            self._over = True

    def _say_error(self, error: Json) -> None:
        """The API says a failure twice: the SDKs throw at `error` (Python's only where it is nested) and
        read on past `response.failed`, which is the stream's true end, and Codex's. Both forms of `error` are
        in use (`@ai-sdk/openai` 4.0.118 reads either, openai 3.54 `_streaming.py` the nested one).
        """
        told = {**error, "param": None}
        self._log.say("error", {**told, "error": {"type": error["code"], **told}})

    def _terminal(self, status: str, **said: Any) -> None:
        self._over = True
        if said.get("error") is not None:
            self._say_error(said["error"])
        response = self._reply.write(status, self._log.output(), model=self._model, usage=self._usage, **said)
        self._log.raw(f"response.{status}", b'"response":' + response)
