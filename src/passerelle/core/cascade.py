"""A cascade: a cheap model answers first, its answer is checked, and the best one is asked where it fails."""

from typing import Literal, get_args

import msgspec

Verifier = Literal["schema", "tests", "agreement"]
"""What checks the answer: the request's own schemas, tests that the organisation configured, or the cheap
model itself, asked again."""
CascadeEnd = Literal["accepted", "escalated", "kept", "skipped"]
"""What became of one. `kept`: the answer did not hold, nobody better answered, and it was delivered all the
same. `skipped`: the first place gave no answer that could be checked."""
CascadeStep = Literal["first", "again", "escalated"]
"""What an attempt was called for."""

VERIFIERS: tuple[Verifier, ...] = get_args(Verifier)
OFF = "off"
TESTS = "tests:"
"""Before the name of configured tests, where a cascade is asked for."""


class Cascade(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a plan intends. `first` and `then` are among its candidates; both None: it goes straight to its
    first candidate, and `because` says why.
    """

    verifier: Verifier
    because: str
    tests: str | None = None
    """Their name, where they are the verifier."""
    first: str | None = None
    """The deployment that is asked first."""
    then: str | None = None
    """The one that is asked where its answer does not hold."""
    samples: int = 1
    """How many answers of the first are compared; 1: it is asked once."""
    accept: float | None = None
    """The probability that its answer holds."""
    expected_nanos: int | None = None
    """What the request will probably cost: all samples, and the better answer as often as it is needed."""
    direct_nanos: int | None = None
    """What it would cost to ask the better one at once."""


class Cascaded(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What happened, as a receipt keeps it. Not a word of any answer is in it."""

    end: CascadeEnd
    why: str
    """The verdict on the first's answer, in words; or why it gave none."""
    failing: str | None = None
    """Why nobody better answered, where the answer that did not hold was kept."""
    escalated_holds: bool | None = None
    """Whether the better answer meets the same schema or tests, where it was looked at."""
    tells: bool = True
    """The verdict says something of the first model that can be learned from."""


def verifier_of(word: str) -> tuple[Verifier, str | None] | None:
    """What a word asks for, with the name of tests; None where it means nothing (`off` included)."""
    if word.startswith(TESTS) and len(word) > len(TESTS):
        return "tests", word[len(TESTS) :]
    match word:
        case "schema" | "agreement":
            return word, None
        case _:
            return None
