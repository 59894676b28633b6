"""Cells asked of a running gateway, many at once, and what must be true of each afterwards."""

import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.fault_cells import Cell
from tests.faults.fault_readers import IllegalError, broken_text, error_kind, whole_text
from tests.gateway.door import Answer, asked, error_type
from tests.gateway.duos import Duo, Theatre, theatre
from tests.gateway.faulty import SECRET_WORDS
from tests.gateway.stage import SECRET, Stage
from tests.upstream_answers import PIECES, TEXT

CONNECT_S, HEADERS_S, FIRST_S, BETWEEN_S, TOTAL_S = 3.0, 0.9, 1.0, 0.9, 4.0
SLACK_S = 0.25
"""How long after its deadline a request may end."""
AT_ONCE = 40
HIDDEN = (SECRET.encode(), SECRET_WORDS.encode())
DEADLINES = (
    f"deadlines = {{ connect_s = {CONNECT_S}, headers_s = {HEADERS_S}, first_content_s = {FIRST_S},"
    f" between_s = {BETWEEN_S}, total_s = {TOTAL_S} }}"
)


@dataclass
class FaultHouse:
    """A gateway in front of failing providers, and what was found wrong with it."""

    play: Theatre
    canary: str
    wrong: list[str] = field(default_factory=list)
    rescued: int = 0
    told: int = 0
    waiting: set[str] = field(default_factory=set)
    """Deployments whose breaker is open, as it should be: their providers said how long to wait."""

    def try_all(self, cells: Sequence[Cell]) -> None:
        """Ask every cell. Those that were late in the crowd, or whose healthy place was, are asked again by
        themselves: a machine may be busy with the others.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            late = [cell for cell, soon in pool.map(self._tried, cells) if not soon]
        for cell in late:
            if not self._tried(cell)[1]:
                self.wrong.append(f"{cell}: it, or its healthy place, was late by more than {SLACK_S} s")

    def _tried(self, cell: Cell) -> tuple[Cell, bool]:
        """Ask, judge, and say whether it ended in time."""
        duo = self.play.duo(cell.provider)
        steps = list(cell.fault.steps(cell.scene(self.canary)))
        if cell.both:
            self.play.stage.always(duo.first, *steps)
            self.play.stage.always(duo.second, *steps)
        else:
            self.play.stage.script(duo.first, *steps)
        more: dict[str, Any] = {}
        if cell.client == "openai_chat" and cell.stream:
            more["stream_options"] = {"include_usage": True}
        began = time.monotonic()
        try:
            wish = {"x_passerelle_delivery": "verified"} if cell.verified else {}
            ask = asked(cell.client, duo.name, stream=cell.stream, **more)
            said = self.play.caller.door.send(ask, **wish)
            took_s = time.monotonic() - began
            self._judge(cell, duo, said)
        except BusyError:
            return cell, False
        except Exception as error:  # whatever it is, it is the cell's, and the others go on
            took_s = time.monotonic() - began
            if took_s > TOTAL_S + SLACK_S:
                return cell, False
            self.wrong.append(f"{cell}: {type(error).__name__}: {error}")
        return cell, took_s <= TOTAL_S + SLACK_S

    def _judge(self, cell: Cell, duo: Duo, said: Answer) -> None:
        spoken = said.body + repr(said.headers).encode()
        for words in HIDDEN:
            _need(words not in spoken, f"the caller was told {words!r}")
        _need(self.play.caller.token.encode() not in spoken, "the caller's key came back")
        receipt = self.play.receipt(said.headers["x-request-id"])
        _need(SECRET not in repr(receipt), "the provider's key stands in the receipt")
        attempts = receipt["attempts"]
        if cell.fault.opens:
            self.waiting |= {attempt["deployment"] for attempt in attempts if not attempt["ok"]}
        kinds = [attempt.get("failure") for attempt in attempts]
        well = kinds if "timeout" not in cell.fault.failures else [] if cell.both else kinds[1:]
        if "timeout" in well:
            raise BusyError  # what was not to be late was: the machine is
        for attempt in attempts:
            _need(attempt["ok"] == ("failure" not in attempt), "an attempt that failed and did not")
            _need(attempt["ok"] or "finish" not in attempt, "a failed attempt with an ending")
        if cell.fault.harmless:
            self._whole(cell, said)
            _need(kinds == [None], f"a harmless thing was called {_told(attempts)}")
            _need(receipt["outcome"] == "answered", f"outcome {receipt['outcome']}")
            return
        if cell.fault.either and kinds == [None]:
            self._whole(cell, said)
            return
        if cell.fault.refusal:
            self._error(cell, said, 400)
            _need(kinds == [cell.fault.failures[0]], f"a refusal was called {kinds}")
            return
        _need(kinds[0] in cell.fault.failures, f"it was called {_told(attempts)}")
        if cell.both:
            self._error(cell, said)
            _need(all(kind in cell.fault.failures for kind in kinds), f"they were called {_told(attempts)}")
            _need(receipt["outcome"] == "failed", f"outcome {receipt['outcome']}")
            places = [attempt["deployment"] for attempt in attempts]
            _need(places[:2] == list(duo.places), f"it went to {places}")
        elif receipt["outcome"] == "answered":
            self._whole(cell, said)
            _need(len(kinds) == 2 and kinds[1] is None, f"{kinds} and answered")
            _need(said.headers["x-passerelle-attempts"] == "2", "the header counts otherwise")
            self.rescued += 1
        else:
            _need(not cell.verified, f"what is verified was not rescued: {_told(attempts)}")
            _need(
                cell.scene().told or cell.fault.either,
                f"nothing had been delivered, and it was not rescued: {_told(attempts)}",
            )
            _need(receipt["outcome"] == "incomplete", f"outcome {receipt['outcome']}")
            _need(len(kinds) == 1, f"{kinds} after content")
            text = broken_text(cell.client, said)
            heard = TEXT if cell.fault.either else "".join(PIECES[: cell.scene().heard])
            # A machine too busy to read in time has heard less: its deadline passed first.
            busy = kinds == ["timeout"] and not cell.fault.waits and heard.startswith(text)
            _need(text == heard or busy, f"heard {text!r}")
            _need(attempts[0]["cost_nanos"] > 0, "words that cost nothing")
            self.told += 1

    def _whole(self, cell: Cell, said: Answer) -> None:
        text = whole_text(cell.client, said, stream=cell.stream)
        _need(text == TEXT, f"heard {text!r}")

    def _error(self, cell: Cell, said: Answer, status: int | None = None) -> None:
        kind = error_kind(cell.client, said)
        _need(status in (None, said.status), f"status {said.status}")
        if said.status != 529 and not cell.fault.refusal:  # Anthropic's own; and refusals are named by why
            shown = (
                {424: 502, 408: 504}.get(said.status, said.status)
                if cell.client == "bedrock"
                else said.status
            )
            _need(kind == error_type(cell.client, shown), f"{said.status} was called {kind}")

    def close(self) -> None:
        """What must hold when all is over."""
        self.play.balanced()
        for line in self.play.house.gateway.log:
            _need(SECRET not in line, f"the provider's key stands in the log: {line[:300]}")
            _need(
                "Traceback" not in line and "cannot be read" not in line, f"a mistake of ours: {line[:600]}"
            )
        opened = {
            line["deployment"]
            for line in self.play.house.lines("deployment set back: tried last until it recovers")
        }
        _need(opened == self.waiting, f"breakers wrongly open: {opened ^ self.waiting}")


class BusyError(Exception):
    """The machine is too busy for what was asked; to be asked again by itself."""


class WrongError(AssertionError):
    """What must be true is not."""


def _told(attempts: list[dict[str, Any]]) -> str:
    return "; ".join(f"{a.get('failure', 'ok')}: {a.get('detail', '')}" for a in attempts)


def _need(condition: object, why: str) -> None:
    if not condition:
        raise WrongError(why)


@contextmanager
def fault_house(folder: Path, stage: Stage, cells: Sequence[Cell]) -> Iterator[FaultHouse]:
    """A gateway with a fresh pair of places for every cell."""
    needed = max(sum(cell.provider == dialect for cell in cells) for dialect in {c.provider for c in cells})
    with socket.socket() as canary:
        canary.bind(("127.0.0.1", 0))
        canary.listen()
        canary.setblocking(False)
        where = f"http://127.0.0.1:{canary.getsockname()[1]}/stolen"
        with theatre(folder, stage, duos=needed + 60, firsts={"a": None}, also=DEADLINES) as play:
            house = FaultHouse(play, where)
            yield house
            house.close()
        try:
            canary.accept()
        except BlockingIOError:
            return  # nobody was ever led there
        raise WrongError("somebody was led to the canary")


__all__ = ["FaultHouse", "IllegalError", "fault_house"]
