"""What the road must know of a Responses request, by naming only the fields needed."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Annotated, Any, Final

import msgspec

from passerelle.codecs.base import NOTHING_SET, Envelope, PathTarget
from passerelle.codecs.media import is_reference
from passerelle.codecs.openai_reading import decode
from passerelle.codecs.openai_responses.compaction import KINDS
from passerelle.codecs.openai_responses.decode import LOGPROBS, stateful
from passerelle.codecs.openai_responses.items_in import ROLES, reference
from passerelle.codecs.openai_responses.tools import ADDITIONAL
from passerelle.codecs.sealed import MARK
from passerelle.core.errors import invalid

_AtLeastOne = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


_ABSENT: Final = msgspec.Raw()


class _Part(msgspec.Struct):
    type: str | None = None
    image_url: msgspec.Raw = _ABSENT
    file_data: msgspec.Raw = _ABSENT
    input_audio: msgspec.Raw = _ABSENT


class _Item(msgspec.Struct):
    type: str | None = None
    role: str | None = None
    content: str | list[_Part | str] | _Part | None = None
    output: str | list[_Part | str] | _Part | None = None
    encrypted_content: str | None = None
    result: msgspec.Raw = _ABSENT
    tools: msgspec.Raw = _ABSENT
    """Of an `additional_tools` item; other kinds give theirs other shapes."""


class _Nested(msgspec.Struct):
    type: str | None = None


class _Tool(msgspec.Struct):
    type: str
    tools: list[_Nested] | None = None


class _Format(msgspec.Struct):
    type: str | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None
    verbosity: Any = None


class _Reasoning(msgspec.Struct):
    effort: str | None = None


class _Body(msgspec.Struct):
    model: str
    input: str | list[_Item] | None = None
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: _AtLeastOne | None = None
    tools: list[_Tool] | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
    temperature: Any = None
    top_p: Any = None
    parallel_tool_calls: Any = None
    tool_choice: Any = None
    service_tier: Any = None


_decoder = msgspec.json.Decoder(_Body)
_tools_decoder = msgspec.json.Decoder(list[_Tool])

_SEAL: Final = MARK.decode()
_SEALED: Final = KINDS | {"reasoning"}
"""Items that may hold what only we can open."""

_MEDIA: Final = {
    "input_image": "images",
    "computer_screenshot": "images",
    "input_file": "files",
    "input_audio": "audio",
}
_WORDS: Final = frozenset({"input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"})
"""Parts whose bytes bound their tokens."""


def read_envelope(body: bytes, target: PathTarget) -> Envelope:
    """Raises `ProblemError` naming the field."""
    fields = decode(_decoder, body)
    if not fields.model:
        raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them.", "model")
    if fields.previous_response_id:
        raise stateful("previous_response_id")
    if fields.conversation:
        raise stateful("conversation")
    if fields.background:
        raise stateful("background")
    features: set[str] = set()
    seen = _look(fields, features)
    if fields.tools:
        _tools(fields.tools, features)
    form = fields.text.format if fields.text is not None else None
    if form is not None and form.type == "json_schema":
        features.add("json_schema")
    elif form is not None and form.type == "json_object":
        features.add("json")
    if fields.reasoning is not None and fields.reasoning.effort not in (None, "none"):
        features.add("reasoning")
    if fields.top_logprobs or (fields.include is not None and LOGPROBS in fields.include):
        features.add("logprobs")
    return Envelope(
        operation=target.operation,
        model=fields.model,
        stream=bool(fields.stream) if target.stream is None else target.stream,
        max_output_tokens=fields.max_output_tokens,
        features=frozenset(features),
        session=fields.prompt_cache_key or fields.safety_identifier or fields.user,
        text_bytes=len(body) - seen.media_bytes,
        images=seen.images,
        unmeasured=seen.unmeasured or fields.prompt is not None,
        stored=bool(fields.store),
        relayable=seen.relayable,
        settings=_settings(fields),
    )


_SETTINGS: Final = (
    "temperature",
    "top_p",
    "top_logprobs",
    "parallel_tool_calls",
    "tool_choice",
    "service_tier",
)
_settings_of = attrgetter(*_SETTINGS)
_UNSET: Final = (None,) * len(_SETTINGS)


def _settings(fields: _Body) -> Mapping[str, Any]:
    """What the body says of how to answer."""
    values = _settings_of(fields)
    said: dict[str, Any] = {}
    if values != _UNSET:
        said = {name: value for name, value in zip(_SETTINGS, values, strict=True) if value is not None}
    if fields.reasoning is not None and fields.reasoning.effort is not None:
        said["effort"] = fields.reasoning.effort
    if fields.text is not None and fields.text.verbosity is not None:
        said["verbosity"] = fields.text.verbosity
    return said or NOTHING_SET


class _Seen:
    """What media `input` holds, and whether it may be relayed."""

    __slots__ = ("features", "images", "media_bytes", "relayable", "unmeasured")

    def __init__(self, features: set[str]) -> None:
        self.features = features
        self.images = 0
        self.media_bytes = 0
        self.relayable = True
        self.unmeasured = False

    def media(self, content: str | list[_Part | str] | _Part | None) -> None:
        """Takes note of the media among an item's parts."""
        if content is None or isinstance(content, str):
            return
        for part in content if isinstance(content, list) else (content,):
            if isinstance(part, str) or part.type in _WORDS:
                continue
            feature = _MEDIA.get(part.type or "")
            if feature is not None:
                self.features.add(feature)
                self.media_bytes += _size(part.image_url) + _size(part.file_data) + _size(part.input_audio)
            if feature == "images":
                self.images += 1
                if is_reference(part.image_url):
                    self.features.add("image_urls")
            else:
                self.unmeasured = True


def _size(raw: msgspec.Raw) -> int:
    return memoryview(raw).nbytes


def _look(fields: _Body, features: set[str]) -> _Seen:
    """Checks `input` and notes what it holds."""
    items = fields.input
    seen = _Seen(features)
    if items is None:
        if fields.prompt is not None:
            return seen
        raise invalid("`input` is missing; add what to answer, as a string or a list of items.", "input")
    if isinstance(items, str):
        return seen
    if not items:
        raise invalid("`input` is empty; add at least one item.", "input", code="empty_array")
    for i, item in enumerate(items):
        kind = item.type
        if kind is None or kind == "message":
            if kind is None and item.role is None:
                raise reference(f"input[{i}]")
            _check_message(item, i)
        elif kind == "item_reference":
            raise reference(f"input[{i}]")
        elif kind in _SEALED and item.encrypted_content is not None:
            seen.relayable = seen.relayable and not item.encrypted_content.startswith(_SEAL)
        elif kind == ADDITIONAL:
            _tools(decode(_tools_decoder, bytes(item.tools) or b"[]"), features)
        elif kind == "image_generation_call":
            seen.images += 1
            seen.media_bytes += _size(item.result)
        if item.content.__class__ is list or item.output is not None:
            seen.media(item.content)
            seen.media(item.output)
    return seen


def _check_message(item: _Item, i: int) -> None:
    if item.role not in ROLES:
        where = f"input[{i}].role"
        said = "is missing" if item.role is None else f"is `{item.role}`"
        known = ", ".join(f"`{name}`" for name in ROLES)
        raise invalid(f"`{where}` {said}; use one of {known}.", where)
    if item.content is None or isinstance(item.content, _Part):
        where = f"input[{i}].content"
        raise invalid(f"`{where}` must be a string or a list of content parts; correct it.", where)


def _tools(tools: list[_Tool], features: set[str]) -> None:
    features.add("tools")
    for tool in tools:
        kinds = [tool.type]
        if tool.type == "namespace":
            features.add("namespaces")
            kinds = [nested.type or "function" for nested in tool.tools or ()]
        for kind in kinds:
            if kind == "custom":
                features.add("custom_tools")
            elif kind != "function":
                features.add("builtin_tools")
                if kind is not None and kind.startswith("web_search"):
                    features.add("web_search")
