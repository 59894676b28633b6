"""What the road reads of a request before, and often instead of, decoding it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from passerelle.codecs.base import NOTHING_SET, Envelope, PathTarget
from passerelle.codecs.bedrock.formats import is_words
from passerelle.codecs.bedrock.read_blocks import SEALED
from passerelle.codecs.bedrock.types import BlockSign, ConverseSign, CountSign, MediaSign, SourceSign
from passerelle.codecs.fields import BAD_JSON, malformed
from passerelle.codecs.sealed import MARK
from passerelle.core.errors import ProblemError, invalid

_converse = msgspec.json.Decoder(ConverseSign)
_count = msgspec.json.Decoder(CountSign)
_additional = msgspec.json.Decoder(dict[str, Any])

_SEAL: Final = MARK.decode()
_NOTHING: Final[frozenset[str]] = frozenset()


def read_envelope(body: bytes, target: PathTarget) -> Envelope:
    """Raises `ProblemError` naming the field for anything it reads that is wrong."""
    invoked = False
    try:
        if not body.isascii():
            body.decode()  # what is skipped below is not looked at otherwise
        if target.operation == "count_tokens":
            counted = _count.decode(body).input
            invoked = bool(counted.invoke_model)
            read = counted.converse or ConverseSign()
        else:
            read = _converse.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_shape(str(error)) from None
    except BAD_JSON as error:
        raise malformed(error) from None
    if not target.model:
        raise invalid("the path names no model; send to `/model/{id}/converse`", "modelId")
    if not read.messages and not invoked:
        raise invalid("`messages` is missing or empty; send at least one message", "messages")
    limit = read.inference_config.max_tokens if read.inference_config is not None else None
    if limit is not None and limit < 1:
        path = "inferenceConfig.maxTokens"
        raise invalid(f"`{path}` is {limit}; make it 1 or more", path)

    additional = _additional_of(read)
    seen = _Seen()
    for at, message in enumerate(read.messages):
        if message.role not in ("user", "assistant", "system"):
            path = f"messages.{at}.role"
            raise invalid(f"`{path}` is `{message.role}`; make it `user`, `assistant` or `system`", path)
        seen.blocks(message.content)
    return Envelope(
        operation=target.operation,
        model=target.model,
        stream=bool(target.stream),
        max_output_tokens=limit,
        features=_features(read, additional, seen),
        text_bytes=len(body) - seen.media_bytes,
        images=seen.images,
        unmeasured=seen.unmeasured or bool(read.prompt_variables),
        relayable=seen.relayable,
        settings=_settings(read, additional),
    )


def _settings(read: ConverseSign, additional: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the body says of how to answer. What is each model's own is read in every maker's form."""
    said: dict[str, Any] = {}
    inference = read.inference_config
    if inference is not None:
        said = {
            "temperature": inference.temperature,
            "top_p": inference.top_p,
            "stop": inference.stop_sequences,
            "max_tokens": inference.max_tokens,
        }
    if read.tool_config is not None:
        said["tool_choice"] = read.tool_config.tool_choice
    if read.output_config is not None:
        said["effort"] = read.output_config.effort
    if isinstance(read.service_tier, dict):
        said["service_tier"] = read.service_tier.get("type")
    if additional:
        thinking, nova = additional.get("thinking"), additional.get("reasoningConfig")
        if isinstance(thinking, dict):
            said["thinking"], said["budget"] = thinking.get("type"), thinking.get("budget_tokens")
        efforts = (
            said.get("effort"),
            _inner(additional, "output_config", "effort"),
            nova.get("maxReasoningEffort") if isinstance(nova, dict) else None,
            additional.get("reasoning_effort"),
        )
        said["effort"] = next((effort for effort in efforts if effort is not None), None)
        counts = (additional.get("top_k"), _inner(additional, "inferenceConfig", "topK"), additional.get("k"))
        said["top_k"] = next((count for count in counts if count is not None), None)
    if read.messages and read.messages[-1].role == "assistant":
        said["prefill"] = True
    return {name: value for name, value in said.items() if value is not None} or NOTHING_SET


def _inner(fields: Mapping[str, Any], name: str, field: str) -> Any:
    inner = fields.get(name)
    return inner.get(field) if isinstance(inner, dict) else None


def _features(read: ConverseSign, additional: Mapping[str, Any], seen: "_Seen") -> frozenset[str]:
    found: list[str] = []
    if read.tool_config is not None and read.tool_config.tools:
        tools = read.tool_config.tools
        if any(tool.tool_spec for tool in tools):
            found.append("tools")
        if any(tool.system_tool for tool in tools):
            found.append("builtin_tools")
    found += [name for name in ("images", "files", "audio") if getattr(seen, name)]
    if read.output_config is not None and read.output_config.text_format:
        found.append("json_schema")
    if _thinks(additional):
        found.append("reasoning")
    return frozenset(found) if found else _NOTHING


def _additional_of(read: ConverseSign) -> Mapping[str, Any]:
    """The fields that are the model's own; what is no object of them is left to the model."""
    if not read.additional_model_request_fields:
        return {}
    try:
        return _additional.decode(read.additional_model_request_fields)
    except BAD_JSON:
        return {}


def _thinks(fields: Mapping[str, Any]) -> bool:
    """Thinking is asked for, in some maker's form."""
    for name in ("thinking", "reasoningConfig"):
        said = fields.get(name)
        if isinstance(said, dict) and said.get("type") in ("enabled", "adaptive"):
            return True
    return fields.get("reasoning_effort") not in (None, "none")


class _Seen:
    """What a history holds, and whether it may go to Bedrock as it is: not when it holds thoughts of other
    providers that we sealed, which only translation takes out.
    """

    __slots__ = ("audio", "files", "images", "media_bytes", "relayable", "unmeasured")

    def __init__(self) -> None:
        self.images = 0
        self.files = 0
        self.audio = 0
        self.media_bytes = 0
        self.relayable = True
        self.unmeasured = False

    def blocks(self, blocks: Iterable[BlockSign]) -> None:
        """Takes note of a message's blocks."""
        for block in blocks:
            if block.image is not None:
                self.images += 1
                self._medium(block.image, measured=True)
            elif block.document is not None:
                self.files += 1
                self._medium(block.document, measured=is_words(block.document.format))
            elif block.tool_result is not None:
                self.blocks(block.tool_result.content)
            elif block.reasoning_content is not None:
                thought = block.reasoning_content
                sealed = thought.redacted_content is not None and thought.redacted_content.startswith(SEALED)
                if thought.reasoning_text is not None and thought.reasoning_text.signature is not None:
                    sealed = sealed or thought.reasoning_text.signature.startswith(_SEAL)
                self.relayable = self.relayable and not sealed
            elif block.video is not None:
                self.files += 1
                self._medium(block.video, measured=False)
            elif block.audio is not None:
                self.audio += 1
                self._medium(block.audio, measured=False)

    def _medium(self, medium: MediaSign, *, measured: bool) -> None:
        source = medium.source or SourceSign()
        if source.text or source.content:
            return  # words, no more of them than bytes
        if not source.bytes:
            self.unmeasured = True  # it stands in S3
        elif not measured:
            self.unmeasured = True
            self.media_bytes += memoryview(source.bytes).nbytes
        elif not is_words(medium.format):
            self.media_bytes += memoryview(source.bytes).nbytes


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
        return invalid(f"the body is not a Converse request: {what}; send a JSON object")
    return invalid(f"`{path}` is wrong: {what[:1].lower()}{what[1:]}; correct it and send it again", path)
