"""What kind of work a request is: said by somebody, or told from its words.

A tag on the request wins, then the route's, then what the agent's role stands for; pictures and tools speak
next; else a small classifier over hashed words, in English and French, whose coefficients
`scripts/train_tasks.py` makes and `catalog/data/tasks.json` holds. Where it is unsure the task is `chat`.
"""

from typing import Literal

import msgspec
import numpy as np

from passerelle.router.embed import BUCKETS, buckets
from passerelle.router.quality.base import Sight, cut
from passerelle.router.quality.view import F32

Said = Literal["tag", "route", "role", "images", "tools", "words"]
TASKS = (
    "chat",
    "code",
    "extraction",
    "maths",
    "reasoning",
    "summarising",
    "tool use",
    "translation",
    "vision",
)
ROLES = {
    "analyst": "reasoning",
    "coder": "code",
    "developer": "code",
    "extractor": "extraction",
    "planner": "reasoning",
    "researcher": "summarising",
    "reviewer": "code",
    "translator": "translation",
    "writer": "chat",
}
"""What the roles of agents stand for."""
SURE = 0.35
"""Probability from which the words are believed."""
READ_CHARS = 1200


class Kind(msgspec.Struct, frozen=True, gc=False):
    """A task, who said so, and how sure that is."""

    task: str
    said: Said
    sureness: float = 1.0


class Classifier:
    """A multinomial logistic regression on counted buckets."""

    def __init__(self, names: tuple[str, ...], weights: F32, bias: F32) -> None:
        if weights.shape != (BUCKETS, len(names)) or bias.shape != (len(names),):
            raise ValueError(f"the task weights are {weights.shape} for {len(names)} tasks; train them anew")
        self.names, self._weights, self._bias = names, weights, bias

    def probabilities(self, text: str) -> F32:
        """One for each of `names`."""
        counts = buckets(cut(text, READ_CHARS))
        which = np.flatnonzero(counts)
        value = np.log1p(counts[which].astype(np.float32))
        value /= np.sqrt(value @ value) + np.float32(1e-9)
        score = value @ self._weights[which] + self._bias
        score = np.exp(score - score.max())
        return np.asarray(score / score.sum(), np.float32)


def kind_of(
    sight: Sight, classifier: Classifier | None = None, *, route: str | None = None, role: str | None = None
) -> Kind:
    """The task of a request. Without a classifier and without a word from anybody, `chat`."""
    if sight.task is not None:
        return Kind(sight.task, "tag")
    if route is not None:
        return Kind(route, "route")
    if role is not None and (known := ROLES.get(role.lower())) is not None:
        return Kind(known, "role")
    if sight.images:
        return Kind("vision", "images")
    if sight.tools:
        return Kind("tool use", "tools")
    if classifier is None or not sight.words:
        return Kind("chat", "words", 0.0)
    said = classifier.probabilities(sight.words)
    best = int(said.argmax())
    sureness = float(said[best])
    return Kind(classifier.names[best] if sureness >= SURE else "chat", "words", sureness)
