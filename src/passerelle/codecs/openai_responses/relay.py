"""The caller's own bytes on their way to a provider of the same dialect, and a look at what comes back.

A provider is never asked to keep an answer: where the tenant allows it we keep it ourselves, so that its id
is ours and the next turn may go anywhere. An absent `store` (true, to the API) becomes false, and so does
true, which is reported. A reasoning model's items are then only good for the next turn when they come back
encrypted, so that is asked for along with it.
"""

from typing import Final

import msgspec

from passerelle.codecs.base import Envelope, PathTarget, Target
from passerelle.codecs.callers import CALLERS_WORDS
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_reading import Json, decode_object
from passerelle.codecs.openai_responses.agent_api import fit
from passerelle.codecs.openai_responses.answer_in import EMPTY, settle
from passerelle.codecs.openai_responses.decode import ENCRYPTED, decode_request
from passerelle.codecs.openai_responses.errors import decode_error
from passerelle.codecs.openai_responses.finish import holds_content
from passerelle.codecs.openai_responses.stream_in import (
    BEGINNINGS,
    ENDINGS,
    ERRORS,
    FAILURES,
    MALFORMED_EVENT,
    ending,
    error_in,
)
from passerelle.codecs.openai_responses.types import glance_relay, head_event, response_event
from passerelle.codecs.openai_responses.usage import usage_in
from passerelle.codecs.splice import quoted
from passerelle.codecs.sse import SseParser
from passerelle.core.errors import AnswerError
from passerelle.core.event import Failed
from passerelle.core.usage import NO_USAGE, Usage

_encoder = msgspec.json.Encoder()


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_names = msgspec.json.Decoder(list[str])

_ABSENT: Final = msgspec.Raw(b"null")


_REFUSED: Final = {
    "no_metadata": ("metadata", "store", "user", "safety_identifier"),
    "no_parallel_tool_calls_field": ("parallel_tool_calls",),
    "no_sampling": ("temperature", "top_p", "top_logprobs"),
}
"""Fields that a server with the quirk refuses."""


def _refused(target: Target) -> list[str]:
    return [name for quirk in target.quirks for name in _REFUSED.get(quirk, ())]


def relay_losses(body: bytes, target: Target) -> tuple[str, ...]:
    """What `relay_request` takes out of the caller's body: what `target` would refuse, and `store: true`.

    Raises `ProblemError` for what only a closer look finds wrong.
    """
    refused = _refused(target)
    fields = _fields.decode(body)
    if "agent_api" in target.quirks:
        lost: list[str] = ["store"] if bytes(fields.get("store", _ABSENT)) == b"true" else []
        fit(_checked(body), lost.append)
        words = CALLERS_WORDS["openai_responses"]
        return tuple(sorted({words.get(name, name) for name in lost}))
    if bytes(fields.get("store", _ABSENT)) == b"false":
        del fields["store"]  # a server that knows no `store` stores nothing
    elif "store" in fields and "store" not in refused:
        refused.append("store")
    return tuple(sorted(name for name in refused if bytes(fields.get(name, _ABSENT)) != b"null"))


def _checked(body: bytes) -> Json:
    """The body as an object, of which every item and part is what it must be. Raises `ProblemError`."""
    decode_request(body, PathTarget("chat"))
    return decode_object(body)


def relay_request(body: bytes, target: Target, envelope: Envelope) -> bytes:
    """The body with the model spliced, and nothing stored at the provider. Raises as `relay_losses`."""
    fields = _fields.decode(body)
    fields["model"] = msgspec.Raw(quoted(target.model))
    for name in _refused(target):
        fields.pop(name, None)
    if "no_choice_of_none" in target.quirks and bytes(fields.get("tool_choice", _ABSENT)) == b'"none"':
        del fields["tool_choice"]
        fields.pop("tools", None)  # what is not offered is not called
    chats = envelope.operation == "chat" and "no_metadata" not in target.quirks
    if chats and bytes(fields.get("store", _ABSENT)) != b"false":
        fields["store"] = msgspec.Raw(b"false")
        if "reasoning" in target.capabilities or bytes(fields.get("reasoning", _ABSENT)) != b"null":
            included = fields.get("include", _ABSENT)
            wanted = [] if bytes(included) == b"null" else _names.decode(included)
            if ENCRYPTED not in wanted:
                fields["include"] = msgspec.Raw(_encoder.encode([*wanted, ENCRYPTED]))
    if "agent_api" in target.quirks:
        whole = _checked(_encoder.encode(fields))
        fit(whole, lambda _: None)
        return _encoder.encode(whole)
    return _encoder.encode(fields)


_DELTAS: Final = frozenset({
    "response.output_text.delta", "response.refusal.delta", "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta", "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta", "response.audio.delta", "response.code_interpreter_call_code.delta",
    "response.mcp_call_arguments.delta", "response.shell_call_command.delta",
})  # fmt: skip
"""Events that bring content."""

_ITEMS: Final = frozenset({"response.output_item.added", "response.output_item.done"})
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})


class ResponsesWatcher:
    """Obeys `codecs.base.StreamWatcher`. About 1.5 µs for an event of words."""

    def __init__(self) -> None:
        self.model = ""
        self.usage: Usage = NO_USAGE
        self.finish: str | None = None
        self.content = False
        self.progress = 0
        self.done = False
        self.failed: Failed | None = None
        self.text_bytes = 0
        self._parser = SseParser()
        self._head: bytes | None = b""
        self._called = self._refused = self._anything = False

    def feed(self, data: bytes) -> bytes:
        """The whole events that may go to the caller."""
        if self.failed is not None:
            return b""
        if self._head is not None and len(self._head) < 4096:
            self._head += data[:4096]
        passed: list[bytes] = []
        try:
            for frame in self._parser.feed(data):
                self._head = None
                if self.done and frame.data != b"[DONE]":
                    continue  # nothing follows the end but a mark of it
                if self.done or self._see(frame.data):
                    passed.append(frame.raw)
                elif self._broken():
                    break
        except AnswerError as error:
            self.failed = None if self.done else Failed(error.failure, error.message)
        except BAD_JSON:
            self.failed = Failed("protocol", MALFORMED_EVENT)
        return passed[0] if len(passed) == 1 else b"".join(passed)

    def close(self) -> bytes:
        """The provider's bytes ended."""
        passed = b""
        if self._parser.pending and self._head is None and not self.done and self.failed is None:
            passed = self.feed(b"\n\n")  # a last event may lack its blank line; half a one is malformed
        if not self.done and self.failed is None:
            self.failed = ending(self._head, self._parser.pending)
        return passed

    def _broken(self) -> bool:
        return self.failed is not None

    def _see(self, data: bytes) -> bool:
        """Notes what an event says; whether it may be passed on."""
        if data == b"[DONE]":
            return True
        event = glance_relay.decode(data)
        kind = event.type
        if kind in _DELTAS:
            delta = event.delta
            if not isinstance(delta, str):
                raise AnswerError(f"`{kind}` came without its `delta`")
            if not delta:
                return True
            self.progress += 1
            self.content = self._anything = True
            self.text_bytes += len(delta) if delta.isascii() else len(delta.encode("utf-8", "surrogatepass"))
            if kind == "response.refusal.delta":
                self._refused = True
        elif kind in ENDINGS:
            self._end(kind, data)
        elif kind in BEGINNINGS:
            if not self.model:
                response = response_event.decode(data).response
                self.model = (response.model if response is not None else None) or ""
        elif kind in FAILURES:
            response = response_event.decode(data).response
            self.failed = decode_error(response.error if response is not None else None)
        elif kind in ERRORS:
            self.failed = error_in(kind, data)
            return False  # nor is an event of no type passed on: no caller could read it
        else:
            self.progress += 1
            if kind in _ITEMS:
                self._item(data, whole=kind == "response.output_item.done")
            elif kind == "response.image_generation_call.partial_image":
                self.content = self._anything = True
        return self.failed is None

    def _item(self, data: bytes, *, whole: bool) -> None:
        item = head_event.decode(data).item
        if item is None:
            return
        if item.type in _CALLS:
            self._called = self.content = self._anything = True
        elif whole and item.type == "image_generation_call":
            self.content = self._anything = True
        elif not self._anything and holds_content((item,)):
            self._anything = True
            # A provider that gives words only when they are whole.
            self.content = self.content or item.type == "message"

    def _end(self, kind: str, data: bytes) -> None:
        response = response_event.decode(data).response
        if response is None:
            raise AnswerError(f"`{kind}` came without its response")
        if response.output is None:
            response.output = []
        finish = settle(response)
        usage = usage_in(response.usage)
        held = holds_content(response.output)
        if finish == "stop":
            finish = "tool_calls" if self._called else "refusal" if self._refused else "stop"
        if finish == "stop" and not (self._anything or held) and not usage.explains_silence:
            raise AnswerError(EMPTY)
        self.usage = usage
        self.finish = finish
        self.model = response.model or self.model
        self.content = self.content or held
        self.done = True
