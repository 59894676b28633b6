"""What a learner knows: arrays and counts by model and by task. It predicts, and `learner` changes it."""

import math
from typing import NamedTuple

import numpy as np

from passerelle.router.embed import BUCKETS, STATIC_DIMS
from passerelle.router.quality import calibrate, kin, lexical
from passerelle.router.quality.base import Estimates, Sight
from passerelle.router.quality.drift import Watch
from passerelle.router.quality.fit import PENALTIES, shares
from passerelle.router.quality.linear import CARRIED, DIMS, F64, Head, Space, squares
from passerelle.router.quality.memory import KEPT_DIMS, Memory
from passerelle.router.quality.stack import FAR, LAYERS, LEVELS, Gate, Mixer, Weights, mixer
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


Row = tuple[list[float], list[float], list[float]]
"""Of each model asked for: the expected quality, and where its interval begins and ends."""


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
    """`DIMS` × (heads, carried heads, what guesses the task, kin by words and by form, middles, the shared
    head's spread).
    """
    half: F32
    """Of each middle: half its squared length."""
    level: F64
    levels: list[float]
    """The same."""
    of_tasks: F64
    """Tasks × (expected quality of each model, its outcomes, requests)."""
    of_kin: F64
    """The expected quality of those a request may be akin to."""
    reach: list[float]
    """Of each model, of its outcomes and one more: how many times fewer they are than others', on average."""
    maps: list[list[float]]
    """Of each model, near."""
    far_map: list[float]
    mixer: Mixer
    place: dict[str, int]

    @property
    def means(self) -> F64:
        """Tasks × models: the expected quality."""
        return self.of_tasks[:, : len(self.level)]


class Said(NamedTuple):
    """What is linear in a request's numbers: see `Tables.flat`. n rows each."""

    heads: F64
    carried: F64
    tasks: F64
    """How much it seems to belong to each task, by how it is written: see `fit.shares`."""
    akin: F64
    """How much it seems to be of each of the `kin.Akin`: by words, then by form."""
    near: F32
    """To each middle: half its squared length less half their squared distance."""
    reached: F32
    """The point times the shared head's spread."""


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
        self._heard: dict[str, tuple[F64, float]] = {}
        """Of tasks by name: what their names tell, and how much that is to be believed."""

    def prior(self) -> F64:
        """Of each model: the catalog's, NaN where it says nothing."""
        return np.array([self.priors.get(name, np.nan) for name in self.models])

    def changed(self) -> None:
        """To be called after anything was."""
        self._tables = self._told = None
        self._heard = {}

    def tables(self) -> Tables:
        """The same until the next change."""
        if self._tables is None:
            level = self.tally.levels(self.prior())
            models, kinds = len(self.models), len(self.middles)
            guessed = self.guess.shape[1]
            known = len(self.akin.rows)
            akin = 2 * models + guessed
            middles = akin + 2 * known
            flat = np.zeros((DIMS, middles + kinds + DIMS), np.float32)
            for place, (head, carried) in enumerate(zip(self.heads, self.carried, strict=True)):
                flat[:, place] = head.coefficients
                flat[:CARRIED, models + place] = carried.coefficients
            flat[:, 2 * models : akin] = self.guess
            if known:
                flat[0, akin : akin + known] = self.akin.words[0]
                flat[CARRIED:, akin : akin + known] = self.akin.words[1:]
                flat[:CARRIED, akin + known : akin + 2 * known] = self.akin.form
            flat[1:, middles : middles + kinds] = self.middles.T
            flat[:, middles + kinds :] = self.shared.spread
            count, means = self.tally.count, self.tally.base(level)
            self._tables = Tables(
                flat=flat,
                half=np.asarray(0.5 * squares(self.middles), np.float32),
                level=level,
                levels=level.tolist(),
                of_tasks=np.concatenate([means, count, self.tally.rows[:, None]], axis=1),
                of_kin=means[self.akin.rows],
                reach=(max(float(count.sum() / max(models, 1)), 1.0) / (count.sum(axis=0) + 1.0)).tolist(),
                maps=self.maps[:-2].tolist(),
                far_map=self.maps[-1].tolist(),
                mixer=mixer(self.near, self.far),
                place={name: place for place, name in enumerate(self.models)},
            )
        return self._tables

    def said(self, points: F32) -> Said:
        """What the linear parts say of `points`."""
        tables, models = self.tables(), len(self.models)
        akin = 2 * models + self.guess.shape[1]
        kinds = akin + 2 * len(self.akin.rows)
        product = points @ tables.flat
        reached = kinds + len(tables.half)
        near = np.asarray(product[:, kinds:reached] - tables.half, np.float32)
        told = product[:, :kinds].astype(np.float64)
        return Said(
            told[:, :models],
            told[:, models : 2 * models],
            told[:, 2 * models : akin],
            told[:, akin:],
            near,
            product[:, reached:],
        )

    def _row_of(self, sight: Sight, said: Said) -> int | None:
        """The row of the tally that one request belongs to wholly; None: to none, or to some in part."""
        found = None if sight.task is None else self.tasks.get(sight.task)
        return self.kinds[said.near[0].argmax()] if found is None and self.kinds else found

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
        elif blank and self.tasks:
            every = len(blank) == len(sights)
            told = shares(said.tasks if every else said.tasks[blank])
            share[slice(None) if every else blank, : told.shape[1]] = told
        return share

    def layers(self, view: View, points: F32, said: Said, base: F64) -> tuple[F64, F64]:
        """What estimates are mixed of (see `stack.LAYERS`), but for what names tell; and how close the
        requests are (n×2: see `Gate`). `base`: what is expected of each model on the task.
        """
        tables = self.tables()
        made = np.zeros((len(points), LAYERS, len(self.models)))
        made[:, 0], made[:, 3] = said.heads, said.carried
        made[:, 1] = lexical.say(view, view.weighed(self.scale), self.words)
        made[:, 2], cosine = self.memory.near(points[:, -STATIC_DIMS:])
        made[:, 4:6] = kin.mixtures(said.akin, tables.of_kin)
        made[:, LEVELS], made[:, LEVELS + 1] = tables.level, base
        close = np.zeros((len(points), 2))
        close[:, 0] = cosine
        if len(self.middles):
            away = squares(points[:, 1:])
            away -= 2 * np.maximum.reduce(said.near, axis=1)
            np.sqrt(np.maximum(away, 0.0, out=away), out=away)
            np.negative(away, out=close[:, 1])
        return made, close

    def mixed(self, layers: F64, trust: F64) -> F64:
        """n×2×m: the expected quality as weighed near and far."""
        return self.tables().mixer.of(layers, trust)

    def hear(self, sights: list[Sight], layers: F64) -> F64:
        """Put what tasks' names tell into `layers`; how much each is to be believed."""
        trust = np.zeros(len(sights))
        for row, sight in enumerate(sights):
            if sight.task is None:
                continue
            heard = self._heard.get(sight.task)
            if heard is None:
                heard = self._hear(sight.task)
            layers[row, LEVELS - 1], trust[row] = heard
        return trust

    def _hear(self, name: str) -> tuple[F64, float]:
        if self._told is None:
            tables = self.tables()
            self._told = self.named.told(tables.means, self.tally.rows, tables.level)
        if len(self._heard) >= kin.NAMES_REMEMBERED:
            self._heard.clear()
        said, trust = self._told.of(self.named.likes([name]))
        heard = self._heard[name] = said[0], float(trust[0])
        return heard

    def estimates(self, view: View, sights: list[Sight], models: list[str]) -> Estimates:
        """See `Learner.estimates`."""
        rows, known = self.rows(view, sights, models)
        found = np.array(rows).reshape(len(rows), 3, len(models))
        return Estimates(found[:, 0], found[:, 1], found[:, 2], np.array(known, np.bool_))

    def rows(self, view: View, sights: list[Sight], models: list[str]) -> tuple[list[Row], list[bool]]:
        """For each request what is expected of each model, and whether the request is known."""
        if not self.models:
            return [self._from_priors(models)] * len(sights), [False] * len(sights)
        points = self.space.of(view.figures, view.static)
        tables, said = self.tables(), self.said(points)
        many = len(self.models)
        wholly = self._row_of(sights[0], said) if len(sights) == 1 else None
        if wholly is None:
            share = self.task_of(sights, said)
            of_tasks = share @ tables.of_tasks
            base = of_tasks[:, :many] + (1 - np.add.reduce(share, axis=1, keepdims=True)) * tables.level
        else:  # the same, sooner
            of_tasks = tables.of_tasks[wholly : wholly + 1]
            base = of_tasks[:, :many]
        layers, close = self.layers(view, points, said, base)
        distance = self._distance(sights, close, of_tasks[:, -1]).tolist()
        found = self.mixed(layers, self.hear(sights, layers)).tolist()
        leverage = np.add.reduce(said.reached * points, axis=1).tolist()
        counts = of_tasks[:, many : 2 * many].tolist()
        places = [tables.place.get(name, -1) for name in models]
        made: list[Row] = []
        for row, sight in enumerate(sights):
            # What is told of tasks nobody knows stands on whole tasks held out, and on its name.
            new = sight.task is not None and sight.task not in self.tasks
            part = 1.0 if new else distance[row]
            near, far = found[row]
            raw = self._raw(near, far, part)
            half = self._half(counts[row], leverage[row], part)
            made.append(self._as_asked(raw, half, models, places))
        return made, [one < KNOWN_BELOW for one in distance]

    # --- one request to its end: in plain numbers, for of nine an array is no quicker way to think

    def _raw(self, near: list[float], far: list[float], part: float) -> list[float]:
        """What is expected of each model. Near, each through its own map; far, the mean of all alone, and how
        they differ stays.
        """
        tables = self.tables()
        mean = sum(far) / len(far)
        up = calibrate.at(mean, tables.far_map) - mean
        maps, at = tables.maps, calibrate.at
        raw = [
            (1 - part) * at(one, table) + part * (other + up)
            for one, other, table in zip(near, far, maps, strict=True)
        ]
        if self.newcomers:
            self._lean_on_siblings(raw, tables.levels)
        return raw

    def _half(self, counts: list[float], leverage: float, part: float) -> list[float]:
        """Half the width of each model's interval."""
        noise, own, root = self.noise, self.tally.shrink.own, math.sqrt
        near, far = (1 - part) * noise, part * self.unknown
        over, widest = noise * leverage, noise / self.penalty
        made = []
        for count, reach in zip(counts, self.tables().reach, strict=True):
            vague = over * reach
            if vague > widest:
                vague = widest
            made.append(NINETY * root(near / (count + own) + vague + far))
        return made

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

    def _as_asked(self, raw: list[float], half: list[float], models: list[str], places: list[int]) -> Row:
        """For the models asked for, known or not, and inside [0, 1]."""
        if -1 in places:
            levels = self.tables().levels
            usual = sum(levels) / len(levels)
            easier = sum(raw) / len(raw) - usual
            wide = self._widest()
            mean, width = [], []
            for name, place in zip(models, places, strict=True):
                prior = min(max(self.priors.get(name, usual) + easier, 0.0), 1.0)
                mean.append(prior if place < 0 else raw[place])
                width.append(wide if place < 0 else half[place])
        else:
            mean, width = [raw[place] for place in places], [half[place] for place in places]
        # What would rise above one is lowered with all its row: cut alone, the best would equal the second.
        over = max(max(mean, default=0.0) - _MOST, 0.0)
        return _inside([one - over for one in mean], width)

    def _from_priors(self, models: list[str]) -> Row:
        return _inside([self.priors.get(name, 0.5) for name in models], [self._widest()] * len(models))

    def _widest(self) -> float:
        """Half the width of the interval of a model nobody had outcomes of."""
        return NINETY * math.sqrt(self.unknown + self.noise / 4)

    def _lean_on_siblings(self, raw: list[float], levels: list[float]) -> None:
        """A model with few outcomes is as its nearest sibling, moved to its own level."""
        old = [k for k in range(len(self.models)) if k not in self.newcomers]
        for own, newcomer in self.newcomers.items():
            if not old or newcomer.outcomes >= 10 * FEW:
                continue
            trust = newcomer.outcomes / (newcomer.outcomes + FEW)
            if newcomer.outcomes >= 10:
                sibling = min(old, key=lambda k: (newcomer.wrong[k], k))
                others = raw[sibling] - levels[sibling]
            else:
                others = sum(raw[k] - levels[k] for k in old) / len(old)
            raw[own] = trust * raw[own] + (1 - trust) * (levels[own] + others)


def _inside(mean: list[float], half: list[float]) -> Row:
    """Means and the ends of their intervals, cut to [0, 1]. Without calls: there is one for each of all."""
    means, lows, highs = [], [], []
    for one, width in zip(mean, half, strict=True):
        if one < 0.0:
            one = 0.0
        elif one > 1.0:
            one = 1.0
        means.append(one)
        lows.append(one - width if one > width else 0.0)
        highs.append(one + width if width < 1.0 - one else 1.0)
    return means, lows, highs
