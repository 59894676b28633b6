"""The task of a request from its words: a small classifier in English and French.

A multinomial logistic regression on the counted buckets of hashed words that a request is packed with
anyway: it takes a fiftieth of a millisecond. `scripts/train_tasks.py` makes its coefficients, and
`catalog/data/tasks.json` holds them, with the accuracy on what was held out.
"""

import numpy as np
from numpy.typing import NDArray

from passerelle.router.embed import BUCKETS, buckets
from passerelle.router.quality.base import cut
from passerelle.router.quality.view import F32, unpack

READ_CHARS = 1200
"""Of the texts that it is trained on. What is packed of longer ones gives the same answers: 0.949 of the
outcome data held out, either way."""


class Classifier:
    """See the module."""

    def __init__(self, names: tuple[str, ...], weights: F32, bias: F32) -> None:
        if weights.shape != (BUCKETS, len(names)) or bias.shape != (len(names),):
            raise ValueError(f"the task weights are {weights.shape} for {len(names)} tasks; train them anew")
        self.names, self._weights, self._bias = names, weights, bias

    def guess(self, packed: bytes) -> tuple[str, float]:
        """The likeliest task of a packed request, and its probability. ValueError as `view.unpack`."""
        seen = unpack(packed)
        said = self._of(seen.bucket, seen.count)
        best = int(said.argmax())
        return self.names[best], float(said[best])

    def probabilities(self, text: str) -> F32:
        """One for each of `names`."""
        counts = buckets(cut(text, READ_CHARS))
        which = np.flatnonzero(counts)
        return self._of(which, np.log1p(counts[which].astype(np.float32)))

    def _of(self, which: NDArray[np.int64], value: F32) -> F32:
        value = value / (np.sqrt(value @ value) + np.float32(1e-9))
        score = value @ self._weights[which] + self._bias
        score = np.exp(score - score.max())
        return np.asarray(score / score.sum(), np.float32)
