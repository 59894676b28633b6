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
import uvloop
from tests.gateway.door import Door
from tests.gateway.house import House, until
from tests.serving import children
from tests.soak.load_callers import (
    Caller,
    Lap,
    Laps,
    Told,
    apart,
    cpu_s,
    length,
    paced_house,
    rss_mib,
    slope,
    sockets,
    stolen_s,
    workers_of,
)
from tests.soak.offered import Steered, lines, offer_short, saturate_short
from tests.store.world import assert_books_balance

pytestmark = [pytest.mark.soak, pytest.mark.timeout(7200)]
Over = list[tuple[float, float]]
"""Figures by the second."""
LOAD = 0.7
"""Of a processor, which is what the gateway has here."""
STALLED_A_SECOND = 50
"""Each is a request whose first 130 KiB are passed on: ten times as many a second are as much work as a core
does, and what would be measured is that.
"""
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


def _tasks(operator: Door) -> int:
    """Of all workers, as they tell it: each notes its own now and then."""
    for line in operator.get("/metrics").body.decode().splitlines():
        if line.startswith("passerelle_tasks "):
            return int(float(line.partition(" ")[2]))
    raise AssertionError("`passerelle_tasks` is not told")


def test_an_hour_at_seventy_percent_leaks_nothing(tmp_path: Path) -> None:
    async def run(house: House, token: str, operator: Door) -> tuple[Over, Over, int, Told]:
        # So many callers that not their waiting for the provider is the limit, but the processor.
        at_first, serving = min(10.0, length(10)), workers_of(house)
        capacity = await saturate_short(house, token, Told(), "whole", callers=768, seconds=at_first)
        await asyncio.sleep(1)
        before, told, memory, tasks = sockets(serving), Told(), [], []
        # A stream of 20 words takes three times what a whole answer takes: one in twelve is one.
        core = min(os.sched_getaffinity(serving[0]))
        steered = Steered(0.6 * capacity / at_first, LOAD, lambda: cpu_s(serving), lambda: stolen_s(core))
        seconds = length(3600)
        began, used_s, gone_s = time.monotonic(), cpu_s(serving), stolen_s(core)
        with lines(house, token) as load:
            whole, stream = load.request("whole"), load.request("quick")
            steering = asyncio.create_task(steered.steer())
            offering = asyncio.gather(
                offer_short(load, told, whole, rate=lambda: steered.rate * 11 / 12, seconds=seconds),
                offer_short(load, told, stream, rate=lambda: steered.rate / 12, seconds=seconds),
            )
            while not offering.done():
                await asyncio.sleep(seconds / 200)
                house.gateway.log.clear()
                at_s = time.monotonic() - began
                memory.append((at_s, rss_mib(serving)))
                tasks.append((at_s, float(await asyncio.to_thread(_tasks, operator))))
            await offering
            steering.cancel()
            await load.quiet()
        gone = (stolen_s(core) - gone_s) / (time.monotonic() - began)
        used = (cpu_s(serving) - used_s) / (time.monotonic() - began)
        answered = told.counts["200"] / seconds
        print(
            f"{answered:.0f} requests a second (at first it could {capacity / at_first:.0f}); "
            f"{used:.0%} of a processor used, {gone:.0%} taken by the host; p99 {told.p99(told.took_s):.3f} s"
        )
        return memory, tasks, before, told

    with paced_house(tmp_path / "house", workers=2) as house:
        house.gateway.start()
        caller = house.caller(budget_nanos=10**15)
        operator = house.caller("operator", role="operator").door
        until(lambda: _tasks(operator) > 0, "tasks are counted", within_s=30)
        tasks_before = _tasks(operator)
        with apart(house):
            memory, tasks, before, told = uvloop.run(run(house, caller.token, operator))
        late = [point for point in memory if point[0] > memory[-1][0] / 3]
        grown, more = slope(late) * 3600, slope(tasks[len(tasks) // 3 :]) * 3600
        print(
            f"{dict(told.counts)}, RSS {memory[0][1]:.0f} to {memory[-1][1]:.0f} MiB, {grown:+.1f} an hour; "
            f"tasks {tasks_before} before, {tasks[-1][1]:.0f} at the end, {more:+.1f} an hour"
        )
        assert set(told.counts) == {"200"}
        # Its own kept connections to the provider may stay; a leak would be one for each of many requests.
        until(lambda: sockets(workers_of(house)) <= before + 64, "connections are closed", within_s=90)
        until(lambda: _tasks(operator) <= tasks_before + 4, "no task is left", within_s=90)
        print("RSS by tenths of the time: " + ", ".join(f"{mib:.0f}" for _, mib in memory[9::20]) + " MiB")
        _at_rest(house)
        if length(3600) >= 1800:
            assert abs(grown) < 16


@pytest.mark.parametrize(
    ("model", "places"),
    [("slow", 32), ("quick", 256), ("now", 256)],
    ids=["of places", "of the processor", "of the processor, by nothing but heads"],
)
def test_three_times_too_much_costs_no_tenth_of_what_is_done(tmp_path: Path, model: str, places: int) -> None:
    """What there is not enough of: places, all taken by requests that wait for their provider, or the
    processor.

    Two of three requests must be told no, and reading their heads and telling them is work too, most of it
    the kernel's. Where the processor is the limit, what is left is `(1 - 3r) / (1 - r)`, `r` being the share
    of a served request's work that a refusal costs. Beside streams of 20 words that is nothing. Beside the
    least there is, a whole answer of a provider that answers at once, `r` cannot be so small: there it must
    be at most a quarter, and nine tenths of what that leaves must be done. Where the processor is the limit,
    what the host takes of the core, in the one run or in the other, is not the gateway's.
    """

    async def run(
        house: House, token: str, seconds: float
    ) -> tuple[int, int, Told, dict[str, Told], list[Lap]]:
        alone, laps = Told(), Laps(workers_of(house))
        before = await saturate_short(house, token, alone, model, callers=places, seconds=seconds)
        both = [laps.lap()]
        shares = {priority: Told() for priority in ("interactive", "agent", "batch")}
        with lines(house, token) as load:
            await asyncio.gather(
                *[
                    offer_short(
                        load, told, load.request(model, x_passerelle_priority=priority),
                        rate=lambda: before / seconds, seconds=seconds,
                    )
                    for priority, told in shares.items()
                ]
            )  # fmt: skip
            after = sum(told.counts["200"] for told in shares.values())
            await load.quiet()
        both.append(laps.lap())
        return before, after, alone, shares, both

    seconds = length(60)
    with paced_house(tmp_path / "house", f"server.max_in_flight = {places}") as house:
        house.gateway.start()
        caller = house.caller(budget_nanos=10**15)
        with apart(house):
            before, after, alone, shares, (first, then) = uvloop.run(run(house, caller.token, seconds))
        refused = sum(told.counts["503"] for told in shares.values())
        p99 = {name: told.p99(told.took_s) for name, told in shares.items() if told.took_s}
        served = [told.counts["200"] for told in shares.values()]
        one_s = first.used_s / alone.counts["200"]
        refusal_s = (then.used_s - sum(served) * one_s) / max(refused, 1)
        left = after / before * (1.0 if model == "slow" else first.left / then.left)
        print(
            f"{before / seconds:.0f}/s alone, {after / seconds:.0f}/s of three times as many "
            f"({after / before:.1%}; {left:.1%} in the time that the host left); p99 alone "
            f"{alone.p99(alone.took_s):.3f} s; {one_s * 1e6:.0f} µs of the processor for a request, "
            f"{refusal_s * 1e6:.0f} for a refusal"
        )
        for told in first, then:
            print(f"{told.used_s / told.took_s:.0%} of the core used, {1 - told.left:.1%} taken by the host")
        print({name: dict(told.counts) for name, told in shares.items()}, p99)
        for told in shares.values():
            assert set(told.counts) <= {"200", "503"}
        if model == "now":
            cost = refusal_s / one_s
            assert cost <= 0.25
            assert left >= 0.9 * (1 - 3 * cost) / (1 - cost)
            assert p99["interactive"] <= 1.0
        else:
            assert left >= 0.9
            assert p99["interactive"] <= 2 * alone.p99(alone.took_s)
        assert served == sorted(served, reverse=True)
        _at_rest(house)


def test_five_hundred_stalled_readers_do_not_slow_five_hundred_streams(tmp_path: Path) -> None:
    many = 500

    async def streams(house: House, token: str, seconds: float) -> Told:
        told, began = Told(), time.monotonic()
        serving, others = workers_of(house), {os.getpid(), *children(os.getpid())}
        sides = serving, list(others - {*serving, house.gateway.process.pid})
        used_s = [cpu_s(side) for side in sides]
        await saturate_short(house, token, told, "stream", callers=many, seconds=seconds, spread_s=2.0)
        took_s = time.monotonic() - began
        shares = [(cpu_s(side) - before) / took_s for side, before in zip(sides, used_s, strict=True)]
        print("the gateway used {:.0%} of a processor, callers and providers {:.0%}".format(*shares))
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

    def cost_of(pids: list[int]) -> float:
        """How much of a core they take now."""
        used_s, began = cpu_s(pids), time.monotonic()
        time.sleep(5)
        return (cpu_s(pids) - used_s) / (time.monotonic() - began)

    def held_by_each(house: House, token: str, serving: list[int]) -> float:
        """KiB that one keeps, with nobody else there: what else goes on takes memory as well."""
        at_rest = sockets(serving)
        with contextlib.ExitStack() as stack:
            for number in range(many):
                if number == many // 10:  # what the first of all take is there for the others
                    until(lambda: cost_of(serving) < 0.05, "the first stand still", within_s=60)
                    before_mib = rss_mib(serving)
                stack.enter_context(stall(house, token))
            until(lambda: cost_of(serving) < 0.05, "they stand still", within_s=60)
            held_mib = rss_mib(serving) - before_mib
        until(lambda: sockets(serving) <= at_rest + 64, "they are let go", within_s=60)
        return held_mib * 1024 / (many - many // 10)

    async def stalled(house: House, token: str, stack: contextlib.ExitStack) -> None:
        """All of them, who come while the streams run: what fills up on their way to standing still is
        measured too.
        """
        await asyncio.sleep(2.0)
        for _ in range(many):
            stack.enter_context(stall(house, token))
            await asyncio.sleep(1 / STALLED_A_SECOND)

    async def beside_them(house: House, token: str, seconds: float, stack: contextlib.ExitStack) -> Told:
        told, _ = await asyncio.gather(streams(house, token, seconds), stalled(house, token, stack))
        return told

    with paced_house(tmp_path / "house", "server.max_in_flight = 4096") as house:
        house.gateway.start()
        caller, seconds, serving = house.caller(), length(60), workers_of(house)
        with apart(house), contextlib.ExitStack() as stack:
            held_kib = held_by_each(house, caller.token, serving)
            alone = uvloop.run(streams(house, caller.token, seconds))
            joined = uvloop.run(beside_them(house, caller.token, seconds, stack))
            until(lambda: cost_of(serving) < 0.05, "they stand still, and cost nothing", within_s=60)
            beside = uvloop.run(streams(house, caller.token, seconds))
        p99 = [told.p99(told.gaps_s) * 1000 for told in (alone, joined, beside)]
        print("p99 of a piece: {:.1f} ms alone, {:.1f} as they come, {:.1f} beside them".format(*p99))
        print(f"each holds {held_kib:.0f} KiB")
        assert set(alone.counts) == set(joined.counts) == set(beside.counts) == {"200"}
        assert max(p99) <= 2 * p99[0]
        assert held_kib <= 128
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
