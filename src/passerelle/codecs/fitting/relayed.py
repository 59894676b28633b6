"""A caller's own bytes made to fit the model they go to, in the caller's own dialect.

Only the fields at fault change: the others keep their bytes and their order, and so does the prompt, which
providers cache by prefix. A setting that fits costs a microsecond to see it from what the envelope read; one
that does not, the time to take the body apart and join it again.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.fitting.settings import Given, UnfitError, Verdict, judge
from passerelle.codecs.splice import join, split
from passerelle.core.accepts import Accepts
from passerelle.core.errors import invalid
from passerelle.core.request import Dialect

Path = tuple[str, ...]
Json = dict[str, Any]

_any: Final = msgspec.json.Decoder()
_encode: Final = msgspec.json.Encoder().encode
_roles: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])

_CHAT: Final = (
    "temperature", "top_p", "top_k", "seed", "stop", "presence_penalty", "frequency_penalty", "logprobs",
    "top_logprobs", "logit_bias", "n", "parallel_tool_calls", "verbosity", "service_tier", "tool_choice",
)  # fmt: skip

PLACES: Final[Mapping[Dialect, Mapping[str, Path]]] = MappingProxyType(
    {
        "openai_chat": {**{name: (name,) for name in _CHAT}, "effort": ("reasoning_effort",)},
        "openai_responses": {
            **{
                name: (name,)
                for name in (
                    "temperature", "top_p", "top_logprobs", "parallel_tool_calls", "service_tier",
                    "tool_choice",
                )
            },
            "effort": ("reasoning", "effort"),
            "verbosity": ("text", "verbosity"),
            "max_tokens": ("max_output_tokens",),
        },
        "anthropic": {
            **{
                name: (name,)
                for name in ("temperature", "top_p", "top_k", "service_tier", "tool_choice", "max_tokens")
            },
            "stop": ("stop_sequences",),
            "effort": ("output_config", "effort"),
            "thinking": ("thinking", "type"),
            "budget": ("thinking", "budget_tokens"),
        },
        "gemini": {
            "temperature": ("generationConfig", "temperature"),
            "top_p": ("generationConfig", "topP"),
            "top_k": ("generationConfig", "topK"),
            "seed": ("generationConfig", "seed"),
            "stop": ("generationConfig", "stopSequences"),
            "presence_penalty": ("generationConfig", "presencePenalty"),
            "frequency_penalty": ("generationConfig", "frequencyPenalty"),
            "logprobs": ("generationConfig", "responseLogprobs"),
            "top_logprobs": ("generationConfig", "logprobs"),
            "n": ("generationConfig", "candidateCount"),
            "max_tokens": ("generationConfig", "maxOutputTokens"),
            "effort": ("generationConfig", "thinkingConfig", "thinkingLevel"),
            "budget": ("generationConfig", "thinkingConfig", "thinkingBudget"),
        },
        "bedrock": {
            "temperature": ("inferenceConfig", "temperature"),
            "top_p": ("inferenceConfig", "topP"),
            "stop": ("inferenceConfig", "stopSequences"),
            "max_tokens": ("inferenceConfig", "maxTokens"),
            "tool_choice": ("toolConfig", "toolChoice"),
            "service_tier": ("serviceTier", "type"),
            "effort": ("outputConfig", "effort"),
            "thinking": ("additionalModelRequestFields", "thinking", "type"),
            "budget": ("additionalModelRequestFields", "thinking", "budget_tokens"),
            "top_k": ("additionalModelRequestFields", "top_k"),
        },
    }
)  # fmt: skip
"""Where each dialect writes each setting."""

_SNAKES: Final[Mapping[str, Path]] = MappingProxyType(
    {
        name: tuple("".join(f"_{c.lower()}" if c.isupper() else c for c in step) for step in path)
        for name, path in PLACES["gemini"].items()
    }
)
"""Google takes its fields in either spelling."""

ELSEWHERE: Final[Mapping[str, tuple[Path, ...]]] = MappingProxyType(
    {
        "effort": (
            ("additionalModelRequestFields", "output_config", "effort"),
            ("additionalModelRequestFields", "reasoningConfig", "maxReasoningEffort"),
            ("additionalModelRequestFields", "reasoning_effort"),
        ),
        "top_k": (
            ("additionalModelRequestFields", "inferenceConfig", "topK"),
            ("additionalModelRequestFields", "k"),
        ),
    }
)
"""Where else Bedrock's makers have theirs: `additionalModelRequestFields` are each model's own."""

EVERYTHING: Final[Mapping[str, Any]] = MappingProxyType({"*": True})
"""Settings nobody has looked at: all the body says."""

_MESSAGES: Final[Mapping[Dialect, str]] = MappingProxyType(
    {"openai_chat": "messages", "anthropic": "messages", "gemini": "contents", "bedrock": "messages"}
)
_AUTO: Final[Mapping[Dialect, Json]] = MappingProxyType(
    {"anthropic": {"type": "auto"}, "bedrock": {"auto": {}}}
)
"""A choice left to the model, where it is no word."""
_ANSWERERS: Final = frozenset({b'"assistant"', b'"model"'})
_LIMITS: Final[Mapping[Dialect, tuple[Path, ...]]] = MappingProxyType(
    {
        "openai_chat": (("max_completion_tokens",), ("max_tokens",)),
        "openai_responses": (("max_output_tokens",),),
        "anthropic": (("max_tokens",),),
        "gemini": (("generationConfig", "maxOutputTokens"),),
        "bedrock": (("inferenceConfig", "maxTokens"),),
    }
)


def fit_body(
    body: bytes,
    dialect: Dialect,
    accepts: Accepts,
    settings: Mapping[str, Any] = EVERYTHING,
    *,
    most_output_tokens: int | None = None,
) -> tuple[bytes, tuple[str, ...]]:
    """`body` as the model takes it, and what that cost, by the caller's own paths.

    `settings` is what the envelope read of it (`Envelope.settings`): when all of it fits, the body is not
    looked into. `most_output_tokens` is the model's ceiling, where the caller's limit lies above it. Raises
    `UnfitError` naming the caller's path when nothing would fit.
    """
    places = PLACES.get(dialect)
    if places is None:
        return body, ()
    tree: _Tree | None = None
    if "*" in settings:
        tree = _Tree(split(body))
        places = _spelled(places, tree, dialect)
        given = _read(tree, places, dialect, accepts)
    else:
        given = {name: _plain(name, value, dialect) for name, value in settings.items()}
    try:
        verdict = judge(given, accepts, dialect)
    except UnfitError as error:
        places = _spelled(places, tree or _Tree(split(body)), dialect)
        named = places.get(error.setting)
        if named is None:
            named = (_MESSAGES.get(dialect, "input") if error.setting == "prefill" else error.setting,)
        raise UnfitError(".".join(named), error.why) from None
    if not verdict.changes and most_output_tokens is None:
        return body, ()
    if tree is None:
        tree = _Tree(split(body))
        places = _spelled(places, tree, dialect)
    told = _write(tree, places, verdict, dialect)
    if most_output_tokens is not None:
        for path in _LIMITS.get(dialect, ()):
            value = tree.get(path)
            if isinstance(value, int) and value > most_output_tokens:
                tree.put(path, most_output_tokens)
                told.append(f"{'.'.join(path)}={most_output_tokens}")
    return (tree.bytes(), tuple(told)) if tree.changed else (body, tuple(told))


def _spelled(places: Mapping[str, Path], tree: "_Tree", dialect: Dialect) -> Mapping[str, Path]:
    """`places` as this body has them."""
    if dialect == "gemini" and "generation_config" in tree.fields:
        return _SNAKES
    if dialect != "bedrock" or "additionalModelRequestFields" not in tree.fields:
        return places
    own = {
        name: path
        for name, others in ELSEWHERE.items()
        for path in others
        if tree.get(places[name]) is None and tree.get(path) is not None
    }
    return {**places, **own} if own else places


class _Tree:
    """A JSON object of which only what is looked at is decoded, and only what changed written anew."""

    def __init__(self, fields: dict[str, msgspec.Raw]) -> None:
        self.fields = fields
        self.changed = False
        self._seen: Json = {}

    def top(self, name: str) -> Any:
        """A top-level field's value; None when absent."""
        if name not in self._seen:
            raw = self.fields.get(name)
            try:
                self._seen[name] = None if raw is None else _any.decode(raw)
            except (
                BAD_JSON
            ):  # a number beyond all floats, or no end of nesting: the envelope looks less closely
                raise invalid(f"`{name}` holds a value that cannot be read; correct it.", name) from None
        return self._seen[name]

    def get(self, path: Path) -> Any:
        """The value at `path`; None when there is none."""
        value = self.top(path[0])
        for step in path[1:]:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
        return value

    def put(self, path: Path, value: Any) -> None:
        """Set, or with None take out. An object left empty goes too."""
        self.changed = True
        name = path[0]
        if len(path) > 1:
            inner = self.top(name)
            root: Json = inner if isinstance(inner, dict) else {}
            _set(root, path[1:], value)
            value = root or None
        self._seen[name] = value
        if value is None:
            self.fields.pop(name, None)
        else:
            self.fields[name] = msgspec.Raw(_encode(value))

    def bytes(self) -> bytes:
        """The whole again."""
        return join(self.fields)


def _set(root: Json, path: Path, value: Any) -> None:
    head, *rest = path
    if rest:
        inner = root.setdefault(head, {})
        if isinstance(inner, dict):
            _set(inner, tuple(rest), value)
            if not inner:
                del root[head]
    elif value is None:
        root.pop(head, None)
    else:
        root[head] = value


def _read(tree: _Tree, places: Mapping[str, Path], dialect: Dialect, accepts: Accepts) -> Given:
    given: Given = {}
    for name, path in places.items():
        if path[0] in tree.fields and (value := tree.get(path)) is not None:
            given[name] = _plain(name, value, dialect)
    if "prefill" in accepts.refuses and _ends_with_answer(tree, dialect):
        given["prefill"] = True
    if accepts.tools is not None and "tools" in tree.fields:
        given["tools"] = True
    return given


def _plain(name: str, value: Any, dialect: Dialect) -> Any:
    """A dialect's value as core has it."""
    if name == "tool_choice":
        return _mode(value)
    if name == "stop" and isinstance(value, str):
        return [value]
    if name == "effort" and dialect == "gemini" and isinstance(value, str):
        return value.lower()
    return value


def _mode(choice: Any) -> str:
    """Core's word for a dialect's choice of a tool."""
    if isinstance(choice, dict):
        kind = choice.get("type")
        if kind is None:  # Converse: the kind is the only key
            kind = next(iter(choice), None)
        if kind == "any" or (kind == "allowed_tools" and "required" in str(choice)):
            return "required"
        return "tool" if kind in ("function", "custom", "tool") else "auto"
    return "required" if choice in ("required", "any") else "auto"


def _ends_with_answer(tree: _Tree, dialect: Dialect) -> bool:
    raw = tree.fields.get(_MESSAGES.get(dialect, ""))
    if raw is None:
        return False
    messages = _roles.decode(raw)
    return bool(messages) and bytes(messages[-1].get("role", b"")) in _ANSWERERS


def _write(tree: _Tree, places: Mapping[str, Path], verdict: Verdict, dialect: Dialect) -> list[str]:
    for name, value in verdict.changes.items():
        path = places.get(name)
        if path is None:
            continue
        if name == "tool_choice":
            value = _AUTO.get(dialect, value)
        elif name == "effort" and dialect == "gemini" and value is not None:
            value = value.upper()
        elif name == "thinking" and value is None:
            path = path[:-1]  # what qualified it means nothing without it
        if name == "budget" and value is None and tree.get(path[:-1]) is None:
            continue
        tree.put(path, value)
    told = []
    for said in verdict.told:
        name, equals, value = said.partition("=")
        path = places.get(name, (name,))
        if name == "thinking":
            path = path[:-1]
        told.append(".".join(path) + equals + value)
    return told
