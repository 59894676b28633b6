"""Looking for work goes on whatever happens, is hurried by a wake, and ends in good order."""

import asyncio
import logging

import pytest

from passerelle.gateway.lookout import Lookout, ended
from passerelle.store import StoreUnavailable

log = logging.getLogger("tests.lookout")


class Turns:
    """What every turn does, in order; the last again and again."""

    def __init__(self, *does: Exception | None) -> None:
        self.does = list(does)
        self.woken: list[bool] = []
        self.done = asyncio.Event()
        self.lookout = Lookout(self.turn, "loaves", log)

    async def turn(self, woken: bool) -> None:
        self.woken.append(woken)
        does = self.does.pop(0) if self.does else None
        if self.does:
            self.lookout.wake()
        else:
            self.done.set()
        if does is not None:
            raise does


async def _taken(turns: Turns) -> None:
    turns.lookout.start()
    await asyncio.wait_for(turns.done.wait(), 10)
    await turns.lookout.stop()


async def test_trouble_with_the_database_is_told_once_and_ends_no_looking(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = StoreUnavailable("it is away")
    turns = Turns(gone, gone, None, gone, None)
    await _taken(turns)
    assert len(turns.woken) == 5
    told = [record.getMessage() for record in caplog.records]
    assert told == ["loaves wait for the database: it is away"] * 2  # again after it was well between


async def test_what_nobody_foresaw_is_told_and_ends_no_looking(caplog: pytest.LogCaptureFixture) -> None:
    turns = Turns(ValueError("unforeseen"), None)
    await _taken(turns)
    assert len(turns.woken) == 2
    (record,) = caplog.records
    assert record.getMessage() == "looking for loaves failed unexpectedly"
    assert record.exc_info is not None


async def test_a_turn_knows_whether_it_was_woken() -> None:
    turns = Turns(None, None)
    await _taken(turns)
    assert turns.woken == [False, True]


async def test_a_turn_under_way_is_not_cut_off_by_a_stop() -> None:
    begun, go_on, took_up = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def turn(_woken: bool) -> None:
        begun.set()
        await go_on.wait()
        took_up.set()

    lookout = Lookout(turn, "loaves", log)
    lookout.start()
    await begun.wait()
    stopping = asyncio.create_task(lookout.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    go_on.set()
    await asyncio.wait_for(stopping, 10)
    assert took_up.is_set()


async def test_one_that_never_looked_stops_at_once() -> None:
    lookout = Lookout(Turns().turn, "loaves", log)
    await lookout.stop()
    assert not lookout.started


async def test_what_is_late_is_cancelled_and_what_is_not_ends_by_itself() -> None:
    quick, late = asyncio.create_task(asyncio.sleep(0)), asyncio.create_task(asyncio.sleep(3600))
    await ended([quick, late], 0.01)
    assert not quick.cancelled()
    assert late.cancelled()
    await ended([], 0.01)
