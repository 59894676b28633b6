"""What each generation of Claude accepts: which thinking, effort, sampling and tool choice.

One request shape no longer fits all of Claude: what one generation requires the next refuses with a
400. The rules are read from the model's name, and are what Anthropic documents:

    thinking   `enabled` + budget: ≤ 4.6, refused from 4.7 on. `adaptive`: from 4.6 on, refused before.
               `disabled`: everywhere but Opus 5.5, Fable, Mythos (always thinking) and Sonnet 5.5,
               which says `between_tools` instead.
    effort     Opus 4.5, then every model from 4.6 on; `max` from 4.6, `xhigh` from 4.7.
    sampling   `temperature`, `top_p`, `top_k`: none from 4.7 on; not two of the first together
               from 4.1 on.
    tools      `any` and `tool` choices refused by Opus 5.5, Sonnet 5.5, Fable 5.1, Mythos 5.1 and
               later; refused by every model while it thinks.
    system     messages of role `system` inside the conversation: from Opus 4.8 on.

Sources, all read 2026-11-22: platform.claude.com/docs, pages "Troubleshooting thinking" (the table of
rejected configurations), "Thinking", "Extended thinking", "Effort", "Mid-conversation system messages",
"Structured outputs", "What's new in Claude Opus 5.5", "Migrating to Claude Sonnet 5.5", "Errors"; and
anomalyco/opencode#1644 with cloud-apim/otoroshi-llm-extension#140 for temperature beside `top_p`.

A name without a version (`claude-latest`, `claude-mock`, an alias at a proxy) does not say its generation,
and is taken for an ordinary model of today: what its caller asks for outright, a temperature or a tool that
must be called, is sent as it came, for nothing is known to refuse it; where one thing can be said in several
forms, in the form that most of today's models take (`adaptive`, an effort, one sampler). Who knows better
says so in the catalog (`accepts`).

A name that is not Claude's belongs to another maker's Anthropic-compatible API: those follow the shape
that was Anthropic's when they copied it.
"""

import re
from functools import lru_cache
from typing import Literal

import msgspec

Off = Literal["disabled", "between_tools", "never"]


class ModelRules(msgspec.Struct, frozen=True):
    """What a model accepts beyond words and tools."""

    claude: bool = False
    """It is Claude: thinking blocks without its signature are refused."""
    budget: bool = True
    """Takes `thinking: {type: enabled, budget_tokens}`."""
    adaptive: bool = False
    """Takes `thinking: {type: adaptive}`."""
    off: Off = "disabled"
    """How thinking is turned off; `never` when it cannot be."""
    efforts: tuple[str, ...] = ()
    """The levels `output_config.effort` takes, from least to most; empty when it takes none."""
    sampling: bool = True
    """Takes `temperature`, `top_p` and `top_k`."""
    one_sampler: bool = False
    """Takes `temperature` or `top_p`, not both."""
    forced_tools: bool = True
    """Takes a `tool_choice` of `any` or `tool`."""
    system_turns: bool = True
    """Takes messages of role `system` inside the conversation."""


COMPATIBLE = ModelRules()
"""Another maker's model behind the Anthropic dialect."""

_NAME = re.compile(
    r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d)(?:[-.](?P<minor>\d)(?!\d))?(?:-(?P<late>[a-z]+))?"
)
"""`claude-opus-4-5-20251101`, `claude-3-7-sonnet-latest`, `us.anthropic.claude-sonnet-5-v1:0`,
`claude-opus-4@20250514`: a second number counts as minor only when it is a single digit."""


@lru_cache(maxsize=512)
def rules_for(model: str) -> ModelRules:
    """The rules of the model a provider knows as `model`."""
    name = model.lower()
    if "claude" not in name:
        return COMPATIBLE
    if "mythos-preview" in name:
        return ModelRules(
            claude=True, adaptive=True, off="never", efforts=_LEVELS, sampling=False, system_turns=False
        )
    found = _NAME.search(name)
    if found is None:
        return UNVERSIONED
    family = found["family"] or found["late"] or ""
    return _claude(family, (int(found["major"]), int(found["minor"] or 0)))


def version_of(model: str) -> tuple[int, int] | None:
    """The generation of Claude that `model` names; None when it does not say."""
    found = _NAME.search(model.lower())
    return None if found is None else (int(found["major"]), int(found["minor"] or 0))


_LEVELS = ("low", "medium", "high", "xhigh", "max")

UNVERSIONED = ModelRules(claude=True, budget=False, adaptive=True, efforts=_LEVELS, one_sampler=True)
"""Claude of no known generation."""


def _claude(family: str, version: tuple[int, int]) -> ModelRules:
    always_on = family in ("fable", "mythos") or (family == "opus" and version >= (5, 5))
    tied = version >= (5, 5) or (family in ("fable", "mythos") and version >= (5, 1))
    efforts: tuple[str, ...] = ()
    if version >= (4, 7):
        efforts = _LEVELS
    elif version >= (4, 6):
        efforts = ("low", "medium", "high", "max")
    elif family == "opus" and version >= (4, 5):
        efforts = ("low", "medium", "high")
    off: Off = "disabled"
    if always_on:
        off = "never"
    elif family == "sonnet" and version >= (5, 5):
        off = "between_tools"
    return ModelRules(
        claude=True,
        budget=(3, 7) <= version <= (4, 6),
        adaptive=version >= (4, 6),
        off=off,
        efforts=efforts,
        sampling=version < (4, 7),
        one_sampler=version >= (4, 1),
        # Haiku 5.5 still takes a forced tool: its migration guide lists no such change.
        forced_tools=not (tied and family != "haiku"),
        system_turns=version >= (4, 8),
    )
