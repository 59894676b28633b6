"""Makers who speak the Chat dialect and are not OpenAI: what they refuse, and what they have none of.

Sources are named beside the rule; all were read 2026-11-22. The words in `lacks` and `unable` are the keys of
`compare.differences`.
"""

import re

from tests.conformance.house import ChatRules, House

_MARKS = "caches prefixes by itself: there are no marks"
_NO_TOP_K = "no `top_k`"
_NO_SHOW = "thoughts are not shown, or always are"

_MISTRAL = frozenset({
    "frequency_penalty", "guardrails", "logprobs", "max_tokens", "messages", "metadata", "min_tokens",
    "model", "n", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "prompt_mode",
    "random_seed", "reasoning_effort", "repetition_penalty", "response_format", "safe_prompt",
    "service_tier", "stop", "stream", "temperature", "tool_choice", "tools", "top_k", "top_logprobs", "top_p",
})  # fmt: skip
"""`mistralai` SDK 3.7, `chatcompletionrequest`: anything else is 422 "Extra inputs are not permitted"."""

MISTRAL = House(
    name="mistral",
    label="Mistral",
    dialect="openai_chat",
    entry='template = "mistral"',
    models={"plain": "mistral-medium-3-5"},
    chat=ChatRules(
        known=_MISTRAL,
        contents=("text", "image_url", "thinking"),
        thoughts="refused",
        efforts=lambda _: ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        # "Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9" (jackmpcollins/magentic#276).
        ids=re.compile("[a-zA-Z0-9]{9}"),
        hottest=1.5,
        # "Unexpected role 'user' after role 'tool'" (avante-corp/avante.nvim#2562, zed-industries/zed#37021).
        user_after_tool=False,
        thinks="content",
        counts="plain",
        usage_at_end=True,
    ),
    lacks={
        "tier": "tiers of another kind",
        "metadata": "dropped with other fields about the caller",
        "top_k": _NO_TOP_K,
        "cache": _MARKS,
        "show": _NO_SHOW,
        "user": "no user",
        "verbosity": "no verbosity",
        "thought": "takes no thoughts back",
    },
    unable={"sound": "the model takes no sound", "document": "the model takes no files"},
    unlike={
        "cached_given": "does not count them apart",
        "written": "does not count them",
        "refusal": "refusals have no words of their own",
    },
)


def _xai_refuses(_: str) -> dict[str, str]:
    """docs.x.ai, "Reasoning": the penalties and `stop` are an error on models that reason."""
    return dict.fromkeys(
        ("presence_penalty", "frequency_penalty", "stop"), "Argument not supported on this model"
    )


XAI = House(
    name="xai",
    label="xAI",
    dialect="openai_chat",
    entry='template = "xai"\nalso = []',
    models={"plain": "grok-4.3"},
    chat=ChatRules(
        refused=_xai_refuses,
        roles=("system", "developer", "user", "assistant", "tool"),
        efforts=lambda _: ("none", "low", "medium", "high", "xhigh"),
        thinks="reasoning_content",
        reasoning_apart=True,
        whole_calls=True,
    ),
    lacks={
        "metadata": "only of what is stored",
        "top_k": _NO_TOP_K,
        "cache": _MARKS,
        "show": _NO_SHOW,
        "thought": "takes no thoughts back",
        "stop": "models that reason refuse it",
        "presence": "models that reason refuse it",
        "frequency": "models that reason refuse it",
    },
    unable={"sound": "the model takes no sound", "document": "the model takes no files"},
    unlike={"refusal": "refusals have no words of their own"},
)

DEEPSEEK = House(
    name="deepseek",
    label="DeepSeek",
    dialect="openai_chat",
    entry='template = "deepseek"',
    models={"plain": "deepseek-v4-pro", "sees": "deepseek-flash"},
    chat=ChatRules(
        # api-docs.deepseek.com, "Create chat completion": `max_tokens`, `json_object`, no developer role.
        refused=lambda _: {"max_completion_tokens": "unknown"},
        formats=("text", "json_object"),
        efforts=lambda _: ("none", "low", "medium", "high", "xhigh", "max"),
        stops=16,
        thoughts="needed",
        thinks="reasoning_content",
        counts="deepseek",
    ),
    lacks={
        "seed": "no seed",
        "tier": "no tiers",
        "verbosity": "no verbosity",
        "top_k": _NO_TOP_K,
        "cache": _MARKS,
        "user": "no user",
        "metadata": "no metadata",
        "cache_key": "no cache key",
    },
    unable={
        "sound": "the model takes no sound",
        "document": "the model takes no files",
        "schema": "the model takes no schema",
    },
    unlike={"refusal": "refusals have no words of their own"},
)

_COHERE = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "temperature", "top_p", "stop", "seed",
    "frequency_penalty", "presence_penalty", "tools", "tool_choice", "response_format", "reasoning_effort",
    "logprobs",
})  # fmt: skip
"""docs.cohere.com/docs/compatibility-api, supported parameters."""

COHERE = House(
    name="cohere",
    label="Cohere",
    dialect="openai_chat",
    entry='template = "cohere"',
    models={"plain": "command-a-plus-05-2026"},
    chat=ChatRules(
        known=_COHERE,
        roles=("system", "developer", "user", "assistant", "tool"),
        efforts=lambda _: ("none", "low", "medium", "high"),
        counts="plain",
        stops=5,
    ),
    lacks={
        "n": "no n",
        "top_k": _NO_TOP_K,
        "cache": _MARKS,
        "show": _NO_SHOW,
        "thought": "takes no thoughts back",
        "logprobs": "no `top_logprobs`",
        "verbosity": "no verbosity",
        "cache_key": "no cache key",
        "user": "no user",
        "metadata": "no metadata",
        "tier": "no tiers",
        "parallel": "no such field",
    },
    unable={"sound": "the model takes no sound", "document": "the model takes no files"},
    unlike={
        "refusal": "refusals have no words of their own",
        "cached_given": "does not count them apart",
        "thought_given": "shows no thoughts in this API",
        "logprobs_given": "not in the compatibility API",
        "written": "does not count them",
    },
)


def _meta_refuses(_: str) -> dict[str, str]:
    """Meta's quickstart of Chat Completions, as github.com/promptfoo/promptfoo pull 10041 reports it."""
    names = ("stop", "logprobs", "top_logprobs", "logit_bias", "n")
    return dict.fromkeys(names, "not supported by this model")


META = House(
    name="meta",
    label="Meta",
    dialect="openai_chat",
    entry='template = "meta"\nalso = []',
    models={"plain": "muse-spark-1.3"},
    chat=ChatRules(
        refused=_meta_refuses,
        roles=("system", "developer", "user", "assistant", "tool"),
        contents=("text", "image_url", "file"),
        # `none` is a 400 (chatoyant's `Meta`, of Meta's own documentation).
        efforts=lambda _: ("minimal", "low", "medium", "high", "xhigh"),
        # "only "auto" is supported for `tool_choice`" (github.com/LiveBench/LiveBench pull 499).
        choices=("auto",),
        # "'required' is required to be supplied and to be an array including every key in properties": of
        # strict tools (github.com/AbdoKnbGit/tau issue 32), as at OpenAI.
        counts="openai",
    ),
    lacks={
        "metadata": "only of what is stored",
        "top_k": _NO_TOP_K,
        "cache": _MARKS,
        "show": _NO_SHOW,
        "thought": "takes no thoughts back in Chat Completions",
        "stop": "refused with 400",
        "logprobs": "refused with 400",
        "n": "refused with 400",
        "choice": "`tool_choice` is `auto`",
        "effort_off": "it always reasons",
        "verbosity": "no verbosity",
        "tier": "no tiers",
    },
    unable={"sound": "the model takes no sound"},
    unlike={
        "refusal": "refusals have no words of their own",
        "thought_given": "Chat Completions shows no thoughts",
        "logprobs_given": "no logprobs",
    },
)
