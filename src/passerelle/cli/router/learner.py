"""The learner that commands of `passerelle router` work with, empty."""

from collections.abc import Callable

from passerelle.router.quality.base import Learner
from passerelle.router.quality.learner import StackedLearner


def maker() -> Callable[[], Learner]:
    """Makes empty learners; what they share is loaded here, once."""
    return StackedLearner
