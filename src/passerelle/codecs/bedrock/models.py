"""What the makers' models on Bedrock take in a Converse request, where it differs.

Sources, read 2026-11-22: the notes of botocore 1.44.5's service model (`ToolChoice`,
`ToolResultBlock.status`, `DocumentBlock`); docs.aws.amazon.com/bedrock "Prompt caching for faster model
inference" (Claude everywhere, Nova not on tools; an hour's lifetime from Claude 4.5 on), "Inference request
parameters and response fields", "Extended thinking" (Claude: `thinking`; Nova 2: `reasoningConfig`), and
OpenAI's open models' `reasoning_effort`.
"""

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

Thinks = Literal["claude_adaptive", "claude_budget", "nova", "effort"]

_GEOGRAPHY: Final = re.compile(r"[a-z-]{2,8}\.(?=[a-z0-9-]+\.)")
_CLAUDE: Final = re.compile(
    r"anthropic\.claude-(?:(?:opus|sonnet|haiku|[a-z]+)-(\d+)(?:-(\d{1,2})(?!\d))?|(\d+)-(\d+))"
)


class ModelRules(msgspec.Struct, frozen=True):
    """How one model departs from the whole of Converse."""

    maker: str
    """`anthropic`, `amazon`, `meta`…; empty for an id that names none (a profile's ARN)."""
    thinks: Thinks | None = None
    """How it is told to think; None when it cannot be."""
    top_k: str | None = None
    """Where `top_k` stands in `additionalModelRequestFields`."""
    forced_tools: bool = False
    """It can be made to call a tool, and told which."""
    result_status: bool = False
    """It takes a tool result's `status`."""
    caches: bool = False
    """It takes `cachePoint` in system prompts and messages."""
    caches_tools: bool = False
    caches_hour: bool = False


@lru_cache(maxsize=512)
def rules_for(model: str) -> ModelRules:
    """The rules of a model id, an inference profile's id, or an ARN of either."""
    base = base_model(model)
    maker = base.partition(".")[0] if "." in base else ""
    if maker == "anthropic":
        return _claude(base)
    if maker == "amazon":
        nova = base.startswith("amazon.nova")
        return ModelRules(
            maker,
            thinks="nova" if base.startswith("amazon.nova-2") else None,
            top_k="inferenceConfig.topK" if nova else None,
            forced_tools=nova,
            result_status=nova,
            caches=nova,
        )
    if maker == "openai":
        return ModelRules(maker, thinks="effort", forced_tools=True)
    if maker == "mistral":
        return ModelRules(maker, top_k="top_k", forced_tools=True)
    if maker == "cohere":
        return ModelRules(maker, top_k="k")
    return ModelRules(maker)


def base_model(model: str) -> str:
    """The model's own id, without the ARN around it and the geography before it."""
    return _GEOGRAPHY.sub("", model.rpartition("/")[2], count=1)


def _claude(base: str) -> ModelRules:
    found = _CLAUDE.match(base)
    version = (0, 0)
    if found is not None:
        version = (int(found[1] or found[3]), int(found[2] or found[4] or 0))
    thinks: Thinks | None = None
    if version >= (4, 6):
        thinks = "claude_adaptive"
    elif version >= (3, 7):
        thinks = "claude_budget"
    return ModelRules(
        "anthropic",
        thinks=thinks,
        top_k="top_k",
        forced_tools=True,
        result_status=True,
        caches=version >= (3, 5),
        caches_tools=version >= (3, 5),
        caches_hour=version >= (4, 5),
    )
