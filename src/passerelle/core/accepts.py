"""What a model accepts of the settings a request may carry, and what of it only in part.

A setting is named as core names it (`core.request.Sampling`, `Reasoning`…), whatever a dialect calls it. None
and empty say nothing: what is not known to be refused is sent as it came.
"""

from typing import Literal

import msgspec

from passerelle.core.request import Effort

Setting = Literal[
    "temperature", "top_p", "top_k", "seed", "stop", "presence_penalty", "frequency_penalty", "logprobs",
    "top_logprobs", "logit_bias", "n", "parallel_tool_calls", "verbosity", "service_tier", "effort",
    "thinking", "budget", "tool_choice", "max_tokens", "prefill",
]  # fmt: skip
"""`tool_choice`: that a tool must be called. `prefill`: a last message of the assistant's, to go on from.
`thinking`: its mode, where a dialect has modes; `budget`: how many tokens of it."""

Thinking = Literal["enabled", "adaptive", "disabled", "between_tools"]
"""Anthropic's modes of thinking."""

Samples = Literal["unasked", "at_none"]
Tools = Literal["unasked", "at_none", "never"]

EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From least to most."""

SAMPLERS: frozenset[Setting] = frozenset({"temperature", "top_p", "logprobs", "top_logprobs"})
"""What OpenAI's models take only while they do not reason."""


class Range(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The values a numeric setting takes, ends included; None is open."""

    setting: Setting
    least: float | None = None
    most: float | None = None
    also: tuple[float, ...] = ()
    """Values outside that are taken too."""


class Accepts(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What one model, reached in one dialect, accepts."""

    refuses: frozenset[Setting] = frozenset()
    """Settings whose presence is an error there, unless they say what is usual anyway."""
    ranges: tuple[Range, ...] = ()
    efforts: tuple[Effort, ...] | None = None
    """Words of effort it knows, from least to most; empty when it knows none; None when not known."""
    thinking: frozenset[Thinking] | None = None
    """Modes of thinking it takes; None when not known."""
    stops: int | None = None
    """At most so many stop sequences."""
    one_sampler: bool | None = None
    """`temperature` or `top_p`, not both."""
    plain_when_thinking: bool | None = None
    """While it thinks: no sampling but the usual, and no tool that must be called (Claude)."""
    samples: Samples | None = None
    """Takes `temperature`, `top_p` and `logprobs` only while it does not reason, which is so: `unasked`,
    unless an effort is asked for; `at_none`, when the effort `none` is."""
    tools: Tools | None = None
    """Functions are refused in this dialect: `unasked`, when an effort but `none` is asked for; `at_none`,
    unless the effort `none` is; `never`, always. The Responses dialect takes them."""
    sources: tuple[str, ...] = ()
    """Where this is said."""

    def range_of(self, setting: Setting) -> Range | None:
        """The range of a setting, where one is known."""
        return next((found for found in self.ranges if found.setting == setting), None)

    @property
    def watched(self) -> frozenset[str]:
        """The settings that may need a change. `*` stands for any: a dialect that did not look says it."""
        found: set[str] = {*self.refuses, *(limit.setting for limit in self.ranges)}
        if self.efforts is not None:
            found.add("effort")
        if self.thinking is not None:
            found.update(("thinking", "budget"))
        if self.stops is not None:
            found.add("stop")
        if self.one_sampler:
            found.add("top_p")
        if self.plain_when_thinking:
            found.add("thinking")
        if self.samples is not None:
            found.update(SAMPLERS)
        if self.tools is not None:
            found.add("tools")
        return frozenset((*found, "*")) if found else frozenset()


ANYTHING = Accepts()
"""Nothing is known."""


class Said(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An operator's corrections."""

    accepts: Accepts
    takes: frozenset[Setting] = frozenset()
    """Settings that are taken, whatever the catalog says."""


def laid_over(base: Accepts, said: Accepts, *, takes: frozenset[Setting] = frozenset()) -> Accepts:
    """`base` with what `said` says in its place. Refusals add up, but for those that `takes` lifts."""
    ranges = {limit.setting: limit for limit in (*base.ranges, *said.ranges)}
    return Accepts(
        refuses=(base.refuses - takes) | said.refuses,
        ranges=tuple(ranges[name] for name in sorted(ranges)),
        efforts=base.efforts if said.efforts is None else said.efforts,
        thinking=base.thinking if said.thinking is None else said.thinking,
        stops=base.stops if said.stops is None else said.stops,
        one_sampler=base.one_sampler if said.one_sampler is None else said.one_sampler,
        plain_when_thinking=base.plain_when_thinking
        if said.plain_when_thinking is None
        else said.plain_when_thinking,
        samples=base.samples if said.samples is None else said.samples,
        tools=base.tools if said.tools is None else said.tools,
        sources=tuple(dict.fromkeys((*base.sources, *said.sources))),
    )
