"""Where conversations are: which deployment had the last turn of each, when, and how long its prompt was.

Kept in the memory that the workers of a host share (`charts`), 32,768 conversations at a time: each name has
two slots, and takes the one that was used longest ago. No words are kept, no names and no ids: of a
conversation, and of its place, a fingerprint of eight bytes. Two workers may write one slot at once, so a
slot is read twice and believed when both readings agree; and whatever is read only orders the eligible.
"""

import msgspec

from passerelle.gateway.charts import TALK, TALKS, Charts, fingerprint


class Turn(msgspec.Struct, frozen=True, gc=False):
    """A conversation's last turn."""

    place: int
    """`fingerprint` of the deployment."""
    at_s: float
    """Monotonic seconds of this host."""
    tokens: int
    """Of its prompt, as estimated."""


class Whereabouts:
    """One worker's hand on them."""

    def __init__(self, charts: Charts) -> None:
        self._words, self._reals = charts.talks

    def find(self, name: int) -> Turn | None:
        """The last turn of a conversation; None where it is not remembered."""
        for slot in _slots(name):
            if self._words[slot] == name:
                turn = Turn(self._words[slot + 1], self._reals[slot + 2], self._words[slot + 3])
                again = (self._words[slot], self._words[slot + 1], self._reals[slot + 2])
                return turn if again == (name, turn.place, turn.at_s) else None
        return None

    def keep(self, name: int, turn: Turn) -> None:
        """Remember a turn."""
        first, second = _slots(name)
        words = self._words
        if words[first] == name or words[second] == name:
            slot = first if words[first] == name else second
        else:
            slot = first if self._reals[first + 2] <= self._reals[second + 2] else second
        words[slot] = 0
        words[slot + 1] = turn.place
        self._reals[slot + 2] = turn.at_s
        words[slot + 3] = turn.tokens
        words[slot] = name


def conversation(org_id: str, *said: str) -> int:
    """A conversation's name: of one organisation, from whatever tells it from others."""
    return fingerprint("\n".join((org_id, *said)))


def _slots(name: int) -> tuple[int, int]:
    return name % TALKS * TALK, (name >> 32) % TALKS * TALK
