"""What a learner knows, all of it: arrays and counts by model and by task. It predicts; `learner` changes it."""

import numpy as np
from numpy.typing import NDArray

from passerelle.router.embed import BUCKETS, STATIC_DIMS
from passerelle.router.quality import calibrate, lexical, memory
from passerelle.router.quality.base import Bools, Estimates, Sight
from passerelle.router.quality.drift import Watch
from passerelle.router.quality.fit import PENALTIES, nearest
from passerelle.router.quality.linear import DIMS, F64, Head, Space
from passerelle.router.quality.stack import TIMID, Gate, Weights
from passerelle.router.quality.tally import Tally
from passerelle.router.quality.view import F32, FIGURES, View

NINETY = 1.645
FEW = 30.0
"""Outcomes at which a new model's own head counts as much as its nearest sibling's."""
KNOWN_BELOW = 0.75
"""Share of far above which a request is said to be unknown."""
UNSEEN = -1
"""A task that somebody named and nobody had outcomes of."""


class Newcomer:
    """What is kept of a model that was not in the last fit: how well each other one foretells it."""

    def __init__(self, models: int) -> None:
        self.outcomes = 0.0
        self.wrong: F64 = np.zeros(models)


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
        """Of each named task: how a request without a name is given to it."""
        self.guessed: list[int] = []
        self.space = Space(
            np.zeros(FIGURES, np.float32), np.ones(FIGURES, np.float32), np.zeros(STATIC_DIMS, np.float32)
        )
        self.tally = Tally(0, 0)
        self.priors: dict[str, float] = {}
        self.penalty = PENALTIES[1]
        self.heads: list[Head] = []
        self.shared = Head.blank(DIMS, self.penalty)
        """What all models have in common: the difficulty, and the ground that was covered."""
        self.scale: F32 = np.ones(BUCKETS, np.float32)
        self.words: F32 = np.zeros((BUCKETS, 0), np.float32)
        self.memory = memory.Memory(0, STATIC_DIMS)
        self.near, self.far, self.gate = Weights(), TIMID, Gate()
        self.maps: F64 = np.repeat(calibrate.plain()[None], 2, axis=0)
        self.noise, self.unknown = 0.2, 0.03
        self.watches: list[Watch] = []
        self.newcomers: dict[int, Newcomer] = {}
        self.outcomes: list[int] = []
        self.digest = b""

    def prior(self) -> F64:
        """Of each model: the catalog's, NaN where it says nothing."""
        return np.array([self.priors.get(name, np.nan) for name in self.models])

    def task_of(self, sights: list[Sight], points: F64) -> NDArray[np.float64]:
        """n×tasks: how much each request belongs to each row of the tally. All zero: to none known."""
        share = np.zeros((len(sights), len(self.tally.rows)))
        blank: list[int] = []
        for row, sight in enumerate(sights):
            if sight.task is None:
                blank.append(row)
            elif (found := self.tasks.get(sight.task)) is not None:
                share[row, found] = 1.0
        if blank and len(self.middles):
            kind = nearest(np.asarray(points[blank, 1:], np.float32), self.middles)
            share[blank, np.array(self.kinds)[kind]] = 1.0
        elif blank and self.guessed:
            said = np.maximum(points[blank] @ self.guess - 0.1, 0.0) ** 2
            said /= said.sum(axis=1, keepdims=True) + 1e-6
            share[np.ix_(blank, self.guessed)] = said
        return share

    def levels(self, view: View, points: F64) -> tuple[list[F64], F64]:
        """What the linear, lexical and remembered levels say (n×m each), and the nearest cosine."""
        linear = points @ np.stack([h.coefficients for h in self.heads], axis=1)
        words = lexical.say(view, view.weighed(self.scale), self.words)
        vectors = np.asarray(points[:, -STATIC_DIMS:], np.float32)
        remembered, close = memory.near(vectors, self.memory.vectors, self.memory.left)
        return [linear, words, remembered], close

    def estimates(self, view: View, sights: list[Sight], models: list[str]) -> Estimates:
        """See `Learner.estimates`."""
        rows = len(sights)
        if not self.models:
            return self._from_priors(rows, models)
        points = self.space.of(view.figures, view.static)
        levels, close = self.levels(view, points)
        share = self.task_of(sights, points)
        level = self.tally.levels(self.prior())
        belongs = share.sum(axis=1)
        # A name that is known is near, whatever the words; one that is not is far; without one, the words say.
        named = np.array([sight.task is not None for sight in sights])
        distance = self.gate.far(close)
        distance = np.where(named, np.where(belongs > 0, distance * 0.0, 1.0), distance)
        base = share @ self.tally.base(level) + (1 - belongs)[:, None] * level
        near = base + self.near.of(levels)
        far = level + self.far.of(levels)
        far_part = distance[:, None]
        raw = (1 - far_part) * near + far_part * far
        self._lean_on_siblings(raw, level)
        count = self.tally.count
        thin = self.noise / (share @ count + self.tally.shrink.own)
        reach = self.shared.leverage(points)[:, None] * max(self._usual(), 1.0)
        lean = self.noise * np.minimum(reach / (count.sum(axis=0) + 1.0), 1.0 / self.penalty)
        variance = (1 - far_part) * thin + lean + far_part * self.unknown
        return self._as_asked(raw, near, far, far_part, variance, distance, models, level)

    def _usual(self) -> float:
        return float(self.tally.count.sum() / max(len(self.models), 1))

    def _as_asked(
        self,
        raw: F64,
        near: F64,
        far: F64,
        far_part: F64,
        variance: F64,
        distance: F64,
        models: list[str],
        level: F64,
    ) -> Estimates:
        """Calibrated, and for the models asked for, known or not."""
        rows = len(raw)
        mean, half = np.empty((rows, len(models))), np.empty((rows, len(models)))
        easier = (raw - level).mean(axis=1)
        for column, name in enumerate(models):
            if name in self.models:
                own = self.models.index(name)
                mean[:, column] = calibrate.mapped(raw[:, own], self.maps[own])
                half[:, column] = NINETY * np.sqrt(variance[:, own])
            else:
                prior = self.priors.get(name, float(level.mean()))
                mean[:, column] = np.clip(prior + easier, 0.0, 1.0)
                half[:, column] = NINETY * np.sqrt(self.unknown + self.noise / 4)
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
