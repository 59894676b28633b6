"""Long runs under load. `SOAK_SECONDS=20` shortens each, to try it out.

python -m pytest tests/soak -m soak -s
"""

import asyncio
import contextlib
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from tests.gateway.house import House, until
from tests.soak.load_callers import (
    Caller,
    Told,
    length,
    offer,
    paced_house,
    rss_mib,
    saturate,
    slope,
    sockets,
    workers_of,
)
from tests.store.world import assert_books_balance

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]
PLACES = 32
_OPEN_HOLDS = "select count(*) from budget_lease where state = 'open'"


def _at_rest(house: House) -> None:
    """Nothing is left: no lease, no open request, and books that balance."""
    assert house.gateway.stop() == 0
    assert house.rows(_OPEN_HOLDS) == [(0,)]
    assert_books_balance(house.gateway.data)


def _restarted(house: House) -> bool:
    return any("every worker was restarted" in line for line in house.gateway.log[-1000:])


def test_a_rolling_restart_of_four_workers_fails_no_request_and_cuts_no_stream(tmp_path: Path) -> None:
    async def load(house: House, token: str, told: Told, over: asyncio.Event) -> None:
        async def one(*, stream: bool) -> None:
            caller = Caller(house.gateway.base_url, token, told)
            while not over.is_set():
                await caller.ask("stream" if stream else "whole", stream=stream)
            caller.close()

        await asyncio.gather(*[one(stream=number % 3 == 0) for number in range(48)])

    async def run(house: House, token: str, told: Told) -> int:
        over, rounds = asyncio.Event(), 0
        loading = asyncio.create_task(load(house, token, told, over))
        ends_at = time.monotonic() + length(180)
        while time.monotonic() < ends_at:
            before = set(workers_of(house))
            house.gateway.log.clear()
            os.kill(house.gateway.process.pid, signal.SIGUSR2)
            rounds += 1
            assert await asyncio.to_thread(house.gateway.wait_for, lambda: _restarted(house), 300.0)
            assert not before & set(workers_of(house))
        over.set()
        await loading
        return rounds

    with paced_house(tmp_path / "house", "server.drain_s = 30", workers=4) as house:
        house.gateway.start()
        caller, told = house.caller(budget_nanos=10**15), Told()
        rounds = asyncio.run(run(house, caller.token, told))
        print(f"{rounds} rounds, {dict(told.counts)}")
        assert set(told.counts) == {"200"}
        _at_rest(house)


def test_an_hour_at_seventy_percent_leaks_nothing(tmp_path: Path) -> None:
    async def run(house: House, token: str) -> tuple[list[tuple[float, float]], int, int, Told]:
        capacity = await saturate(house, token, Told(), "whole", callers=64, seconds=min(10.0, length(10)))
        await asyncio.sleep(1)
        before, told, points = sockets(workers_of(house)), Told(), []
        seconds = length(3600)
        offering = asyncio.create_task(
            offer(house, token, told, "whole", rate=capacity * 0.7, seconds=seconds)
        )
        began = time.monotonic()
        while not offering.done():
            await asyncio.sleep(seconds / 200)
            house.gateway.log.clear()
            points.append((time.monotonic() - began, rss_mib(workers_of(house))))
        await offering
        print(f"capacity {capacity:.0f}/s")
        return points, before, capacity > 0, told

    with paced_house(tmp_path / "house", workers=2) as house:
        house.gateway.start()
        caller = house.caller(budget_nanos=10**15)
        points, before, _, told = asyncio.run(run(house, caller.token))
        late = [point for point in points if point[0] > points[-1][0] / 3]
        grown = slope(late) * 3600
        print(f"{dict(told.counts)}, RSS {points[0][1]:.0f} to {points[-1][1]:.0f} MiB, {grown:+.1f} an hour")
        assert set(told.counts) == {"200"}
        # Its own kept connections to the provider may stay; a leak would be one for each of many requests.
        until(lambda: sockets(workers_of(house)) <= before + 64, "connections are closed", within_s=90)
        if length(3600) >= 1800:
            assert abs(grown) < 16
        _at_rest(house)


def test_three_times_too_much_costs_no_tenth_of_what_is_done(tmp_path: Path) -> None:
    async def run(house: House, token: str, seconds: float) -> tuple[float, Told, dict[str, Told]]:
        alone = Told()
        capacity = await saturate(house, token, alone, "slow", callers=PLACES, seconds=seconds)
        shares = {priority: Told() for priority in ("interactive", "agent", "batch")}
        await asyncio.gather(
            *[
                offer(
                    house, token, told, "slow", rate=capacity, seconds=seconds, x_passerelle_priority=priority
                )
                for priority, told in shares.items()
            ]
        )
        return capacity, alone, shares

    seconds = length(60)
    with paced_house(tmp_path / "house", f"server.max_in_flight = {PLACES}") as house:
        house.gateway.start()
        caller = house.caller(budget_nanos=10**15)
        capacity, alone, shares = asyncio.run(run(house, caller.token, seconds))
        goodput = sum(told.counts["200"] for told in shares.values()) / seconds
        p99 = {name: told.p99(told.took_s) for name, told in shares.items() if told.took_s}
        print(
            f"capacity {capacity:.0f}/s, goodput {goodput:.0f}/s, p99 alone {alone.p99(alone.took_s):.3f} s"
        )
        print({name: dict(told.counts) for name, told in shares.items()}, p99)
        for told in shares.values():
            assert set(told.counts) <= {"200", "503"}
        assert goodput >= 0.9 * capacity
        assert p99["interactive"] <= 2 * alone.p99(alone.took_s)
        served = [shares[name].counts["200"] for name in ("interactive", "agent", "batch")]
        assert served == sorted(served, reverse=True)
        _at_rest(house)


def test_five_hundred_stalled_readers_do_not_slow_five_hundred_streams(tmp_path: Path) -> None:
    many = 500

    async def streams(house: House, token: str, seconds: float) -> Told:
        told = Told()
        until = time.monotonic() + seconds

        async def one(number: int) -> None:
            await asyncio.sleep(2.0 * number / many)  # apart, as callers are
            caller = Caller(house.gateway.base_url, token, told)
            while time.monotonic() < until:
                await caller.ask("stream", stream=True)
            caller.close()

        await asyncio.gather(*[one(number) for number in range(many)])
        return told

    def stall(house: House, token: str) -> socket.socket:
        """Ask for a flood, and read nothing of it."""
        where = house.gateway.base_url.rpartition(":")[2]
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", int(where)))
        body = b'{"model":"flood","stream":true,"messages":[{"role":"user","content":"hi"}]}'
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {token}\r\n"
        reader.sendall(head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body))
        return reader

    with paced_house(tmp_path / "house", "server.max_in_flight = 4096", workers=2) as house:
        house.gateway.start()
        caller, seconds = house.caller(), length(60)
        alone = asyncio.run(streams(house, caller.token, seconds))
        idle_mib = rss_mib(workers_of(house))
        with contextlib.ExitStack() as stack:
            for _ in range(many):
                stack.enter_context(stall(house, caller.token))
            time.sleep(5)
            beside = asyncio.run(streams(house, caller.token, seconds))
            held_mib = rss_mib(workers_of(house)) - idle_mib
        before, after = alone.p99(alone.gaps_s), beside.p99(beside.gaps_s)
        print(
            f"p99 of a piece {before * 1000:.1f} ms alone, {after * 1000:.1f} beside; {held_mib:.0f} MiB held"
        )
        assert set(alone.counts) == set(beside.counts) == {"200"}
        assert after <= 2 * before
        assert held_mib < many * 1.5
        assert house.gateway.stop() == 0


def test_whoever_leaves_lets_the_provider_go_within_a_second_and_is_settled(tmp_path: Path) -> None:
    async def leave(house: House, token: str) -> None:
        caller = Caller(house.gateway.base_url, token, Told())
        asking = asyncio.create_task(caller.ask("flood", stream=True))
        await caller.begun.wait()
        caller.close()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking

    async def run(house: House, token: str, many: int) -> float:
        await leave(house, token)
        await asyncio.sleep(1)
        at_rest = sockets(workers_of(house))
        left_s = 0.0
        for _ in range(many):
            await asyncio.gather(*[leave(house, token) for _ in range(10)])
            began = time.monotonic()
            while sockets(workers_of(house)) > at_rest:
                await asyncio.sleep(0.01)
                assert time.monotonic() - began < 1.0, "a connection is open still"
            left_s = max(left_s, time.monotonic() - began)
        return left_s

    with paced_house(tmp_path / "house") as house:
        house.gateway.start()
        caller, rounds = house.caller(budget_nanos=10**15), int(length(60))
        print(f"the slowest {asyncio.run(run(house, caller.token, rounds)) * 1000:.0f} ms")
        house.booked(caller)
        many = rounds * 10 + 1
        assert house.rows("select outcome, count(*) from outcome group by outcome") == [("cancelled", many)]
        assert house.rows("select count(*) from ledger where amount_nanos > 0") == [(many,)]
        _at_rest(house)
