"""Whether a model is no longer what it was: Page's test on the surprises it gives.

E. S. Page, "Continuous Inspection Schemes", Biometrika 41 (1954), both ways. The margins let a fair model of
0/1 outcomes run for some 10⁵ outcomes without an alarm, and catch a fall of 0.4 after about thirty.
"""

import msgspec

_SLACK = 0.1
_LIMIT = 8.0
RECENT = 1 / 16


class Watch(msgspec.Struct, gc=False):
    """What is kept of one model's surprises."""

    fallen: float = 0.0
    risen: float = 0.0

    def note(self, surprise: float) -> bool:
        """Whether the outcome minus its prediction, with all before, tells of a change. Starts anew if so."""
        self.fallen = max(0.0, self.fallen - surprise - _SLACK)
        self.risen = max(0.0, self.risen + surprise - _SLACK)
        if max(self.fallen, self.risen) < _LIMIT:
            return False
        self.fallen = self.risen = 0.0
        return True
