"""What a learner knows: arrays and counts by model and by task. It predicts, and `learner` changes it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from passerelle.router.embed import BUCKETS, STATIC_DIMS
from passerelle.router.quality import calibrate, kin, lexical
from passerelle.router.quality.base import Bools, Estimates, Sight
from passerelle.router.quality.drift import Watch
from passerelle.router.quality.fit import PENALTIES, belonging, distance, nearest, vectors_of
from passerelle.router.quality.linear import CARRIED, DIMS, F64, Head, Space
from passerelle.router.quality.memory import Memory
from passerelle.router.quality.stack import FAR, Gate, Weights
from passerelle.router.quality.tally import Tally
from passerelle.router.quality.view import F32, FIGURES, View

NINETY = 1.645
FEW = 30.0
"""Outcomes at which a new model's own head counts as much as its nearest sibling's."""
_MOST = 0.995
_NAMED_ROWS = 3.0
"""Requests of a task at which it counts as half known."""
KNOWN_BELOW = 0.75
"""Share of far above which a request is said to be unknown."""
UNSEEN = -1
"""A task that somebody named and nobody had outcomes of."""


class Newcomer:
    """What is kept of a model that was not in the last fit: how well each other one foretells it."""

    def __init__(self, models: int) -> None:
        self.outcomes = 0.0
        self.wrong: F64 = np.zeros(models)


class Tables(NamedTuple):
    """What estimates are made from, put together once between two outcomes."""

    heads: F64
    carried: F64
    level: F64
    means: F64
    place: dict[str, int]


class Mind:
    """The state behind the estimates."""

    def __init__(self) -> None:
        self.models: list[str] = []
        self.tasks: dict[str, int] = {}
        """Tasks by the names somebody gave; their rows in the tally come first."""
        self.middles: F32 = np.zeros((0, DIMS - 1), np.float32)
        """Kinds of requests found without names; row `first_kind + k` of the tally."""
        self.kinds: list[int] = []
        """The tally's row of each middle."""
        self.guess: F64 = np.zeros((DIMS, 0))
        """Of each row of the tally at the last fit: how a request is told to belong there."""
        self.akin = kin.nobody()
        """Which tasks of the last fit a request is akin to, whatever its name."""
        self.named = kin.Named({}, np.zeros(0))
        """The tasks of the last fit that have one."""
        self.space = Space(
            np.zeros(FIGURES, np.float32), np.ones(FIGURES, np.float32), np.zeros(STATIC_DIMS, np.float32)
        )
        self.tally = Tally(0, 0)
        self.priors: dict[str, float] = {}
        self.penalty = PENALTIES[1]
        self.carried_penalty = PENALTIES[1]
        self.heads: list[Head] = []
        self.carried: list[Head] = []
        """Heads that see neither task nor subject: what they say holds furthest out."""
        self.shared = Head.blank(DIMS, self.penalty)
        """What all models have in common: the difficulty, and the ground that was covered."""
        self.scale: F32 = np.ones(BUCKETS, np.float32)
        self.words: F32 = np.zeros((BUCKETS, 0), np.float32)
        self.memory = Memory(np.zeros((0, STATIC_DIMS), np.float32), np.zeros((0, 0), np.float32))
        self.near, self.far, self.gate = Weights(), FAR, Gate()
        self.maps: F64 = np.repeat(calibrate.plain()[None], 2, axis=0)
        """Of each model, then the pooled one; then that of a request's mean over models, far."""
        self.noise, self.unknown = 0.2, 0.03
        self.watches: list[Watch] = []
        self.newcomers: dict[int, Newcomer] = {}
        self.outcomes: list[int] = []
        self.digest = b""
        self._tables: Tables | None = None
        self._told: kin.Told | None = None

    def prior(self) -> F64:
        """Of each model: the catalog's, NaN where it says nothing."""
        return np.array([self.priors.get(name, np.nan) for name in self.models])

    def changed(self) -> None:
        """To be called after anything was."""
        self._tables = self._told = None

    def tables(self) -> Tables:
        """The same until the next change."""
        if self._tables is None:
            level = self.tally.levels(self.prior())
            self._tables = Tables(
                np.stack([h.coefficients for h in self.heads], axis=1),
                np.stack([h.coefficients for h in self.carried], axis=1),
                level,
                self.tally.base(level),
                {name: place for place, name in enumerate(self.models)},
            )
        return self._tables

    def task_of(self, sights: list[Sight], points: F64) -> NDArray[np.float64]:
        """n×tasks: how much each request belongs to each row of the tally. All zero: to none known."""
        share = np.zeros((len(sights), len(self.tally.rows)))
        blank: list[int] = []
        for row, sight in enumerate(sights):
            found = None if sight.task is None else self.tasks.get(sight.task)
            if found is None:
                blank.append(row)
            else:
                share[row, found] = 1.0
        if blank and self.kinds:
            kind = nearest(np.asarray(points[blank, 1:], np.float32), self.middles)
            share[blank, np.array(self.kinds)[kind]] = 1.0
        elif blank and len(self.tasks):
            share[blank, : self.guess.shape[1]] = belonging(points[blank], self.guess)
        return share

    def levels(self, view: View, points: F64) -> tuple[list[F64], F64]:
        """What the linear, lexical, remembered and carried levels say (n×m each, the last of them over the
        model's level), and how close the request is (n×2: see `Gate`).
        """
        tables = self.tables()
        linear = points @ tables.heads
        words = lexical.say(view, view.weighed(self.scale), self.words)
        vectors = np.asarray(points[:, -STATIC_DIMS:], np.float32)
        remembered, cosine = self.memory.near(vectors)
        carried = points[:, :CARRIED] @ tables.carried
        if not len(self.middles):
            return [linear, words, remembered, carried], np.stack([cosine, np.zeros(len(points))], axis=1)
        close = np.stack([cosine, -distance(vectors_of(points), self.middles)], axis=1)
        return [linear, words, remembered, carried], close

    def kin(self, points: F64) -> tuple[F64, F64]:
        """n×m each: the expected quality by the tasks that a request is akin to by words, and by form."""
        return kin.expected(points, self.akin, self.tables().means)

    def near_levels(self, levels: list[F64], akin: tuple[F64, F64], base: F64) -> list[F64]:
        """As the near weights want them: over `base`, with the kin."""
        return [*levels[:3], levels[3] + self.tables().level - base, akin[0] - base, akin[1] - base]

    def far_levels(self, levels: list[F64], akin: tuple[F64, F64], sights: list[Sight]) -> list[F64]:
        """As the far weights want them: over each model's level, with the kin and what names tell."""
        tables = self.tables()
        if self._told is None:
            self._told = self.named.told(tables.means, self.tally.rows, tables.level)
        told = self._told.of(self.named.likes([sight.task for sight in sights]))
        return [*levels, *kin.levels(tables.level, akin, told)]

    def estimates(self, view: View, sights: list[Sight], models: list[str]) -> Estimates:
        """See `Learner.estimates`."""
        rows = len(sights)
        if not self.models:
            return self._from_priors(rows, models)
        points = self.space.of(view.figures, view.static)
        levels, close = self.levels(view, points)
        share = self.task_of(sights, points)
        tables = self.tables()
        level, means = tables.level, tables.means
        belongs = share.sum(axis=1)
        # A name that is known is near, whatever the words; a new one is rather far; else the words say.
        named = np.array([sight.task is not None for sight in sights])
        distance = self.gate.far(close)
        new = np.array([s.task is not None and s.task not in self.tasks for s in sights])
        distance = np.where(new, self.gate.far(close, new=True), distance)
        rows_of = share @ self.tally.rows
        distance = np.where(named & ~new, distance * _NAMED_ROWS / (_NAMED_ROWS + rows_of), distance)
        base = share @ means + (1 - belongs)[:, None] * level
        akin = self.kin(points)
        near = base + self.near.of(self.near_levels(levels, akin, base))
        far = level + self.far.of(self.far_levels(levels, akin, sights))
        # What is told of tasks nobody knows stands on whole tasks held out, and on its name.
        far_part = np.where(new, 1.0, distance)[:, None]
        raw = (1 - far_part) * calibrate.mapped(near, self.maps[:-2]) + far_part * _calibrated(
            far, self.maps[-1]
        )
        self._lean_on_siblings(raw, level)
        count = self.tally.count
        thin = self.noise / (share @ count + self.tally.shrink.own)
        reach = self.shared.leverage(points)[:, None] * max(self._usual(), 1.0)
        lean = self.noise * np.minimum(reach / (count.sum(axis=0) + 1.0), 1.0 / self.penalty)
        variance = (1 - far_part) * thin + lean + far_part * self.unknown
        return self._as_asked(raw, variance, distance, models, level)

    def _usual(self) -> float:
        return float(self.tally.count.sum() / max(len(self.models), 1))

    def _as_asked(self, raw: F64, variance: F64, distance: F64, models: list[str], level: F64) -> Estimates:
        """For the models asked for, known or not, and inside [0, 1]."""
        places = [self.tables().place.get(name, -1) for name in models]
        half = NINETY * np.sqrt(variance)
        if -1 not in places:
            mean, half = raw[:, places], half[:, places]
        else:
            easier = (raw - level).sum(axis=1, keepdims=True) / len(self.models)
            prior = np.array([self.priors.get(name, float(level.mean())) for name in models])
            new = np.array(places) < 0
            mean = np.where(new, np.clip(prior + easier, 0.0, 1.0), raw[:, places])
            half = np.where(new, NINETY * np.sqrt(self.unknown + self.noise / 4), half[:, places])
        # What would rise above one is lowered with all its row: cut alone, the best would equal the second.
        mean = np.clip(mean - np.maximum(mean.max(axis=1, keepdims=True, initial=0.0) - _MOST, 0.0), 0.0, 1.0)
        known: Bools = distance < KNOWN_BELOW
        return Estimates(mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1), known)

    def _from_priors(self, rows: int, models: list[str]) -> Estimates:
        mean = np.tile([self.priors.get(name, 0.5) for name in models], (rows, 1)).reshape(rows, len(models))
        half = NINETY * np.sqrt(self.unknown + self.noise / 4)
        return Estimates(
            mean, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1), np.zeros(rows, np.bool_)
        )

    def _lean_on_siblings(self, raw: F64, level: F64) -> None:
        """A model with few outcomes is as its nearest sibling, moved to its own level."""
        old = [k for k in range(len(self.models)) if k not in self.newcomers]
        for own, newcomer in self.newcomers.items():
            if not old or newcomer.outcomes >= 10 * FEW:
                continue
            trust = newcomer.outcomes / (newcomer.outcomes + FEW)
            if newcomer.outcomes >= 10:
                sibling = min(old, key=lambda k: (newcomer.wrong[k], k))
                others = raw[:, sibling] - level[sibling]
            else:
                others = (raw[:, old] - level[old]).mean(axis=1)
            raw[:, own] = trust * raw[:, own] + (1 - trust) * (level[own] + others)


def _calibrated(scores: F64, knots: F64) -> F64:
    """Each request's mean over models through the map; the differences stay."""
    mean = scores.sum(axis=1, keepdims=True) / scores.shape[1]
    return np.asarray(scores + (calibrate.mapped(mean, knots[None]) - mean))
