"""The learner that commands of `passerelle router` work with, empty."""

from collections.abc import Callable

from passerelle.gateway.learning.kinds import best
from passerelle.router.quality.base import Learner


def maker() -> Callable[[], Learner]:
    """Makes empty learners, of the kind that the gateway learns with here; what they share is loaded once."""
    return best().new
