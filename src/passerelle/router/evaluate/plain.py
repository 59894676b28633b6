"""A plain learner: per model ridge regression on the prompt's length and the task tag, and nothing else.

It keeps the seam of `router.quality.base` whole (fit, estimate, update, pack, state), in a few lines that
can be checked by eye: a yardstick, and what evaluations are tested with.
"""

from collections.abc import Mapping, Sequence
from zlib import crc32

import msgspec
import numpy as np

from passerelle.router.evaluate.outcomes import Floats
from passerelle.router.quality.base import Estimate, Estimates, Sight

_TASKS = 64
_WIDTH = 3 + _TASKS
_RIDGE = 4.0
_Z90 = 1.645


class _Kept(msgspec.Struct, frozen=True):
    models: tuple[str, ...]
    squares: bytes
    sums: bytes
    counts: tuple[int, ...]
    priors: dict[str, float]


class PlainLearner:
    """See the file's head. Not for choosing with: it does not know when it does not know."""

    def __init__(self) -> None:
        self._squares: dict[str, Floats] = {}
        self._sums: dict[str, Floats] = {}
        self._counts: dict[str, int] = {}
        self._priors: dict[str, float] = {}
        self._weights: dict[str, Floats] = {}

    @property
    def version(self) -> str:
        """By content."""
        return f"plain-{crc32(self.state()):08x}"

    def fit(self, sights: Sequence[Sight], models: Sequence[str], scores: Floats, seed: int = 0) -> None:
        """The same as an update with each outcome; `seed` changes nothing."""
        x = self._features(sights)
        self._squares, self._sums, self._counts, self._weights = {}, {}, {}, {}
        for place, model in enumerate(models):
            seen = ~np.isnan(scores[:, place])
            centred = scores[seen, place] - self._priors.get(model, 0.5)
            self._squares[model] = x[seen].T @ x[seen]
            self._sums[model] = x[seen].T @ centred
            self._counts[model] = int(seen.sum())

    def estimate(self, sight: Sight, models: Sequence[str]) -> dict[str, Estimate]:
        """One request."""
        said = self.estimates([sight], models)
        return {
            model: Estimate(
                mean=float(said.mean[0, place]),
                low=float(said.low[0, place]),
                high=float(said.high[0, place]),
                outcomes=self._counts.get(model, 0),
                known=True,
            )
            for place, model in enumerate(models)
        }

    def estimates(self, sights: Sequence[Sight], models: Sequence[str]) -> Estimates:
        """Many requests. The interval is that of a share seen as often as the model was."""
        x = self._features(sights)
        mean = np.stack([self._priors.get(m, 0.5) + x @ self._solved(m) for m in models], axis=1)
        mean = np.clip(mean, 0.0, 1.0)
        counts = np.array([self._counts.get(model, 0) for model in models])
        half = _Z90 * 0.5 / np.sqrt(counts + 1.0)
        known = np.ones(len(sights), dtype=np.bool_)
        return Estimates(mean, np.clip(mean - half, 0.0, 1.0), np.clip(mean + half, 0.0, 1.0), known)

    def update(self, sight: Sight, model: str, score: float, weight: float = 1.0) -> None:
        """Exact: as if it had been in the fit."""
        x = self._features([sight])[0]
        nothing = np.zeros(_WIDTH)
        self._squares[model] = self._squares.get(model, np.zeros((_WIDTH, _WIDTH))) + weight * np.outer(x, x)
        self._sums[model] = self._sums.get(model, nothing) + weight * x * (
            score - self._priors.get(model, 0.5)
        )
        self._counts[model] = self._counts.get(model, 0) + 1
        self._weights.pop(model, None)

    def pack(self, sight: Sight) -> bytes:
        """The length and the task's number."""
        return bytes(self._features([sight])[0].tobytes())

    def set_priors(self, priors: Mapping[str, float]) -> None:
        """What a model is taken for before its first outcome."""
        self._priors = dict(priors)

    def state(self) -> bytes:
        """Everything."""
        models = tuple(self._sums)
        squares = np.stack([self._squares[model] for model in models]) if models else np.empty(0)
        sums = np.stack([self._sums[model] for model in models]) if models else np.empty(0)
        counts = tuple(self._counts[model] for model in models)
        return msgspec.msgpack.encode(_Kept(models, squares.tobytes(), sums.tobytes(), counts, self._priors))

    @classmethod
    def from_state(cls, state: bytes) -> "PlainLearner":
        """The learner that gave this state. Raises `msgspec.DecodeError` when none did."""
        kept = msgspec.msgpack.decode(state, type=_Kept)
        made = cls()
        squares = np.frombuffer(kept.squares).reshape(-1, _WIDTH, _WIDTH)
        sums = np.frombuffer(kept.sums).reshape(-1, _WIDTH)
        for place, model in enumerate(kept.models):
            made._squares[model] = squares[place]
            made._sums[model] = sums[place]
            made._counts[model] = kept.counts[place]
        made._priors = kept.priors
        return made

    def _solved(self, model: str) -> Floats:
        if model not in self._sums:
            return np.zeros(_WIDTH)
        if model not in self._weights:
            held = self._squares[model] + _RIDGE * np.eye(_WIDTH)
            self._weights[model] = np.asarray(np.linalg.solve(held, self._sums[model]), dtype=np.float64)
        return self._weights[model]

    @staticmethod
    def _features(sights: Sequence[Sight]) -> Floats:
        made = np.zeros((len(sights), _WIDTH))
        for place, sight in enumerate(sights):
            if sight.features is not None:
                made[place] = np.frombuffer(sight.features, dtype=np.float64)
                continue
            long = np.log1p(len(sight.words)) / 3 - 2
            made[place, :3] = 1.0, long, long * long
            if sight.task is not None:
                made[place, 3 + crc32(sight.task.encode()) % _TASKS] = 1.0
        return made
