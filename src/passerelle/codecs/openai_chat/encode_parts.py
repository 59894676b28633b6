"""Core's parts as the parts of a chat message."""

import binascii
from typing import Any, Final, assert_never

from passerelle.codecs.media import audio_format, media_kind, to_data_url
from passerelle.codecs.openai_chat.losses import Journey
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

Json = dict[str, Any]


def encode_part(part: Part, journey: Journey) -> Json | None:
    """A part of a user's message, or None when this dialect cannot carry it (and that is reported)."""
    match part:
        case TextPart():
            return encode_text(part, journey)
        case ImagePart():
            return _image(part, journey)
        case AudioPart():
            return _audio(part, journey)
        case FilePart():
            return _file(part, journey)
        case ReasoningPart():
            journey.drop("reasoning")
        case RefusalPart():
            return {"type": "text", "text": part.text}
        case ToolCallPart():
            journey.drop("tool_calls")
        case ToolResultPart():
            journey.drop("tool_results")
        case _:
            assert_never(part)
    return None


def encode_text(part: TextPart, journey: Journey) -> Json | None:
    """Words. An empty part is nothing, unless it is a server's own kind kept whole beside its words."""
    if part.citations:
        journey.drop("citations")
    if journey.own and part.memo and "type" in part.memo:
        whole: Json = (part.extra or {}).get(part.memo["type"], {})
        return whole
    if not part.text:
        journey.drop(*(part.extra or ()))
        return None
    return _marked({"type": "text", "text": part.text}, part, journey, part.memo)


def _image(part: ImagePart, journey: Journey) -> Json | None:
    if part.data is not None:
        image = {"url": to_data_url(part.media_type or "image/png", part.data)}
    elif part.url is None or "no_image_url" in journey.quirks:
        journey.drop("image" if part.url is None else "image_url")
        return None
    else:
        image = {"url": part.url}
    if part.detail is not None:
        image["detail"] = part.detail
    return _marked({"type": "image_url", "image_url": image}, part, journey, None)


def _audio(part: AudioPart, journey: Journey) -> Json | None:
    if part.data is None:
        journey.drop("audio")
        return None
    sound = {"data": part.data, "format": audio_format(part.media_type)}
    return journey.extras({"type": "input_audio", "input_audio": sound}, part.extra)


def _file(part: FilePart, journey: Journey) -> Json | None:
    """OpenAI takes PDF here; a text from another dialect goes as the words it is."""
    if part.data is not None and not journey.own and _is_text(part):
        words = _words(part.data)
        if words is not None:
            text = f"{part.name}:\n{words}" if part.name else words
            return _marked({"type": "text", "text": text}, part, journey, None)
    file: Json = {}
    if part.data is not None and part.media_type is not None:
        file["file_data"] = to_data_url(part.media_type, part.data)
    elif part.data is not None:
        file["file_data"] = part.data if journey.own else to_data_url("application/pdf", part.data)
    elif part.url is not None and journey.own:
        file["file_data"] = part.url
    if part.file_id is not None and journey.own:
        file["file_id"] = part.file_id
    if not file:  # another provider's file id, or a URL: nothing here fetches it
        journey.drop("file_id" if part.file_id is not None else "file")
        return None
    if part.name is not None:
        file["filename"] = part.name
    elif not journey.own:
        file["filename"] = "document.pdf"  # required beside `file_data`
    return _marked({"type": "file", "file": file}, part, journey, None)


_TEXTUAL: Final = frozenset({"application/json", "application/xml", "application/yaml", "application/sql"})
_ENDINGS: Final = (
    ".txt", ".md", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".html", ".yaml", ".yml", ".toml", ".py", ".js",
    ".ts", ".sql", ".log",
)  # fmt: skip


def _is_text(part: FilePart) -> bool:
    """Whether a document is words, by its type or, where that says nothing, by its name."""
    if part.media_type in (None, "application/octet-stream"):
        return part.name is not None and part.name.lower().endswith(_ENDINGS)
    return media_kind(part.media_type) == "text" or part.media_type in _TEXTUAL


def _words(data: str) -> str | None:
    try:
        return binascii.a2b_base64(data).decode()
    except ValueError:
        return None


def _marked(
    encoded: Json, part: TextPart | ImagePart | FilePart, journey: Journey, memo: Json | None
) -> Json:
    """`encoded` with its cache mark and whatever else stood beside it."""
    if part.cache is not None:
        if not journey.own:
            journey.drop("cache_control")
        elif not (memo and "prompt_cache_breakpoint" in memo) and not (
            part.extra and "prompt_cache_breakpoint" in part.extra
        ):
            encoded["cache_control"] = cache_control(part.cache)
    if memo and journey.own:
        encoded = {**encoded, **memo}
    return journey.extras(encoded, part.extra)


def cache_control(ttl: str) -> Json:
    """Anthropic's mark, as chat servers that know it take it."""
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
