"""Keeping up: who asks is told after a look that began later, never by one already under way."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from passerelle.store import StoreUnavailable
from passerelle.store.poller import Poller

SOON_S = 10.0


class Looks:
    """Looks that end when they are let go, and are counted when they begin."""

    def __init__(self) -> None:
        self.begun = 0
        self.fails = False
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def __call__(self) -> None:
        self.begun += 1
        self.entered.set()
        assert self.open.wait(SOON_S)
        if self.fails:
            raise OSError("the disk is gone")


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def poller(looks: Looks) -> Iterator[Poller]:
    poller = Poller(looks)
    poller.start()
    yield poller
    looks.open.set()
    poller.stop(SOON_S)


def test_it_looks_by_itself_and_at_once_when_asked(poller: Poller, looks: Looks) -> None:
    assert looks.entered.wait(SOON_S)
    before = looks.begun
    poller.ask().result(SOON_S)
    assert looks.begun > before


def test_a_look_under_way_does_not_answer_who_asks_during_it(poller: Poller, looks: Looks) -> None:
    looks.open.clear()
    looks.entered.clear()
    early = poller.ask()
    assert looks.entered.wait(SOON_S)
    under_way = looks.begun
    late = poller.ask()
    looks.open.set()
    early.result(SOON_S)
    late.result(SOON_S)
    assert looks.begun > under_way


def test_a_crowd_is_answered_by_a_few_looks(poller: Poller, looks: Looks) -> None:
    looks.open.clear()
    looks.entered.clear()
    first = poller.ask()
    assert looks.entered.wait(SOON_S)
    before = looks.begun
    with ThreadPoolExecutor(16) as pool:
        crowd = list(pool.map(lambda _: poller.ask(), range(500)))
    looks.open.set()
    assert not wait([first, *crowd], SOON_S).not_done
    assert looks.begun - before < 10


def test_a_look_that_fails_is_told_and_the_next_one_mends_it(poller: Poller, looks: Looks) -> None:
    looks.fails = True
    with pytest.raises(StoreUnavailable, match="the disk is gone"):
        poller.ask().result(SOON_S)
    assert poller.error == "the disk is gone"
    looks.fails = False
    poller.ask().result(SOON_S)
    assert poller.error is None


def test_nobody_waits_for_a_poller_that_ends(looks: Looks) -> None:
    poller = Poller(looks)
    poller.start()
    looks.open.clear()
    looks.entered.clear()
    asked = [poller.ask()]
    assert looks.entered.wait(SOON_S)
    asked.append(poller.ask())
    gone = poller.ask()
    assert gone.cancel()
    threading.Timer(0, looks.open.set).start()
    poller.stop(SOON_S)
    poller.stop(SOON_S)
    asked.append(poller.ask())
    assert not wait(asked, SOON_S).not_done
    assert isinstance(asked[-1].exception(), StoreUnavailable)
