"""What is learned of one organisation: a fold over its outcomes in the order of their numbers.

    take      one outcome, or the two of a verdict: an exact update
    due       enough came since the last time: learn anew from the last `WINDOW` of them, all levels together
    refit     does so; who follows the same outcomes does it at the same numbers, and gets the same

Nothing else changes it: no clock, no chance, no other order. So any worker that has folded the same outcomes
has the same state, and one that is lost is folded again.

A verdict says which of two is better, not how good they are. Its outcomes are therefore set around what is
expected of the two: their mean stays, and their difference moves by what the verdict tells beyond what was
expected of it (R. A. Bradley and M. E. Terry, "Rank Analysis of Incomplete Block Designs", Biometrika 39,
1952). `both_bad` is told as it is: neither was any good.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from passerelle.core.outcome import WHOLE_PPM, Outcome, window
from passerelle.gateway.learning.kinds import Kind
from passerelle.router.quality.base import Floats, Sight

FIRST_FIT = 16
"""Outcomes before anything is predicted: until then the catalog knows better."""
EVERY = 4096
"""Outcomes between two fittings, once so many came; before that it is done at every doubling."""
WINDOW = 4096
"""Of the last outcomes, as many are fitted from: what is older has been forgotten."""
NEVER = 0
_STEEP = 6.0
"""Bradley–Terry's odds of a win are e^(this × the difference of expected scores): 0.1 apart, 65 to 35."""
_BINS = 10
_FORMAT = 1

Past = Callable[[int, int], Sequence[Outcome]]
"""The last outcomes up to and with a number: see `core.outcome.window`."""


class Told(msgspec.Struct, gc=False, array_like=True):
    """What is shown of a model on a task: counted since it was last found to be changed."""

    outcomes: int = 0
    weight: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    first: int = 0
    """The first of them."""

    def add(self, score: float, weight: float, number: int) -> None:
        """One more."""
        self.outcomes += 1
        self.weight += weight
        self.total += weight * score
        self.squares += weight * score * score
        self.first = self.first or number

    @property
    def mean(self) -> float:
        """Of the scores."""
        return self.total / self.weight if self.weight else 0.0

    @property
    def half(self) -> float:
        """Half the width of the interval that holds the true mean nine times in ten."""
        spread = max(self.squares / self.weight - self.mean**2, 0.0) if self.weight else 0.25
        # As if one outcome of each kind had been seen besides: three alike prove little.
        return 1.645 * math.sqrt((spread * self.outcomes + 0.5) / (self.outcomes + 2) / (self.outcomes + 2))


class Bin(msgspec.Struct, gc=False, array_like=True):
    """What was predicted within a tenth, and what came."""

    count: int = 0
    said: float = 0.0
    came: float = 0.0


class _Saved(msgspec.Struct, array_like=True):
    format: int
    kind: str
    number: int
    learned: int
    next_fit: int
    told: dict[str, dict[str, Told]]
    bins: list[Bin]
    resets: dict[str, list[int]]
    priors: dict[str, float]
    compared: dict[int, float]
    learner: bytes


class Fold:
    """See the module."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.learner: Any = kind.new()
        self.number = 0
        """The last outcome that was taken, or passed over."""
        self.learned = 0
        """Outcomes that could be learned from."""
        self.next_fit = FIRST_FIT if kind.pack is not None else NEVER
        self.told: dict[str, dict[str, Told]] = {}
        """By model, then by task; `""`: no task."""
        self.bins = [Bin() for _ in range(_BINS)]
        self.resets: dict[str, list[int]] = {}
        """The outcomes at which a model was found to be changed."""
        self.priors: dict[str, float] = {}
        self.compared: dict[int, float] = {}
        """Outcomes of verdicts, by number: what they were set to."""

    @property
    def ready(self) -> bool:
        """Whether its estimates are worth more than the catalog's."""
        return bool(self.learner.models)

    @property
    def due(self) -> bool:
        """Whether to learn anew before the next outcome."""
        return self.next_fit != NEVER and self.learned >= self.next_fit

    @property
    def calibration(self) -> float | None:
        """The expected error of the predictions made before each outcome; None where there were too few."""
        count = sum(one.count for one in self.bins)
        return sum(abs(one.said - one.came) for one in self.bins) / count if count >= FIRST_FIT else None

    def take(self, step: Sequence[Outcome]) -> None:
        """Learn from one outcome, or from the two of a verdict. ValueError when it is not the next."""
        if step[0].number != self.number + 1:
            raise ValueError(f"outcome {step[0].number} does not follow {self.number}")
        self.number = step[-1].number
        usable = [one for one in step if self._usable(one)]
        if len(usable) < len(step):  # half a comparison says nothing
            usable = []
        self._hear_priors(usable)
        scores = [one.judged.score_ppm / WHOLE_PPM for one in usable]
        if len(usable) == 2:
            scores = self._compared(usable, scores)
            self.compared = {n: s for n, s in self.compared.items() if n > self.number - WINDOW}
            self.compared.update((one.number, score) for one, score in zip(usable, scores, strict=True))
        for one, score in zip(usable, scores, strict=True):
            self._learn(one, score)

    def pass_over(self, number: int) -> None:
        """Go on after that outcome, without those before it."""
        self.number = max(self.number, number)

    def refit(self, past: Past) -> None:
        """Learn anew. `past` gives the outcomes up to a number."""
        learner = self.kind.new()
        rows = [one for one in past(self.number, WINDOW) if self._usable(one) and self._still(one)]
        learner.set_priors(self.priors)
        models = list(dict.fromkeys(one.judged.model for one in rows))
        fit(learner, rows, models, self.compared)
        self.learner = learner
        self.next_fit = self.learned * 2 if self.learned < EVERY else self.learned + EVERY

    def state(self) -> bytes:
        """Everything. The same state gives the same bytes."""
        saved = _Saved(
            _FORMAT, self.kind.name, self.number, self.learned, self.next_fit, self.told, self.bins,
            self.resets, self.priors, self.compared, self.learner.state(),
        )  # fmt: skip
        return msgspec.msgpack.encode(saved)

    @classmethod
    def from_state(cls, data: bytes, kind: Kind) -> "Fold":
        """The fold that gave this state. ValueError for anything else, and for another kind of learner's."""
        try:
            saved = msgspec.msgpack.decode(data, type=_Saved)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise ValueError(f"this is no state of a router ({error}); train one anew") from error
        if (saved.format, saved.kind) != (_FORMAT, kind.name):
            raise ValueError(
                f"this state is of a `{saved.kind}` learner, format {saved.format}; here is `{kind.name}`, "
                f"format {_FORMAT}: install what made it, or train one anew"
            )
        fold = cls(kind)
        fold.learner = kind.load(saved.learner)
        fold.number, fold.learned, fold.next_fit = saved.number, saved.learned, saved.next_fit
        fold.told, fold.bins, fold.resets = saved.told, saved.bins, saved.resets
        fold.priors, fold.compared = saved.priors, saved.compared
        return fold

    def _usable(self, one: Outcome) -> bool:
        return self.kind.pack is None or one.judged.features is not None

    def _still(self, one: Outcome) -> bool:
        """Whether its model is still what it was then."""
        known = self.resets.get(one.judged.model)
        return not known or one.number > known[-1]

    def _hear_priors(self, rows: Sequence[Outcome]) -> None:
        said = {
            one.judged.model: one.judged.prior_ppm / WHOLE_PPM
            for one in rows
            if one.judged.prior_ppm is not None
        }
        if any(self.priors.get(name) != value for name, value in said.items()):
            self.priors = {**self.priors, **said}
            self.learner.set_priors(self.priors)

    def _compared(self, pair: Sequence[Outcome], scores: Sequence[float]) -> list[float]:
        first, second = scores
        if first == second == 0.0:  # both bad
            return [first, second]
        expected = [self._expected(one) for one in pair]
        usual = math.tanh(_STEEP / 2 * (expected[0] - expected[1]))  # 2·P(first wins) − 1
        beyond = (first - second - usual) / 2
        return [min(max(expected[0] + beyond, 0.0), 1.0), min(max(expected[1] - beyond, 0.0), 1.0)]

    def _expected(self, one: Outcome) -> float:
        return float(self.learner.estimate(sight_of(one), [one.judged.model])[one.judged.model].mean)

    def _learn(self, one: Outcome, score: float) -> None:
        model, task = one.judged.model, one.judged.task
        weight = one.judged.weight_ppm / WHOLE_PPM
        if self.ready:
            said = self._expected(one)
            into = self.bins[min(int(said * _BINS), _BINS - 1)]
            into.count, into.said, into.came = into.count + 1, into.said + said, into.came + score
        self.learned += 1
        if self.next_fit != FIRST_FIT:
            self.learner.update(sight_of(one), model, score, weight)
        if self.learner.changed == model:
            self.resets.setdefault(model, []).append(one.number)
            self.told[model] = {}
        self.told.setdefault(model, {}).setdefault(task or "", Told()).add(score, weight, one.number)


def fit(learner: Any, rows: Sequence[Outcome], models: Sequence[str], compared: Mapping[int, float]) -> None:
    """Fit a learner to outcomes, those of one receipt together. `compared`: what verdicts were set to."""
    import numpy as np

    if not rows:
        return
    sums: dict[str, dict[str, tuple[float, float]]] = {}
    sights: dict[str, Sight] = {}
    for one in rows:
        judged = one.judged
        weight = judged.weight_ppm / WHOLE_PPM
        total, count = sums.setdefault(judged.receipt_id, {}).get(judged.model, (0.0, 0.0))
        score = compared.get(one.number, judged.score_ppm / WHOLE_PPM)
        sums[judged.receipt_id][judged.model] = total + weight * score, count + weight
        sights.setdefault(judged.receipt_id, sight_of(one))
    column = {model: place for place, model in enumerate(models)}
    scores = np.full((len(sights), len(models)), np.nan)
    weights = np.zeros(scores.shape)
    for row, said in enumerate(sums.values()):
        for model, (total, count) in said.items():
            scores[row, column[model]], weights[row, column[model]] = total / count, count
    alike = bool((weights[np.isfinite(scores)] == 1.0).all())
    learner.fit(list(sights.values()), list(models), scores, 0, None if alike else weights)


def sight_of(one: Outcome) -> Sight:
    """The request of an outcome, as it was seen."""
    return Sight("", task=one.judged.task, features=one.judged.features)


def steps(rows: Sequence[Outcome]) -> Iterator[list[Outcome]]:
    """The outcomes one by one, those of a verdict together."""
    place = 0
    while place < len(rows):
        two = rows[place : place + 2]
        size = 2 if len(two) == 2 and two[0].verdict_id and two[0].verdict_id == two[1].verdict_id else 1
        yield list(two[:size])
        place += size


def again(rows: Sequence[Outcome], kind: Kind) -> Fold:
    """Everything learned anew from these outcomes, one after the other, and at the end all together."""
    fold = Fold(kind)
    if not rows:
        return fold

    def past(number: int, most: int) -> Sequence[Outcome]:
        return window([one for one in rows if one.number <= number], most)

    fold.pass_over(rows[0].number - 1)
    for step in steps(rows):
        if fold.due:
            fold.refit(past)
        fold.pass_over(step[0].number - 1)
        fold.take(step)
    if kind.pack is not None and fold.learned >= FIRST_FIT:
        fold.refit(past)
    return fold


def from_table(
    sights: Sequence[Sight], models: Sequence[str], scores: Floats, priors: Mapping[str, float], kind: Kind
) -> Fold:
    """What a table tells: n requests, m models. Outcomes that follow are learned on top, never from scratch:
    what the table told would be forgotten.
    """
    fold = Fold(kind)
    fold.priors = dict(priors)
    fold.learner.set_priors(fold.priors)
    fold.learner.fit(sights, models, scores, 0)
    fold.next_fit = NEVER
    for row, sight in zip(scores.tolist(), sights, strict=True):
        for model, score in zip(models, row, strict=True):
            if not math.isnan(score):
                fold.told.setdefault(model, {}).setdefault(sight.task or "", Told()).add(score, 1.0, 0)
    return fold
