"""Continuation: a text that broke off after its first content, gone on with by another call.

Only where the request or its key asks for it, and only for what a model can go on with: one part of plain
text, with no thought, call, picture or structure in it, at a model that takes a prefill (a last message of
the assistant's, to go on from). Such a request is translated even where it could be relayed, so that there is
one encoder that can be gone on with. Whatever goes wrong before the continuation's first words leaves the
honest error that there would be without it.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from passerelle.codecs.base import StreamDecoder, StreamEncoder
from passerelle.core.event import (
    Event,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
)
from passerelle.core.message import Message, TextPart
from passerelle.core.model import Deployment
from passerelle.core.plan import Plan
from passerelle.core.request import Request
from passerelle.core.usage import Usage
from passerelle.gateway.translation import Translation
from passerelle.gateway.trip import Ask, Trip

_UNFIT: Final = frozenset({"json", "json_schema", "reasoning", "builtin_tools", "n", "logprobs", "audio"})
"""Features of requests whose answers are more than words."""
_LOOK: Final = 160
"""Letters of a continuation that are looked at for what was said already."""
_LEAST: Final = 12
"""A shorter repetition may be meant."""


def wanted(ask: Ask) -> bool:
    """Whether a request, or its key, asks for continuation and none forbids it."""
    right = ask.principal.rights.continues
    return right is not False and (right is True or ask.wishes.continues)


def possible(trip: Trip) -> bool:
    """Whether the request's answer could be gone on with somewhere."""
    envelope = trip.envelope
    return (
        envelope.operation == "chat"
        and envelope.stream
        and envelope.answers == 1
        and trip.way == "stream"
        and trip.ask.keeping is None
        and not envelope.stored
        and envelope.features.isdisjoint(_UNFIT)
        and any(takes(trip.generation.catalog.by_id[c.deployment]) for c in trip.plan.candidates)
    )


def takes(deployment: Deployment) -> bool:
    """Whether a model goes on from words put into its mouth; who refuses it is seen when it is encoded."""
    return "prefill" in deployment.model.capabilities


def plan_of(trip: Trip, broken: str) -> Plan:
    """Who may go on, the place that broke last. It has only candidates of the trip's plan."""
    by_id = trip.generation.catalog.by_id
    able = [c for c in trip.plan.candidates if takes(by_id[c.deployment])]
    able.sort(key=lambda c: c.deployment == broken)
    return msgspec.structs.replace(trip.plan, candidates=tuple(able))


def going_on(request: Request, said: str) -> Request:
    """The request with what was said of its answer so far."""
    return msgspec.structs.replace(
        request, messages=(*request.messages, Message("assistant", (TextPart(said),)))
    )


class Continuable(Translation):
    """A translation that knows what it has said, and whether that can be gone on with."""

    def __init__(
        self,
        decoder: StreamDecoder,
        encoder: StreamEncoder,
        renamed: Mapping[str, str],
        estimate: Callable[[int], Usage] | None,
        *,
        voiceless: bool,
    ) -> None:
        super().__init__(decoder, encoder, renamed, estimate, voiceless=voiceless)
        self._words: list[str] = []
        self._part: int | None = None
        self._plain = True

    @property
    def part(self) -> int | None:
        """The part of text that can be gone on with; None when there is none, or more than that."""
        return self._part if self._plain and self.said.strip() and not self.done else None

    @property
    def said(self) -> str:
        """The words so far."""
        return "".join(self._words)

    def _pass_on(self, event: Event) -> bytes:
        match event:
            case PartStarted(index=index, kind=kind):
                self._plain = self._plain and kind == "text" and self._part is None
                self._part = index
            case PartDelta(text=text, citation=citation):
                self._plain = self._plain and citation is None
                self._words.append(text)
            case PartEnded():
                self._plain = False
            case _:
                pass
        return super()._pass_on(event)


class Continuation(Translation):
    """What another call says after a `Continuable`, in the same stream: words go on in the part that is open,
    without what they repeat of it; thoughts are left out, and calls come after.
    """

    def __init__(
        self,
        before: Continuable,
        decoder: StreamDecoder,
        renamed: Mapping[str, str],
        estimate: Callable[[int], Usage] | None,
    ) -> None:
        super().__init__(decoder, before.encoder, renamed, estimate)
        part = before.part
        self._open = 0 if part is None else part
        self._said = before.said
        self._first: int | None = None
        """The part of the new answer that goes on."""
        self._silent: set[int] = set()
        self._held: str | None = ""
        """Its first words, until it is known what of them is new."""

    def _pass_on(self, event: Event) -> bytes:
        match event:
            case Started(model=model, usage=usage):
                self.model = model
                if usage is not None:
                    self.usage = usage
                return b""
            case PartStarted(index=index, kind="text") if self._first is None:
                self._first = index
                self.progress += 1
                return b""
            case PartStarted(index=index, kind="reasoning"):
                self._silent.add(index)
                self.progress += 1
                return b""
            case PartStarted(index=index):
                ended = self._end_of_first()
                return ended + super()._pass_on(msgspec.structs.replace(event, index=self._later(index)))
            case PartDelta(index=index) | PartEnded(index=index) if index in self._silent:
                self.progress += 1
                return b""
            case PartDelta(index=index, text=text) if index == self._first:
                return self._on(text, event)
            case PartEnded(index=index) if index == self._first:
                return self._end_of_first()
            case PartDelta(index=index) | PartEnded(index=index):
                return super()._pass_on(msgspec.structs.replace(event, index=self._later(index)))
            case Finished():
                return self._end_of_first() + super()._pass_on(event)
            case _:
                return super()._pass_on(event)

    def _later(self, index: int) -> int:
        """Parts after the first come after all that there was."""
        return self._open + 1 + index

    def _on(self, text: str, event: PartDelta) -> bytes:
        if self._held is None:
            return super()._pass_on(PartDelta(self._open, text))
        self._held += text
        self.progress += 1
        return self._words() if len(self._held) >= _LOOK else b""

    def _words(self) -> bytes:
        """The first words without what was said already."""
        held, self._held = self._held, None
        new = unsaid(self._said, held or "")
        return super()._pass_on(PartDelta(self._open, new)) if new else b""

    def _end_of_first(self) -> bytes:
        if self._first == -1:
            return b""
        words = self._words() if self._held is not None else b""
        self._first = -1
        return words + super()._pass_on(PartEnded(self._open))


def unsaid(said: str, more: str) -> str:
    """`more` without what it repeats of the end, or the whole, of `said`.

    A repetition shorter than a dozen letters may be meant, and stays; but white space at the seam, which is
    taken off a prefill before it is sent, is not doubled.
    """
    for size in range(min(len(said), len(more)), _LEAST - 1, -1):
        if said.endswith(more[:size]):
            return more[size:]
    if said[-1:].isspace() and more[:1].isspace():
        blank = len(said) - len(said.rstrip())
        lead = len(more) - len(more.lstrip())
        return more[min(blank, lead) :]
    return more
