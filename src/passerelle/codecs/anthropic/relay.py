"""What the road reads of a request before, and often instead of, decoding it; and relaying its bytes."""

from typing import Final

import msgspec

from passerelle.codecs.anthropic.fields import BAD_JSON, malformed
from passerelle.codecs.anthropic.types import BlockSign, CountEnvelope, MessagesEnvelope
from passerelle.codecs.base import Envelope, PathTarget, Target
from passerelle.codecs.media import estimate_text_bytes
from passerelle.codecs.sealed import MARK
from passerelle.codecs.splice import quoted, splice
from passerelle.core.errors import ProblemError, invalid

_messages = msgspec.json.Decoder(MessagesEnvelope)
_count = msgspec.json.Decoder(CountEnvelope)
_blocks = msgspec.json.Decoder(list[BlockSign])

_SEAL: Final = MARK.decode()
_NOTHING: Final[frozenset[str]] = frozenset()
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

    images, files, relayable = _look(read)
    return Envelope(
        operation=target.operation,
        model=read.model,
        stream=bool(read.stream) and not counting,
        max_output_tokens=read.max_tokens,
        features=_features(read, images, files),
        session=read.metadata.user_id if read.metadata is not None else None,
        text_bytes=estimate_text_bytes(body) if images or files else len(body),
        images=images,
        relayable=relayable,
    )


def relay_request(body: bytes, target: Target) -> bytes:
    """The caller's bytes with the provider's name for the model. Usage always comes in this dialect."""
    return splice(body, {"model": quoted(target.model)})


def _features(read: CountEnvelope, images: int, files: int) -> frozenset[str]:
    found: list[str] = []
    if read.tools:
        found.append("tools")
        if any(tool.type not in (None, "custom") for tool in read.tools):
            found.append("builtin_tools")
    if images:
        found.append("images")
    if files:
        found.append("files")
    if read.thinking is not None and read.thinking.type in ("enabled", "adaptive"):
        found.append("reasoning")
    config = read.output_config
    schema = config.format if config is not None and config.format else read.output_format
    if schema and _first(schema) == b"{":
        found.append("json_schema")
    return frozenset(found) if found else _NOTHING


def _look(read: CountEnvelope) -> tuple[int, int, bool]:
    """How many pictures and documents, and whether the history may go to Anthropic as it is.

    It may not when it holds thoughts of other providers that we sealed, or thoughts without a
    signature: Anthropic refuses both, and only translation takes them out.
    """
    images = files = 0
    relayable = True
    for message in read.messages:
        if isinstance(message.content, str):
            continue
        for block in message.content:
            kind = block.type
            if kind == "text":
                continue
            if kind == "tool_result":
                if _first(block.content) == b"[":
                    for inner in _blocks.decode(block.content):
                        images += inner.type == "image"
                        files += inner.type == "document"
            elif kind == "image":
                images += 1
            elif kind == "document":
                files += 1
            elif kind == "thinking":
                signature = block.signature
                relayable = relayable and bool(signature) and not str(signature).startswith(_SEAL)
            elif kind == "redacted_thinking":
                relayable = relayable and not str(block.data).startswith(_SEAL)
    return images, files, relayable


def _first(raw: msgspec.Raw) -> bytes:
    """The first byte of a JSON value, which tells its type."""
    return bytes(memoryview(raw)[:1])


def _wrong_shape(said: str) -> ProblemError:
    """The problem of a body that is JSON but not of the right shape.

    msgspec says "Expected `str`, got `int` - at `$.messages[0].role`", or which field is missing.
    """
    what, _, where = said.partition(" - at `$")
    path = where.rstrip("`").replace("[", ".").replace("]", "").lstrip(".")
    if what.startswith("Object missing required field `"):
        path = f"{path}.{what.split('`')[1]}".lstrip(".")
        return invalid(f"`{path}` is missing; add it and send the request again", path)
    if not path:
        return invalid(f"the body is not a Messages request: {what}; send a JSON object")
    return invalid(f"`{path}` is wrong: {what[:1].lower()}{what[1:]}; {_NEXT_STEP}", path)
