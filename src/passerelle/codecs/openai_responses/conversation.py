"""Stored conversations in the words of this dialect: what a request asks of them, and what is told of them.

    asked     what a request says of keeping and of what came before
    rebuilt   a request that carries its whole conversation
    Stamp     how a response names itself and its conversation, in a body and in a stream's lifecycle events
    listed    items as the API lists them, each with an id

Items are kept as their senders wrote them, byte for byte, so that a conversation rebuilt turn by turn is the
conversation sent whole, and providers find the same prefix again.

Source: openai-python 3.54, `types/responses/response_create_params.py`, `resources/responses` and
`resources/conversations`, read 2026-11-22.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.openai_reading import decode, wrong
from passerelle.codecs.sealed import MARK
from passerelle.codecs.splice import join, quoted, split
from passerelle.codecs.sse import SseParser
from passerelle.core.errors import invalid
from passerelle.core.ids import plausible

_SEAL: Final = MARK.decode()
_encoder = msgspec.json.Encoder()
_any = msgspec.json.Decoder()


class _Asked(msgspec.Struct):
    input: str | list[msgspec.Raw] | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None


class _Item(msgspec.Struct):
    """What decides how an item is carried."""

    type: str | None = None
    id: Any = None
    role: Any = None
    call_id: Any = None
    encrypted_content: Any = None


class _Output(msgspec.Struct):
    output: list[msgspec.Raw] = []


class _Event(msgspec.Struct):
    type: str = ""


_asked = msgspec.json.Decoder(_Asked)
_item = msgspec.json.Decoder(_Item)
_output = msgspec.json.Decoder(_Output)
_event = msgspec.json.Decoder(_Event)

LIFECYCLE: Final = frozenset({
    "response.created", "response.queued", "response.in_progress", "response.completed",
    "response.incomplete", "response.failed", "response.cancelled",
})  # fmt: skip
"""Events that hold the response object."""
ENDINGS: Final = frozenset({"response.completed", "response.incomplete"})


class Asked(msgspec.Struct, frozen=True):
    """What a request says of keeping, and of what came before it."""

    items: tuple[bytes, ...]
    """Its own items."""
    store: bool | None
    """As the caller said it; the API's default is true."""
    previous_id: str | None
    conversation_id: str | None
    references: tuple[tuple[int, str], ...]
    """Items named by id: (place among `items`, id)."""

    @property
    def stateful(self) -> bool:
        """It cannot be understood without what is stored."""
        return bool(self.previous_id or self.conversation_id or self.references)


def asked(body: bytes) -> Asked:
    """Raises `ProblemError` naming the field."""
    fields = decode(_asked, body)
    previous, conversation = fields.previous_response_id or None, _conversation(fields.conversation)
    if previous and conversation:
        raise invalid(
            "`previous_response_id` and `conversation` cannot both be given; leave one of them out.",
            "previous_response_id",
        )
    items: list[bytes] = []
    references: list[tuple[int, str]] = []
    if isinstance(fields.input, str):
        items.append(_encoder.encode({"type": "message", "role": "user", "content": fields.input}))
    else:
        for place, raw in enumerate(fields.input or ()):
            item = bytes(raw)
            named = _reference(item)
            if named is not None:
                references.append((place, named))
            items.append(item)
    return Asked(tuple(items), fields.store, previous, conversation, tuple(references))


def _conversation(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("id")
        if value is None:
            raise invalid("`conversation.id` is missing; add it and send the request again.", "conversation")
    if value is not None and not isinstance(value, str):
        raise wrong("conversation", "a string or an object", value)
    return value or None


def _reference(item: bytes) -> str | None:
    """The id in an item that is nothing but a reference."""
    if len(item) > 512:
        return None
    try:
        found = _item.decode(item)
    except msgspec.DecodeError:
        return None  # decoding the request says what is wrong with it
    if not isinstance(found.id, str):
        return None
    bare = found.type is None and found.role is None and found.call_id is None
    return found.id if found.type == "item_reference" or bare else None


def rebuilt(body: bytes, items: Iterable[bytes]) -> bytes:
    """The request with `items` as its whole input, and nothing about keeping: the rest byte for byte."""
    fields = split(body)
    for name in ("previous_response_id", "conversation", "store"):
        fields.pop(name, None)
    fields["input"] = msgspec.Raw(b"[" + b",".join(items) + b"]")
    return join(fields)


def unstored(body: bytes) -> bytes:
    """The request without `store`: how it is then sent says that the provider keeps nothing."""
    fields = split(body)
    fields.pop("store", None)
    return join(fields)


def outputs(response: bytes) -> list[bytes]:
    """The items a response holds."""
    return [bytes(item) for item in _output.decode(response).output]


def ids(items: Iterable[bytes]) -> tuple[str, ...]:
    """Ids that the items have."""
    found = [_item.decode(item).id for item in items]
    return tuple(
        [identifier for identifier in found if isinstance(identifier, str) and plausible(identifier)]
    )


def is_opaque(item: bytes) -> bool:
    """Whether the item holds thoughts that only the provider who made them can read."""
    if b'"encrypted_content"' not in item:
        return False
    found = _item.decode(item).encrypted_content
    return isinstance(found, str) and bool(found) and not found.startswith(_SEAL)


def without(body: bytes, places: frozenset[int]) -> bytes:
    """The request without the items at these places."""
    fields = split(body)
    items = msgspec.json.decode(fields["input"], type=list[msgspec.Raw])
    kept = [bytes(item) for place, item in enumerate(items) if place not in places]
    fields["input"] = msgspec.Raw(b"[" + b",".join(kept) + b"]")
    return join(fields)


def answerable(items: Sequence[tuple[bytes, str]]) -> list[tuple[bytes, str]]:
    """`items` without outputs of calls that are gone: providers refuse an answer to nothing."""
    called: set[str] = set()
    kept: list[tuple[bytes, str]] = []
    for item, provider in items:
        found = _item.decode(item)
        if isinstance(found.call_id, str):
            if (found.type or "").endswith("_output"):
                if found.call_id not in called:
                    continue
            else:
                called.add(found.call_id)
        kept.append((item, provider))
    return kept


# --- what a response says of itself


class Stamp(msgspec.Struct, frozen=True):
    """How a response names itself and its conversation."""

    id: str
    previous_id: str | None = None
    conversation_id: str | None = None
    background: bool = False

    def put(self, response: bytes, *, stored: bool) -> bytes:
        """The response object, truly named. Raises `msgspec.DecodeError` if it is none."""
        fields = split(response)
        fields["id"] = msgspec.Raw(quoted(self.id))
        fields["store"] = msgspec.Raw(b"true" if stored else b"false")
        fields["previous_response_id"] = msgspec.Raw(_encoder.encode(self.previous_id))
        if self.conversation_id is not None:
            fields["conversation"] = msgspec.Raw(_encoder.encode({"id": self.conversation_id}))
        if self.background:
            fields["background"] = msgspec.Raw(b"true")
        return join(fields)

    def put_event(self, data: bytes, *, stored: bool) -> bytes:
        """A lifecycle event's data, its response truly named."""
        fields = split(data)
        fields["response"] = msgspec.Raw(self.put(bytes(fields["response"]), stored=stored))
        return join(fields)


def event_type(data: bytes) -> str:
    """The `type` of an event's data; empty for what is no event."""
    try:
        return _event.decode(data).type
    except BAD_JSON:
        return ""


def response_in(data: bytes) -> bytes:
    """The response object in a lifecycle event's data."""
    return bytes(split(data)["response"])


def event(kind: str, data: bytes) -> bytes:
    """An event on the wire."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def frames(chunk: bytes) -> list[tuple[bytes, bytes]]:
    """Whole events of a stream's piece: (data, as it came)."""
    return [(frame.data, frame.raw) for frame in SseParser().feed(chunk)]


# --- lists


def listed(item: bytes, identifier: str, included: frozenset[str]) -> dict[str, Any]:
    """An item as the API lists it: with an id, its content in parts, and its opaque thoughts only if
    `included` has their name.
    """
    fields: dict[str, Any] = _any.decode(item)
    fields.setdefault("type", "message")
    if not fields.get("id"):
        fields = {"id": identifier, **{key: value for key, value in fields.items() if key != "id"}}
    if fields["type"] == "message":
        fields.setdefault("status", "completed")
        if isinstance(fields.get("content"), str):
            kind = "output_text" if fields.get("role") == "assistant" else "input_text"
            part: dict[str, Any] = {"type": kind, "text": fields["content"]}
            if kind == "output_text":
                part["annotations"] = []
            fields["content"] = [part]
    elif fields["type"].endswith("_output"):
        fields.setdefault("status", "completed")
    return visible(fields, included)


def visible(fields: dict[str, Any], included: frozenset[str]) -> dict[str, Any]:
    """An item without its opaque thoughts, unless they are asked for."""
    if fields.get("type") == "reasoning" and "reasoning.encrypted_content" not in included:
        fields.pop("encrypted_content", None)
    return fields


def shown(response: bytes, included: frozenset[str]) -> bytes:
    """A stored response as it is given again."""
    if b'"encrypted_content"' not in response:
        return response
    fields = split(response)
    items = [visible(_any.decode(item), included) for item in outputs(response)]
    fields["output"] = msgspec.Raw(_encoder.encode(items))
    return join(fields)


def own_id(item: bytes, tail: str, number: int) -> str:
    """The id an item is listed by: its own, or one made of its response's."""
    found = _item.decode(item)
    if isinstance(found.id, str) and found.id:
        return found.id
    prefix = "msg" if found.type in (None, "message") else "item"
    return f"{prefix}_{tail}in{number:03d}"
