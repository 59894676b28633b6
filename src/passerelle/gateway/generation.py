"""The generation: the immutable snapshot of configuration that every request reads, and its swap.

A reload parses and checks a whole new generation, then swaps one reference. A bad one keeps the last
good one and says why. Requests under way finish on the generation they began with; providers that the
new one no longer has are closed when the last such request has had its time.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from passerelle.catalog import Catalog
from passerelle.codecs.base import Target
from passerelle.core.model import Deployment
from passerelle.core.plan import Onward, Rejection
from passerelle.core.principal import Rights, Way
from passerelle.core.request import Dialect, Operation
from passerelle.gateway.smart import RouterRules
from passerelle.policy.rules import Policy
from passerelle.providers.base import Deadlines, Provider
from passerelle.router.health import Rules as HealthRules

log = logging.getLogger("passerelle.config")

Evaluated = tuple[tuple[Deployment, ...], tuple[Rejection, ...], Mapping[str, int]]
"""The usable deployments, the rejections, and the tiers of an alias."""
Memo = dict[object, Evaluated]
MEMO_BOUND = 4096


class Intake(msgspec.Struct, frozen=True):
    """What of `[server]` may change while it runs. Machines may differ in it: it is not in the digest."""

    max_body_bytes: int = 32 << 20
    max_in_flight: int = 1024
    allowed_hosts: frozenset[bytes] = frozenset()
    """Lower-case; empty: all."""
    max_in_flight_per_tenant: int | None = None
    """Of these, one organisation's."""


class DeliveryRules(msgspec.Struct, frozen=True):
    """`[delivery]`: how answers reach those who say nothing, and what holding them back may cost."""

    default: Way = "stream"
    keepalive_s: float = 10.0
    max_held_bytes: int = 16 << 20
    max_held_bytes_per_worker: int = 128 << 20
    hedge_after_s: float | None = None
    """None: as long as 95 % of the first place's answers take."""


class Generation(msgspec.Struct, frozen=True, eq=False):
    """Everything a request is decided by. Shared by all requests; nothing in it changes."""

    number: int
    digest: str
    """Content hash of the configuration, equal on every worker and replica that runs it."""
    catalog: Catalog
    policy: Policy
    providers: Mapping[str, Provider]
    deadlines: Mapping[str, Deadlines]
    """By provider name."""
    router: RouterRules = RouterRules()
    """How `smart` chooses, and what is an alias for it."""
    onward: Mapping[str, Onward] = {}
    """What may follow a prompt too long or refused, by the name asked for, casefolded; `""`: any other."""
    default_rights: Rights = Rights()
    """`[limits]`: what holds for keys whose own rights say nothing."""
    conversation_days: int = 30
    """How long what callers asked to keep is kept."""
    entries: Mapping[str, str] = {}
    """What each provider was built from: equal text, same provider."""
    drained: frozenset[str] = frozenset()
    """The providers whose answers are read to their end although the caller has left."""
    targets: dict[tuple[str, Operation, Dialect], Target] = msgspec.field(default_factory=dict)
    """What codecs must know of each deployment, by its id, the operation and the dialect spoken."""
    admitted: dict[object, Any] = msgspec.field(default_factory=dict)
    """Admissions (`admit.Admission`) by what the request says; emptied with `memo`."""
    memo: Memo = msgspec.field(default_factory=dict)
    """Eligible sets already computed, by all that they depend on; bounded by `MEMO_BOUND`."""

    intake: "Intake" = Intake()
    delivery: DeliveryRules = DeliveryRules()
    health: HealthRules = HealthRules()
    """`[health]`."""
    limited: frozenset[str] = frozenset()
    """Ids of the deployments that may be given only so much at once or a minute."""
    label: str = ""
    """What answers carry: `3-9f2c41aa`, the number and the start of the digest."""
    label_bytes: bytes = b""

    def __post_init__(self) -> None:
        label = f"{self.number}-{self.digest[:8]}"
        msgspec.structs.force_setattr(self, "label", label)
        limited = [
            d.id for d in self.catalog.deployments if d.limits.requests_per_minute or d.limits.concurrency
        ]
        msgspec.structs.force_setattr(self, "limited", frozenset(limited))
        msgspec.structs.force_setattr(self, "label_bytes", label.encode())


class ReloadOutcome(msgspec.Struct, frozen=True):
    """What a reload did."""

    ok: bool
    changed: bool
    generation: str
    """The generation in force afterwards."""
    findings: tuple[str, ...] = ()
    """Mistakes that kept the last good generation."""
    needs_restart: tuple[str, ...] = ()
    """Settings that were changed and are only read at the start: `server.port`."""


class Generations:
    """Holds the current generation and swaps it."""

    def __init__(
        self,
        first: Generation,
        build: Callable[[Generation], Generation],
        needs_restart: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        """`build(current)` gives the next generation, or `current` itself when nothing changed; it
        raises `ReloadRefused` when the configuration is not whole. It runs in a thread. `needs_restart()`
        names the settings which what it read last would change, and which are only read at the start.
        """
        self.current = first
        self._build = build
        self._swap = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self.last_refusal: tuple[str, ...] = ()
        self._needs_restart = needs_restart

    async def reload(self) -> ReloadOutcome:
        """Build, check and swap; never raises for a bad configuration."""
        async with self._swap:
            before = self.current
            try:
                after = await asyncio.to_thread(self._build, before)
            except ReloadRefused as refusal:
                self.last_refusal = refusal.findings
                return ReloadOutcome(False, False, before.label, refusal.findings)
            except Exception as error:
                # Whatever cannot be built is refused: the last good generation must go on serving.
                log.exception("a configuration could not be built")
                self.last_refusal = (f"it could not be built: {type(error).__name__}; see the log",)
                return ReloadOutcome(False, False, before.label, self.last_refusal)
            self.last_refusal = ()
            waiting = self._needs_restart()
            if after is before:
                return ReloadOutcome(True, False, before.label, needs_restart=waiting)
            self.current = after
            kept = set(map(id, after.providers.values()))
            gone = [p for p in before.providers.values() if id(p) not in kept]
            if gone:
                grace_s = max((d.total_s for d in before.deadlines.values()), default=600.0)
                task = asyncio.create_task(_retire(gone, grace_s))
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)
            return ReloadOutcome(True, True, after.label, needs_restart=waiting)

    async def aclose(self) -> None:
        """Close every provider, those of earlier generations too."""
        for task in list(self._retiring):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for provider in self.current.providers.values():
            await provider.aclose()


class ReloadRefused(Exception):
    """A configuration with mistakes. `findings` names each, in words."""

    def __init__(self, findings: tuple[str, ...]) -> None:
        super().__init__("; ".join(findings))
        self.findings = findings


async def _retire(providers: list[Provider], grace_s: float) -> None:
    """Close providers once no request can still be using them, or at once when cancelled."""
    try:
        await asyncio.sleep(grace_s)
    finally:
        for provider in providers:
            await provider.aclose()
