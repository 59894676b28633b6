"""The parts of a caller's chat message into core's."""

from typing import Any, Final

from passerelle.codecs.media import audio_type, parse_data_url
from passerelle.codecs.openai_chat.opaque import ORIGIN
from passerelle.codecs.openai_reading import (
    Json,
    an_object,
    left,
    missing,
    need_object,
    need_text,
    take_text,
    wrong,
)
from passerelle.core.errors import invalid
from passerelle.core.message import (
    AudioPart,
    CacheTtl,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
)

_CONTROL: Final = frozenset({"type", "ttl"})


def decode_content(value: Any, path: str) -> list[Part]:
    """A string, or a list of parts. Raises `ProblemError` naming the part."""
    if isinstance(value, str):
        return [TextPart(value)] if value else []
    if not isinstance(value, list):
        raise wrong(path, "a string or an array of parts", value)
    parts: list[Part] = []
    for index, item in enumerate(value):
        at = f"{path}[{index}]"
        if isinstance(item, str):  # several servers take plain strings here
            parts.append(TextPart(item))
        else:
            parts.append(_part(an_object(item, at), at))
    return parts


def _part(fields: Json, path: str) -> Part:
    kind = fields.get("type")
    if kind is None:
        raise missing(f"{path}.type")
    if not isinstance(kind, str):
        raise wrong(f"{path}.type", "a string", kind)
    match kind:
        case "text":
            del fields["type"]
            text = need_text(fields, "text", path)
            cache, memo = _breakpoint(fields)
            return TextPart(text, cache=cache, extra=left(fields), memo=memo)
        case "image_url":
            del fields["type"]
            return decode_image(fields, path)
        case "input_audio":
            del fields["type"]
            return _audio(fields, path)
        case "file":
            del fields["type"]
            return _file(fields, path)
        case "refusal":
            return RefusalPart(need_text(fields, "refusal", path))
        case "thinking":
            return _thinking(fields, path)
        case _:
            # Some server's own kind (`video_url`, `document_url`…): kept whole, for that server only.
            return TextPart("", extra={kind: fields}, memo={"type": kind})


def decode_image(fields: Json, path: str) -> ImagePart:
    """An `image_url` part, inline or by address."""
    fields.pop("type", None)
    given = fields.pop("image_url", None)
    if given is None:
        raise missing(f"{path}.image_url")
    if isinstance(given, str):  # Mistral's short form
        given = {"url": given}
    image = an_object(given, f"{path}.image_url")
    url = need_text(image, "url", f"{path}.image_url")
    detail = take_text(image, "detail", f"{path}.image_url")
    cache, memo = _breakpoint(fields)
    extra = {**fields, **(memo or {})}
    if image:
        extra["image_url"] = image
    inline = parse_data_url(url)
    if inline is not None:
        return ImagePart(inline[0], inline[1], detail=detail, cache=cache, extra=extra or None)
    return ImagePart(url=url, detail=detail, cache=cache, extra=extra or None)


def _audio(fields: Json, path: str) -> AudioPart:
    given = need_object(fields, "input_audio", path)
    data = need_text(given, "data", f"{path}.input_audio")
    format_ = take_text(given, "format", f"{path}.input_audio")
    extra = dict(fields)
    if given:
        extra["input_audio"] = given
    inline = parse_data_url(data)
    if inline is not None:
        return AudioPart(
            inline[0] if format_ is None else audio_type(format_), inline[1], extra=extra or None
        )
    if format_ is None:
        raise missing(f"{path}.input_audio.format")
    return AudioPart(audio_type(format_), data, extra=extra or None)


def _file(fields: Json, path: str) -> FilePart:
    given = need_object(fields, "file", path)
    at = f"{path}.file"
    data = take_text(given, "file_data", at)
    file_id = take_text(given, "file_id", at)
    name = take_text(given, "filename", at)
    if data is None and file_id is None:
        raise invalid(f"`{at}` has neither `file_data` nor `file_id`; give one of them.", at)
    cache, memo = _breakpoint(fields)
    extra = {**fields, **(memo or {})}
    if given:
        extra["file"] = given
    media_type = url = None
    if data is not None:
        inline = parse_data_url(data)
        if inline is not None:
            media_type, data = inline
        elif data.startswith(("https://", "http://")):
            url, data = data, None
    return FilePart(media_type, data, url, file_id, name, cache, extra or None)


def _thinking(fields: Json, path: str) -> ReasoningPart:
    """Mistral's thought: `{"type": "thinking", "thinking": [{"type": "text", "text": …}]}`."""
    given = fields.get("thinking")
    words: list[str] = []
    for item in given if isinstance(given, list) else [given]:
        text = item.get("text") if isinstance(item, dict) else item
        if isinstance(text, str):
            words.append(text)
    if not words:
        raise invalid(f"`{path}.thinking` holds no text; add it or leave the part out.", f"{path}.thinking")
    return ReasoningPart(text="".join(words), origin=ORIGIN)


def take_cache(fields: Json) -> CacheTtl | None:
    """Anthropic's `cache_control`, which OpenRouter, LiteLLM and DashScope take in chat. Taken if known."""
    control = fields.get("cache_control")
    if not isinstance(control, dict) or control.get("type") != "ephemeral" or not control.keys() <= _CONTROL:
        return None
    ttl = control.get("ttl")
    if ttl not in (None, "5m", "1h"):
        return None
    del fields["cache_control"]
    return "1h" if ttl == "1h" else "5m"


def _breakpoint(fields: Json) -> tuple[CacheTtl | None, Json | None]:
    """The cache mark of a part, and OpenAI's own form of it, which only goes back to OpenAI.

    `prompt_cache_breakpoint` (SDK 3.54) says the same with other lifetimes: 30 minutes or 12 hours.
    """
    cache = take_cache(fields)
    mark = fields.pop("prompt_cache_breakpoint", None)
    if not isinstance(mark, dict):
        return cache, None
    if cache is None:
        cache = "1h" if mark.get("ttl") == "12h" else "5m"
    return cache, {"prompt_cache_breakpoint": mark}
