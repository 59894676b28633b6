"""The parts of an answer that is being streamed: started, told and ended.

Compatible servers leave out `added` events, deltas, or everything but the terminal event; so a part starts
when it is first heard of, and the `done` events and the final object fill in what was never said.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from passerelle.codecs.openai_reading import Json
from passerelle.codecs.openai_responses.agent_api import sources_in
from passerelle.codecs.openai_responses.tools import DIALECT, flat_name
from passerelle.codecs.openai_responses.types import (
    Glance,
    WireResponse,
    done_event,
    item_event,
    part_event,
)
from passerelle.core.errors import AnswerError
from passerelle.core.event import Event, PartDelta, PartEnded, PartKind, PartStarted, Started


class _Open(msgspec.Struct):
    """A part that was heard of and is not whole yet."""

    index: int
    kind: PartKind
    said: int = 0
    """Characters given so far."""
    cited: int = 0
    custom: bool = False
    block: int = 0
    """The summary being told."""


class PartsIn:
    """What is open, what is done, and the events so far (`out`)."""

    def __init__(self) -> None:
        self.out: list[Event] = []
        self.begun = False
        self.called = False
        """A tool of the caller's was called."""
        self.refused = False
        self.anything = False
        """There was content, a thought, or a provider's tool at work."""
        self.beside: list[list[Any]] = []
        """Items core has no part for, each with the number of parts before it."""
        self._next = 0
        self._words: dict[tuple[int, int], _Open] = {}
        self._thoughts: dict[int, _Open] = {}
        self._calls: dict[int, _Open] = {}
        self._whole: set[int] = set()
        self._closed: set[tuple[int, int]] = set()
        self._phases: dict[int, Any] = {}

    @property
    def silent(self) -> bool:
        """No item was heard of yet."""
        return not (self._next or self._whole)

    def begin(self, response: WireResponse | None = None) -> None:
        """`Started`, once."""
        if not self.begun:
            self.begun = True
            self.out.append(
                Started(model=response.model or "", id=response.id) if response is not None else Started()
            )

    # -- words --------------------------------------------------------------------------------------

    def _start(self, kind: PartKind, **said: Any) -> _Open:
        self.begin()
        part = _Open(self._next, kind)
        self._next += 1
        self.out.append(PartStarted(part.index, kind, **said))
        return part

    def _spoken(self, event: Glance, kind: PartKind) -> _Open:
        key = (event.output_index, event.content_index)
        part = self._words.get(key)
        if part is None:
            kept: Json = {"id": event.item_id, "at": event.output_index} if event.item_id else {}
            if event.output_index in self._phases:
                kept["phase"] = self._phases[event.output_index]
            part = self._words[key] = self._start(kind, extra={DIALECT: kept} if kept else None)
        return part

    def text(self, event: Glance, data: bytes) -> None:
        """More words."""
        part = self._words.get((event.output_index, event.content_index)) or self._spoken(event, "text")
        self._more(part, event)

    def refusal(self, event: Glance, data: bytes) -> None:
        """More of a refusal."""
        self._more(self._spoken(event, "refusal"), event)

    def _more(self, part: _Open, event: Glance) -> None:
        words = event.delta
        if not isinstance(words, str):
            raise AnswerError(f"`{event.type}` came without its `delta`")
        if words:
            part.said += len(words)
            self.anything = True
            if part.kind == "refusal":
                self.refused = True
            self.out.append(PartDelta(part.index, words, logprobs=_steps(event.logprobs)))

    def part_added(self, event: Glance, data: bytes) -> None:
        """A content part is announced."""
        part = part_event.decode(data).part or {}
        if part.get("type") in ("output_text", "refusal"):
            self._spoken(event, "refusal" if part["type"] == "refusal" else "text")

    def part_done(self, event: Glance, data: bytes) -> None:
        """A content part is whole, and repeated."""
        part = part_event.decode(data).part or {}
        if part.get("type") in ("output_text", "refusal"):
            self._finish_content(event, part)

    def _finish_content(self, event: Glance, whole: Json) -> None:
        key = (event.output_index, event.content_index)
        if key in self._closed:
            return
        refused = whole.get("type") == "refusal"
        part = self._spoken(event, "refusal" if refused else "text")
        words = whole.get("refusal" if refused else "text")
        if not part.said and isinstance(words, str) and words:
            event.delta = words
            logprobs = whole.get("logprobs")
            event.logprobs = logprobs if isinstance(logprobs, list) else None
            self._more(part, event)
        annotations = whole.get("annotations")
        for citation in (annotations if isinstance(annotations, list) else [])[part.cited :]:
            if isinstance(citation, dict):
                part.cited += 1
                self.out.append(PartDelta(part.index, citation=citation))
        self._closed.add(key)
        del self._words[key]
        self._end_words(part)

    def annotation(self, event: Glance, data: bytes) -> None:
        """Where words come from."""
        citation = done_event.decode(data).annotation
        if citation is not None and (event.output_index, event.content_index) not in self._closed:
            part = self._spoken(event, "text")
            part.cited += 1
            self.out.append(PartDelta(part.index, citation=citation))

    # -- thoughts -----------------------------------------------------------------------------------

    def _thinking(self, at: int, identifier: str | None, *, raw: bool) -> _Open:
        part = self._thoughts.get(at)
        if part is None:
            extra = {DIALECT: {"raw": True}} if raw else None
            part = self._start("reasoning", id=identifier, origin=DIALECT, extra=extra)
            self._thoughts[at] = part
            self.anything = True
        return part

    def summary(self, event: Glance, data: bytes) -> None:
        """More of a reasoning summary."""
        part = self._thinking(event.output_index, event.item_id, raw=False)
        if event.summary_index != part.block and part.said:
            self.out.append(PartDelta(part.index, "\n\n"))
        part.block = event.summary_index
        self._more(part, event)

    def thought(self, event: Glance, data: bytes) -> None:
        """More of the raw reasoning."""
        self._more(self._thinking(event.output_index, event.item_id, raw=True), event)

    def _finish_thought(self, at: int, item: Json) -> None:
        summary, content = _said(item.get("summary")), _said(item.get("content"))
        encrypted = item.get("encrypted_content")
        opaque = encrypted if isinstance(encrypted, str) and encrypted else None
        identifier = item.get("id")
        self.anything = True
        if at not in self._thoughts and not (summary or content or opaque):
            return
        part = self._thinking(at, identifier if isinstance(identifier, str) else None, raw=bool(content))
        words = "".join(content) or "\n\n".join(summary)
        if not part.said and words:
            self.out.append(PartDelta(part.index, words))
        if opaque is not None:
            self.out.append(PartDelta(part.index, encrypted=opaque))
        del self._thoughts[at]
        self.out.append(PartEnded(part.index))

    # -- calls --------------------------------------------------------------------------------------

    def arguments(self, event: Glance, data: bytes) -> None:
        """More of what is passed to a tool."""
        part = self._calls.get(event.output_index)
        if part is not None:  # else its item was never announced: `output_item.done` says it all
            self._more(part, event)

    def item_added(self, event: Glance, data: bytes) -> None:
        """An output item is announced."""
        item = item_event.decode(data).item or {}
        if item.get("phase") is not None:
            self._phases[event.output_index] = item["phase"]
        if (
            item.get("type") in ("function_call", "custom_tool_call")
            and event.output_index not in self._calls
        ):
            self._start_call(event.output_index, item)

    def _start_call(self, at: int, item: Json) -> _Open | None:
        call_id, name, namespace = item.get("call_id"), item.get("name"), item.get("namespace")
        if not isinstance(call_id, str) or not isinstance(name, str):
            return None  # some servers name the tool only when the item is done
        kept = {key: item[key] for key in ("id", "namespace", "caller") if item.get(key)}
        if isinstance(namespace, str):
            kept["name"] = name
        part = self._calls[at] = self._start(
            "tool_call",
            id=call_id,
            name=flat_name(namespace if isinstance(namespace, str) else None, name),
            tool_kind="custom" if item["type"] == "custom_tool_call" else "function",
            extra={DIALECT: kept} if kept else None,
        )
        part.custom = item["type"] == "custom_tool_call"
        self.called = self.anything = True
        return part

    def _finish_call(self, at: int, item: Json) -> None:
        part = self._calls.get(at) or self._start_call(at, item)
        if part is None:
            raise AnswerError("the provider called a tool without a name or a `call_id`")
        custom = item["type"] == "custom_tool_call"
        passed = item.get("input" if custom else "arguments")
        if not part.said:
            words = passed if isinstance(passed, str) else ""
            if not custom and not words.strip():
                words = "{}"
            if words:
                self.out.append(PartDelta(part.index, words))
        del self._calls[at]
        self.out.append(PartEnded(part.index))

    # -- items --------------------------------------------------------------------------------------

    def item_done(self, event: Glance, data: bytes) -> None:
        """An output item is whole, and repeated."""
        self.finish_item(event.output_index, item_event.decode(data).item or {})

    def finish_item(self, at: int, item: Json) -> None:
        """The item at `at` is whole: what of it was never said is said now."""
        if at in self._whole:
            return
        self._whole.add(at)
        match item.get("type"):
            case "message":
                identifier = item.get("id")
                content = item.get("content")
                for i, piece in enumerate(content if isinstance(content, list) else ()):
                    if isinstance(piece, dict) and piece.get("type") in ("output_text", "refusal"):
                        known = identifier if isinstance(identifier, str) else None
                        where = Glance(output_index=at, content_index=i, item_id=known)
                        if (at, i) in self._words or piece.get("text") or piece.get("refusal"):
                            self._finish_content(where, piece)
                self._close_words(at)
            case "reasoning":
                self._finish_thought(at, item)
            case "function_call" | "custom_tool_call":
                self._finish_call(at, item)
            case "image_generation_call" if isinstance(item.get("result"), str):
                self._image(item)
            case str():
                self.anything = True
                self.beside.append([self._next, item])
            case _:
                pass

    def _image(self, item: Json) -> None:
        form = item.get("output_format")
        kept = {key: value for key, value in item.items() if key != "result"}
        part = self._start(
            "image",
            media_type=f"image/{form if isinstance(form, str) and form else 'png'}",
            extra={DIALECT: {"item": kept}},
        )
        self.anything = True
        self.out.append(PartDelta(part.index, item["result"]))
        self.out.append(PartEnded(part.index))

    def _close_words(self, at: int) -> None:
        for key in [key for key in self._words if key[0] == at]:
            self._closed.add(key)
            self._end_words(self._words.pop(key))

    def _end_words(self, part: _Open) -> None:
        """What was searched before words that cite nothing themselves is what they come from."""
        if self.beside and part.kind == "text" and not part.cited:
            for citation in sources_in(self.beside):
                self.out.append(PartDelta(part.index, citation=citation))
        self.out.append(PartEnded(part.index))

    def close_all(self) -> None:
        """Parts no `done` event closed: the terminal event does."""
        left = [*self._words.values(), *self._thoughts.values(), *self._calls.values()]
        for part in sorted(left, key=lambda part: part.index):
            if part.kind == "tool_call" and not part.said and not part.custom:
                self.out.append(PartDelta(part.index, "{}"))
            self.out.append(PartEnded(part.index))
        self._words, self._thoughts, self._calls = {}, {}, {}


def _said(entries: Any) -> list[str]:
    found = entries if isinstance(entries, list) else []
    return [e["text"] for e in found if isinstance(e, dict) and isinstance(e.get("text"), str)]


PART_HANDLERS: Final[dict[str, Callable[[PartsIn, Glance, bytes], None]]] = {
    "response.output_item.added": PartsIn.item_added,
    "response.output_item.done": PartsIn.item_done,
    "response.content_part.added": PartsIn.part_added,
    "response.content_part.done": PartsIn.part_done,
    "response.output_text.delta": PartsIn.text,
    "response.output_text.annotation.added": PartsIn.annotation,
    "response.refusal.delta": PartsIn.refusal,
    "response.reasoning_summary_text.delta": PartsIn.summary,
    "response.reasoning_text.delta": PartsIn.thought,
    "response.function_call_arguments.delta": PartsIn.arguments,
    "response.custom_tool_call_input.delta": PartsIn.arguments,
}
"""What each event about a part does; any other event says nothing about parts."""


def _steps(logprobs: list[Any] | None) -> Json | None:
    """Log probabilities in core's form, which is Chat Completions' own."""
    return {"content": logprobs} if logprobs else None
