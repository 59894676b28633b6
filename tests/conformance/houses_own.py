"""Servers that one runs oneself: what they refuse, and what they have none of.

Sources are named beside the rule; all were read 2026-11-22. The words in `lacks` and `unable` are the keys of
`compare.differences`.
"""

from tests.conformance.house import ChatRules, House

_MARKS = "caches prefixes by itself: there are no marks"
_NO_SHOW = "thoughts are not shown, or always are"


def _served(provider: str, *takes: str) -> str:
    """Configuration of the model such a server holds."""
    name, modalities = f"{provider}-model", ", ".join([f'"{word}"' for word in ("text", *takes)])
    return f"""
[[models]]
id = "{name}"
input_modalities = [{modalities}]
capabilities = ["tools", "parallel_tools", "json_schema", "json", "reasoning", "streaming"]
[[deployments]]
provider = "{provider}"
model = "{name}"
"""


VLLM = House(
    name="vllm",
    label="vLLM",
    dialect="openai_chat",
    entry='kind = "openai_like"\ndialect = "openai_chat"\nalso = []',
    models={"plain": "vllm-model"},
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
    more=_served("vllm", "image", "audio", "file"),
)

LLAMACPP = House(
    name="llamacpp",
    label="llama.cpp",
    dialect="openai_chat",
    entry='template = "llamacpp"\nalso = []',
    models={"plain": "llamacpp-model"},
    chat=ChatRules(
        # tools/server/README.md of ggml-org/llama.cpp: `max_tokens`; pictures and sound where the model has a
        # projector; what it does not know goes unread. Its templates know `developer` seldom, but map it.
        contents=("text", "image_url", "input_audio"),
        roles=("system", "developer", "user", "assistant", "tool"),
        efforts=lambda _: ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        # A choice of one tool is an object that it does not read: `auto`
        # (pypi.org/project/langchain-llama-cpp).
        thinks="reasoning_content",
        thoughts="taken",
    ),
    lacks={
        "metadata": "only of what is stored",
        "top_k": "not in the dialect",
        "cache": _MARKS,
        "show": _NO_SHOW,
        "thought": "takes no thoughts back",
    },
    unable={"document": "the model takes no files"},
    unlike={"refusal": "refusals have no words of their own"},
    more=_served("llamacpp", "image", "audio"),
)

OLLAMA = House(
    name="ollama",
    label="Ollama",
    dialect="openai_chat",
    entry='template = "ollama"\nalso = []',
    models={"plain": "ollama-model"},
    chat=ChatRules(
        links=False,  # docs/api/openai-compatibility of ollama/ollama: base64 pictures only
        efforts=lambda _: ("none", "low", "medium", "high"),
        thinks="reasoning",
    ),
    lacks={
        "metadata": "only of what is stored",
        "top_k": "not in the dialect",
        "cache": _MARKS,
        "show": _NO_SHOW,
        "thought": "takes no thoughts back",
        "image_url": "no pictures by URL",
        "parallel": "no such field: it would be ignored",
        "tier": "no tiers",
        "verbosity": "no verbosity",
        "n": "no `n`",
    },
    unable={"sound": "the model takes no sound", "document": "the model takes no files"},
    unlike={"refusal": "refusals have no words of their own"},
    more=_served("ollama", "image"),
)
