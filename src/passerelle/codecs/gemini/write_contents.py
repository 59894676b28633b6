"""Our messages as Google's `contents` and `systemInstruction`.

Google's rules (ai.google.dev/gemini-api/docs/function-calling and …/thought-signatures, read 2026-11-22):
two roles that take turns; the responses to a step's function calls stand together in the turn right after
it, as many as there were calls; from Gemini 3 on the first call of a step has a signature. So runs of
messages are gathered into turns, results are put in the order of their calls, and a call that was never
answered (the user broke in) gets a response that says so.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import assert_never

from passerelle.codecs.base import Target
from passerelle.codecs.gemini import write_parts
from passerelle.codecs.gemini.loss import Loss
from passerelle.codecs.gemini.parts import nest
from passerelle.codecs.gemini.signatures import STAND_IN, take_out
from passerelle.codecs.gemini.thinking import generation, is_gemini_3
from passerelle.codecs.gemini.write_parts import Json
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

UNANSWERED = "the call was not carried out"


class Contents:
    """Gathers messages into turns. `sent` gives the name a tool is known by at Google."""

    def __init__(self, target: Target, *, own: bool, sent: Mapping[str, str], lost: Loss) -> None:
        self._own = own
        self._sent = sent
        self._lost = lost
        self._modern = is_gemini_3(target.model)
        self._links = _takes_links(target)
        self.contents: list[Json] = []
        self._calls: list[ToolCallPart] = []
        """The calls of the last model turn, in order."""
        self._open: dict[str, deque[ToolCallPart]] = {}
        """Those that no result has taken yet, by id."""
        self._results: list[tuple[ToolCallPart | None, ToolResultPart]] = []
        self._said: list[Json] = []
        self._extra: Json = {}
        self._role = "user"

    def add(self, message: Message) -> None:
        """The next message of the conversation, system messages in their place included."""
        role = "model" if message.role == "assistant" else "user"
        if role != self._role or (message.extra and self._extra and self._own):
            self._end_turn(last=False)
            self._role = role
        if self._own:
            self._extra.update(message.extra or ())
        else:
            self._lost.update(message.extra)
            if message.name is not None and message.role != "tool":
                self._lost.add("name")
        marked = message.role in ("system", "developer")
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                self._results.append((self._take_call(part.call_id), part))
                self._marks(part)
                continue
            written = self._part(part)
            if written is None:
                continue
            if marked and "text" in written:
                written["text"] = f"<system-reminder>\n{written['text']}\n</system-reminder>"
            self._said.append(written)

    def finish(self) -> list[Json]:
        """The contents, at least one."""
        self._end_turn(last=True)
        return self.contents or [{"role": "user", "parts": [{"text": ""}]}]

    def _take_call(self, call_id: str) -> ToolCallPart | None:
        waiting = self._open.get(call_id)
        return waiting.popleft() if waiting else None

    def _end_turn(self, *, last: bool) -> None:
        if self._role == "model":
            self._end_model_turn()
        elif not last or self._results or self._said:
            self._said = [*self._responses(), *self._said]
        if self._said:
            self.contents.append(nest({"role": self._role, "parts": self._said}, self._extra))
        self._said = []
        self._extra = {}

    def _end_model_turn(self) -> None:
        first = next((part for part in self._said if "functionCall" in part), None)
        if first is not None and self._modern:
            first.setdefault("thoughtSignature", STAND_IN)

    def _responses(self) -> list[Json]:
        """Every call of the turn before answered, in order; then what answers no call of it."""
        answered = {id(call): result for call, result in self._results if call is not None}
        written: list[Json] = []
        media: list[Json] = []
        for call in self._calls:
            result = answered.get(id(call)) or ToolResultPart(call.id, (TextPart(UNANSWERED),), is_error=True)
            first, *more = self._result(result, call)
            written.append(first)
            media += more
        for call_or_none, result in self._results:
            if call_or_none is None:
                first, *more = self._result(result, None)
                written.append(first)
                media += more
        self._results = []
        self._open = {}
        self._calls = []
        return [*written, *media]

    def _result(self, result: ToolResultPart, call: ToolCallPart | None) -> list[Json]:
        name = call.name if call is not None else result.name or "unknown"
        return write_parts.result(
            result,
            self._sent.get(name, name),
            result.call_id,
            own=self._own,
            nested=self._modern,
            links=self._links,
            lost=self._lost,
        )

    def _part(self, part: Part) -> Json | None:
        self._marks(part)
        match part:
            case TextPart() | RefusalPart():
                return write_parts.words(part, own=self._own, lost=self._lost)
            case ImagePart() | FilePart():
                return write_parts.media(part, own=self._own, links=self._links, lost=self._lost)
            case AudioPart():
                if part.data is None and part.url is None and part.transcript:
                    return {"text": part.transcript}
                return write_parts.media(part, own=self._own, links=self._links, lost=self._lost)
            case ReasoningPart():
                if part.origin != "gemini":
                    self._lost.add("reasoning")
                    return None
                return write_parts.thought(part, part.signature, own=self._own)
            case ToolCallPart():
                self._open.setdefault(part.id, deque()).append(part)
                self._calls.append(part)
                signature = None if take_out(part.signature) else part.signature
                name = self._sent.get(part.name, part.name)
                return write_parts.call(part, name, signature, own=self._own, lost=self._lost)
            case ToolResultPart():
                return None  # taken by `add`
            case _:
                assert_never(part)

    def _marks(self, part: Part) -> None:
        if not isinstance(part, AudioPart | ReasoningPart | RefusalPart) and part.cache is not None:
            self._lost.add("cache_control")


def system_parts(messages: Sequence[Message], *, own: bool, lost: Loss) -> list[Json]:
    """Leading system and developer messages as the parts of `systemInstruction`, which takes words only."""
    parts: list[Json] = []
    for message in messages:
        lost.update(None if own else message.extra)
        for part in message.parts:
            if isinstance(part, TextPart | RefusalPart):
                written = write_parts.words(part, own=own, lost=lost)
                if written is not None:
                    parts.append(written)
                if isinstance(part, TextPart) and part.cache is not None:
                    lost.add("cache_control")
            else:
                lost.add("system")
    return parts


def _takes_links(target: Target) -> bool:
    """Whether the model fetches public URLs itself: since January 2026, not the 2.0 family and before
    (blog.google "Increased file size limits and expanded inputs support in Gemini API";
    ai.google.dev/gemini-api/docs/file-input-methods, read 2026-11-22)."""
    version = generation(target.model)
    if "no_image_url" in target.quirks:
        return False
    return version is not None and version >= (2, 5)
