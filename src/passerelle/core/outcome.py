"""How well a model did on one request, as somebody or something judged it: what the router learns from."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import msgspec

Source = Literal["person", "grader", "schema", "tests"]
"""Who says so: somebody who read the answer, a program that graded it, a schema or tests that it met."""
Overall = Literal["a", "b", "tie", "both_bad"]
Better = Literal["a", "b", "tie"]
Origin = Literal["learned", "trained", "rolled_back"]
"""How a state came to be."""

WHOLE_PPM = 1_000_000
"""Scores and weights are kept in millionths: whole numbers are the same in every database."""
GATEWAY = "gateway"
"""Who says what the gateway itself has seen: no key has this id."""
WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "score": 1.0,  # somebody, or a program of theirs, read the answer and says how good it is
        "thumbs": 1.0,
        "edit_distance": 1.0,
        "accepted": 1.0,
        "compared": 1.0,
        "retried": 0.5,  # who asks again may have been curious, not dissatisfied
        "form": 0.2,  # the gateway saw that an answer has, or has not, its form: nothing of what it says
        "seen asked again": 0.2,  # the gateway saw it: why, nobody says
    }
)
"""What an outcome counts, by what is said: so many of one weigh as much as one of 1."""


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A receipt and how well its answer did, before it is kept."""

    receipt_id: str
    project_id: str
    deployment: str
    model: str
    """By the catalog's name."""
    source: str
    """A `Source`, `verdict`, or `retried`, which the gateway alone says so."""
    score_ppm: int
    """0 to `WHOLE_PPM`."""
    weight_ppm: int = WHOLE_PPM
    task: str | None = None
    """What somebody said the work was."""
    prior_ppm: int | None = None
    """What the catalog said of the model's quality then."""
    features: bytes | None = None
    """The request as the router saw it, packed, without a word of it. None: nothing was kept of it."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """One that is kept. An organisation's outcomes are numbered from 1 without gaps, in the order in which
    they became known; everything learned is a fold over them in this order.
    """

    number: int
    actor: str
    """The key that said it, or `GATEWAY`."""
    at_ns: int
    judged: Judged
    verdict_id: str = ""
    """The verdict it is half of: the other half has the next number, or the one before."""


SEEN_SHARE = 4
"""Of what the gateway has seen, a learning anew takes so many times fewer outcomes than of what was told: it
sees more in a day than people say in a month."""


def window(rows: Sequence[Outcome], most: int) -> list[Outcome]:
    """Of outcomes in their order, what a learning anew takes: the last `most` that were told, and the last of
    those that the gateway has seen.
    """
    told = [one for one in rows if one.actor != GATEWAY][-most:]
    seen = [one for one in rows if one.actor == GATEWAY][-(most // SEEN_SHARE) :]
    return sorted((*told, *seen), key=lambda one: one.number)


class Verdict(msgspec.Struct, frozen=True):
    """Two receipts compared."""

    id: str
    at_ns: int
    actor: str
    receipts: tuple[str, str]
    overall: Overall
    criteria: dict[str, Better] = {}


class Head(msgspec.Struct, frozen=True, gc=False):
    """Where an organisation's learning stands."""

    org_id: str
    number: int
    """Of its last outcome."""
    version: int = 0
    """The state in force; 0: none was kept yet."""
    rests_on: int = 0
    """The last outcome that this state knows, or was told to pass over."""
    epoch: int = 0
    """Raised when a state was put in force by hand: whoever follows must take it over."""
    frozen_at: int | None = None
    """Outcomes after this one are not learned from for now."""


class State(msgspec.Struct, frozen=True):
    """One version of what was learned."""

    version: int
    number: int
    """The last outcome that it knows, or was told to pass over."""
    epoch: int
    at_ns: int
    actor: str
    """Who made it: a worker, or somebody at the command line."""
    origin: Origin
    learner: str
    """The learner's own name of the state."""
    restores: int | None = None
    """The version that it repeats."""
    body: bytes = b""
    """Empty in lists."""
