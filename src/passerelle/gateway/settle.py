"""Settlement: price, ledger rows, holds, receipt, metrics and the log line, in one synchronous step.

Nothing here awaits, so a caller that goes away cannot interrupt it; when it returns, the record is in the
journal and survives the process.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from passerelle.core.clock import Clock
from passerelle.core.mac import Mac
from passerelle.core.receipt import OutcomeKind, Receipt, Settlement, Shape
from passerelle.core.usage import NO_USAGE, Usage
from passerelle.gateway.holds import settled
from passerelle.gateway.trip import Ask, Trip
from passerelle.store import Store
from passerelle.telemetry import logs
from passerelle.telemetry.metrics import Metrics

if TYPE_CHECKING:  # a named model needs none of it
    from passerelle.gateway.sighting import Seen

_CONTENT_BOUND = 1 << 20


class Settler:
    """Closes trips."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        pepper: bytes,
        trace: Callable[[str | None, Receipt], None] | None,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._mac = Mac(pepper)
        self._trace = trace
        self.watched: dict[str, str] = {}
        """Receipt id → outcome, of the requests whose outcome somebody waits for."""

    def settle(self, trip: Trip, outcome: OutcomeKind, *, problem: str | None = None) -> Receipt | None:
        """Settle once; later calls do nothing and give None. Raises `StoreUnavailable` when the journal
        cannot be written: the caller must then not be told that all went well.
        """
        if trip.settled:
            return None
        trip.settled = True
        receipt = self._receipt(trip, outcome, problem)
        if trip.deliberation is not None:
            trip.deliberation.settled(receipt)
        if trip.turn is not None and outcome == "answered":
            turn = replace(trip.turn, provider=receipt.attempts[-1].provider)
            settlement = Settlement(receipt, settled(trip), _content(trip), turn)
            trip.booked = self._store.journal.settle_durable(settlement)
        else:
            content = None if trip.answer is None else _content(trip)
            self._store.journal.settle(Settlement(receipt, settled(trip), content))
        if self.watched and receipt.id in self.watched:
            self.watched[receipt.id] = outcome
        self._metrics.settled(receipt)
        if self._trace is not None:
            self._trace(trip.ask.traceparent, receipt)
        logs.settled(receipt)
        return receipt

    def settlement(self, trip: Trip, outcome: OutcomeKind, *, problem: str | None = None) -> Settlement:
        """What a trip leaves behind, for one that is booked together with its result: see `tell`."""
        trip.settled = True
        receipt = self._receipt(trip, outcome, problem)
        if trip.deliberation is not None:
            trip.deliberation.settled(receipt)
        return Settlement(receipt, settled(trip), _content(trip))

    def tell(self, receipt: Receipt) -> None:
        """Metrics and the log line of a receipt that was booked."""
        self._metrics.settled(receipt)
        logs.settled(receipt)

    def _receipt(self, trip: Trip, outcome: OutcomeKind, problem: str | None) -> Receipt:
        ask, envelope, attempts = trip.ask, trip.envelope, trip.attempts
        principal, wishes = ask.principal, ask.wishes
        usage: Usage = attempts[0].usage if len(attempts) == 1 else sum((a.usage for a in attempts), NO_USAGE)
        return Receipt(
            id=trip.receipt_id,
            request_id=ask.request_id,
            at_ns=ask.at_ns,
            org_id=principal.org_id,
            workspace_id=principal.workspace_id,
            project_id=principal.project_id,
            key_id=principal.key_id,
            dialect=ask.dialect,
            operation=envelope.operation,
            stream=envelope.stream,
            outcome=outcome,
            plan=trip.plan,
            attempts=tuple(attempts),
            usage=usage,
            cost_nanos=attempts[0].cost_nanos if len(attempts) == 1 else sum(a.cost_nanos for a in attempts),
            currency=attempts[-1].currency if attempts else "USD",
            duration_ns=int((self._clock.monotonic_s() - ask.started_s) * 1e9),
            generation=trip.generation.number,
            model=trip.model,
            deployment=trip.deployment,
            relayed=trip.relayed,
            dropped=trip.dropped,
            problem=problem,
            tags=wishes.tags,
            delivery=trip.way,
            request_digest=self._mac.digest(_sent(ask)).hex(),
            shape=Shape(
                features=_in_order(envelope.features),
                text_bytes=envelope.text_bytes,
                images=envelope.images,
                max_output_tokens=envelope.max_output_tokens,
                data_class=wishes.data_class,
                mode=wishes.mode,
                models=wishes.models,
                task=trip.sight[0],
                sight=trip.sight[1],
                affinity=wishes.affinity,
                conversation=None
                if trip.deliberation is None
                else self._conversation(trip.deliberation.seen),
            ),
        )

    def _conversation(self, seen: "Seen") -> str | None:
        name = seen.opened if seen.called is None else seen.called
        return None if name is None else self._mac.digest(name.to_bytes(8)).hex()[:16]


@lru_cache(maxsize=1024)
def _in_order(features: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(features))


def _sent(ask: Ask) -> bytes:
    """The body as its caller sent it, whatever was put into it since."""
    return (ask.original or ask.body) if ask.keeping is None else ask.keeping.sent


def _content(trip: Trip) -> dict[str, str] | None:
    """Prompt and answer, only where the tenant stores content, each bounded."""
    if trip.answer is None:
        return None
    return {
        "request": (trip.ask.original or trip.ask.body)[:_CONTENT_BOUND].decode("utf-8", "replace"),
        "response": b"".join(trip.answer)[:_CONTENT_BOUND].decode("utf-8", "replace"),
    }
