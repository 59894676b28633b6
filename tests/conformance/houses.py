"""The providers of the table, each with what its owner refuses and what it has no such thing of.

Sources are named beside the rule; all were read 2026-11-22. The words in `lacks` and `unable` are the keys of
`compare.differences`.
"""

from dataclasses import replace

from tests.conformance.house import ChatRules, House
from tests.conformance.houses_alike import COHERE, DEEPSEEK, META, MISTRAL, XAI
from tests.conformance.houses_hosts import FIREWORKS, GROQ, OPENROUTER, TOGETHER
from tests.conformance.houses_own import LLAMACPP, OLLAMA, VLLM

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

BEDROCK = House(
    name="bedrock",
    label="Amazon Bedrock",
    dialect="bedrock",
    # Claude through Converse, which every other model is reached by; its own dialect is `anthropic`'s.
    entry='template = "bedrock"\nregion = "eu-central-1"',
    root="",
    models={"plain": "converse", "modern": "converse-modern"},
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
[[deployments]]
provider = "bedrock"
model = "claude-opus-5-5"
id = "bedrock/converse-modern"
upstream_model = "eu.anthropic.claude-opus-5-5"
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
)

PERPLEXITY = House(
    name="perplexity",
    label="Perplexity",
    dialect="openai_responses",
    # Its Agent API, with a model that has tools beside the search: Sonar has none.
    entry='template = "perplexity"',
    models={"plain": "perplexity-model"},
    agent=True,
    lacks={
        "top_k": _NO_TOP_K,
        "cache": _MARKS,
        "show": "no summaries of thoughts",
        "stop": "no `stop`",
        "seed": "no `seed`",
        "presence": "no penalties",
        "frequency": "no penalties",
        "n": "no `n`",
        "logprobs": "no logprobs",
        "json": "no JSON without a schema",
        "verbosity": "no verbosity",
        "cache_key": "no cache key",
        "tier": "no tiers",
        "user": "no user",
        "effort_off": "no word for it",
        "thought": "no reasoning items",
        "image": "results of tools are words alone",
    },
    unable={"sound": "the model takes no sound", "document": "the model takes no files"},
    unlike={
        "logprobs_given": "no logprobs",
        "thought_given": "no reasoning items",
        "refusal": "refusals have no words of their own",
    },
    more="""
[[models]]
id = "perplexity-model"
input_modalities = ["text", "image"]
capabilities = ["tools", "parallel_tools", "json_schema", "reasoning", "streaming"]
[[deployments]]
provider = "perplexity"
model = "perplexity-model"
""",
)

HOUSES = (
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
    META,
    DEEPSEEK,
    COHERE,
    GROQ,
    TOGETHER,
    FIREWORKS,
    OPENROUTER,
    PERPLEXITY,
    OLLAMA,
    VLLM,
    LLAMACPP,
)
