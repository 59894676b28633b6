"""Learning without numpy: each model's mean, on each task somebody named and over all, drawn to the prior.

What is left of the learner where the extra `router` is not installed. It reads no words, so it needs nothing
of a request but its task.
"""

import hashlib
import math
from collections.abc import Mapping

import msgspec

from passerelle.router.quality.base import HINT_BELOW, Estimate, Sight

PRIOR_COUNT = 8.0
"""The catalog's prior counts as much as so many outcomes."""
KEEP = 0.9995
_UNTOLD = 0.5
_NOISE = 0.2
_NINETY = 1.645
_KNOWN_LEAST = 30
_FORMAT = 1


class _Sum(msgspec.Struct, gc=False, array_like=True):
    count: float = 0.0
    total: float = 0.0

    def add(self, score: float, weight: float, keep: float) -> None:
        self.count = self.count * keep + weight
        self.total = self.total * keep + weight * score

    def mean(self, start: float) -> float:
        return (self.total + PRIOR_COUNT * start) / (self.count + PRIOR_COUNT)


class _Model(msgspec.Struct, gc=False, array_like=True):
    outcomes: int = 0
    whole: _Sum = msgspec.field(default_factory=_Sum)
    tasks: dict[str, _Sum] = {}
    fallen: float = 0.0


class _Saved(msgspec.Struct, array_like=True):
    format: int
    digest: bytes
    models: dict[str, _Model]
    priors: dict[str, float]


class MeansLearner:
    """What of `base.Learner` needs no arrays."""

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}
        self._priors: dict[str, float] = {}
        self._digest = b""
        self.changed: str | None = None

    @property
    def version(self) -> str:
        """A digest of all that was learned, in order."""
        return f"m{_FORMAT}-{self._digest.hex()[:12] or 'prior'}"

    @property
    def models(self) -> tuple[str, ...]:
        """Those of which there were outcomes."""
        return tuple(self._models)

    def set_priors(self, priors: Mapping[str, float]) -> None:
        """See `base.Learner`."""
        self._priors = dict(sorted(priors.items()))
        self._note(repr(self._priors))

    def estimate(self, sight: Sight, models: tuple[str, ...] | list[str]) -> dict[str, Estimate]:
        """See `base.Learner`."""
        return {name: self._estimate(name, sight.task) for name in models}

    def _estimate(self, name: str, task: str | None) -> Estimate:
        model = self._models.get(name, _NOTHING)
        mean = model.whole.mean(self._priors.get(name, _UNTOLD))
        own = model.tasks.get(task or "")
        count = model.whole.count if own is None else own.count
        mean = mean if own is None else own.mean(mean)
        half = _NINETY * math.sqrt(_NOISE / (count + PRIOR_COUNT))
        known = model.outcomes >= _KNOWN_LEAST and (task is None or own is not None)
        return Estimate(mean, max(mean - half, 0.0), min(mean + half, 1.0), model.outcomes, known)

    def update(self, sight: Sight, model: str, score: float, weight: float = 1.0) -> None:
        """See `base.Learner`."""
        self._note(f"{model}\0{score!r}\0{weight!r}\0{sight.task!r}")
        found = self._models.setdefault(model, _Model())
        surprise = self._estimate(model, sight.task).mean - score
        found.outcomes += weight >= HINT_BELOW
        keep = KEEP**weight
        found.whole.add(score, weight, keep)
        if sight.task:
            found.tasks.setdefault(sight.task, _Sum()).add(score, weight, keep)
        # Page's test as in `drift`, of falls alone.
        found.fallen = max(0.0, found.fallen + weight * surprise - 0.1)
        self.changed = None
        if found.fallen >= 8.0:
            found.fallen = 0.0
            found.whole, found.tasks = _Sum(), {}
            self.changed = model

    def state(self) -> bytes:
        """Everything, versioned."""
        return msgspec.msgpack.encode(_Saved(_FORMAT, self._digest, self._models, self._priors))

    @classmethod
    def from_state(cls, data: bytes) -> "MeansLearner":
        """The learner that gave this state. ValueError for anything else."""
        try:
            saved = msgspec.msgpack.decode(data, type=_Saved)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise ValueError(f"this is no state of task means ({error}); train one anew") from error
        if saved.format != _FORMAT:
            raise ValueError(f"this state has format {saved.format}, and {_FORMAT} is read; train one anew")
        learner = cls()
        learner._digest, learner._models, learner._priors = saved.digest, saved.models, saved.priors
        return learner

    def _note(self, text: str) -> None:
        self._digest = hashlib.blake2b(self._digest + text.encode(), digest_size=16).digest()


_NOTHING = _Model()
