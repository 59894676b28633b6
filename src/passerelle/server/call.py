"""From HTTP to the road and back: what every model route does, whatever its dialect."""

from collections.abc import Awaitable, Callable

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.core.clock import Clock
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.request import Dialect
from passerelle.gateway.generation import Generation
from passerelle.gateway.road import Road, read
from passerelle.gateway.smart import may_cascade
from passerelle.gateway.trip import Ask, Delivery, Presence, Wishes, way_of
from passerelle.server.answer import Watches, send_delivery
from passerelle.server.body import read_body
from passerelle.server.repeats import HEADER, Repeats
from passerelle.server.route import Arrival, Handler
from passerelle.server.wishes import forwarded, priority_of, read_wishes
from passerelle.store import StoreUnavailable
from passerelle.telemetry.metrics import Metrics

TargetOf = Callable[[Arrival], PathTarget]
Before = Callable[[Ask], Awaitable[Ask]]
"""Completes a request before the road takes it."""


class ModelCalls:
    """Makes the handlers of model routes."""

    def __init__(self, road: Road, clock: Clock, repeats: Repeats, metrics: Metrics) -> None:
        self._road = road
        self._metrics = metrics
        self._repeats = repeats
        self._clock = clock
        self._watches = Watches()

    def handler(self, dialect: Dialect, target_of: TargetOf, before: Before | None = None) -> Handler:
        """A handler that reads the body, asks the road and sends what it gives."""

        async def handle(arrival: Arrival) -> None:
            self.look(arrival, dialect)
            ask = await self.ask(arrival, dialect, target_of(arrival))
            await self.carry(arrival, ask, before)

        return self.repeatable(handle)

    def repeatable(self, handler: Handler) -> Handler:
        """`handler`, for requests with an `Idempotency-Key` too: see `repeats`."""

        def handle(arrival: Arrival) -> Awaitable[None]:
            return self._repeats.once(arrival, handler) if HEADER in arrival.headers else handler(arrival)

        return handle

    def look(self, arrival: Arrival, dialect: Dialect) -> None:
        """Turn a caller away for whose request there is no room now, before more is spent on it. Raises
        `ProblemError`.
        """
        if b"x-passerelle-plan" not in arrival.headers:  # which takes no place
            try:
                self._road.look(arrival.caller, priority_of(arrival.headers))
            except ProblemError as error:
                if error.problem.kind == "overloaded":
                    self._metrics.turned_away(dialect)
                raise

    async def travel(self, arrival: Arrival, ask: Ask, before: Before | None = None) -> Delivery:
        """What the road gives, for as long as the caller is there. Raises `ProblemError`."""
        self._watches.begin_soon(arrival, ask.presence)
        try:
            if before is not None:
                ask = await before(ask)
            return await self._road.travel(ask)
        except StoreUnavailable as error:
            raise _unwritten() from error
        finally:
            self._watches.over(arrival)

    async def carry(self, arrival: Arrival, ask: Ask, before: Before | None = None) -> None:
        """Ask the road, and send what it gives. Raises `ProblemError`."""
        dialect = ask.dialect
        generation = self._road.generations.current
        if way_of(ask, generation) == "verified" or (
            (ask.wishes.cascade is not None or generation.router.cascades) and _may_cascade(ask, generation)
        ):
            from passerelle.server.patience import patiently

            every_s = generation.delivery.keepalive_s
            delivery = await patiently(arrival, ask, self.travel(arrival, ask, before), every_s=every_s)
            if delivery is None:
                return
        else:
            delivery = await self.travel(arrival, ask, before)
        try:
            if dialect == "anthropic":
                # Where its SDKs look for the id (`_response.py` of SDK 2.12, read 2026-11-22).
                delivery.headers.append((b"request-id", arrival.request_id.encode()))
            elif dialect == "bedrock":
                # What `ResponseMetadata` and `x-amzn` tools show (botocore 1.44.5, `parsers.py`).
                delivery.headers.append((b"x-amzn-requestid", arrival.request_id.encode()))
            await send_delivery(arrival, delivery, ask.presence)
        except StoreUnavailable as error:
            raise _unwritten() from error

    def check(self, ask: Ask) -> None:
        """Raises what is wrong with a request, before it is asked."""
        self._road.check(ask)

    async def ask(self, arrival: Arrival, dialect: Dialect, target: PathTarget) -> Ask:
        """The request as the road takes it. Raises `ProblemError` or `CallerGone`."""
        at_ns, started_s = self._clock.unix_ns(), self._clock.monotonic_s()
        generation = self._road.generations.current
        body = await read_body(arrival, generation.intake.max_body_bytes)
        head = arrival.head
        said: _Said = _said(arrival) if head is None or head.said is None else head.said
        if head is not None:
            head.said = said
        wishes, headers, traceparent = said
        return Ask(
            principal=arrival.caller,
            dialect=dialect,
            target=target,
            body=body,
            request_id=arrival.request_id,
            receipt_id=arrival.receipt_id,
            at_ns=at_ns,
            started_s=started_s,
            wishes=wishes,
            headers=headers,
            traceparent=traceparent,
            presence=Presence() if generation.drained else None,
        )


def _may_cascade(ask: Ask, generation: Generation) -> bool:
    """Whether its answer may be held back until it is checked, which its plan will tell."""
    try:
        model = read(ask).model
    except ProblemError:  # the road says it, too, with a receipt
        return False
    return may_cascade(generation.router, ask.principal, model, ask.wishes.cascade)


def _unwritten() -> ProblemError:
    return ProblemError(
        Problem("overloaded", "Records cannot be written now; try again shortly.", retry_after_s=5)
    )


def fixed(target: PathTarget) -> TargetOf:
    """For routes whose path always says the same."""
    return lambda _: target


def form(target: PathTarget) -> TargetOf:
    """For routes that take a form as well as JSON."""

    def target_of(arrival: Arrival) -> PathTarget:
        said = arrival.headers.get(b"content-type")
        if said is None:
            return target
        return msgspec.structs.replace(target, content_type=said.decode("latin-1")[:1024])

    return target_of


_Said = tuple[Wishes, tuple[tuple[str, str], ...], str | None]


def _said(arrival: Arrival) -> _Said:
    """What the head says beside who asks. Raises `ProblemError`."""
    trace = arrival.headers.get(b"traceparent")
    return (
        read_wishes(arrival.headers, arrival.path_tags),
        forwarded(arrival.headers),
        None if trace is None else trace[:128].decode("latin-1"),
    )
