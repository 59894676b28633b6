"""What the makers' models on Bedrock take in a Converse request, where it differs.

Sources, read 2026-11-22: the notes of botocore 1.44.5's service model (`ToolChoice`,
`ToolResultBlock.status`, `DocumentBlock`); docs.aws.amazon.com/bedrock "Prompt caching for faster model
inference" (Claude everywhere, an hour's lifetime from 4.5 on; Nova not on tools, nor right behind a tool's
result: aws-samples/bedrock-engineer pull 71), "Inference request parameters and response fields", "Extended
thinking" (Claude: `thinking`; Nova 2: `reasoningConfig`), and OpenAI's open models' `reasoning_effort`.
What each generation of Claude takes stands in `codecs/claude`.
"""

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec

from passerelle.codecs import claude

Thinks = Literal["claude_adaptive", "claude_budget", "nova", "effort"]

_GEOGRAPHY: Final = re.compile(r"[a-z-]{2,8}\.(?=[a-z0-9-]+\.)")


class ModelRules(msgspec.Struct, frozen=True):
    """How one model departs from the whole of Converse."""

    maker: str
    """`anthropic`, `amazon`, `meta`…; empty for an id that names none (a profile's ARN)."""
    thinks: Thinks | None = None
    """How it is told to think; None when it cannot be."""
    off: claude.Off = "disabled"
    """How Claude's thinking is turned off; `never` when it cannot be."""
    efforts: tuple[str, ...] = ()
    """The words of `outputConfig.effort` that Claude takes, from least to most."""
    sampling: bool = True
    """It takes `temperature`, `topP` and `top_k`."""
    one_sampler: bool = False
    """It takes `temperature` or `topP`, not both."""
    top_k: str | None = None
    """Where `top_k` stands in `additionalModelRequestFields`."""
    forced_tools: bool = False
    """It can be made to call a tool, and told which."""
    result_status: bool = False
    """It takes a tool result's `status`."""
    caches: bool = False
    """It takes `cachePoint` in system prompts and messages."""
    caches_tools: bool = False
    caches_results: bool = False
    """It takes one right behind a tool's result."""
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
    rules = claude.rules_for(base)
    version = claude.version_of(base)
    return ModelRules(
        "anthropic",
        thinks="claude_adaptive" if rules.adaptive else "claude_budget" if rules.budget else None,
        off=rules.off,
        efforts=rules.efforts,
        sampling=rules.sampling,
        one_sampler=rules.one_sampler,
        top_k="top_k",
        forced_tools=rules.forced_tools,
        result_status=True,
        caches=version is None or version >= (3, 5),
        caches_tools=version is None or version >= (3, 5),
        caches_results=version is None or version >= (3, 5),
        caches_hour=version is None or version >= (4, 5),
    )
