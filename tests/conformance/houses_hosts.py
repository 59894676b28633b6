"""Hosts of other makers' models, who speak the Chat dialect: what they refuse, and what they have none of.

Sources are named beside the rule; all were read 2026-11-22. The words in `lacks` and `unable` are the keys of
`compare.differences`.
"""

from tests.conformance.house import ChatRules, House

_MARKS = "caches prefixes by itself: there are no marks"
_NO_TOP_K = "no `top_k`"
_NO_SHOW = "thoughts are not shown, or always are"

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
        "presence": "Groq's SDK says that none of its models takes penalties",
        "frequency": "Groq's SDK says that none of its models takes penalties",
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

_TOGETHER = frozenset({
    "chat_template_kwargs", "compliance", "context_length_exceeded_behavior", "echo", "frequency_penalty",
    "function_call", "logit_bias", "logprobs", "max_tokens", "messages", "min_p", "model", "n",
    "presence_penalty", "reasoning", "reasoning_effort", "repetition_penalty", "response_format",
    "safety_model", "seed", "stop", "stream", "stream_options", "temperature", "tool_choice", "tools",
    "top_k", "top_p",
})  # fmt: skip
"""`together` SDK 3.1.1, `chat/completion_create_params`, and `stream_options`, which its stream ends with."""

TOGETHER = House(
    name="together",
    label="Together",
    dialect="openai_chat",
    entry='template = "together"',
    models={"plain": "gpt-oss-120b"},
    chat=ChatRules(
        # Together ignores what it does not know, but takes `max_tokens` alone.
        refused=lambda _: {"max_completion_tokens": "unknown"},
        efforts=lambda _: ("low", "medium", "high"),
        thinks="reasoning",
    ),
    lacks={
        "metadata": "only of what is stored",
        "top_k": "not in the dialect",
        "cache": _MARKS,
        "show": _NO_SHOW,
        "thought": "takes no thoughts back",
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
    unlike={"refusal": "refusals have no words of their own"},
)

_FIREWORKS = frozenset({
    "context_length_exceeded_behavior", "echo", "echo_last", "frequency_penalty", "function_call",
    "functions", "ignore_eos", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "messages",
    "metadata", "min_p", "mirostat_lr", "mirostat_target", "model", "n", "parallel_tool_calls",
    "perf_metrics_in_response", "prediction", "presence_penalty", "prompt_cache_isolation_key",
    "prompt_cache_key", "prompt_truncate_len", "raw_output", "reasoning_effort", "reasoning_history",
    "repetition_penalty", "response_format", "return_token_ids", "safe_tokenization", "seed",
    "service_tier", "speculation", "stop", "stream", "stream_options", "temperature", "thinking",
    "tool_choice", "tools", "top_k", "top_logprobs", "top_p", "typical_p", "user",
})  # fmt: skip
"""`fireworks-ai` SDK 1.2.30, `chat/completion_create_params`, and `stream_options`."""

FIREWORKS = House(
    name="fireworks",
    label="Fireworks",
    dialect="openai_chat",
    entry='template = "fireworks"',
    models={"plain": "gpt-oss-120b"},
    chat=ChatRules(
        known=_FIREWORKS,
        efforts=lambda _: ("low", "medium", "high"),
        thinks="reasoning_content",
        thoughts="taken",
    ),
    lacks={
        "metadata": "only of what is stored",
        "cache": _MARKS,
        "show": _NO_SHOW,
        "top_k": "not in the dialect",
        "verbosity": "no verbosity",
        "effort_off": "gpt-oss always reasons",
        "thought": "takes no thoughts back",
    },
    unable={
        "sound": "the model takes no sound",
        "document": "the model takes no files",
        "image": "the model takes no pictures",
        "image_url": "the model takes no pictures",
        "result_image": "the model takes no pictures",
        "schema": "the model takes no schema",
    },
    unlike={"refusal": "refusals have no words of their own"},
)
