"""A provider of Chat Completions: hears (`hear_chat`) and says (`say_chat`)."""

from tests.conformance.hear_chat import hear
from tests.conformance.say_chat import broken, problem, say, stream, true_call_id

__all__ = ["broken", "hear", "problem", "say", "stream", "true_call_id"]
