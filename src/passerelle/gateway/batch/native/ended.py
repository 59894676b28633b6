"""A provider's result of a line → the line's result, its receipt and its ledger row.

Final are answers, and the caller's own mistakes. What the provider did not come to, or failed at, is left for
us to ask: it bills none of that.
"""

from collections.abc import Callable

from passerelle.codecs import registry
from passerelle.codecs.base import ReplyContext
from passerelle.core.batch import Batch, LineResult, Native
from passerelle.core.errors import AnswerError, FailureKind, Problem
from passerelle.core.ids import same
from passerelle.core.model import Deployment
from passerelle.core.principal import Principal, Rights
from passerelle.core.receipt import Attempt, Held, Settlement
from passerelle.core.usage import NO_USAGE, Usage
from passerelle.gateway.batch.lines import Line
from passerelle.gateway.batch.native.decide import ask_of, plan_of
from passerelle.gateway.batch.outputs import result_of
from passerelle.gateway.estimate import usage_from_bytes
from passerelle.gateway.generation import Generation
from passerelle.gateway.outbound import Answer, Outbound
from passerelle.gateway.road import read
from passerelle.gateway.settle import Settler
from passerelle.gateway.translate import decode_whole
from passerelle.gateway.trip import Trip
from passerelle.ledger.price import cost
from passerelle.providers.batching.base import Answered
from passerelle.providers.failures import classify

_MISTAKES: frozenset[FailureKind] = frozenset({"invalid_request", "context_length", "content_policy"})


class Ender:
    """Ends lines of one batch at one place."""

    def __init__(
        self,
        batch: Batch,
        native: Native,
        deployment: Deployment,
        generation: Generation,
        principal: Principal,
        settler: Settler,
        now: Callable[[], tuple[int, float]],
    ) -> None:
        """`now()` is Unix nanoseconds, and monotonic seconds."""
        self._batch = batch
        self._native = native
        self._deployment = deployment
        self._generation = generation
        self._principal = principal
        self._settler = settler
        self._now = now

    def end(self, line: Line, answered: Answered) -> tuple[LineResult, Settlement] | None:
        """How a line ended, and what is booked of it; None where it is ours to ask again."""
        if answered.status == 0:
            return None
        trip = self._trip(line)
        if 200 <= answered.status < 300:
            try:
                return self._succeeded(trip, line, answered)
            except AnswerError as error:
                # It was answered and is billed, though nobody can read it: asking again would double it.
                told = Problem("upstream_error", "The provider's answer could not be read.")
                return self._failed(trip, line, answered, error.failure, told, error.message, billed=True)
        failure = classify(answered.status, {}, answered.body, provider=self._deployment.provider)
        if failure.kind not in _MISTAKES:
            return None
        return self._failed(trip, line, answered, failure.kind, failure.problem, failure.detail, billed=False)

    def _succeeded(self, trip: Trip, line: Line, answered: Answered) -> tuple[LineResult, Settlement]:
        ask = trip.ask
        outbound = Outbound(b"", ask.dialect, self._deployment.upstream_model, relayed=True)
        named = trip.envelope.model if ask.wishes.keep_name and ask.dialect == "anthropic" else ""
        context = ReplyContext(
            trip.receipt_id[4:], trip.envelope.model, ask.at_ns // 1_000_000_000, named=named
        )
        answer = decode_whole(trip, outbound, answered.body, context, "application/json")
        usage = answer.usage
        if usage.source == "none":
            usage = usage_from_bytes(trip.envelope, answer.said_bytes)
        self._attempt(trip, answered, usage, answer=answer)
        trip.model, trip.deployment, trip.relayed = trip.attempts[-1].model, self._deployment.id, True
        if ask.principal.rights.content == "full":
            trip.answer = [answer.body]
        result = result_of(
            self._batch.surface, line, receipt_id=trip.receipt_id, request_id=ask.request_id, status=200,
            body=answer.body,
        )  # fmt: skip
        return result, self._settler.settlement(trip, "answered")

    def _failed(
        self, trip: Trip, line: Line, answered: Answered, kind: FailureKind, problem: Problem, detail: str,
        *, billed: bool,
    ) -> tuple[LineResult, Settlement]:  # fmt: skip
        usage = usage_from_bytes(trip.envelope, len(answered.body)) if billed else NO_USAGE
        self._attempt(trip, answered, usage, failure=kind, detail=detail)
        told = registry.client(trip.ask.dialect).encode_problem(problem, trip.ask.request_id)
        result = result_of(
            self._batch.surface, line, receipt_id=trip.receipt_id, request_id=trip.ask.request_id,
            status=told.status, body=told.body,
        )  # fmt: skip
        return result, self._settler.settlement(trip, "failed", problem=problem.kind)

    def _trip(self, line: Line) -> Trip:
        native = self._native
        now_ns, monotonic_s = self._now()
        started_s = monotonic_s - (now_ns - native.at_ns) / 1e9
        ask = ask_of(self._principal, self._batch, line, at_ns=native.at_ns, started_s=started_s)
        envelope = read(ask)
        plan = plan_of(native, envelope.model, self._deployment.model.id)
        holds = tuple(Held(same("hld", ask.receipt_id), budget_id, 0) for budget_id, _ in native.leases)
        return Trip(ask, envelope, self._generation, plan, ask.receipt_id, holds=holds)

    def _attempt(
        self, trip: Trip, answered: Answered, usage: Usage, *, answer: Answer | None = None,
        failure: FailureKind | None = None, detail: str | None = None,
    ) -> None:  # fmt: skip
        native, deployment = self._native, self._deployment
        price = deployment.effective_price
        version = None
        if price is not None:
            version = price.version if native.percent == 100 else f"{price.version}*{native.percent}%"
        trip.attempts = [
            Attempt(
                id=same("att", trip.receipt_id, 1),
                deployment=deployment.id,
                provider=deployment.provider,
                model=(answer.model if answer is not None else "") or deployment.upstream_model,
                started_at_ns=native.at_ns,
                duration_ns=max(0, self._now()[0] - native.at_ns),
                ok=failure is None,
                failure=failure,
                status=answered.status,
                detail=detail,
                usage=usage,
                cost_nanos=(
                    0
                    if price is None or usage.source == "none"
                    else cost(usage, price, percent=native.percent)
                ),
                currency="USD" if price is None else price.currency,
                price_version=version,
                upstream_request_id=None if answered.request_id is None else answered.request_id[:120],
                finish=None if answer is None else answer.finish,
            )
        ]


def maker_of(batch: Batch, native: Native) -> Principal:
    """Whoever made a batch whose key is known no more: results of what was asked are still booked to it."""
    return Principal(
        batch.org_id, native.workspace_id, batch.project_id, batch.key_id, "", "member", frozenset(), Rights()
    )
