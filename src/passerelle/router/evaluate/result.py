"""What an evaluation found, as plain values."""

import msgspec

from passerelle.router.evaluate.bootstrap import Figure
from passerelle.router.evaluate.calibration import Bin

OURS = "passerelle"
RANDOM, BEST, ZERO, ORACLE = "random", "best single", "zero router", "oracle"

HEADLINE = ("apgr", "aiq")
"""What differences and learning curves are about: the first where two models are compared, the second
where costs are known."""


class Contestant(msgspec.Struct, frozen=True):
    """One router's figures, by name; a figure that has no meaning for it is absent."""

    name: str
    figures: dict[str, Figure]


class OfModel(msgspec.Struct, frozen=True):
    """How well one model's quality is predicted, and what it scores by itself."""

    model: str
    score: float
    cost: float | None
    """USD per request."""
    ece: Figure | None = None
    auc: Figure | None = None
    brier: Figure | None = None


class AtMode(msgspec.Struct, frozen=True):
    """What a mode of `smart` does with the predictions."""

    mode: str
    score: Figure
    gain: Figure
    """Points above the best single model."""
    saving: Figure | None
    """Per cent of the best single model's cost."""
    shares: dict[str, float]
    """Which part of the requests goes to each model."""


class Measured(msgspec.Struct, frozen=True):
    """Everything found with one number of labels."""

    labels: int
    """Rows learned from, on average."""
    tested: int
    """Rows tested on, on average over seeds."""
    strong: str | None
    weak: str | None
    best: str
    contestants: tuple[Contestant, ...]
    ahead: dict[str, dict[str, Figure]]
    """By headline figure, then by baseline: ours − theirs on the same resampled prompts."""
    models: tuple[OfModel, ...]
    modes: tuple[AtMode, ...]
    reliability: tuple[Bin, ...]
    """Predictions of all models together, all seeds."""
    known: float
    """The part of requests that were like what had been learned."""
    worst_gain: float | None = None
    """Mean over seeds of the worst fold's points above its own best single model, in quality mode."""
    curves: dict[str, list[tuple[float, float]]] = {}
    """Share of calls to the strong model and part of the gap recovered; the first seed."""
    hulls: dict[str, list[tuple[float, float]]] = {}
    """USD per request and score; the first seed."""

    def of(self, name: str) -> Contestant:
        """A contestant by name."""
        return next(one for one in self.contestants if one.name == name)


class SameChoice(msgspec.Struct, frozen=True):
    """How often a changed prompt gets the same model."""

    change: str
    policy: str
    same: Figure


class Robustness(msgspec.Struct, frozen=True):
    """Same choice under each change, for each way of choosing."""

    prompts: int
    rows: tuple[SameChoice, ...]

    def overall(self, policy: str) -> float:
        """The mean over the changes."""
        values = [row.same.value or 0.0 for row in self.rows if row.policy == policy]
        return sum(values) / len(values)

    @property
    def policies(self) -> tuple[str, ...]:
        """The ways of choosing, in order."""
        return tuple(dict.fromkeys(row.policy for row in self.rows))


class Decision(msgspec.Struct, frozen=True):
    """What one decision takes, words to model, one at a time."""

    decisions: int
    p50_ms: float
    p99_ms: float
    cpu_p50_ms: float
    """Processor time, which others on the machine do not lengthen."""
    cpu_p99_ms: float
    state_bytes: int
    """The learner's state as it is stored."""
    memory_mb: float | None = None
    """How much larger the process became by loading what the learner needs and learning; None: unknown."""


class Policy(msgspec.Struct, frozen=True):
    """One router in the stream."""

    name: str
    first: Figure
    """Mean score of the first requests (see `Streamed`)."""
    last: Figure
    every: Figure
    rolling: list[tuple[int, float]]
    """Request number and mean of the requests before it, over seeds; for drawing."""


class Streamed(msgspec.Struct, frozen=True):
    """An online run: only the chosen model's outcome is seen."""

    warm: int
    requests: int
    repeats: int
    """How many requests had been asked before, because the data ran out."""
    first: int
    last: int
    drift: str | None
    drift_at: int | None
    policies: tuple[Policy, ...]
    ahead: dict[str, Figure]
    """Ours − theirs over the last requests."""
    recovery: Figure | None
    """Requests after the drift until the mean of 250 is back within 5 % of what it is in the end."""
