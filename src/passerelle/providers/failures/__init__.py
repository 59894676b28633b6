"""What went wrong at a provider, and what to do about it: tables above one `classify`."""

from passerelle.providers.failures.classify import (
    Failure,
    classify,
    from_answer_error,
    from_failed_event,
    from_send_error,
)
from passerelle.providers.failures.words import hiding, read_error, sanitise

__all__ = [
    "Failure",
    "classify",
    "from_answer_error",
    "from_failed_event",
    "from_send_error",
    "hiding",
    "read_error",
    "sanitise",
]
