"""The matrix: every fault, every caller's and provider's dialect, streamed or not, at every place.

A cell is also asked with both places failing, where nothing is delivered before the fault: then an honest
error is the only right answer. Where a part comes before it, it is also asked `verified`: then the whole
answer is.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from random import Random
from typing import Literal, NamedTuple

from tests.faults.fault_catalogue import FAULTS, Fault
from tests.faults.fault_scene import Position, Scene
from tests.gateway.door import DIALECTS

from passerelle.core.request import Dialect
from passerelle.server.route import WANTED

Mode = Literal["stream", "verified"]
DELIVERY = "x-passerelle-delivery"
MODES: tuple[Mode, ...] = ("stream", "verified") if DELIVERY.encode() in WANTED else ("stream",)


class Cell(NamedTuple):
    """One question to the gateway."""

    fault: Fault
    client: Dialect
    provider: Dialect
    stream: bool
    at: Position
    both: bool = False
    """Both places fail so."""
    verified: bool = False
    """The caller asks that nothing be delivered before it is whole."""

    def __str__(self) -> str:
        how = "stream" if self.stream else "whole"
        both = ", both places" if self.both else ", verified" if self.verified else ""
        return f"{self.fault.name} ({self.client} < {self.provider}, {how}, {self.at}{both})"

    def scene(self, canary: str = "") -> Scene:
        """What the provider plays."""
        return Scene(self.provider, self.stream, self.at, canary)


def everything() -> Iterator[Cell]:
    """All cells."""
    for fault in FAULTS:
        for stream in fault.streams:
            for at in fault.at:
                for client in DIALECTS:
                    for provider in DIALECTS:
                        cell = Cell(fault, client, provider, stream, at)
                        yield cell
                        if not (fault.harmless or fault.either or fault.refusal or cell.scene().told):
                            yield cell._replace(both=True)
                        if "verified" in MODES and cell.scene().told and not fault.harmless:
                            yield cell._replace(verified=True)


def _pairs(cell: Cell) -> set[tuple[object, ...]]:
    """What a cell shows that a choice of cells must show."""
    name = cell.fault.name
    return {
        ("fault", name, cell.stream),
        ("fault and place", name, cell.at),
        ("dialects", cell.client, cell.provider, cell.stream),
        ("place", cell.client, cell.at, cell.stream),
        ("place there", cell.provider, cell.at, cell.stream),
        ("both", cell.client, cell.both, cell.stream),
        ("both there", cell.provider, cell.both, cell.stream),
        ("fault, both", name, cell.both),
        ("fault, verified", name, cell.verified),
        ("verified", cell.client, cell.verified),
        ("verified there", cell.provider, cell.verified),
    }


def chosen(cells: Iterable[Cell]) -> list[Cell]:
    """A few of them, in which every fault, every pair of dialects and every place stands: greedily, the same
    for everyone.
    """
    mixed = list(cells)
    Random(31).shuffle(mixed)  # so that cells that show as much come in no order
    shown = [_pairs(cell) for cell in mixed]
    missing = set().union(*shown)
    most = [(-len(pairs), number) for number, pairs in enumerate(shown)]
    heapify(most)
    found: list[Cell] = []
    while missing:
        told, number = heappop(most)
        now = -len(shown[number] & missing)  # what it shows only grows less: looked at again when it is due
        if now > told:
            heappush(most, (now, number))
            continue
        missing -= shown[number]
        found.append(mixed[number])
    return found
