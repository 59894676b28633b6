"""Workers that write as fast as they can until they are killed. Run by `test_store_crash.py` as a process.

For each line on stdin it forks a worker (so that the imports are paid once). On stdout, a line each:
`pid <n>`, `open` when the store is open, `i <attempt> <estimate>` after an intent returned, `d <attempt>`
after a durable one returned, `s <receipt> <attempt> <amount>` after a settlement returned, `dead` when the
worker is gone. A line that was said is an acknowledgement: what it names must survive.
"""

import asyncio
import importlib
import os
import sys
from pathlib import Path

from tests.store.world import Tenant, a_settlement, an_intent

from passerelle.core.clock import SystemClock, mint
from passerelle.store import Bounds, BudgetDenied, Store, default_url, open_store


async def request(store: Store, tenant: Tenant, budgets: tuple[str, ...], number: int) -> None:
    estimate = 10 + number % 90
    answer = await store.budgets.reserve_slow(budgets, estimate, mint("hld"), deadline_s=30)
    if isinstance(answer, BudgetDenied):
        return
    intent = an_intent(tenant, holds=answer, estimate_nanos=estimate, at_ns=SystemClock.unix_ns())
    if number % 7 == 0:
        await store.journal.intent_durable(intent, deadline_s=30)
        say(f"d {intent.attempt_id}")
    else:
        store.journal.intent(intent)
    say(f"i {intent.attempt_id} {estimate}")
    await asyncio.sleep(0.002 * (number % 4))
    store.journal.settle(a_settlement(intent, amount_nanos=estimate // 2))
    say(f"s {intent.receipt_id} {intent.attempt_id} {estimate // 2}")


def say(line: str) -> None:
    os.write(1, line.encode() + b"\n")  # in one piece, unlike `print`


async def work(store: Store, tenant: Tenant, budgets: tuple[str, ...]) -> None:
    number = 0

    async def one() -> None:
        nonlocal number
        while True:
            number += 1
            await request(store, tenant, budgets, number)

    await asyncio.gather(*(one() for _ in range(12)))


def main(path: Path, budgets: tuple[str, ...], tenant: Tenant) -> None:
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            store = open_store(
                default_url(path),
                path,
                clock=SystemClock(),
                worker="child",
                bounds=Bounds(segment_bytes=20_000),
            )
            say("open")
            asyncio.run(work(store, tenant, budgets))
        say(f"pid {pid}")
        os.waitpid(pid, 0)
        say("dead")


HEAVY = (
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "cryptography.hazmat.primitives.serialization",
    "passerelle.store.opening",
    "sqlalchemy.dialects.sqlite",
)

if __name__ == "__main__":
    for name in HEAVY:
        importlib.import_module(name)
    main(Path(sys.argv[1]), tuple(sys.argv[2].split(",")), Tenant(*sys.argv[3:7], ""))
