"""What a learner knows: arrays and counts by model and by task. It predicts, and `learner` changes it."""

from typing import NamedTuple

import numpy as np

from passerelle.router.embed import BUCKETS, STATIC_DIMS
from passerelle.router.quality import calibrate, kin, lexical
from passerelle.router.quality.base import Bools, Estimates, Sight
from passerelle.router.quality.drift import Watch
from passerelle.router.quality.fit import PENALTIES, shares
from passerelle.router.quality.linear import CARRIED, DIMS, F64, Head, Space, squares
from passerelle.router.quality.memory import KEPT_DIMS, Memory
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
    """What estimates are made from, put together once between two outcomes. All that is linear in a request's
    numbers stands side by side, so that one product gives it.
    """

    flat: F32
    """`DIMS` × (heads, carried heads, what guesses the task, kin by words and by form, middles)."""
    spread: F32
    """The shared head's."""
    half: F32
    """Of each middle: half its squared length."""
    level: F64
    of_tasks: F64
    """Tasks × (expected quality of each model, its outcomes, requests)."""
    outcomes: F64
    """Of each model, forgotten ones not counted; one more."""
    usual: float
    """Outcomes of a model, on average."""
    maps: F64
    """Of each model, near; then the far one."""
    place: dict[str, int]

    @property
    def means(self) -> F64:
        """Tasks × models: the expected quality."""
        return self.of_tasks[:, : len(self.level)]


class Said(NamedTuple):
    """What is linear in a request's numbers: see `Tables.flat`. n rows each."""

    heads: F64
    carried: F64
    shares: F64
    """In which it belongs to tasks, by how it is written."""
    akin: F64
    """How much it seems to be of each of the `kin.Akin`: by words, then by form."""
    near: F32
    """To each middle: half its squared length less half their squared distance."""


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
        self.memory = Memory(np.zeros((0, KEPT_DIMS), np.float32), np.zeros((0, 0), np.float32))
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
            models, kinds = len(self.models), len(self.middles)
            guessed = self.guess.shape[1]
            known = len(self.akin.rows)
            akin = 2 * models + guessed
            flat = np.zeros((DIMS, akin + 2 * known + kinds), np.float32)
            for place, (head, carried) in enumerate(zip(self.heads, self.carried, strict=True)):
                flat[:, place] = head.coefficients
                flat[:CARRIED, models + place] = carried.coefficients
            flat[:, 2 * models : akin] = self.guess
            if known:
                flat[0, akin : akin + known] = self.akin.words[0]
                flat[CARRIED:, akin : akin + known] = self.akin.words[1:]
                flat[:CARRIED, akin + known : akin + 2 * known] = self.akin.form
            flat[1:, akin + 2 * known :] = self.middles.T
            count = self.tally.count
            self._tables = Tables(
                flat=flat,
                spread=self.shared.spread.astype(np.float32),
                half=np.asarray(0.5 * squares(self.middles), np.float32),
                level=level,
                of_tasks=np.concatenate([self.tally.base(level), count, self.tally.rows[:, None]], axis=1),
                outcomes=count.sum(axis=0) + 1.0,
                usual=max(float(count.sum() / max(models, 1)), 1.0),
                maps=np.concatenate([self.maps[:-2], self.maps[-1:]]),
                place={name: place for place, name in enumerate(self.models)},
            )
        return self._tables

    def said(self, points: F32) -> Said:
        """What the linear parts say of `points`."""
        tables, models = self.tables(), len(self.models)
        akin = 2 * models + self.guess.shape[1]
        kinds = akin + 2 * len(self.akin.rows)
        product = points @ tables.flat
        near = np.asarray(product[:, kinds:] - tables.half, np.float32)
        told = product[:, :kinds].astype(np.float64)
        return Said(
            told[:, :models],
            told[:, models : 2 * models],
            shares(told[:, 2 * models : akin]),
            told[:, akin:],
            near,
        )

    def task_of(self, sights: list[Sight], said: Said) -> F64:
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
            for row in blank:
                share[row, self.kinds[said.near[row].argmax()]] = 1.0
        elif blank and len(self.tasks):
            share[blank, : self.guess.shape[1]] = said.shares[blank]
        return share

    def levels(self, view: View, points: F32, said: Said) -> tuple[list[F64], F64]:
        """What the linear, lexical, remembered and carried levels say (n×m each, the last of them over the
        model's level), and how close the request is (n×2: see `Gate`).
        """
        words = lexical.say(view, view.weighed(self.scale), self.words)
        remembered, cosine = self.memory.near(points[:, -STATIC_DIMS:])
        close = np.zeros((len(points), 2))
        close[:, 0] = cosine
        if len(self.middles):
            vectors = points[:, 1:]
            away = 0.5 * squares(vectors) - said.near.max(axis=1)
            close[:, 1] = -np.sqrt(2 * np.maximum(away, 0.0))
        return [said.heads, words, remembered, said.carried], close

    def kin(self, said: Said) -> tuple[F64, F64]:
        """n×m each: the expected quality by the tasks that a request is akin to by words, and by form."""
        return kin.mixtures(said.akin, self.akin, self.tables().means)

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
        if not self.models:
            return self._from_priors(len(sights), models)
        points = self.space.of(view.figures, view.static).astype(np.float32)
        tables, said = self.tables(), self.said(points)
        levels, close = self.levels(view, points, said)
        share = self.task_of(sights, said)
        many, level = len(self.models), tables.level
        of_tasks = share @ tables.of_tasks
        distance = self._distance(sights, close, of_tasks[:, -1])
        base = of_tasks[:, :many] + (1 - np.add.reduce(share, axis=1, keepdims=True)) * level
        akin = self.kin(said)
        near = base + self.near.of(self.near_levels(levels, akin, base))
        far = level + self.far.of(self.far_levels(levels, akin, sights))
        # What is told of tasks nobody knows stands on whole tasks held out, and on its name.
        new = [sight.task is not None and sight.task not in self.tasks for sight in sights]
        far_part = np.where(new, 1.0, distance)[:, None]
        # Near, each model through its own map; far, the mean over models alone: the differences stay.
        mean = np.add.reduce(far, axis=1, keepdims=True) / many
        mapped = calibrate.mapped(np.concatenate([near, mean], axis=1), tables.maps)
        far += mapped[:, many:] - mean
        raw = (1 - far_part) * mapped[:, :many] + far_part * far
        if self.newcomers:
            self._lean_on_siblings(raw, level)
        thin = self.noise / (of_tasks[:, many : 2 * many] + self.tally.shrink.own)
        leverage = np.add.reduce((points @ tables.spread) * points, axis=1)
        reach = (leverage * tables.usual).astype(np.float64)[:, None]
        lean = self.noise * np.minimum(reach / tables.outcomes, 1.0 / self.penalty)
        variance = (1 - far_part) * thin + lean + far_part * self.unknown
        return self._as_asked(raw, variance, distance, models, level)

    def _distance(self, sights: list[Sight], close: F64, rows_of: F64) -> F64:
        """How far each request is: 0 near, 1 far. A name that is known is near, whatever the words; a new one
        is rather far; else the words say. `rows_of`: requests of its tasks.
        """
        distance = self.gate.far(close)
        for row, sight in enumerate(sights):
            if sight.task is None:
                continue
            if sight.task in self.tasks:
                distance[row] *= _NAMED_ROWS / (_NAMED_ROWS + rows_of[row])
            else:
                distance[row] = self.gate.far(close[row : row + 1], new=True)[0]
        return distance

    def _as_asked(self, raw: F64, variance: F64, distance: F64, models: list[str], level: F64) -> Estimates:
        """For the models asked for, known or not, and inside [0, 1]."""
        place = self.tables().place
        places = [place.get(name, -1) for name in models]
        half = np.sqrt(variance)
        half *= NINETY
        if -1 not in places:
            mean, half = raw.take(places, axis=1), half.take(places, axis=1)
        else:
            easier = (raw - level).sum(axis=1, keepdims=True) / len(self.models)
            prior = np.array([self.priors.get(name, float(level.mean())) for name in models])
            new = np.array(places) < 0
            mean = np.where(new, np.clip(prior + easier, 0.0, 1.0), raw[:, places])
            half = np.where(new, NINETY * np.sqrt(self.unknown + self.noise / 4), half[:, places])
        # What would rise above one is lowered with all its row: cut alone, the best would equal the second.
        top = np.maximum.reduce(mean, axis=1, keepdims=True, initial=0.0)
        mean -= np.maximum(top - _MOST, 0.0)
        known: Bools = distance < KNOWN_BELOW
        mean = _inside(mean)
        return Estimates(mean, _inside(mean - half), _inside(mean + half), known)

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


def _inside(values: F64) -> F64:
    """Cut to [0, 1]; `values` itself."""
    np.maximum(values, 0.0, out=values)
    return np.asarray(np.minimum(values, 1.0, out=values))
