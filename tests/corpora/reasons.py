"""The reasons of `reasons.yaml`, read."""

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from tests.corpora.agentgateway import Difference

_SAID: Final[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("reasons.yaml").read_text("utf-8"))


class Rule(NamedTuple):
    """A difference that is meant."""

    files: str
    """A pattern for the file, below `agentgateway/`."""
    places: str
    """A pattern for the place in the body; indices are written `[]`."""
    reason: str

    def explains(self, file: str, difference: Difference) -> bool:
        """Whether it is this one's."""
        place = re.sub(r"\[\d+\]", "[]", difference[0])
        return re.fullmatch(self.files, file) is not None and re.fullmatch(self.places, place) is not None


RULES: Final = tuple(Rule(**rule) for rule in _SAID["differs"])
WITHOUT_COUNTERPART: Final[dict[str, str]] = _SAID["without_counterpart"]
"""Expected files of features that are not ours, by pattern, and what is done with them instead."""
NOT_READ: Final[dict[str, str]] = _SAID["not_read"]
"""What no decoder reads, by a part of its name."""
REFUSED: Final[dict[str, str]] = _SAID["refused"]
"""Bodies that are not taken."""


def reason_of(file: str, difference: Difference) -> Rule | None:
    """The rule that explains a difference."""
    return next((rule for rule in RULES if rule.explains(file, difference)), None)


def not_read(name: str) -> str | None:
    """Why nothing reads the file; None when something does."""
    return next((why for part, why in NOT_READ.items() if part in f"/{name}"), None)
