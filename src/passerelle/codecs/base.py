"""What a dialect's codec gives, in both directions. No codec ever does I/O: feed it half a line and it waits.

A *client side* turns a caller's bytes into core and core into the caller's bytes. A *provider side*
turns core into a provider's bytes and a provider's bytes into core. When both sides are the same
dialect and nothing must change inside, the road *relays*: `relay_request` splices a few fields into the
caller's own bytes, and the watchers see usage and endings without rebuilding anything.

Errors raised: `ProblemError` (kind `invalid_request`, with `param`) for a caller's mistakes;
`AnswerError` for a provider answer that is not what its dialect promises.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

import msgspec

from passerelle.core.accepts import Accepts
from passerelle.core.errors import Problem
from passerelle.core.event import Event, Failed
from passerelle.core.request import Dialect, Operation, Request
from passerelle.core.response import Response
from passerelle.core.usage import NO_USAGE, Usage

MAX_EVENT_BYTES = 32 << 20
"""A longer stream event fails the attempt as `oversized`. As much as a whole answer may be: image models send
a picture in one event (2 MiB and more of base64)."""

MAX_WORDS_BYTES = 8 << 20
"""As long as an event, or a whole answer, can be that holds no media: a million tokens are some 4 MB, and
Responses repeats no answer more than once in an event. What is longer and speaks of no media is no answer but
a line without end: the attempt fails as `protocol`, and another place may be asked."""

_MEDIA = (b"image", b"audio", b"inlineData", b"inline_data", b"b64_json", b"video")


def may_be_media(data: bytes | bytearray) -> bool:
    """Whether something so long may be a picture or a sound. Looked at once, when it passes
    `MAX_WORDS_BYTES`."""
    return any(mark in data for mark in _MEDIA)


NOTHING_SET: Mapping[str, Any] = MappingProxyType({})

Speaker = Literal["", "mistral"]
"""Whose SDK speaks, where that changes what is said in its dialect."""


class PathTarget(msgspec.Struct, frozen=True):
    """What was said outside the body: in the URL, by dialects that put the model or the operation there."""

    operation: Operation
    model: str | None = None
    stream: bool | None = None
    json_array: bool = False
    """The stream is wanted as one JSON array, not as server-sent events (Gemini without `alt=sse`)."""
    single: bool = False
    """One text is asked, not a batch (Gemini `embedContent`)."""
    speaker: Speaker = ""
    """A client that speaks the dialect in a way of its own."""
    content_type: str = "application/json"
    """Of the body, as the caller said it: a form's has its boundary."""


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What the road must know of a request before, and often instead of, decoding all of it.

    Made by naming only the fields needed: a microsecond for a kilobyte. Everything here is validated.
    """

    operation: Operation
    model: str
    stream: bool = False
    include_usage: bool = True
    max_output_tokens: int | None = None
    features: frozenset[str] = frozenset()
    """Of `tools`, `images`, `audio`, `files`, `json`, `json_schema`, `reasoning`, `builtin_tools`,
    `custom_tools`,
    `namespaces`, `n`, `logprobs`: what a deployment must be able to do; and of `core.model.Feature`: what
    a place must have."""
    session: str | None = None
    """A conversation hint in the body (`prompt_cache_key`, `metadata.user_id`…): affinity only."""
    text_bytes: int = 0
    """Size of the body without inline media: no fewer bytes than it has words, whatever they look like."""
    images: int = 0
    """How many pictures, which a byte count cannot price."""
    answers: int = 1
    """How many answers are asked for (`n`, `candidateCount`): each may be as long as the limit."""
    unmeasured: bool = False
    """It holds what its bytes do not bound in tokens: a document, sound, or anything named by URL or id."""
    stored: bool = False
    """The caller asks the provider to keep the answer (Responses `store`)."""
    relayable: bool = True
    """False when the caller wants a form that only translation can give (Gemini's JSON-array stream)."""
    settings: Mapping[str, Any] = NOTHING_SET
    """What the body says of `core.accepts.Setting`, as the dialect writes the values, and `tools` when it has
    any; `*` when the dialect does not look so closely. Only when the model minds one of them is it looked at.
    """
    likely: Usage | None = None
    """What a task probably uses, where its bytes do not tell: pictures, characters, length of sound."""
    most: Usage | None = None
    """The most it can use, where its bytes do not tell."""
    hints: frozenset[str] = frozenset()
    """Notes of a dialect to its own `relay_request`, which need not read the body again."""


class Target(msgspec.Struct, frozen=True, gc=False):
    """Where an encoded request will go."""

    model: str
    """The provider's own name for the model."""
    provider: str = ""
    quirks: frozenset[str] = frozenset()
    """See `QUIRKS`."""
    capabilities: frozenset[str] = frozenset()
    """The model's capabilities (`core.model.Capability`); empty when unknown."""
    max_output_tokens: int | None = None
    """The model's own ceiling, where known: used when a dialect demands a limit the caller did not give."""
    accepts: Accepts | None = None
    """What the model takes of a request's settings in this dialect; None when nothing is known."""
    watched: frozenset[str] = frozenset()
    """`accepts.watched`, computed once."""
    marks_cache: bool = False
    """Prompts of callers without marks of their own are to be marked for the provider's cache."""
    operation: Operation = "chat"
    """`count_tokens` asks for the body of the dialect's counting endpoint, which takes fewer fields."""
    betas: tuple[str, ...] = ()
    """The caller's `anthropic-beta`, told only where a quirk says that the place has its own list."""


QUIRKS: dict[str, str] = {
    "max_tokens_field": "wants `max_tokens`, not `max_completion_tokens`",
    "no_stream_options": "refuses `stream_options`; reports usage in streams by itself or not at all",
    "no_developer_role": "knows `system` but not `developer`",
    "no_parallel_tool_calls_field": "refuses `parallel_tool_calls`",
    "no_json_schema": "knows `json_object` but not `json_schema`",
    "no_metadata": "refuses `metadata`, `store` and `user`",
    "no_image_url": "takes inline images only, not by URL",
    "thinking_tokens_apart": "counts reasoning tokens outside `completion_tokens` (xAI)",
    "reasoning_content_field": "returns thoughts in `reasoning_content`, and wants them back (DeepSeek)",
    "string_content": "takes a message's content as one string only, never as a list of parts",
    "no_sampling": "refuses `temperature`, `top_p`, penalties and logprobs (OpenAI reasoning models)",
    "short_call_ids": "takes ids of tool calls of nine letters and digits only (Mistral)",
    "no_user_after_tool": "refuses a user's turn right after a tool's result (Mistral)",
    "no_prompt_cache_key": "refuses `prompt_cache_key` (Groq, Cerebras)",
    "custom_tools": "knows tools of free text, which others are told of as functions (OpenAI)",
    "no_name": "refuses the `name` of a message (Groq)",
    "keeps_prompt_cache_key": "takes `prompt_cache_key`, of all that `no_metadata` speaks of (Mistral)",
    "random_seed_field": "wants `random_seed`, not `seed` (Mistral)",
    "prefix_field": "goes on from a last message of the assistant's only with `prefix: true` (Mistral)",
    "thinking_toggle": "turns thinking off by `thinking: {type: disabled}`, not by an effort (DeepSeek, GLM)",
    "images_base64": "gives pictures as base64 and refuses `response_format` (`gpt-image` models)",
    "flux_job": "makes pictures by jobs in its own words (Black Forest Labs)",
    "no_store": "refuses `store` (Fireworks)",
    "no_choice_of_none": "refuses `tool_choice: none`, so that no tools are sent instead (Meta)",
    "agent_api": "is Perplexity's Agent API: a part of Responses, `response_format`, and web search",
    "image_ratio": "takes a picture's shape as `aspect_ratio`, and pictures to edit in JSON (xAI)",
    "speech_base64": "wants a speaker as `voice_id`, and gives speech as base64 in JSON (Mistral)",
    "rerank_top_k": "names the number of documents wanted `top_k` (Voyage)",
    "no_effort_none": "refuses `reasoning_effort: none` (OpenAI models before GPT-5.1)",
    "on_bedrock": "is Claude behind Bedrock's InvokeModel: model in the path, version and betas in the body",
    "on_foundry": "is Claude on Microsoft Foundry, which knows a list of betas of its own",
    "on_vertex": "is Vertex AI: Claude with the model in the path and the version in the body, and Gemini's "
    "counts and embeddings in other shapes",
}
"""Every quirk flag a catalog entry may carry, and what it means. The `on_` ones are given by the provider's
kind to its deployments; see `codecs/anthropic/clouds.py` and `codecs/gemini/vertex.py`."""

CLOUD_QUIRKS = frozenset({"on_bedrock", "on_foundry", "on_vertex"})
"""Quirks of clouds that sell Claude: their targets are told the caller's betas."""


def said_betas(headers: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The betas that `anthropic-beta` headers name, each once, in their order."""
    names = (beta.strip() for name, value in headers if name == "anthropic-beta" for beta in value.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


NOTHING_RENAMED: Mapping[str, str] = MappingProxyType({})


class Encoded(msgspec.Struct, frozen=True, gc=False):
    """A request in a provider's bytes, and the caller's fields that could not be carried."""

    body: bytes
    dropped: tuple[str, ...] = ()
    renamed: Mapping[str, str] = NOTHING_RENAMED
    """Tool names the provider would refuse: the name sent → the caller's. `codecs/names.py` undoes it."""
    content_type: str = "application/json"


class ReplyContext(msgspec.Struct, frozen=True, gc=False):
    """What a client side needs beside the answer itself."""

    id: str
    """Ours, minted once per request; each dialect gives it its own prefix (`chatcmpl-`, `msg_`…)."""
    model: str
    """The true model, used where the answer does not name one."""
    created_s: int
    """Unix seconds."""
    include_usage: bool = True
    json_array: bool = False
    speaker: Speaker = ""
    request: Request | None = None
    """The decoded request, which Responses echoes back. Always set on translated answers."""
    named: str = ""
    """What to call the model instead, for a caller that throws away the thoughts of any other name."""
    passed: bytes = b""
    """The last whole events of a relayed stream that broke, which the encoder is to end: Responses numbers
    its events, and continues."""


class EncodedProblem(msgspec.Struct, frozen=True):
    """A `Problem` in a dialect's own words. Always JSON."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Watched(msgspec.Struct, frozen=True, gc=False):
    """What a relayed whole answer says of itself."""

    model: str = ""
    usage: Usage = NO_USAGE
    finish: str | None = None
    """Core's `FinishReason`."""


class StreamEncoder(Protocol):
    """Core events into one caller's stream, in an order the dialect allows, whatever comes in."""

    content_type: str

    def encode(self, event: Event) -> bytes:
        """The bytes this event causes, possibly none. `Failed` gives the dialect's in-band error
        and its honest, incomplete end. Nothing may follow `Finished` or `Failed`."""
        ...

    def keepalive(self) -> bytes:
        """The dialect's harmless frame (an SSE comment, Anthropic's `ping`), to hold a connection."""
        ...


class StreamDecoder(Protocol):
    """One provider stream into core events: the completion automaton of the dialect."""

    def feed(self, data: bytes) -> list[Event]:
        """Events that `data` completes. Never raises for bad bytes: gives `Failed` and then nothing."""
        ...

    def close(self) -> list[Event]:
        """The provider's bytes ended. `Failed` unless the dialect's terminal event was seen."""
        ...


class StreamWatcher(Protocol):
    """Watches a relayed stream. Passes on whole events only, so that a cut never tears one in two."""

    model: str
    usage: Usage
    """The latest count the provider gave; `NO_USAGE` before any."""
    finish: str | None
    """Core's `FinishReason`, once said."""
    content: bool
    """A first piece of content was passed on. Lifecycle frames, roles and pings are not content."""
    progress: int
    """Grows with every content-bearing event: what the between-contents deadline watches."""
    done: bool
    """The terminal event was seen: complete by the dialect's rules."""
    failed: Failed | None
    """An in-band error, a malformed event or an end too soon. The failing event is not passed on."""
    text_bytes: int
    """Content seen so far, for estimating usage when the provider never says."""

    def feed(self, data: bytes) -> bytes:
        """The part of `data` (with what was left before) that may go to the caller."""
        ...

    def close(self) -> bytes:
        """The provider's bytes ended; sets `failed` unless `done`."""
        ...


@runtime_checkable
class NamingWatcher(StreamWatcher, Protocol):
    """A watcher that can put another name on the model of the stream it passes on."""

    named: str
    """`ReplyContext.named`; what it reports as `model` stays the provider's."""


class ClientSide(Protocol):
    """A dialect as spoken by callers."""

    dialect: Dialect

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """Raises `ProblemError` naming the field for anything it reads that is wrong."""
        ...

    def decode_request(self, body: bytes, target: PathTarget) -> Request:
        """The whole request. Raises `ProblemError`. Unknown fields go to `extra`, never refused."""
        ...

    def encode_response(self, response: Response, context: ReplyContext) -> bytes:
        """A whole answer."""
        ...

    def stream_encoder(self, context: ReplyContext) -> StreamEncoder:
        """A fresh encoder for one stream."""
        ...

    def encode_problem(self, problem: Problem, request_id: str) -> EncodedProblem:
        """An error body with the dialect's own types and codes. Used before any byte was sent."""
        ...

    def encode_token_count(self, tokens: int) -> bytes:
        """The answer to `count_tokens`. Raises `ProblemError(not_found)` where the dialect has none."""
        ...


class ProviderSide(Protocol):
    """A dialect as spoken to providers."""

    dialect: Dialect

    def encode_request(self, request: Request, target: Target) -> Encoded:
        """The request in this dialect, nothing invented, losses named in core's words or the caller's:
        `codecs/callers.py` makes them all the caller's."""
        ...

    def relay_request(self, body: bytes, target: Target, envelope: Envelope) -> bytes:
        """The caller's own bytes with the model spliced, and usage in the stream asked for. The rest
        stays byte for byte in its order: providers cache by prefix."""
        ...

    def relay_losses(self, body: bytes, target: Target) -> tuple[str, ...]:
        """What `relay_request` must take out of the caller's body because `target`'s quirks refuse it."""
        ...

    def decode_response(self, body: bytes) -> Response:
        """Raises `AnswerError` for anything that is not a complete answer (an error body with 200,
        HTML, truncated JSON, no content at all)."""
        ...

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`, reading only what the road needs. Raises `AnswerError` alike."""
        ...

    def stream_decoder(self) -> StreamDecoder:
        """A fresh decoder for one stream."""
        ...

    def stream_watcher(self, envelope: Envelope) -> StreamWatcher:
        """A fresh watcher for one relayed stream; strips the usage chunk the caller did not ask for."""
        ...

    def decode_token_count(self, body: bytes) -> int:
        """The answer to a native `count_tokens`. Raises `AnswerError`."""
        ...


class Whole(msgspec.Struct, frozen=True, gc=False):
    """A whole answer as the caller gets it."""

    body: bytes
    content_type: str = "application/json"


Asked = TypeVar("Asked")
Told = TypeVar("Told", contravariant=True)
Sent = TypeVar("Sent", contravariant=True)
Found = TypeVar("Found", covariant=True)


class TaskClientSide(Protocol[Asked, Told]):
    """An operation that is no conversation, as asked by callers: embeddings and the tasks of `core.tasks`.

    `Asked` and `Told` are its request and its response in core.
    """

    dialect: Dialect

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """Raises `ProblemError` naming the field for anything it reads that is wrong."""
        ...

    def decode_request(self, body: bytes, target: PathTarget) -> Asked:
        """The whole request. Raises `ProblemError`. Unknown fields go to `extra`, never refused."""
        ...

    def encode_response(self, response: Told, request: Asked, context: ReplyContext) -> Whole:
        """A whole answer."""
        ...


class TaskProviderSide(Protocol[Sent, Found]):
    """The same, as asked of providers: `Sent` and `Found` in core."""

    dialect: Dialect

    def encode_request(self, request: Sent, target: Target) -> Encoded:
        """Raises `ProblemError` for what cannot be said there."""
        ...

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """The caller's own body with the model spliced, where nothing else must change; else None."""
        ...

    def decode_response(self, body: bytes, content_type: str) -> Found:
        """Raises `AnswerError` for anything that is not a complete answer."""
        ...

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`, reading only what the road needs, of an answer to a relayed request."""
        ...


class StreamingTask(Protocol):
    """A `TaskProviderSide` whose answers may come as a stream, for callers of its own dialect."""

    def stream_watcher(self, envelope: Envelope) -> StreamWatcher:
        """A fresh watcher for one stream."""
        ...


class ProviderError(msgspec.Struct, frozen=True):
    """A provider's error body, read leniently: what `providers/failures.py` classifies."""

    message: str = ""
    type: str = ""
    code: str = ""
    param: str | None = None
    details: Mapping[str, object] | None = None
