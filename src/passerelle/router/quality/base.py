"""The seam of quality prediction: what is seen of a request, what is said of a model, and who says it.

numpy is imported for types only: whoever handles a `Sight` or an `Estimate` pays nothing for it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
else:
    Floats = Bools = Any

WORDS_KEPT = 4096
"""Characters of the last user turn that are looked at: its first half and its end."""


HINT_BELOW = 0.5
"""What weighs less is a hint: it moves what is predicted, and alone never makes anything known."""


class Sight(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What the router sees of one request."""

    words: str
    """The last user turn, cut to `WORDS_KEPT` characters by whoever makes it (see `cut`)."""
    system: str = ""
    """The instructions above the conversation, cut the same way."""
    task: str | None = None
    """A tag somebody gave: the request, its route, or the agent's role. None: nobody did."""
    turns: int = 1
    """Messages of the user so far, this one included."""
    tools: int = 0
    """Tools offered."""
    images: int = 0
    """Pictures and other attachments that are no text."""
    schema: bool = False
    """Whether the answer must follow a JSON schema."""
    input_tokens: int = 0
    """Of the whole request, measured or estimated; 0: unknown."""
    features: bytes | None = None
    """What `Learner.pack` made of the rest. Receipts keep it, so that a replay needs no prompt: where it is
    given, `words` and `system` are not looked at."""


class Estimate(msgspec.Struct, frozen=True, gc=False):
    """The quality predicted for one model: an outcome's score in [0, 1]."""

    mean: float
    low: float
    high: float
    """`low` to `high` holds the model's true mean quality on requests like this nine times in ten."""
    outcomes: int
    """How many outcomes of the model it rests on. 0: the prior alone."""
    known: bool
    """False where the request is unlike what was learned from, so that the prior was fallen back on."""


class Estimates(msgspec.Struct, frozen=True, gc=False):
    """`Estimate` for many requests at once: n requests, m models."""

    mean: Floats
    """n×m, as are `low` and `high`."""
    low: Floats
    high: Floats
    known: Bools
    """One per request."""


class Learner(Protocol):
    """Predicts the quality of models, and learns from outcomes. The same history gives the same estimates."""

    @property
    def version(self) -> str:
        """Names the state: two learners of one version give the same estimates."""

    def fit(
        self,
        sights: Sequence[Sight],
        models: Sequence[str],
        scores: Floats,
        seed: int = 0,
        weights: Floats | None = None,
    ) -> None:
        """Learn from scratch. `scores` is n×m in [0, 1], NaN where a model's outcome was not seen; `weights`
        is what each of them counts, as in `update`. None: 1.
        """

    def estimate(self, sight: Sight, models: Sequence[str]) -> dict[str, Estimate]:
        """The quality of each of `models` for one request. Unknown models get their prior."""

    def estimates(self, sights: Sequence[Sight], models: Sequence[str]) -> Estimates:
        """The same for many requests."""

    def update(self, sight: Sight, model: str, score: float, weight: float = 1.0) -> None:
        """Learn from one more outcome, in time independent of how many there were."""

    def pack(self, sight: Sight) -> bytes:
        """What `Sight.features` keeps: enough to estimate and to learn again, and no prompt."""

    def set_priors(self, priors: Mapping[str, float]) -> None:
        """The catalog's quality of models, in [0, 1]: what is said before any outcome."""

    def state(self) -> bytes:
        """Everything, versioned. `from_state` of the implementation gives the same learner again."""


def cut(text: str, most: int = WORDS_KEPT) -> str:
    """`text` in at most `most` characters: the beginning and the end, where what is asked stands."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[: most - half - 1]}\n{text[-half:]}"
