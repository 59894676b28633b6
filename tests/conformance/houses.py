"""The providers of the table, each with what its owner refuses and what it has no such thing of.

Sources are named beside the rule; all were read 2026-11-22. The words in `lacks` and `unable` are the keys of
`compare.differences`.
"""

import re
from dataclasses import replace
from typing import get_args

from tests.conformance.house import ChatRules, House

from passerelle.config.providers import ProviderKind

_MARKS = "caches prefixes by itself: there are no marks"
_NO_TOP_K = "no `top_k`"
_NO_SHOW = "thoughts are not shown, or always are"

_OPENAI = frozenset({
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "messages", "metadata", "modalities", "model", "moderation", "n",
    "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "reasoning_effort", "response_format", "safety_identifier", "seed",
    "service_tier", "stop", "store", "stream", "stream_options", "temperature", "tool_choice", "tools",
    "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
})  # fmt: skip
"""`openai` SDK 3.54, `completion_create_params`."""


def _openai_refuses(model: str) -> dict[str, str]:
    """OpenAI, "Reasoning models" guide, limitations, and the API's own words."""
    if model.startswith("gpt-5"):
        names = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs")
        more = ("logit_bias", "max_tokens", "stop")
        return dict.fromkeys((*names, *more), "Unsupported parameter, not supported with this model")
    return {"reasoning_effort": "Unrecognized request argument supplied", "verbosity": "Unsupported value"}


OPENAI = House(
    name="openai",
    label="OpenAI Chat",
    dialect="openai_chat",
    entry='template = "openai"\nalso = []',
    models={"plain": "gpt-4.1", "thinks": "gpt-5.4"},
    chat=ChatRules(
        known=_OPENAI,
        refused=_openai_refuses,
        roles=("system", "developer", "user", "assistant", "tool"),
        contents=("text", "image_url", "file"),
        efforts=lambda m: ("none", "low", "medium", "high", "xhigh") if m.startswith("gpt-5") else (),
        customs=True,
        thoughts="refused",
        counts="openai",
    ),
    lacks={
        "top_k": _NO_TOP_K,
        "cache": _MARKS,
        "show": _NO_SHOW,
        "thought": "takes no thoughts back",
        "metadata": "only of what is stored",
    },
    unable={"sound": "the model takes no sound"},
    unlike={"thought_given": "Chat Completions shows no thoughts"},
)

RESPONSES = House(
    name="oresp",
    label="OpenAI Responses",
    dialect="openai_responses",
    entry='template = "openai"\ndialect = "openai_responses"\nalso = []',
    models={"plain": "gpt-4.1", "thinks": "gpt-5.4"},
    lacks={
        "top_k": _NO_TOP_K,
        "cache": _MARKS,
        "stop": "no `stop`",
        "seed": "no `seed`",
        "presence": "no penalties",
        "frequency": "no penalties",
        "n": "no `n`",
    },
    unable={"sound": "the model takes no sound"},
)

ANTHROPIC = House(
    name="anthropic",
    label="Anthropic",
    dialect="anthropic",
    entry='template = "anthropic"',
    root="",
    models={"plain": "claude-sonnet-4-5", "thinks": "claude-sonnet-4-5", "modern": "claude-opus-5-5"},
    lacks={
        "seed": "no `seed`",
        "presence": "no penalties",
        "frequency": "no penalties",
        "n": "no `n`",
        "logprobs": "no logprobs",
        "json": "no JSON without a schema",
        "verbosity": "no verbosity",
        "cache_key": "no cache key",
        "metadata": "no metadata but a user",
        "tier": "tiers of other names",
    },
    unable={"sound": "the model takes no sound"},
    unlike={"logprobs_given": "no logprobs", "refusal": "refusals have no words: see content filter"},
)

GEMINI = House(
    name="gemini",
    label="Gemini",
    dialect="gemini",
    entry='template = "gemini"',
    root="",
    models={"plain": "gemini-2.5-flash", "thinks": "gemini-2.5-flash", "modern": "gemini-3.5-flash"},
    lacks={
        "parallel": "no choice about parallel calls",
        "user": "no user",
        "metadata": "labels are Vertex's",
        "verbosity": "no verbosity",
        "cache_key": "no cache key",
        "cache": _MARKS,
        "name": "files have no names",
        "strict": "2.5 cannot enforce a function's schema",
    },
    unlike={
        "refusal": "refusals have no words: see content filter",
        "written": "cache writes are not counted",
    },
)

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

_GROQ = frozenset({
    "citation_options", "compound_custom", "disable_tool_validation", "documents", "exclude_domains",
    "frequency_penalty", "function_call", "functions", "include_domains", "include_reasoning",
    "max_completion_tokens", "max_tokens", "messages", "metadata", "model", "n", "parallel_tool_calls",
    "presence_penalty", "reasoning_effort", "reasoning_format", "response_format", "search_settings", "seed",
    "service_tier", "stop", "store", "stream", "stream_options", "temperature", "tool_choice", "tools",
    "top_p", "user",
})  # fmt: skip
"""`groq` SDK 1.7, without what console.groq.com/docs/openai says is refused with 400."""

GROQ = House(
    name="groq",
    label="Groq",
    dialect="openai_chat",
    entry='template = "groq"',
    models={"plain": "gpt-oss-120b"},
    chat=ChatRules(
        known=_GROQ,
        roles=("system", "developer", "user", "assistant", "tool"),
        efforts=lambda _: ("low", "medium", "high"),
        names=False,
        thoughts="refused",
        thinks="reasoning",
    ),
    lacks={
        "metadata": "only of what is stored",
        "top_k": _NO_TOP_K,
        "cache": _MARKS,
        "show": _NO_SHOW,
        "thought": "takes no thoughts back",
        "logprobs": "refused with 400",
        "verbosity": "no verbosity",
        "cache_key": "no cache key",
        "effort_off": "gpt-oss always reasons",
    },
    unable={
        "sound": "the model takes no sound",
        "document": "the model takes no files",
        "image": "the model takes no pictures",
        "image_url": "the model takes no pictures",
        "result_image": "the model takes no pictures",
        "schema": "the model takes no schema",
    },
    unlike={"refusal": "refusals have no words of their own", "logprobs_given": "no logprobs"},
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

VLLM = House(
    name="vllm",
    label="vLLM",
    dialect="openai_chat",
    entry='kind = "openai_like"\ndialect = "openai_chat"\nalso = []',
    models={"plain": "house-model"},
    chat=ChatRules(
        # vLLM's OpenAI-compatible server ignores fields it does not know, and takes sound and pictures.
        contents=("text", "image_url", "input_audio", "file"),
        roles=("system", "developer", "user", "assistant", "tool"),
        efforts=lambda _: ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        thinks="reasoning",
    ),
    lacks={
        "metadata": "only of what is stored",
        "top_k": "not in the dialect",
        "cache": _MARKS,
        "show": _NO_SHOW,
        "thought": "takes no thoughts back",
    },
    unlike={"refusal": "refusals have no words of their own"},
    more="""
[[models]]
id = "house-model"
input_modalities = ["text", "image", "audio", "file"]
capabilities = ["tools", "parallel_tools", "json_schema", "json", "reasoning", "streaming"]
[[deployments]]
provider = "vllm"
model = "house-model"
""",
)

OPENROUTER = House(
    name="openrouter",
    label="OpenRouter",
    dialect="openai_chat",
    entry='template = "openrouter"',
    models={"plain": "gemini-2.5-pro"},
    chat=ChatRules(
        contents=("text", "image_url", "file", "input_audio"),
        roles=("system", "developer", "user", "assistant", "tool"),
        efforts=lambda _: ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        thinks="reasoning",
        counts="openai",
        comments=True,
    ),
    lacks={
        "verbosity": "the model has no verbosity",
        "metadata": "only of what is stored",
        "top_k": _NO_TOP_K,
        "cache": _MARKS,
        "show": _NO_SHOW,
        "thought": "takes no thoughts back",
    },
)

BEDROCK = House(
    name="bedrock",
    label="Amazon Bedrock",
    dialect="bedrock",
    # Claude through Converse, which every other model is reached by; its own dialect is `anthropic`'s.
    entry='template = "bedrock"\nregion = "eu-central-1"',
    root="",
    models={"plain": "converse"},
    kind="bedrock",
    lacks={
        "seed": "no `seed`",
        "presence": "no penalties",
        "frequency": "no penalties",
        "n": "no `n`",
        "logprobs": "no logprobs",
        "json": "no JSON without a schema",
        "verbosity": "no verbosity",
        "cache_key": "no cache key",
        "metadata": "would end in the operator's invocation logs",
        "user": "no user",
        "image_url": "no pictures by URL",
        "parallel": "no choice about parallel calls",
        "choice": "no choice of no tool",
    },
    unable={"sound": "the model takes no sound"},
    unlike={
        "logprobs_given": "no logprobs",
        "refusal": "refusals have no words: see content filter",
    },
    more="""
[[deployments]]
provider = "bedrock"
model = "claude-sonnet-4-5"
id = "bedrock/converse"
upstream_model = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
dialect = "bedrock"
""",
)

AZURE = House(
    name="azure",
    label="Azure OpenAI",
    dialect="openai_chat",
    entry='template = "azure"\nalso = []\nmodels = ["gpt-4.1", "gpt-5.4"]',
    root="",
    models=OPENAI.models,
    # It says `prompt_filter_results` before anything, in a chunk without choices.
    chat=replace(OPENAI.chat, filters=True),
    lacks=OPENAI.lacks,
    unable=OPENAI.unable,
    unlike=OPENAI.unlike,
    kind="azure",
)

FOUNDRY = House(
    name="foundry",
    label="Claude on Foundry",
    dialect="anthropic",
    entry='template = "azure"\nmodels = ["claude-sonnet-4-5", "claude-opus-5-5"]',
    root="",
    models=ANTHROPIC.models,
    lacks=ANTHROPIC.lacks,
    unable=ANTHROPIC.unable,
    unlike=ANTHROPIC.unlike,
    kind="azure",
)

VERTEX = House(
    name="vertex",
    label="Vertex AI",
    dialect="gemini",
    # With an API key (express mode): Google's own models.
    entry='template = "vertex"\nmodels = ["gemini-2.5-flash", "gemini-3.5-flash"]',
    root="",
    models=GEMINI.models,
    lacks={**GEMINI.lacks, "tier": "tiers are bought apart"},
    unable=GEMINI.unable,
    unlike=GEMINI.unlike,
    kind="vertex",
)

_ALL = (
    OPENAI,
    RESPONSES,
    ANTHROPIC,
    GEMINI,
    BEDROCK,
    AZURE,
    FOUNDRY,
    VERTEX,
    MISTRAL,
    XAI,
    DEEPSEEK,
    GROQ,
    COHERE,
    OPENROUTER,
    VLLM,
)
HOUSES = tuple([house for house in _ALL if house.kind in ("", *get_args(ProviderKind))])
"""Those whose kind the gateway can reach."""
