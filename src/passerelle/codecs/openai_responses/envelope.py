"""What the road must know of a Responses request, by naming only the fields needed."""

from typing import Annotated, Any, Final

import msgspec

from passerelle.codecs.base import Envelope, PathTarget
from passerelle.codecs.media import estimate_text_bytes
from passerelle.codecs.openai_reading import decode
from passerelle.codecs.openai_responses.decode import LOGPROBS, stateful
from passerelle.codecs.openai_responses.items_in import ROLES, reference
from passerelle.codecs.sealed import MARK
from passerelle.core.errors import invalid

_AtLeastOne = Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class _Part(msgspec.Struct):
    type: str | None = None


class _Item(msgspec.Struct):
    type: str | None = None
    role: str | None = None
    content: str | list[_Part | str] | _Part | None = None
    output: str | list[_Part | str] | _Part | None = None
    encrypted_content: str | None = None


class _Tool(msgspec.Struct):
    type: str
    tools: list[_Part] | None = None


class _Format(msgspec.Struct):
    type: str | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None


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


_decoder = msgspec.json.Decoder(_Body)

_SEAL: Final = MARK.decode()

_MEDIA: Final = {
    "input_image": "images",
    "computer_screenshot": "images",
    "input_file": "files",
    "input_audio": "audio",
}


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
    images, relayable = _look(fields, features)
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
    media = features.isdisjoint(("images", "files", "audio"))
    return Envelope(
        operation=target.operation,
        model=fields.model,
        stream=bool(fields.stream) if target.stream is None else target.stream,
        max_output_tokens=fields.max_output_tokens,
        features=frozenset(features),
        session=fields.prompt_cache_key or fields.safety_identifier or fields.user,
        text_bytes=len(body) if media else estimate_text_bytes(body),
        images=images,
        stored=bool(fields.store),
        relayable=relayable,
    )


def _look(fields: _Body, features: set[str]) -> tuple[int, bool]:
    """Checks `input`, notes what media it holds; how many pictures, and whether it may be relayed."""
    items = fields.input
    if items is None:
        if fields.prompt is not None:
            return 0, True
        raise invalid("`input` is missing; add what to answer, as a string or a list of items.", "input")
    if isinstance(items, str):
        return 0, True
    if not items:
        raise invalid("`input` is empty; add at least one item.", "input", code="empty_array")
    images = 0
    relayable = True
    for i, item in enumerate(items):
        kind = item.type
        if kind is None or kind == "message":
            if kind is None and item.role is None:
                raise reference(f"input[{i}]")
            _check_message(item, i)
        elif kind == "item_reference":
            raise reference(f"input[{i}]")
        elif kind == "reasoning" and item.encrypted_content is not None:
            relayable = relayable and not item.encrypted_content.startswith(_SEAL)
        if item.content.__class__ is list or item.output is not None:
            images += _media(item.content, features) + _media(item.output, features)
    return images, relayable


def _check_message(item: _Item, i: int) -> None:
    if item.role not in ROLES:
        where = f"input[{i}].role"
        said = "is missing" if item.role is None else f"is `{item.role}`"
        known = ", ".join(f"`{name}`" for name in ROLES)
        raise invalid(f"`{where}` {said}; use one of {known}.", where)
    if item.content is None or isinstance(item.content, _Part):
        where = f"input[{i}].content"
        raise invalid(f"`{where}` must be a string or a list of content parts; correct it.", where)


def _media(content: str | list[_Part | str] | _Part | None, features: set[str]) -> int:
    if content is None or isinstance(content, str):
        return 0
    images = 0
    for part in content if isinstance(content, list) else (content,):
        feature = _MEDIA.get(part.type or "") if not isinstance(part, str) else None
        if feature is not None:
            features.add(feature)
            images += feature == "images"
    return images


def _tools(tools: list[_Tool], features: set[str]) -> None:
    features.add("tools")
    for tool in tools:
        kinds = [tool.type]
        if tool.type == "namespace":
            kinds = [nested.type or "function" for nested in tool.tools or ()]
        for kind in kinds:
            if kind == "custom":
                features.add("custom_tools")
            elif kind != "function":
                features.add("builtin_tools")
