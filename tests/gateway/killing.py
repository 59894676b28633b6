"""A load of mixed requests on a gateway that is killed and killed again, and the audit of what is left.

    with Siege(folder, stage) as siege:
        siege.run(kills=10, seed=1)
        figures = siege.audit()

The next gateway starts while the current one is under load, on the same data; then the current one is killed
with SIGKILL at a random moment and the load moves on. Each start books what the dead have left.
"""

import asyncio
import random
import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.faultd import LAST_CHUNK, Received, Send, Step, Wait, chunk
from tests.gateway.door import DIALECTS, asked, read_stream
from tests.gateway.faulty import failing, opened
from tests.gateway.house import Caller, House, installed, until
from tests.gateway.stage import ENV, Catalogue, Stage, frames, good, lead_in, short, spoken
from tests.serving import Gateway
from tests.store.world import assert_books_balance

from passerelle.core.request import Dialect
from passerelle.ledger import receipts
from passerelle.store import check_signature

CLIENTS = 5
APART_S = 0.004
"""Between the pieces of a stream, so that kills fall into them."""
THINKING_S = 0.01
"""Between a client's requests: the machine is to have time for the next gateway's start."""
_ID = re.compile(rb"siege-[0-9]+")


@dataclass
class Heard:
    """What clients were told, by the request's id."""

    complete: dict[str, str] = field(default_factory=dict)
    """Complete answers → the receipt they named."""
    refused: set[str] = field(default_factory=set)
    """Answers with an error status."""
    broken: set[str] = field(default_factory=set)
    """Sent, and cut off by a kill."""


class Client:
    """One caller after another on one connection at a time."""

    def __init__(self, callers: list[Caller], heard: Heard, draw: random.Random) -> None:
        self._callers = callers
        self._heard = heard
        self._draw = draw
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, port: int, name: str) -> None:
        """One random request under that name. Raises `OSError` or `IncompleteReadError` when cut off."""
        dialect, stream = self._draw.choice(DIALECTS), self._draw.random() < 0.5
        model = f"m-{short(self._draw.choice(DIALECTS))}"
        caller = self._draw.choice(self._callers)
        ask = asked(dialect, model, stream=stream, text=f"question {name}")
        head = f"POST {ask.path} HTTP/1.1\r\nhost: gate\r\nx-api-key: {caller.token}\r\n"
        head += f"x-request-id: {name}\r\ncontent-length: {len(ask.body)}\r\n\r\n"
        if self._connection is None:
            self._connection = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        reader, writer = self._connection
        self._heard.broken.add(name)
        writer.write(head.encode() + ask.body)
        status, headers, body = await _answer(reader)
        self._heard.broken.discard(name)
        if status != 200:
            self._heard.refused.add(name)
        elif not stream or read_stream(dialect, body).ended:
            self._heard.complete[name] = headers["x-passerelle-receipt"]
        if headers.get("connection") == "close":
            self.hang_up()

    def hang_up(self) -> None:
        """Forget the connection."""
        if self._connection is not None:
            self._connection[1].close()
        self._connection = None


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    return int(head[0].split(" ")[1]), headers, body


class Siege:
    """See the module."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        self._folder = folder
        self._stage = stage
        self._catalogue = Catalogue()
        for dialect in DIALECTS:
            self._catalogue.provider(short(dialect), dialect, stage.url)
            self._catalogue.model(f"m-{short(dialect)}", short(dialect))
        self.heard = Heard()
        self.called: Counter[str] = Counter()
        """How often a provider was called, by the request's id."""
        self.kills = 0
        self._asked = 0

    def __enter__(self) -> Self:
        self._installed = installed(self._folder, self._catalogue.text, **ENV)
        self.house: House = self._installed.__enter__()
        self._callers = [
            self.house.caller("plain"),
            self.house.caller("spender", budget_nanos=10**15),
            self.house.caller("careful", budget_nanos=10**15, audit="required", content="full"),
        ]
        self._stage.answer_with(self._provider)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stage.answer_with(None)
        self._installed.__exit__(*error)

    def run(self, *, kills: int, seed: int) -> None:
        """That many lives of a gateway, each ended with SIGKILL under load; then one that ends well."""
        draw = random.Random(seed)
        current = self._start()
        with ThreadPoolExecutor(1) as pool:
            for _ in range(kills):
                coming = pool.submit(self._start)
                load = _Load(self, current, draw)
                successor = coming.result()
                time.sleep(draw.uniform(0, 0.1))
                current.kill()
                self.kills += 1
                load.end()
                current = successor
        load = _Load(self, current, draw)
        time.sleep(0.2)
        load.end()
        assert current.stop() == 0
        self.house.gateway.start()  # books what the last one killed has left

    def next_name(self) -> str:
        """A request's id nobody has had."""
        self._asked += 1
        return f"siege-{self._asked}"

    @property
    def callers(self) -> list[Caller]:
        """Who asks."""
        return self._callers

    def audit(self) -> dict[str, int]:
        """Check every identity; the figures."""
        house, heard = self.house, self.heard
        until(lambda: not self._leftovers(), "the dead are booked")
        house.booked(self._callers[0])
        outcomes = dict(house.rows("select request_id, outcome from outcome"))
        attempts = dict(
            house.rows(
                "select o.request_id, count(*) from ledger l join outcome o"
                " on o.org_id = l.org_id and o.receipt_id = l.receipt_id group by 1"
            )
        )
        self._answers_are_booked(outcomes, attempts)
        assert self.called.keys() <= attempts.keys(), "every call a provider saw is in the ledger"
        assert not house.rows(
            "select 1 from intent i left join outcome o"
            " on o.org_id = i.org_id and o.receipt_id = i.receipt_id where o.receipt_id is null"
        ), "every intent has its outcome"
        lost = {name for name, outcome in outcomes.items() if outcome == "unknown"}
        assert lost <= heard.broken, "only what a kill cut off is unknown"
        assert not house.rows(
            "select receipt_id from ledger where unknown group by 1 having sum(amount_nanos) = 0 or sum(ok)"
        ), "what may have been billed is charged"
        assert_books_balance(house.gateway.data)
        for caller in self._callers[1:]:
            query = "select coalesce(sum(amount_nanos), 0) from ledger where key_id = ?"
            assert house.spent(caller.budget_id or "") == house.rows(query, caller.key_id)[0][0]
        assert not [line for line in house.gateway.log if "Traceback" in line]
        return {
            "kills": self.kills,
            "requests": self._asked,
            "complete": len(heard.complete),
            "cut off": len(heard.broken),
            "refused": len(heard.refused),
            "provider calls": sum(self.called.values()),
            "ledger rows": sum(attempts.values()),
            "unknown": len(lost),
            "receipts verified": self._verified(),
        }

    def settled_well(self) -> None:
        """After an orderly end nothing is held or leased."""
        assert self.house.gateway.stop() == 0
        rows = self.house.rows("select sum(leased_nanos) from budget_account")
        assert rows == [(0,)], "no lease is left"
        assert self.house.rows("select count(*) from budget_lease where state = 'open'") == [(0,)]

    # --- inside

    def _start(self) -> Gateway:
        house = self.house.gateway
        gateway = Gateway(house.folder, house.config, 1, house.env)
        gateway.start()
        return gateway

    def _provider(self, request: Received, body: dict[str, Any]) -> list[Step]:
        found = _ID.search(request.body)
        if found:
            self.called[found[0].decode()] += 1
        self._stage.requests.clear()  # a siege is long
        dialect, stream = spoken(request.path, body)
        if found and int(found[0][6:]) % 17 == 0:
            return list(failing(503)(dialect))
        return _in_pieces(dialect) if stream else [Wait(APART_S), Send(good(request.path, body))]

    def _answers_are_booked(self, outcomes: dict[str, str], attempts: dict[str, int]) -> None:
        named = dict(self.house.rows("select request_id, receipt_id from outcome where leaf is not null"))
        for name, receipt_id in self.heard.complete.items():
            assert outcomes.get(name) == "answered", name
            assert named[name] == receipt_id
            assert attempts[name] == self.called[name], f"{name}: one row for each call"

    def _verified(self) -> int:
        """How many receipts there are; each must verify, and agree with the ledger."""
        store = self.house.store
        keys = store.receipts.public_keys()
        ledger = Counter(dict(self.house.rows("select receipt_id, count(*) from ledger group by 1")))
        count, before = 0, None
        tenant = self._callers[0].tenant
        while page := store.receipts.list(tenant.org_id, limit=500, before=before):
            for signed in page:
                assert receipts.verify(signed, keys[signed.signature.key_id], check_signature)
                receipt = receipts.read(signed)
                assert ledger[receipt.id] == len(receipt.attempts)
                before = receipt.id
            count += len(page)
        return count

    def _leftovers(self) -> list[str]:
        """Journals whose process is dead."""
        alive = {str(self.house.gateway.process.pid), self.house.store.instance.split("-")[1]}
        journals = (self.house.gateway.data / "journal").glob("*.journal")
        return [path.name for path in journals if not alive & set(path.name.replace(".", "-").split("-"))]


class _Load:
    """Clients at work on one gateway, in a thread of their own, until it is ended."""

    def __init__(self, siege: Siege, gateway: Gateway, draw: random.Random) -> None:
        self._siege = siege
        self._port = int(gateway.base_url.rpartition(":")[2])
        self._draws = [random.Random(draw.random()) for _ in range(CLIENTS)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()))
        self._thread.start()

    def end(self) -> None:
        """Let each client finish what it can."""
        self._over.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    async def _work(self) -> None:
        await asyncio.gather(*(self._client(draw) for draw in self._draws))

    async def _client(self, draw: random.Random) -> None:
        client = Client(self._siege.callers, self._siege.heard, draw)
        try:
            while not self._over.is_set():
                await client.ask(self._port, self._siege.next_name())
                await asyncio.sleep(draw.uniform(0, 2 * THINKING_S))
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass  # killed: ValueError is the empty line where a chunk's size should be
        finally:
            client.hang_up()


def _in_pieces(dialect: Dialect) -> list[Step]:
    said = frames(dialect)
    cut = lead_in(dialect) + 1
    steps: list[Step] = [Send(opened(*said[:cut]))]
    for frame in said[cut:]:
        steps += [Wait(APART_S), Send(chunk(frame))]
    return [*steps, Send(LAST_CHUNK)]
