"""Outcome data: for each prompt what each model scored, and what it cost."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from passerelle.router.quality.base import Sight, cut

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

CHARS_PER_TOKEN = 4.0
"""The usual rule of thumb where nobody counted tokens."""


class Outcomes(msgspec.Struct, frozen=True):
    """n prompts, m models."""

    prompts: tuple[str, ...]
    models: tuple[str, ...]
    scores: Floats
    """n×m in [0, 1]; NaN where the model was not asked."""
    tasks: tuple[str, ...] | None = None
    """The tag of each prompt; "" where it has none."""
    costs: Floats | None = None
    """n×m in USD per request, at most NaN where the score is. None: nobody knows what anything costs."""
    columns: Mapping[str, tuple[str, ...]] = {}
    """Further columns of text, which rows may be grouped by."""

    def some(self, rows: Sequence[int] | Ints) -> "Outcomes":
        """Only these rows."""
        at = [int(row) for row in rows]
        return Outcomes(
            prompts=tuple(self.prompts[i] for i in at),
            models=self.models,
            scores=self.scores[at],
            tasks=None if self.tasks is None else tuple(self.tasks[i] for i in at),
            costs=None if self.costs is None else self.costs[at],
            columns={name: tuple(values[i] for i in at) for name, values in self.columns.items()},
        )

    def sights(self, *, tagged: bool) -> list[Sight]:
        """What the router sees of each row, with its tag or without."""
        tags = self.tasks if tagged and self.tasks is not None else ("",) * len(self.prompts)
        return [sight_of(prompt, tag) for prompt, tag in zip(self.prompts, tags, strict=True)]

    def whole(self) -> Bools:
        """The rows of which every model's score is known: only they can be tested on."""
        return np.asarray(~np.isnan(self.scores).any(axis=1))

    def same(self) -> Ints:
        """A number per row, equal where the words are equal but for case and spaces: such rows are never
        on both sides of a split.
        """
        seen: dict[str, int] = {}
        words = (" ".join(prompt.split()).casefold() for prompt in self.prompts)
        return np.array([seen.setdefault(one, len(seen)) for one in words], dtype=np.intp)


def sight_of(prompt: str, task: str = "") -> Sight:
    """A prompt as a request of one turn."""
    tokens = int(len(prompt) / CHARS_PER_TOKEN)
    return Sight(words=cut(prompt), task=task or None, input_tokens=tokens)


class Price(msgspec.Struct, frozen=True):
    """USD for a million tokens."""

    input: float
    output: float


def priced(data: Outcomes, prices: Mapping[str, Price], output_tokens: float) -> Outcomes:
    """The same outcomes with costs from prices: a token for every four characters in, `output_tokens` out."""
    tokens_in = np.array([len(prompt) / CHARS_PER_TOKEN for prompt in data.prompts])
    costs = np.stack(
        [
            (tokens_in * prices[model].input + output_tokens * prices[model].output) / 1e6
            for model in data.models
        ],
        axis=1,
    )
    return msgspec.structs.replace(data, costs=costs)
