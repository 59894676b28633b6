"""What answers tell without anybody: whether they have the form asked for, and that they were asked again.

    form      of some answers, after they were settled and sent: an outcome of source `schema`
    retried   the same turn of a conversation is asked again soon, in nearly the same words: an outcome of
              source `retried`, of the answer before

Both are weak (`core.outcome.WEIGHTS`): an answer that has its form may say anything, and who asks again may
have been cut off. An answer that has its form therefore counts as what the catalog says of its model, neither
more nor less: were it 1, the model that is asked the most would seem the best at everything. One without it
is of no use to who asked: 0.

Nothing is kept beyond its time: of a form, request and answer until they were looked at, some seconds; of a
turn, its packed request and hashed name, for two minutes, in this worker alone.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from passerelle.catalog import Catalog
from passerelle.codecs import registry
from passerelle.core.clock import Clock
from passerelle.core.errors import AnswerError, ProblemError
from passerelle.core.outcome import GATEWAY, WEIGHTS, Judged
from passerelle.core.receipt import Receipt
from passerelle.gateway.charts import fingerprint
from passerelle.gateway.learning.judging import as_usual, judged
from passerelle.gateway.sighting import Seen
from passerelle.gateway.trip import Ask
from passerelle.router.verifier.base import UndecidedError, heard, said
from passerelle.router.verifier.schema import applies, verdict
from passerelle.store import Store

log = logging.getLogger("passerelle.router")

FORM_EVERY_S = 10.0
"""Of an organisation's answers each worker looks at one in so many seconds. All of them learn from it, for a
millisecond each."""
RETRIED_WITHIN_S = 120.0
MOST_BYTES = 256 << 10
"""Of a request, and of an answer."""
_MOST_WAITING = 32
_MOST_TURNS = 1024
_MOST_ORGS = 4096

Usable = Callable[[Judged], bool]
Alike = Callable[[bytes, bytes], bool]


class Gathered(list[bytes]):
    """The pieces of an answer, let go of once they are more than may be kept."""

    size = 0

    def append(self, piece: bytes, /) -> None:
        """One more."""
        self.size += len(piece)
        if self.size > MOST_BYTES:
            self.clear()
        else:
            super().append(piece)


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A request that was answered."""

    ask: Ask
    receipt: Receipt
    catalog: Catalog
    seen: Seen
    answer: Sequence[bytes] | None = None
    """Where its form is to be looked at; the last pieces may come after it was settled."""


class _Turn(msgspec.Struct, frozen=True, gc=False):
    """An answer that may be asked for again."""

    judged: Judged
    words: int
    """`fingerprint` of what was asked."""
    ended_s: float
    """Monotonic."""


class Signals:
    """One worker's."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._looked_s: dict[str, float] = {}
        self._waiting: deque[Answered] = deque(maxlen=_MOST_WAITING)
        self._told: deque[tuple[str, Judged]] = deque(maxlen=_MOST_WAITING)
        self._turns: dict[tuple[str, int, int], _Turn] = {}
        """By key, conversation and turn, the oldest first."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self._waiting or self._told)

    # --- on the road

    def looks(self, org_id: str, features: frozenset[str]) -> bool:
        """Whether the form of the answer to this request is to be looked at. Said before it is known."""
        if not applies(features):
            return False
        now_s, last_s = self._clock.monotonic_s(), self._looked_s.get(org_id)
        if last_s is not None and now_s - last_s < FORM_EVERY_S:
            return False
        self._looked_s.pop(org_id, None)
        if len(self._looked_s) >= _MOST_ORGS:
            del self._looked_s[next(iter(self._looked_s))]
        self._looked_s[org_id] = now_s
        return True

    def answered(self, case: Answered, usable: Usable, alike: Alike) -> None:
        """A request was answered and settled."""
        if case.answer is not None and len(case.ask.body) <= MOST_BYTES:
            self._waiting.append(case)
        self._note_turn(case, usable, alike)

    def _note_turn(self, case: Answered, usable: Usable, alike: Alike) -> None:
        seen, ask = case.seen, case.ask
        # A question that begins a conversation without a name is asked again by everybody who has it.
        conversation = seen.called if seen.called is not None or seen.turn == 1 else seen.opened
        if conversation is None or not seen.sight.words:
            return
        name = (ask.principal.key_id, conversation, seen.turn)
        weak = judged(
            case.receipt, case.catalog, source="retried", score=0.0, weight=WEIGHTS["seen asked again"]
        )
        if isinstance(weak, str) or not usable(weak):
            return
        now_s, words = self._clock.monotonic_s(), fingerprint(seen.sight.words)
        before = self._turns.pop(name, None)
        if before is not None and before.ended_s <= ask.started_s <= before.ended_s + RETRIED_WITHIN_S:
            first, again = before.judged.features, weak.features
            if before.words == words or (first is not None and again is not None and alike(first, again)):
                self._told.append((ask.principal.org_id, before.judged))
        self._turns[name] = _Turn(weak, words, now_s)
        while len(self._turns) > _MOST_TURNS or now_s - next(iter(self._turns.values())).ended_s > (
            RETRIED_WITHIN_S
        ):
            del self._turns[next(iter(self._turns))]

    # --- beside it

    async def tell(self, usable: Usable) -> None:
        """Keep what is to be told as outcomes. Raises `StoreUnavailable`."""
        cases, told = list(self._waiting), list(self._told)
        self._waiting.clear()
        self._told.clear()
        if cases or told:
            await asyncio.to_thread(self._keep, cases, told, usable)

    def _keep(self, cases: list[Answered], told: list[tuple[str, Judged]], usable: Usable) -> None:
        for case in cases:
            try:
                found = _form(case)
            except Exception:
                # A mistake of ours in reading one answer again must not keep the others from being told.
                log.exception("an answer's form cannot be told", extra={"receipt_id": case.receipt.id})
                continue
            if found is not None and usable(found):
                told.append((case.receipt.org_id, found))
        from passerelle.store.feedback import SaidOtherwise

        for org_id, one in told:
            try:
                self._store.feedback.add(org_id, one, actor=GATEWAY)
            except SaidOtherwise:
                log.debug("said before, and otherwise", extra={"receipt_id": one.receipt_id})


def _form(case: Answered) -> Judged | None:
    """What the form of an answer says; None where it says nothing."""
    ask = case.ask
    data = b"".join(case.answer or ())
    if not data or ask.target.json_array or _told(case.receipt):
        return None
    try:
        request = registry.client(ask.dialect).decode_request(ask.body, ask.target)
        side = registry.provider(ask.dialect)
        if case.receipt.stream:
            decoder = side.stream_decoder()
            answer = heard([*decoder.feed(data), *decoder.close()])
        else:
            answer = said(side.decode_response(data))
    except (ProblemError, AnswerError, RecursionError, UndecidedError):
        return None
    found = verdict(request, answer)
    if not found.tells:
        return None
    form = judged(case.receipt, case.catalog, source="schema", score=0.0, weight=WEIGHTS["form"])
    if isinstance(form, str) or not found.holds:
        return None if isinstance(form, str) else form
    return as_usual(form)


def _told(receipt: Receipt) -> bool:
    """Whether a cascade tells of the answer that was delivered: it was the first's, which its verifier held
    against the same.
    """
    done, plan = receipt.cascade, receipt.plan
    if done is None or plan is None or plan.cascade is None or plan.cascade.verifier != "schema":
        return False
    return done.tells and receipt.deployment == plan.cascade.first
