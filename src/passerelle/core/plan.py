"""What we intend, with reasons: the eligible, the excluded, and the order of trying."""

from typing import Literal

import msgspec

from passerelle.core.cascade import Cascade

Mode = Literal["named", "quality", "balanced", "cost", "fast"]
SmartMode = Literal["quality", "balanced", "cost", "fast"]
Affinity = Literal["adaptive", "sticky", "none"]
"""Whether a conversation stays where it is: unless moving gains more than it loses, always, or never for its
own sake."""
OnContextLength = Literal["fail", "larger"]
"""What follows when a model says that the prompt is too long for it: that is told, or the next candidate
that is known to have more room is asked."""
OnRefusal = Literal["fail", "next"]
"""What follows when a provider refuses a prompt by policy: that is told, or the next candidate is asked."""


LearnFrom = Literal["smart", "all"]
"""Which requests are kept in a way that can be learned from: those whose choice was left to us, or also those
that named their model."""


TaskFrom = Literal["tag", "route", "role", "images", "tools", "words"]
"""How it is known what kind of work a request is: somebody says so, with it (`tag`), by the name it asks for
(`route`) or by the agent it comes from (`role`); it holds pictures, or offers tools; or its words tell."""
TOLD: tuple[TaskFrom, ...] = ("tag", "route", "role")
"""What somebody says."""


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
    low: float | None = None
    """With `high`, holds the true quality on requests like this nine times in ten: of `smart` alone, as all
    below."""
    high: float | None = None
    outcomes: int = 0
    """How many outcomes of the model `quality` rests on; 0: the catalog's prior alone."""
    output_tokens: int | None = None
    """Of the answer, as expected."""
    cached_tokens: int = 0
    """Of the prompt, expected to be read from the place's cache."""
    weighed_nanos: int | None = None
    """What was weighed for `cost_nanos`, where it is another sum: a turn of the whole conversation that is
    expected, or what is not committed yet."""
    whole_s: float | None = None
    """Expected time to the whole answer, when measured."""
    utility: float | None = None
    """Quality in points of 100, less what its money and its seconds are worth now."""
    propensity: float | None = None
    """The probability with which it was put first."""


class Choice(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a choice among models rested on, beside what stands with each candidate. With the candidates it is
    all that the order was made from: the same figures give the same order.
    """

    router_version: str
    """The state that predicted quality; `prior`: nothing was learned, the catalog speaks."""
    known: bool = False
    """The request is like what was learned from. False: the default, or the prior's order, decided."""
    task: str | None = None
    """What kind of work it is; None: unknown."""
    task_from: TaskFrom | None = None
    """How that is known. None, in receipts from before it was kept: somebody said so."""
    task_sure: float | None = None
    """How sure the words are of it, or of what they would say where it stays unknown."""
    features: bytes | None = None
    """The request as the router sees it, packed, without a word of it: enough to predict again."""
    default: str | None = None
    """The model that is taken first where nothing is known."""
    affinity: Affinity = "none"
    stay: str | None = None
    """The deployment that had the conversation's turn before."""
    warm: bool = False
    """That was so short a time ago that its prompt should still be cached there."""
    moved: str = ""
    """Why the conversation leaves it."""
    bound: tuple[str, ...] = ()
    """The providers that can read the sealed reasoning which the request carries: they go first."""
    turns: int = 1
    """How many turns, this one included, its money was weighed over."""
    money_points: float = 0.0
    """What the money of a usual request is worth, in points of quality: above 0 where a budget is spent
    faster than its period passes."""
    usual_nanos: int | None = None
    """That money."""
    second_points: float = 0.0
    """What a second is worth, in points of quality."""
    explore: float = 0.0
    """The share of requests that try another place close to the best."""
    explored: bool = False
    """This one does."""
    draw: float | None = None
    """The request's own number in [0, 1), where it had a part in it."""

    @property
    def told_task(self) -> str | None:
        """What somebody said the work is: alone of this is something learned."""
        return self.task if self.task_from in (None, *TOLD) else None


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
    draw: float | None = None
    """The request's own number in [0, 1), where a named model left several places to spread over; `choice`
    has it where a model was chosen."""
    choice: Choice | None = None
    """None where a model was named, and in receipts from before choices were kept."""
    cascade: Cascade | None = None
    """Where one was asked for: the pair, or why there is none. `candidates` is the order without it."""
