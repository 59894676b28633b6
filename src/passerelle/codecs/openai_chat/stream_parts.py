"""The parts of a streamed chat answer, as its deltas make them.

Words, thoughts and refusals take turns: one part of them is open at a time, and another kind closes it.
Tool calls and sound run beside them, each open until the answer ends, as `index` lets them interleave.
"""

from typing import Any

import msgspec

from passerelle.codecs.media import parse_data_url
from passerelle.codecs.names import digest
from passerelle.codecs.openai_chat.opaque import ORIGIN
from passerelle.codecs.openai_chat.wire import AudioDelta, Delta, ToolCallDelta
from passerelle.core.event import Event, PartDelta, PartEnded, PartKind, PartStarted

_json = msgspec.json.Encoder()


class _Call:
    """A tool call being written."""

    __slots__ = ("custom", "held", "id", "part", "signature", "written")

    def __init__(self) -> None:
        self.id: str | None = None
        self.part: int | None = None
        """Core's index, once the tool's name is known and the part has begun."""
        self.custom = False
        self.held = ""
        """Arguments that came before the name."""
        self.written = False
        self.signature: str | None = None


class Parts:
    """Turns deltas into part events, in an order core allows."""

    __slots__ = (
        "_at", "_audio", "_audio_end", "_audio_id", "_calls", "_details", "_kind", "_last", "_next",
        "answer_id", "refused", "sources",
    )  # fmt: skip

    def __init__(self) -> None:
        self.answer_id = ""
        """The answer's own id: calls that have none are given one made from it."""
        self.refused = False
        self.sources: list[dict[str, Any]] = []
        """What the answer was searched from, told with its last words."""
        self._kind: PartKind | None = None
        self._at = 0
        """The kind and the index of the part whose turn it is."""
        self._next = 0
        self._details: list[Any] = []
        """OpenRouter's reasoning blocks, proofs included, for a caller of this dialect."""
        self._calls: dict[int, _Call] = {}
        self._last = -1
        self._audio: int | None = None
        self._audio_id: str | None = None
        self._audio_end: dict[str, Any] = {}

    @property
    def any(self) -> bool:
        """Whether anything was said at all."""
        return self._next > 0

    @property
    def called(self) -> bool:
        """Whether a tool was called."""
        return bool(self._calls)

    @property
    def nameless(self) -> bool:
        """Whether a call began and never named its tool."""
        return any(call.part is None for call in self._calls.values())

    def add(self, delta: Delta, logprobs: Any, events: list[Event]) -> None:
        """The events of one delta."""
        content = delta.content
        thought = delta.reasoning_content or words_of(delta.reasoning)
        if thought:
            self._enter("reasoning", events)
            events.append(PartDelta(self._at, thought))
        if delta.reasoning_details:
            self._think(delta.reasoning_details, events, shown=bool(thought))
        if isinstance(content, str):
            if content:
                self._enter("text", events)
                events.append(PartDelta(self._at, content, logprobs=logprobs))
            elif logprobs is not None and self._kind == "text":
                events.append(PartDelta(self._at, logprobs=logprobs))
        elif content:
            self._pieces(content, events)
        if delta.refusal:
            self.refused = True
            self._enter("refusal", events)
            events.append(PartDelta(self._at, delta.refusal, logprobs=None if content else logprobs))
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._tool_call(call, events)
        if delta.function_call is not None:  # the old form: one call, without an id
            self._tool_call(ToolCallDelta(index=-1, function=delta.function_call), events)
        cited = [a for a in delta.annotations or () if isinstance(a, dict)]
        if cited:
            self._enter("text", events)
            events.extend([PartDelta(self._at, citation=citation) for citation in cited])
        if delta.audio is not None:
            self._sound(delta.audio, events)
        for image in delta.images or ():
            self._picture(image, events)

    def end(self, events: list[Event]) -> None:
        """The answer is complete: everything open ends."""
        if self.sources and self.any:
            self._enter("text", events)
            events.extend([PartDelta(self._at, citation=source) for source in self.sources])
        self._leave(events)
        if self._audio is not None:
            extra = {ORIGIN: self._audio_end} if self._audio_end else None
            events.append(PartEnded(self._audio, extra, self._audio_end.get("transcript")))
        for call in self._calls.values():
            if call.part is None:
                continue
            if call.signature is not None:
                events.append(PartDelta(call.part, signature=call.signature))
            if not call.written and not call.custom:
                events.append(PartDelta(call.part, "{}"))
            events.append(PartEnded(call.part))

    def _enter(self, kind: PartKind, events: list[Event]) -> None:
        """Be in a part of `kind`: the open one, or a new one."""
        if self._kind == kind:
            return
        self._leave(events)
        self._kind = kind
        self._at = self._take()
        events.append(PartStarted(self._at, kind, origin=ORIGIN if kind == "reasoning" else None))

    def _leave(self, events: list[Event]) -> None:
        if self._kind is None:
            return
        beside = None
        if self._kind == "reasoning" and self._details:
            beside = {ORIGIN: {"reasoning_details": self._details}}
            self._details = []
        events.append(PartEnded(self._at, beside))
        self._kind = None

    def _take(self) -> int:
        at = self._next
        self._next = at + 1
        return at

    def _pieces(self, pieces: list[Any], events: list[Event]) -> None:
        """Mistral's content: `text` and `thinking` pieces, the latter holding texts of their own."""
        for piece in pieces:
            kind, words = read_piece(piece)
            if words:
                self._enter(kind, events)
                events.append(PartDelta(self._at, words))

    def _think(self, details: list[Any], events: list[Event], *, shown: bool) -> None:
        """OpenRouter's blocks, whose words mostly stand in the plain field beside them too."""
        words = "" if shown else detail_words(details)
        if words:
            self._enter("reasoning", events)
            events.append(PartDelta(self._at, words))
        if self._kind == "reasoning":
            self._details.extend(details)

    def _tool_call(self, delta: ToolCallDelta, events: list[Event]) -> None:
        name = delta.function.name if delta.function is not None else None
        arguments = delta.function.arguments if delta.function is not None else None
        if delta.custom is not None:
            name = delta.custom.name
            arguments = delta.custom.input
        call = self._find(delta, name)
        if delta.id and call.id is None:
            call.id = delta.id
        if delta.type == "custom" or delta.custom is not None:
            call.custom = True
        if delta.extra_content is not None:
            google = delta.extra_content.get("google")
            signature = google.get("thought_signature") if isinstance(google, dict) else None
            call.signature = signature if isinstance(signature, str) else None
        if call.part is None and name:
            self._begin(call, name, events)
        if isinstance(arguments, dict):
            arguments = _json.encode(arguments).decode()
        if not arguments:
            return
        if call.part is None:
            call.held += arguments
        else:
            call.written = True
            events.append(PartDelta(call.part, arguments))

    def _find(self, delta: ToolCallDelta, name: str | None) -> _Call:
        """The call a delta goes on with, or a new one."""
        at = delta.index
        if at is None:
            # Gemini's endpoint has left the index out: another id, or a name, begins the next call.
            last = self._calls.get(self._last)
            same = last is not None and (delta.id == last.id if delta.id else not name)
            at = self._last if same else self._last + 1
        call = self._calls.get(at)
        if call is not None and name and delta.id and call.id is not None and delta.id != call.id:
            # One index for every call of the turn, as servers that count badly send it.
            at = max(self._calls) + 1
            call = None
        if call is None:
            call = self._calls[at] = _Call()
        self._last = at
        return call

    def _begin(self, call: _Call, name: str, events: list[Event]) -> None:
        self._leave(events)
        call.part = self._take()
        call.id = call.id or "call_" + digest(f"{self.answer_id}:{call.part}", 24)
        events.append(
            PartStarted(
                call.part,
                "tool_call",
                id=call.id,
                name=name,
                tool_kind="custom" if call.custom else "function",
            )
        )
        if call.held:
            call.written = True
            events.append(PartDelta(call.part, call.held))

    def _sound(self, audio: AudioDelta, events: list[Event]) -> None:
        self._audio_id = audio.id or self._audio_id
        if self._audio is None:
            if not audio.data and not audio.transcript:
                return
            self._audio = self._take()
            # Streams are `pcm16` only (OpenAI, "Audio and speech" guide, read 2026-11-22).
            events.append(PartStarted(self._audio, "audio", id=self._audio_id, media_type="audio/pcm"))
        if audio.data:
            events.append(PartDelta(self._audio, audio.data))
        if audio.transcript:
            self._audio_end["transcript"] = self._audio_end.get("transcript", "") + audio.transcript
        if audio.expires_at is not None:
            self._audio_end["expires_at"] = audio.expires_at

    def _picture(self, image: Any, events: list[Event]) -> None:
        """A drawn answer, as OpenRouter and Gemini's endpoint send it: whole."""
        url = image_url(image)
        if url is None:
            return
        self._leave(events)
        at = self._take()
        inline = parse_data_url(url)
        if inline is None:
            events.append(PartStarted(at, "image", extra={ORIGIN: {"url": url}}))
        else:
            events.append(PartStarted(at, "image", media_type=inline[0]))
            events.append(PartDelta(at, inline[1]))
        events.append(PartEnded(at))


def image_url(image: Any) -> str | None:
    """The address in an `images[]` entry."""
    given = image.get("image_url") if isinstance(image, dict) else None
    url = given.get("url") if isinstance(given, dict) else given
    return url if isinstance(url, str) else None


def words_of(value: Any) -> str:
    """`value`, if it is words."""
    return value if isinstance(value, str) else ""


def detail_words(details: list[Any]) -> str:
    """What may be read of `reasoning_details`."""
    said = [detail.get("text") or detail.get("summary") for detail in details if isinstance(detail, dict)]
    return "".join([text for text in said if isinstance(text, str)])


def read_piece(piece: Any) -> tuple[PartKind, str]:
    """The kind and words of one entry of a content list."""
    if isinstance(piece, str):
        return "text", piece
    if not isinstance(piece, dict):
        return "text", ""
    if piece.get("type") == "thinking":
        return "reasoning", _thinking_words(piece.get("thinking"))
    words = piece.get("text")
    return "text", words if isinstance(words, str) else ""


def _thinking_words(given: Any) -> str:
    if isinstance(given, str):
        return given
    words: list[str] = []
    for item in given if isinstance(given, list) else ():
        text = item.get("text") if isinstance(item, dict) else item
        if isinstance(text, str):
            words.append(text)
    return "".join(words)
