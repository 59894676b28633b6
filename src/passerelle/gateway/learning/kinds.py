"""Which learner there is here: the whole one where the extra `router` is installed, else means of tasks."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from passerelle.router.quality.base import Estimate, Sight
from passerelle.router.quality.means import MeansLearner
from passerelle.router.task import Guess

if TYPE_CHECKING:
    from passerelle.router.classify import Classifier


class Pupil(Protocol):
    """What a fold asks of a learner."""

    changed: str | None

    @property
    def version(self) -> str:
        """Names the state."""

    @property
    def models(self) -> tuple[str, ...]:
        """Those of which there were outcomes."""

    def set_priors(self, priors: Mapping[str, float]) -> None:
        """The catalog's quality of models."""

    def estimate(self, sight: Sight, models: Sequence[str]) -> dict[str, Estimate]:
        """The quality of each of `models` for one request."""

    def update(self, sight: Sight, model: str, score: float, weight: float = 1.0) -> None:
        """Learn from one more outcome."""

    def state(self) -> bytes:
        """Everything."""


class Kind(msgspec.Struct, frozen=True):
    """A kind of learner."""

    name: str
    """What its states are marked with: one kind cannot read another's."""
    new: Callable[[], Any]
    """An empty one."""
    load: Callable[[bytes], Any]
    """One from its state. Raises ValueError."""
    pack: Callable[[Sight], bytes] | None
    """What receipts keep of a request; None where nothing of it is needed."""
    alike: Callable[[bytes, bytes], bool] = bytes.__eq__
    """Whether two packed requests are nearly the same words."""
    guess: Guess | None = None
    """The task of a packed request, from its words."""


MEANS = Kind("means", MeansLearner, MeansLearner.from_state, None)


@cache
def best() -> Kind:
    """The best kind there is here. What it imports and reads takes half a second the first time: use a thread
    where others wait.
    """
    # One request's products are small: handing halves of them to a second thread takes longer than they do,
    # and is felt in the slowest. It counts where numpy is not loaded yet.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from passerelle.router.embed import Static
        from passerelle.router.quality.learner import StackedLearner
        from passerelle.router.quality.view import alike
        from passerelle.router.tokens import Pieces
    except ImportError:
        return MEANS
    from passerelle.catalog.language import static_vectors

    found = static_vectors()
    static = None if found is None else Static(found[0], Pieces(found[1]))
    if static is not None:
        static.of("The first text takes the longest.")

    def new() -> StackedLearner:
        return StackedLearner(static)

    def load(state: bytes) -> StackedLearner:
        return StackedLearner.from_state(state, static)

    return Kind("stacked", new, load, new().pack, alike, classifier().guess)


def classifier() -> "Classifier":
    """The task classifier that is shipped. ImportError without the extra `router`."""
    import zlib

    import numpy as np

    from passerelle.catalog.language import task_weights
    from passerelle.router.classify import Classifier

    saved = task_weights()
    weights = np.frombuffer(zlib.decompress(saved.weights), np.int8).reshape(saved.buckets, -1)
    bias = np.array(saved.bias, np.float32)
    return Classifier(saved.names, weights.astype(np.float32) * np.float32(saved.step), bias)
