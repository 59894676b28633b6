"""A caller's chat messages into core's."""

from typing import Any, Final

from msgspec.structs import replace

from passerelle.codecs.openai_chat.content import decode_content, decode_image, take_cache
from passerelle.codecs.openai_chat.opaque import ORIGIN, decode_details, signature_of
from passerelle.codecs.openai_reading import (
    Json,
    a_list,
    an_object,
    left,
    missing,
    need_object,
    need_text,
    take_list,
    take_object,
    take_text,
    under,
    wrong,
)
from passerelle.core.errors import invalid
from passerelle.core.message import (
    AudioPart,
    CacheTtl,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_ROLES: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


def decode_messages(values: list[Any]) -> tuple[Message, ...]:
    """Raises `ProblemError` naming the field. Takes `values` apart."""
    if not values:
        raise invalid("`messages` is empty; add at least one message.", "messages", code="empty_array")
    legacy = _LegacyCalls()
    return tuple(
        [
            _message(an_object(value, f"messages[{i}]"), f"messages[{i}]", legacy)
            for i, value in enumerate(values)
        ]
    )


class _LegacyCalls:
    """Ids for `function_call`, which has none: the n-th call of a conversation is always `call_fn_n`."""

    def __init__(self) -> None:
        self._count = 0
        self._open: dict[str, str] = {}

    def called(self, name: str) -> str:
        self._count += 1
        self._open[name] = f"call_fn_{self._count}"
        return self._open[name]

    def answered(self, name: str) -> str:
        return self._open.pop(name, f"call_fn_{self._count}")


def _message(fields: Json, path: str, legacy: _LegacyCalls) -> Message:
    said = need_text(fields, "role", path)
    role = _ROLES.get(said)
    if role is None:
        known = ", ".join(f"`{name}`" for name in _ROLES)
        raise invalid(f"`{path}.role` is `{said}`; use one of {known}.", f"{path}.role")
    if said == "function":
        return _function_result(fields, path, legacy)
    if role == "tool":
        return _tool_result(fields, path)
    name = take_text(fields, "name", path)
    content = fields.pop("content", None)
    if content is None and role != "assistant":
        raise missing(f"{path}.content")
    parts = [] if content is None else decode_content(content, f"{path}.content")
    if role == "assistant":
        parts = _assistant(fields, path, parts, legacy)
    cache = take_cache(fields)
    if cache is not None:
        parts = _cached_at_end(parts, cache)
    return Message(role=role, parts=tuple(parts), name=name, extra=left(fields))


def _assistant(fields: Json, path: str, parts: list[Part], legacy: _LegacyCalls) -> list[Part]:
    """Reasoning first, then the words, then what was called: the order in which they were made."""
    reasoning = _reasoning(fields, path)
    refusal = take_text(fields, "refusal", path)
    annotations = take_list(fields, "annotations", path)
    if annotations:
        parts = _annotated(parts, annotations, f"{path}.annotations")
    if refusal:
        parts.append(RefusalPart(refusal))
    audio = take_object(fields, "audio", path)
    if audio is not None:
        parts.append(_own_audio(audio, f"{path}.audio"))
    for index, value in enumerate(take_list(fields, "images", path) or ()):
        at = f"{path}.images[{index}]"
        parts.append(decode_image(an_object(value, at), at))
    for index, value in enumerate(take_list(fields, "tool_calls", path) or ()):
        at = f"{path}.tool_calls[{index}]"
        parts.append(_tool_call(an_object(value, at), at))
    fields.pop("parsed", None)  # the OpenAI SDK's own reading of the words, sent back with its message
    call = take_object(fields, "function_call", path)
    if call is not None:
        called = need_text(call, "name", f"{path}.function_call")
        arguments = take_text(call, "arguments", f"{path}.function_call")
        parts.append(ToolCallPart(legacy.called(called), called, arguments or "{}", extra=left(call)))
    return [*reasoning, *parts]


def _reasoning(fields: Json, path: str) -> list[ReasoningPart]:
    shown = take_text(fields, "reasoning_content", path)
    also = fields.pop("reasoning", None)
    if also is not None and not isinstance(also, str):
        raise wrong(under(path, "reasoning"), "a string", also)
    text = shown or also or ""
    details = take_list(fields, "reasoning_details", path)
    if details:
        return decode_details(details, text)
    return [ReasoningPart(text=text, origin=ORIGIN)] if text else []


def _own_audio(audio: Json, path: str) -> AudioPart:
    """The reference to an earlier spoken answer, or the answer itself sent back whole."""
    return AudioPart(
        "audio/*",
        data=take_text(audio, "data", path),
        transcript=take_text(audio, "transcript", path),
        id=take_text(audio, "id", path),
        extra={"audio": audio} if audio else None,
    )


def _tool_call(call: Json, path: str) -> ToolCallPart:
    identifier = need_text(call, "id", path)
    kind = take_text(call, "type", path) or "function"
    signature = signature_of(call)
    cache = take_cache(call)
    if kind == "custom":
        custom = need_object(call, "custom", path)
        name = need_text(custom, "name", f"{path}.custom")
        given = take_text(custom, "input", f"{path}.custom") or ""
        extra = {**call, "custom": custom} if custom else call
        return ToolCallPart(identifier, name, given, "custom", signature, cache, extra or None)
    function = need_object(call, "function", path)
    name = need_text(function, "name", f"{path}.function")
    arguments = take_text(function, "arguments", f"{path}.function")
    call.pop("index", None)  # clients that collect a stream send its index back
    function.pop("parsed_arguments", None)  # and the OpenAI SDK its own reading of the arguments
    extra = {**call, "function": function} if function else call
    return ToolCallPart(identifier, name, arguments or "{}", "function", signature, cache, extra or None)


def _tool_result(fields: Json, path: str) -> Message:
    call_id = need_text(fields, "tool_call_id", path)
    name = take_text(fields, "name", path)
    content = _result_content(fields.pop("content", None), f"{path}.content")
    cache = take_cache(fields)
    result = ToolResultPart(call_id, content, name=name, cache=cache)
    return Message("tool", (result,), extra=left(fields))


def _function_result(fields: Json, path: str, legacy: _LegacyCalls) -> Message:
    name = need_text(fields, "name", path)
    content = _result_content(fields.pop("content", None), f"{path}.content")
    return Message("tool", (ToolResultPart(legacy.answered(name), content, name=name),), extra=left(fields))


def _result_content(value: Any, path: str) -> tuple[TextPart | ImagePart | FilePart, ...]:
    if value is None:
        return ()
    parts = decode_content(value, path)
    for index, part in enumerate(parts):
        if not isinstance(part, TextPart | ImagePart | FilePart):
            at = f"{path}[{index}]"
            raise invalid(f"`{at}` cannot stand in a tool's result; send text, images or files.", at)
    return tuple([part for part in parts if isinstance(part, TextPart | ImagePart | FilePart)])


def _annotated(parts: list[Part], annotations: list[Any], path: str) -> list[Part]:
    """Citations of the message, on its last words."""
    cited = tuple([an_object(value, f"{path}[{i}]") for i, value in enumerate(a_list(annotations, path))])
    for index in range(len(parts) - 1, -1, -1):
        part = parts[index]
        if isinstance(part, TextPart):
            parts[index] = replace(part, citations=cited)
            return parts
    return [*parts, TextPart("", citations=cited)]


def _cached_at_end(parts: list[Part], cache: CacheTtl) -> list[Part]:
    """A mark on a whole message is a mark on its last words."""
    for index in range(len(parts) - 1, -1, -1):
        part = parts[index]
        if isinstance(part, TextPart):
            parts[index] = replace(part, cache=cache)
            break
    return parts
