"""What the road reads of a request before, and often instead of, decoding it; and relaying its bytes."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from passerelle.codecs.anthropic.clouds import cloud_of, shape, shape_losses
from passerelle.codecs.anthropic.types import BlockSign, CountEnvelope, MessagesEnvelope, SourceSign
from passerelle.codecs.base import NOTHING_SET, Envelope, PathTarget, Target
from passerelle.codecs.fields import BAD_JSON, malformed
from passerelle.codecs.sealed import MARK
from passerelle.codecs.splice import join, quoted, splice, split
from passerelle.core.errors import ProblemError, invalid

_messages = msgspec.json.Decoder(MessagesEnvelope)
_count = msgspec.json.Decoder(CountEnvelope)
_blocks = msgspec.json.Decoder(list[BlockSign])
_source = msgspec.json.Decoder(SourceSign)

_SEAL: Final = MARK.decode()
_NOTHING: Final[frozenset[str]] = frozenset()
_DEEPEST: Final = 3
"""Blocks inside blocks inside blocks: a document's in a tool's result. The API takes none deeper."""
_LONGEST_REFERENCE: Final = 8192
"""A picture's source longer than this is the picture."""
_SERVER_TOOLS: Final = {
    "web_search_": "web_search", "web_fetch_": "web_fetch", "code_execution_": "code_execution",
}  # fmt: skip
"""Beginnings of the types of tools that Anthropic runs → what a place must have for them."""
_NEXT_STEP: Final = "correct it and send it again"


def read_envelope(body: bytes, target: PathTarget) -> Envelope:
    """Raises `ProblemError` naming the field for anything it reads that is wrong."""
    counting = target.operation == "count_tokens"
    try:
        if not body.isascii():
            body.decode()  # what is skipped below is not looked at otherwise
        read: CountEnvelope = _count.decode(body) if counting else _messages.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_shape(str(error)) from None
    except BAD_JSON as error:
        raise malformed(error) from None
    if not read.model:
        raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them", "model")
    if not read.messages:
        raise invalid("`messages` is empty; send at least one message", "messages")
    if read.max_tokens is not None and read.max_tokens < 0:
        raise invalid(f"`max_tokens` is {read.max_tokens}; make it 0 or more", "max_tokens")
    if read.system and _first(read.system) not in (b'"', b"[", b"n"):
        raise invalid("`system` must be a string or a list of text blocks; correct it", "system")

    seen = _Seen()
    for at, message in enumerate(read.messages):
        if message.content.__class__ is list:
            seen.blocks(message.content, f"messages.{at}.content")
    return Envelope(
        operation=target.operation,
        model=read.model,
        stream=bool(read.stream) and not counting,
        max_output_tokens=read.max_tokens,
        features=_features(read, seen),
        session=read.metadata.user_id if read.metadata is not None else None,
        text_bytes=len(body) - seen.media_bytes,
        images=seen.images,
        unmeasured=seen.unmeasured or _given(read.mcp_servers) or _given(read.container),
        relayable=seen.relayable,
        settings=_settings(read),
    )


def relay_request(body: bytes, target: Target) -> bytes:
    """The caller's bytes with the provider's name for the model, in the form its cloud takes. Usage always
    comes in this dialect.
    """
    cloud = cloud_of(target.quirks) if target.quirks else None
    if cloud is None:
        return splice(body, {"model": quoted(target.model)})
    fields = split(body)
    fields["model"] = msgspec.Raw(quoted(target.model))
    shape(fields, target, cloud)
    return join(fields)


def relay_losses(body: bytes, target: Target) -> tuple[str, ...]:
    """What `relay_request`, and the betas the cloud does not know, take from the caller."""
    cloud = cloud_of(target.quirks)
    return () if cloud is None else shape_losses(body, target, cloud)


def _features(read: CountEnvelope, seen: "_Seen") -> frozenset[str]:
    found: list[str] = list(seen.sources) if seen.sources else []
    if read.tools:
        found.append("tools")
        for tool in read.tools:
            if tool.type is not None and tool.type != "custom":
                found.append("builtin_tools")
                found += [_SERVER_TOOLS[name] for name in _SERVER_TOOLS if tool.type.startswith(name)]
    if seen.images:
        found.append("images")
    if seen.files:
        found.append("files")
    if _given(read.mcp_servers):
        found.append("mcp")
    if read.inference_geo is not None:
        found.append("inference_geo")
    if read.thinking is not None and read.thinking.type in ("enabled", "adaptive"):
        found.append("reasoning")
    config = read.output_config
    schema = config.format if config is not None and config.format else read.output_format
    if schema and _first(schema) == b"{":
        found.append("json_schema")
    return frozenset(found) if found else _NOTHING


def _settings(read: CountEnvelope) -> Mapping[str, Any]:
    """What the body says of how to answer."""
    said: dict[str, Any] = {}
    if read.temperature is not None:
        said["temperature"] = read.temperature
    if read.top_p is not None:
        said["top_p"] = read.top_p
    if read.top_k is not None:
        said["top_k"] = read.top_k
    if read.thinking is not None:
        said["thinking"] = read.thinking.type
        said["max_tokens"] = read.max_tokens  # a budget must leave room in it
        if read.thinking.budget_tokens is not None:
            said["budget"] = read.thinking.budget_tokens
    if read.output_config is not None and read.output_config.effort is not None:
        said["effort"] = read.output_config.effort
    if read.tool_choice is not None:
        said["tool_choice"] = read.tool_choice
    if read.messages[-1].role == "assistant":
        said["prefill"] = True
    return said or NOTHING_SET


class _Seen:
    """What a history holds, and whether it may go to Anthropic as it is.

    It may not when it holds thoughts or citations of other providers that we sealed, or thoughts without a
    signature: Anthropic refuses them, and only translation takes them out.
    """

    __slots__ = ("files", "images", "media_bytes", "relayable", "sources", "unmeasured")

    def __init__(self) -> None:
        self.sources: set[str] | None = None
        """What must be fetched from elsewhere: `image_urls`, `file_urls`, `file_ids`."""
        self.images = 0
        self.files = 0
        self.media_bytes = 0
        self.relayable = True
        self.unmeasured = False

    def blocks(self, blocks: Iterable[BlockSign], path: str, depth: int = 0) -> None:
        """Takes note of a message's blocks. Raises `ProblemError` for inner ones of the wrong shape."""
        for at, block in enumerate(blocks):
            kind = block.type
            if kind == "text":
                if block.citations and MARK in bytes(block.citations):
                    self.relayable = False
                continue
            if kind == "tool_result":
                self._inner(block.content, f"{path}.{at}.content", depth)
            elif kind == "image":
                self.images += 1
                size = memoryview(block.source).nbytes
                self.media_bytes += size
                if size <= _LONGEST_REFERENCE:
                    self._refers(block.source, "image_urls")
            elif kind == "document":
                self.files += 1
                self._document(block.source, f"{path}.{at}.source", depth)
            elif kind == "container_upload":
                self.unmeasured = True
                self._needs("file_ids")
            elif kind == "thinking":
                signature = block.signature
                self.relayable = self.relayable and bool(signature) and not str(signature).startswith(_SEAL)
            elif kind == "redacted_thinking":
                self.relayable = self.relayable and not str(block.data).startswith(_SEAL)

    def _refers(self, source: msgspec.Raw, by_url: str) -> None:
        """Takes note of a source that is a reference. One of the wrong shape is for its owner to refuse."""
        try:
            kind = _source.decode(source).type
        except msgspec.DecodeError:
            return
        if kind == "url":
            self._needs(by_url)
        elif kind == "file":
            self._needs("file_ids")

    def _needs(self, feature: str) -> None:
        if self.sources is None:
            self.sources = set()
        self.sources.add(feature)

    def _inner(self, content: msgspec.Raw, path: str, depth: int) -> None:
        if _first(content) != b"[":
            return
        if depth >= _DEEPEST:
            self.unmeasured = True
            return
        try:
            blocks = _blocks.decode(content)
        except msgspec.ValidationError as error:
            raise _wrong_shape(str(error), path) from None
        self.blocks(blocks, path, depth + 1)

    def _document(self, source: msgspec.Raw, path: str, depth: int) -> None:
        """A document of words is bound by its bytes; pages, URLs and ids are not."""
        said = SourceSign()
        if _first(source) == b"{":
            try:
                said = _source.decode(source)
            except msgspec.ValidationError as error:
                raise _wrong_shape(str(error), path) from None
        if said.type == "content":
            self._inner(said.content, f"{path}.content", depth)
        elif said.type != "text":
            if said.type in ("url", "file"):
                self._needs("file_urls" if said.type == "url" else "file_ids")
            self.unmeasured = True
            self.media_bytes += memoryview(source).nbytes


def _given(raw: msgspec.Raw) -> bool:
    return bool(raw) and _first(raw) != b"n"


def _first(raw: msgspec.Raw) -> bytes:
    """The first byte of a JSON value, which tells its type."""
    return bytes(memoryview(raw)[:1])


def _wrong_shape(said: str, inside: str = "") -> ProblemError:
    """The problem of a body that is JSON but not of the right shape.

    msgspec says "Expected `str`, got `int` - at `$.messages[0].role`", or which field is missing.
    """
    what, _, where = said.partition(" - at `$")
    path = (inside + where.rstrip("`").replace("[", ".").replace("]", "")).lstrip(".")
    if what.startswith("Object missing required field `"):
        path = f"{path}.{what.split('`')[1]}".lstrip(".")
        return invalid(f"`{path}` is missing; add it and send the request again", path)
    if not path:
        return invalid(f"the body is not a Messages request: {what}; send a JSON object")
    return invalid(f"`{path}` is wrong: {what[:1].lower()}{what[1:]}; {_NEXT_STEP}", path)
