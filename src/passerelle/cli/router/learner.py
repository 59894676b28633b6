"""The learner that commands of `passerelle router` work with, empty."""

from collections.abc import Callable

from passerelle.router.evaluate.plain import PlainLearner
from passerelle.router.quality.base import Learner


def maker() -> Callable[[], Learner]:
    """Makes empty learners; what they share is loaded here, once."""
    return PlainLearner
