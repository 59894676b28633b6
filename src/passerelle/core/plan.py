"""What we intend, with reasons: the eligible, the excluded, and the order of trying."""

from typing import Literal

import msgspec

Mode = Literal["named", "quality", "balanced", "cost", "fast"]
OnContextLength = Literal["fail", "larger"]
"""What follows when a model says that the prompt is too long for it: that is told, or the next candidate
that is known to have more room is asked."""
OnRefusal = Literal["fail", "next"]
"""What follows when a provider refuses a prompt by policy: that is told, or the next candidate is asked."""


class Onward(msgspec.Struct, frozen=True, gc=False):
    """What may follow a failure that would otherwise be told at once."""

    on_context_length: OnContextLength = "fail"
    on_refusal: OnRefusal = "fail"


class Rejection(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A deployment that may not, or cannot, serve the request, and the rule that says so."""

    deployment: str
    rule: str
    """The rule's name: `key.models`, `policy.confidential.regions`, `capability.tools`…"""
    reason: str
    """In words, naming the attribute and the value found."""


class Candidate(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An eligible deployment, scored. Higher `score` is tried earlier."""

    deployment: str
    model: str
    score: float
    quality: float | None = None
    cost_nanos: int | None = None
    """Expected cost of this request there; None when no price is known."""
    latency_s: float | None = None
    """Expected time to first token, when measured."""
    because: str = ""
    """Its score in words."""


class Plan(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The decision, before anything is called."""

    requested: str
    """The model or alias asked for."""
    mode: Mode
    data_class: str
    candidates: tuple[Candidate, ...]
    """In the order they will be tried."""
    rejections: tuple[Rejection, ...]
    generation: int
    policy_version: str
    catalog_version: str
    on_context_length: OnContextLength = "fail"
    on_refusal: OnRefusal = "fail"
    words: str = ""
    """The whole decision in a sentence or two."""
