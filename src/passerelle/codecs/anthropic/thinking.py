"""How much to think, from the house's words to what the model at hand accepts, and back.

Effort ↔ budget. Anthropic names no equivalence, so the figures are the ones another maker published for
the same question: Google's OpenAI compatibility page maps `reasoning_effort` to thinking tokens as
minimal and low 1,024, medium 8,192, high 24,576 (ai.google.dev/gemini-api/docs/openai, "Thinking").
Above that, 32,000: Anthropic advises batches for budgets beyond 32k ("Extended thinking"). The floor of
1,024 and `budget_tokens < max_tokens` are Anthropic's own rules (SDK 2.12,
`ThinkingConfigEnabledParam`). All read 2026-11-22.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from passerelle.codecs.claude import ModelRules
from passerelle.core.request import Effort, Reasoning

LEAST_BUDGET: Final = 1_024
DEFAULT_MAX_TOKENS: Final = 4_096
"""`max_tokens` is required here; this is said when neither the caller nor the catalog knows better."""

BUDGET_OF: Final[dict[Effort, int]] = {
    "minimal": 1_024,
    "low": 1_024,
    "medium": 8_192,
    "high": 24_576,
    "xhigh": 32_000,
    "max": 32_000,
}

_LEVELS: Final = ("minimal", "low", "medium", "high", "xhigh", "max")


class Thought(msgspec.Struct, frozen=True):
    """The fields a request carries for its reasoning."""

    max_tokens: int
    thinking: dict[str, Any] | None = None
    effort: str | None = None

    @property
    def on(self) -> bool:
        """Thinking is asked for, in either form."""
        return self.thinking is not None and self.thinking["type"] in ("enabled", "adaptive")


def effort_of(budget: int) -> Effort:
    """The level nearest to `budget` tokens, by ratio."""
    if budget < 2_900:  # √(1,024 × 8,192)
        return "low"
    if budget < 14_200:  # √(8,192 × 24,576)
        return "medium"
    return "high" if budget < 32_000 else "xhigh"


def fitting(effort: str, efforts: tuple[str, ...]) -> str | None:
    """`effort`, or the nearest level below it that the model takes; its lowest when none is below."""
    if not efforts:
        return None
    rank = _LEVELS.index(effort)
    below = [level for level in efforts if _LEVELS.index(level) <= rank]
    return below[-1] if below else efforts[0]


def plan(
    asked: Reasoning,
    rules: ModelRules,
    *,
    native: bool,
    max_tokens: int | None,
    ceiling: int | None,
    lose: Callable[[str], None],
) -> Thought:
    """What to send for `asked`. `native`: the caller wrote Anthropic's own fields.

    `max_tokens` is the caller's limit, `ceiling` the model's. `lose` is told `reasoning.effort`
    (`thinking` of a native request) when the model cannot do what was asked at all.
    """
    limit = max_tokens if max_tokens is not None else ceiling or DEFAULT_MAX_TOKENS
    if ceiling is not None:
        limit = min(limit, ceiling)  # asking for more than the model can give is a 400
    if asked.enabled is False or asked.effort == "none" or asked.budget_tokens == 0:
        effort = None if asked.effort == "none" else asked.effort
        kept = fitting(effort, rules.efforts) if effort else None
        if rules.off == "never":
            lose("thinking" if native else "reasoning.effort")
            return Thought(limit, None, kept)
        return Thought(limit, {"type": rules.off}, kept)

    effort = asked.effort
    # Written natively, effort is about every token spent and does not by itself ask for thinking.
    wanted = asked.enabled or asked.adaptive or asked.budget_tokens or (effort and not native)
    if not wanted:
        kept = fitting(effort, rules.efforts) if effort else None
        if effort and kept is None:
            if not rules.claude and native:
                kept = effort
            else:
                lose("output_config.effort")
        return Thought(limit, None, kept)

    if rules.adaptive and not (rules.budget and asked.budget_tokens and not asked.adaptive):
        level = effort or (effort_of(asked.budget_tokens) if asked.budget_tokens else None)
        kept = fitting(level, rules.efforts) if level else None
        return Thought(limit, _shown({"type": "adaptive"}, asked, native or rules.adaptive), kept)
    if not rules.claude and native and asked.adaptive:
        # An Anthropic-compatible API that copied the newer form: what the caller wrote stands.
        return Thought(limit, _shown({"type": "adaptive"}, asked, True), effort)
    if not rules.budget:
        lose("thinking" if native else "reasoning.effort")
        return Thought(limit)
    # Beside a budget, other makers' APIs get the effort only from a caller who wrote it for them.
    kept = effort if native and not rules.claude else fitting(effort, rules.efforts) if effort else None
    thought = _budgeted(asked, effort, kept, limit, max_tokens, ceiling)
    if thought.thinking is None:
        lose("thinking" if native else "reasoning.effort")
        return thought
    return msgspec.structs.replace(
        thought, thinking=_shown(thought.thinking, asked, native or rules.adaptive)
    )


def _budgeted(
    asked: Reasoning,
    effort: Effort | None,
    kept: str | None,
    limit: int,
    max_tokens: int | None,
    ceiling: int | None,
) -> Thought:
    """A budget that leaves room for the answer; no thinking when even the least does not fit."""
    if asked.budget_tokens:
        budget, room = asked.budget_tokens, limit - 1
    else:
        # A fifth is left for the answer: OpenRouter's ratio for high effort
        # (openrouter.ai/docs, "Reasoning tokens", read 2026-11-22).
        budget, room = BUDGET_OF[effort or "medium"], limit * 4 // 5
    if budget > room and max_tokens is None:
        # Nobody named a limit, so it may grow to hold the thoughts and the answer.
        limit = min(budget + DEFAULT_MAX_TOKENS, ceiling or budget + DEFAULT_MAX_TOKENS)
        room = limit - 1
    budget = max(min(budget, room), LEAST_BUDGET)
    if budget >= limit:
        return Thought(limit, None, kept)
    return Thought(limit, {"type": "enabled", "budget_tokens": budget}, kept)


def _shown(thinking: dict[str, Any], asked: Reasoning, takes_display: bool) -> dict[str, Any]:
    """`thinking` with its `display`. Models before 4.6 show their thoughts by themselves."""
    if not takes_display:
        return thinking
    if asked.show is False:
        return {**thinking, "display": "omitted"}
    if asked.show or asked.summary:
        return {**thinking, "display": "summarized"}
    return thinking
