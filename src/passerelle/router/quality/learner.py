"""The learner: all levels together. Fitted from a table of outcomes, then changed by one outcome at a time.

    catalog prior → mean of the task → linear heads → words → memory of neighbours → calibration

Each level corrects what the ones before left, and is trusted as far as it has shown (`stack`). Fitting is a
matter of seconds, an update of a millisecond, an estimate of half of one. No clock, no chance: randomness is
drawn from the seed given to `fit`.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from passerelle.router.embed import STATIC_DIMS, Static
from passerelle.router.quality import kin, memory, state
from passerelle.router.quality.base import HINT_BELOW, Estimate, Estimates, Floats, Sight
from passerelle.router.quality.drift import RECENT, Watch
from passerelle.router.quality.fit import LEXICAL_PENALTY, clusters, fit, guess, nearest
from passerelle.router.quality.linear import CARRIED, DIMS, F64, Head, Ints, Space, inverse
from passerelle.router.quality.mind import Mind, Newcomer
from passerelle.router.quality.tally import Tally
from passerelle.router.quality.view import F32, View, pack, see, together

KEEP = 0.9995
"""What an outcome leaves of the weight of those before it: half after 1,400 outcomes of the model."""
_AFTER_CHANGE = 0.03
_KNOWN_LEAST = 30


class StackedLearner:
    """See `base.Learner`. `static` gives vectors of words; without it the words themselves must do."""

    def __init__(self, static: Static | None = None, *, keep: float = KEEP) -> None:
        self._static = static
        self._keep = keep
        self._mind = Mind()
        self.changed: str | None = None
        """The model that the last update found to be no longer what it was; None: none."""

    @property
    def version(self) -> str:
        """A digest of all that was learned, in order."""
        return f"q{state.FORMAT}-{self._mind.digest.hex()[:12] or 'prior'}"

    @property
    def models(self) -> tuple[str, ...]:
        """Those of which there were outcomes."""
        return tuple(self._mind.models)

    def set_priors(self, priors: Mapping[str, float]) -> None:
        """See `base.Learner`."""
        mind = self._mind
        mind.priors = dict(sorted(priors.items()))
        mind.digest = _digest(mind.digest, repr(mind.priors).encode())
        mind.changed()

    def pack(self, sight: Sight) -> bytes:
        """See `base.Learner`."""
        return sight.features if sight.features is not None else pack(sight, self._static)

    def estimate(self, sight: Sight, models: Sequence[str]) -> dict[str, Estimate]:
        """See `base.Learner`."""
        mind = self._mind
        view = together([see(sight, self._static)])
        ((means, lows, highs),), (known,) = mind.rows(view, [sight], list(models))
        place, outcomes = mind.tables().place, mind.outcomes
        found: dict[str, Estimate] = {}
        for name, mean, low, high in zip(models, means, lows, highs, strict=True):
            own = place.get(name, -1)
            many = outcomes[own] if own >= 0 else 0
            found[name] = Estimate(mean, low, high, many, known and many >= _KNOWN_LEAST)
        return found

    def estimates(self, sights: Sequence[Sight], models: Sequence[str]) -> Estimates:
        """See `base.Learner`."""
        view = together([see(sight, self._static) for sight in sights])
        return self._mind.estimates(view, list(sights), list(models))

    def fit(
        self,
        sights: Sequence[Sight],
        models: Sequence[str],
        scores: Floats,
        seed: int = 0,
        weights: Floats | None = None,
    ) -> None:
        """See `base.Learner`. ValueError when `scores` is of another shape than requests × models."""
        if scores.shape != (len(sights), len(models)):
            raise ValueError(
                f"`scores` is {scores.shape} for {len(sights)} requests and {len(models)} models; give one "
                "row per request and one column per model"
            )
        mind = Mind()
        mind.priors = self._mind.priors
        mind.digest = _digest(repr((list(models), seed, mind.priors)).encode(), np.asarray(scores).tobytes())
        if weights is not None:
            mind.digest = _digest(mind.digest, np.asarray(weights).tobytes())
        if not len(sights):
            self._mind = mind
            return
        packed = [self.pack(sight) for sight in sights]
        for sight, one in zip(sights, packed, strict=True):
            mind.digest = _digest(mind.digest, one + (sight.task or "\0").encode())
        view = together([see(Sight("", features=one), None) for one in packed])
        mind.space = Space.around(view.figures, view.static)
        points = mind.space.of(view.figures, view.static).astype(np.float64)
        task = _tasks(mind, sights, points, seed)
        mind.models = list(models)
        mind.tally = Tally(len(mind.tasks) + len(mind.kinds), len(models))
        _take(mind, view, points, task, np.clip(np.asarray(scores, np.float64), 0.0, 1.0), weights, seed)
        self._mind = mind

    def update(self, sight: Sight, model: str, score: float, weight: float = 1.0) -> None:
        """See `base.Learner`."""
        mind = self._mind
        packed = self.pack(sight)
        note = f"{model}\0{score!r}\0{weight!r}\0{sight.task!r}".encode()
        mind.digest = _digest(mind.digest, packed + note)
        score = min(max(score, 0.0), 1.0)
        seen = see(Sight("", features=packed), None)
        view = together([seen])
        points = mind.space.of(view.figures, view.static)
        own = _place(mind, model)
        _name(mind, sight.task)
        mind.changed()
        self._learn(sight, view, points, own, score, weight)

    def _learn(self, sight: Sight, view: View, points: F32, own: int, score: float, weight: float) -> None:
        mind = self._mind
        point = points[0].astype(np.float64)
        by_line = mind.said(points)
        level, means = mind.tables().level, mind.tables().means
        share = mind.task_of([sight], by_line)[0]
        base = share @ means + (1 - share.sum()) * level
        layers, _ = mind.layers(view, points, by_line, base[None])
        said = mind.mixed(layers, np.zeros(1))[0, 0]
        if own in mind.newcomers:
            newcomer = mind.newcomers[own]
            newcomer.outcomes += weight
            guess = said - level + level[own]
            newcomer.wrong += weight * (score - guess) ** 2
        changed = mind.watches[own].note(weight * (score - min(max(float(said[own]), 0.0), 1.0)))
        left = score - float(base[own])
        keep = self._keep**weight  # the past fades by what is learned, not by how often
        _count(mind.tally, share, own, score, weight, keep)
        mind.heads[own].learn(point, left, weight=weight, keep=keep)
        over = score - float(level[own])
        mind.carried[own].learn(point[:CARRIED], over, weight=weight, keep=keep)
        mind.shared.learn(point, float(np.mean(left)), weight=weight / len(mind.models), keep=1.0)
        value = view.weighed(mind.scale)
        step = weight * (left - float(layers[0, 0, own]) - float(layers[0, 1, own])) / (3 * LEXICAL_PENALTY)
        mind.words[view.bucket, own] += np.float32(step) * value
        mind.memory.put(points[0, -STATIC_DIMS:], own, left)
        mind.outcomes[own] += weight >= HINT_BELOW
        self.changed = mind.models[own] if changed else None
        if changed:
            _begin_anew(mind, own)
        mind.changed()

    def state(self) -> bytes:
        """See `base.Learner`."""
        return state.save(self._mind)

    @classmethod
    def from_state(cls, data: bytes, static: Static | None = None, *, keep: float = KEEP) -> "StackedLearner":
        """The learner that gave this state. ValueError for anything else."""
        learner = cls(static, keep=keep)
        learner._mind = state.load(data)
        return learner


def _tasks(mind: Mind, sights: Sequence[Sight], points: F64, seed: int) -> Ints:
    """The row of the tally of each request, and in `mind` what gives later ones theirs."""
    names = sorted({sight.task for sight in sights if sight.task is not None})
    mind.middles = clusters(points, seed)
    mind.tasks = {name: row for row, name in enumerate(names)}
    task = np.array([mind.tasks.get(s.task, -1) if s.task is not None else -1 for s in sights], np.int64)
    named = task >= 0
    if named.any():
        mind.guess = guess(points[named], task[named], len(names))
        if not named.all():
            task[~named] = np.argmax(points[~named] @ mind.guess, axis=1)
        return task
    mind.kinds = list(range(len(mind.middles)))
    kind = nearest(np.asarray(points[:, 1:], np.float32), mind.middles)
    mind.guess = guess(points, kind, len(mind.kinds))
    return kind


def _take(
    mind: Mind, view: View, points: F64, task: Ints, scores: F64, weights: F64 | None, seed: int
) -> None:
    """Fit every level into `mind`."""
    mind.named = kin.Named(mind.tasks, np.bincount(task, minlength=len(mind.tally.rows)))
    found = fit(view, points, task, mind.named, mind.tally, scores, weights, mind.prior(), seed)
    mind.akin = found.akin
    mind.penalty = found.penalty
    seen = np.isfinite(scores)
    spreads: dict[bytes, F64] = {}
    mind.carried_penalty = found.carried_penalty
    mind.heads, mind.carried = [], []
    forms: dict[bytes, F64] = {}
    for column in range(len(mind.models)):
        rows = seen[:, column]
        counted = None if weights is None else weights[rows, column]
        key = rows.tobytes() + (b"" if counted is None else counted.tobytes())
        if key not in spreads:
            mine = points[rows]
            weighed = mine if counted is None else mine * counted[:, None]
            gram = found.gram if rows.all() and counted is None else weighed.T @ mine
            spreads[key] = inverse(gram, found.penalty)
            forms[key] = inverse(gram[:CARRIED, :CARRIED], found.carried_penalty)
        mind.heads.append(Head(found.coefficients[:, column].copy(), spreads[key]))
        mind.carried.append(Head(found.carried[:, column].copy(), forms[key]))
    mean = found.coefficients.mean(axis=1)
    mind.shared = Head(mean, inverse(found.gram, found.penalty))
    mind.scale, mind.words = found.scale, found.words
    mind.near, mind.far, mind.gate, mind.maps = found.near, found.far, found.gate, found.maps
    mind.noise, mind.unknown = found.noise, found.unknown
    kept = slice(max(0, len(points) - memory.CAPACITY), len(points))
    mind.memory = memory.Memory(
        memory.short(np.asarray(points[kept, -STATIC_DIMS:], np.float32)), found.left[kept]
    )
    mind.watches = [Watch() for _ in mind.models]
    firm = seen if weights is None else seen & (weights >= HINT_BELOW)
    mind.outcomes = [int(n) for n in firm.sum(axis=0)]


def _place(mind: Mind, model: str) -> int:
    """The model's column; a new one begins as what all models have in common."""
    if model in mind.models:
        return mind.models.index(model)
    mind.models.append(model)
    mind.tally.widen()
    common = np.mean([h.coefficients for h in mind.carried], axis=0) if mind.carried else None
    mind.carried.append(Head.blank(CARRIED, mind.carried_penalty, common))
    mind.heads.append(Head.blank(DIMS, mind.penalty, mind.shared.coefficients))
    mind.words = np.concatenate(
        [
            mind.words,
            mind.words.mean(axis=1, keepdims=True)
            if mind.words.shape[1]
            else mind.words[:, :0].sum(axis=1, keepdims=True),
        ],
        axis=1,
    )
    mind.memory.widen()
    mind.maps = np.concatenate([mind.maps[:-2], mind.maps[-2:-1], mind.maps[-2:]])
    mind.watches.append(Watch())
    mind.outcomes.append(0)
    for newcomer in mind.newcomers.values():
        newcomer.wrong = np.append(newcomer.wrong, 0.0)
    mind.newcomers[len(mind.models) - 1] = Newcomer(len(mind.models))
    return len(mind.models) - 1


def _name(mind: Mind, task: str | None) -> None:
    """Give a task that was never named a row of the tally."""
    if task is not None and task not in mind.tasks:
        mind.tasks[task] = len(mind.tally.rows)
        mind.tally.lengthen()


def _count(tally: Tally, share: F64, own: int, score: float, weight: float, keep: float) -> None:
    tally.count[:, own] *= keep
    tally.total[:, own] *= keep
    tally.count[:, own] += weight * share
    tally.total[:, own] += weight * share * score
    tally.rows += weight * share


def _begin_anew(mind: Mind, own: int) -> None:
    """The model is no longer what it was: what was learned of it counts for little from here."""
    mind.tally.count[:, own] *= _AFTER_CHANGE
    mind.tally.total[:, own] *= _AFTER_CHANGE
    mind.heads[own].loosen(RECENT, mind.penalty)
    mind.carried[own].loosen(RECENT, mind.carried_penalty)
    mind.words[:, own] *= np.float32(0.5)
    mind.memory.forget(own)


def _digest(before: bytes, more: bytes) -> bytes:
    return hashlib.blake2b(before + more, digest_size=16).digest()
