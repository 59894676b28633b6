"""What a caller asks of a model, in no dialect.

`dropped` grows while a request is translated: each codec adds the caller's field names it could not
carry, and the edge reports them (`x-passerelle-dropped`), or refuses under `x-passerelle-strict: 1`.
"""

from typing import Any, Literal

import msgspec

from passerelle.core.message import Extra, Message

Dialect = Literal["openai_chat", "openai_responses", "anthropic", "gemini", "bedrock"]
"""The languages spoken, to clients and to providers. OpenAI's embeddings ride on `openai_chat`."""

Operation = Literal[
    "chat", "embed", "count_tokens", "rerank", "moderate", "generate_image", "edit_image", "transcribe",
    "translate", "speak",
]  # fmt: skip
"""What is asked: an answer, vectors, the size of a prompt, or one of the tasks of `core.tasks`."""

TASKS: frozenset[Operation] = frozenset(
    {"embed", "rerank", "moderate", "generate_image", "edit_image", "transcribe", "translate", "speak"}
)
"""What is no conversation: one request, one answer, each of a shape of its own."""

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool the model may call.

    `function` tools have a JSON schema in `parameters`; `custom` ones take free text; `builtin` ones
    (web search, code execution…) run at the provider, exist only in `origin`'s dialect, and stand
    whole in `extra`.
    """

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    kind: Literal["function", "custom", "builtin"] = "function"
    origin: Dialect | None = None
    cache: Literal["5m", "1h"] | None = None
    extra: Extra = None
    grammar: dict[str, str] | None = None
    """What text a `custom` tool takes: `{"syntax": "lark" | "regex", "definition": …}`; None is any."""
    memo: Extra = None
    """See `core.message`: the namespace the tool stood in (Responses)."""


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether, and which, tool must be called."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str | None = None
    """The tool that must be called, when `mode` is `tool`."""
    allowed: tuple[str, ...] | None = None
    """Only these tools may be called, when the caller narrows the list."""


class OutputFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """Free text, any JSON, or JSON of a schema."""

    kind: Literal["text", "json", "json_schema"] = "text"
    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class Reasoning(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much the model should think before it answers, and what of it to show."""

    enabled: bool | None = None
    """False: do not think. None: the model's default."""
    effort: Effort | None = None
    budget_tokens: int | None = None
    adaptive: bool = False
    """The model decides by itself how much (Anthropic `adaptive`, Gemini `thinkingBudget: -1`)."""
    show: bool | None = None
    """Thoughts are to be returned (Gemini `includeThoughts`, Responses `summary`)."""
    summary: str | None = None
    """Responses' word for the summary wanted: `auto`, `concise`, `detailed`."""


class Sampling(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the next token is drawn."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: int = 1
    logit_bias: dict[str, float] | None = None


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request for an answer (operations `chat` and `count_tokens`)."""

    model: str
    """As the caller wrote it; the provider's own name is in the codec's `Target`."""
    messages: tuple[Message, ...]
    """System and developer instructions included, in their place."""
    dialect: Dialect
    """The dialect it came in: `extra` goes back only to this one."""
    max_output_tokens: int | None = None
    stream: bool = False
    include_usage: bool = True
    """The caller wants usage in the stream (OpenAI Chat asks for it; the others always tell)."""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    output: OutputFormat = OutputFormat()
    reasoning: Reasoning = Reasoning()
    sampling: Sampling = Sampling()
    user: str | None = None
    """The caller's own end-user id (OpenAI `user`/`safety_identifier`, Anthropic `metadata.user_id`)."""
    metadata: dict[str, str] | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    verbosity: str | None = None
    extra: Extra = None
    """Top-level fields we do not name, in the dialect's own names and shapes."""
    dropped: tuple[str, ...] = ()
    """Fields of the caller's that decoding itself could not keep."""
    memo: Extra = None
    """See `core.message`: fields that ask for nothing another dialect would do differently."""


class EmbedRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request for vectors (operation `embed`)."""

    model: str
    inputs: tuple[str | tuple[int, ...], ...]
    """Texts, or texts already cut into token ids (OpenAI)."""
    dialect: Dialect
    dimensions: int | None = None
    encoding: Literal["float", "base64"] = "float"
    task: str | None = None
    """What the vectors are for (Gemini `taskType`)."""
    title: str | None = None
    single: bool = False
    """The caller sent one text, not a list (Gemini `embedContent`)."""
    user: str | None = None
    extra: Extra = None
