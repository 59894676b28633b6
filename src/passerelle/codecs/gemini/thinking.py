"""How much to think: efforts, budgets and levels, by generation of the model.

Facts (ai.google.dev/gemini-api/docs/thinking and …/gemini-3; vellum-ai/vellum-assistant pull 32687 and
mozilla-ai/any-llm pull 1345; all read 2026-11-22):

    Gemini 2.5      `thinkingBudget` in tokens; a `thinkingLevel` is refused with 400
                    pro 128–32768 (cannot be off) · flash 0–24576 · flash-lite 512–24576 or 0
    Gemini 3 on     `thinkingLevel`; budget and level together are refused, 3.5 and later take no budget
                    flash MINIMAL LOW MEDIUM HIGH · pro LOW MEDIUM HIGH (3.0 pro: LOW HIGH); never off
    earlier, Gemma  no thinking: either field is an error

Google's own table for OpenAI's efforts on 2.5 (ai.google.dev/gemini-api/docs/openai): minimal and low 1,024
tokens, medium 8,192, high 24,576.
"""

import re
from functools import lru_cache
from typing import Any, Final

from passerelle.core.request import Effort, Reasoning

_VERSION: Final = re.compile(r"gemini-(\d+)(?:\.(\d+))?")

_BUDGETS: Final[dict[Effort, int]] = {
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 24576,
    "max": 24576,
}

_LEVELS: Final[dict[Effort, str]] = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
"""XHIGH is a level of some models only; HIGH is of all."""

_EFFORTS: Final[dict[str, Effort]] = {
    "MINIMAL": "minimal",
    "LOW": "low",
    "MEDIUM": "medium",
    "HIGH": "high",
    "XHIGH": "xhigh",
}


@lru_cache(maxsize=256)
def generation(model: str) -> tuple[int, int] | None:
    """`(3, 1)` of `gemini-3.1-pro-preview`; None where the name says none (tuned models, Gemma)."""
    found = _VERSION.search(model)
    if found is None:
        # `gemini-flash-latest` and its like follow the newest generation.
        return (3, 0) if model.endswith("-latest") and "gemini" in model else None
    return int(found[1]), int(found[2] or 0)


def is_gemini_3(model: str) -> bool:
    """The model is of the third generation or later: signatures are demanded, media may stand in
    function responses."""
    version = generation(model)
    return version is not None and version >= (3, 0)


def read_thinking(budget: int | None, level: str | None, show: bool | None) -> Reasoning:
    """Google's three settings in our words. An unknown level is no effort (it stays in the extra)."""
    effort = _EFFORTS.get(level.upper()) if level else None
    if budget == 0:
        return Reasoning(enabled=False, effort=effort, budget_tokens=0, show=show)
    if budget == -1:
        return Reasoning(enabled=True, effort=effort, adaptive=True, show=show)
    return Reasoning(
        enabled=True if budget or effort else None, effort=effort, budget_tokens=budget, show=show
    )


def write_own(reasoning: Reasoning) -> dict[str, Any]:
    """`thinkingConfig` as a Gemini caller gave it, whatever the model: its own business."""
    config: dict[str, Any] = {}
    if reasoning.enabled is False:
        config["thinkingBudget"] = 0
    elif reasoning.adaptive:
        config["thinkingBudget"] = -1
    elif reasoning.budget_tokens is not None:
        config["thinkingBudget"] = reasoning.budget_tokens
    if reasoning.effort is not None:
        config["thinkingLevel"] = _LEVELS[reasoning.effort] if reasoning.effort != "xhigh" else "XHIGH"
    if reasoning.show is not None:
        config["includeThoughts"] = reasoning.show
    return config


def write_thinking(reasoning: Reasoning, model: str, capable: bool | None) -> tuple[dict[str, Any], bool]:
    """`thinkingConfig` for `model`, and whether something of what was asked could not be said.

    `capable`: the catalog says whether the model reasons; None when it does not say.
    """
    off = reasoning.enabled is False or reasoning.effort == "none"
    asked = (
        off
        or reasoning.enabled is True
        or reasoning.adaptive
        or reasoning.effort is not None
        or reasoning.budget_tokens is not None
    )
    version = generation(model)
    able = capable if version is None else capable is not False and version >= (2, 5)
    if not able:
        return {}, asked and not off
    lost = False
    config: dict[str, Any] = {}
    if version is None or version < (3, 0):
        budget = _budget(reasoning, off=off)
        if budget is not None:
            config["thinkingBudget"], lost = _in_range(budget, model)
    elif asked and not (reasoning.adaptive and reasoning.effort is None and reasoning.budget_tokens is None):
        level = "MINIMAL" if off else _level(reasoning)
        if level is not None:
            config["thinkingLevel"] = _level_of(level, model, version)
        lost = off and config.get("thinkingLevel") != "MINIMAL"
    show = _shown(reasoning, off=off)
    if show is not None:
        config["includeThoughts"] = show
    return config, lost


def _shown(reasoning: Reasoning, *, off: bool) -> bool | None:
    if off:
        return None
    if reasoning.show is None and reasoning.summary is not None:
        return True
    return reasoning.show


def _budget(reasoning: Reasoning, *, off: bool) -> int | None:
    if off:
        return 0
    if reasoning.budget_tokens is not None:
        return reasoning.budget_tokens
    if reasoning.effort is not None:
        return _BUDGETS[reasoning.effort]
    return -1 if reasoning.adaptive or reasoning.enabled else None


def _in_range(budget: int, model: str) -> tuple[int, bool]:
    """The nearest budget the model takes, and whether that undoes what was meant (off)."""
    if budget == -1:
        return -1, False
    if "pro" in model:
        return min(max(budget, 128), 32768), budget == 0
    if budget == 0:
        return 0, False
    return min(max(budget, 512 if "lite" in model else 1), 24576), False


def _level(reasoning: Reasoning) -> str | None:
    if reasoning.effort is not None:
        return _LEVELS[reasoning.effort]
    budget = reasoning.budget_tokens
    if budget is None:
        return None
    # The level whose budget is nearest by ratio: the borders are √(1,024 × 8,192) and √(8,192 × 24,576).
    return "LOW" if budget < 2_900 else "MEDIUM" if budget < 14_200 else "HIGH"


def _level_of(level: str, model: str, version: tuple[int, int]) -> str:
    """The nearest level the model takes, upward."""
    if "pro" in model:
        if level == "MINIMAL":
            return "LOW"
        if level == "MEDIUM" and version == (3, 0):
            return "HIGH"
    return level
