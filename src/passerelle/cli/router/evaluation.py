"""One evaluation as a value: what was asked, what was found. `--json` and `report.json` are this."""

import msgspec

from passerelle.router.evaluate.result import Decision, Measured, Robustness, Streamed


class Data(msgspec.Struct, frozen=True):
    """What was evaluated on."""

    file: str
    sha256: str
    rows: int
    """After `--where`."""
    testable: int
    """Rows with the scores of all models."""
    prompts: int
    """Different ones."""
    models: tuple[str, ...]
    tasks: int | None
    """Different tags; None: there is no column `task`."""
    where: tuple[str, ...]
    costs: str
    """`measured`, `from prices` or `none`."""


class Protocol(msgspec.Struct, frozen=True):
    """How."""

    seeds: int
    folds: int
    fit: tuple[int, ...]
    """Labels learned from. Empty: all outside the fold."""
    held_out: str | None
    """The column whose groups were left out whole."""
    tagged: bool
    """Whether the router was shown the task tag."""
    resamples: int


class Evaluation(msgspec.Struct, frozen=True):
    """All of it."""

    passerelle: str
    """The version."""
    learner: str
    """Its version after the first and largest fit; of an empty one for a stream."""
    data: Data
    protocol: Protocol
    measured: tuple[Measured, ...] = ()
    """One for each number of labels."""
    robustness: Robustness | None = None
    decision: Decision | None = None
    stream: Streamed | None = None
    seconds: float = 0.0
    """How long the evaluation took."""
