"""Inline media: `data:` URLs and media types.

A data URL is `data:[<media type>][;base64],<data>` (RFC 2397, read 2026-11-22). Dialects carry only
base64, so a percent-encoded one is turned into base64 here, once.
"""

import binascii
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from passerelle.core.message import AudioPart, Part, TextPart

_FORMAT_TYPES: Final = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm16": "audio/pcm"}
_TYPE_FORMATS: Final = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mpga": "mp3",
    "audio/pcm": "pcm16",
    "audio/l16": "pcm16",
}


def true_type(media_type: str) -> str:
    """The name a registry knows a media type by. Many write `image/jpg`, which OpenAI takes and others do
    not.
    """
    return "image/jpeg" if media_type == "image/jpg" else media_type


def parse_data_url(url: str) -> tuple[str, str] | None:
    """`(media type, base64)` of a data URL; None when `url` is not one, or cannot be read.

    The media type is lower case and without parameters; RFC 2397 makes an absent one `text/plain`.
    """
    if url[:5].lower() != "data:":
        return None
    head, comma, data = url[5:].partition(",")
    if not comma:
        return None
    media_type, *parameters = head.split(";")
    media_type = media_type.strip().lower() or "text/plain"
    if parameters and parameters[-1].strip().lower() == "base64":
        return media_type, data
    try:
        plain = unquote_to_bytes(data)
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return media_type, binascii.b2a_base64(plain, newline=False).decode("ascii")


def to_data_url(media_type: str | None, data: str) -> str:
    """The data URL of base64 `data`; without a media type, `application/octet-stream`."""
    return f"data:{media_type or 'application/octet-stream'};base64,{data}"


def audio_type(format: str) -> str:
    """The media type of a bare audio format name (`wav`, `mp3`, `flac`…)."""
    return _FORMAT_TYPES.get(format.lower(), f"audio/{format.lower()}")


def audio_format(media_type: str) -> str:
    """The bare format name of an audio media type: the inverse of `audio_type`."""
    known = media_type.lower()
    return _TYPE_FORMATS.get(known, known.removeprefix("audio/"))


_AUDIO_STARTS: Final = {
    "UklGR": "audio/wav",  # RIFF
    "SUQz": "audio/mpeg",  # ID3
    "//": "audio/mpeg",  # a bare MPEG frame
    "ZkxhQ": "audio/flac",
    "T2dnUw": "audio/opus",  # Ogg
}


def sniff_audio(data: str) -> str:
    """The media type of base64 sound that came without one, by its first bytes; headless is raw PCM."""
    for start, media_type in _AUDIO_STARTS.items():
        if data.startswith(start):
            return media_type
    return "audio/pcm"


def media_kind(media_type: str | None) -> str:
    """`image`, `audio`, `video`, `text`, `pdf` or `other`: what decides which part carries it."""
    known = (media_type or "").lower()
    if known == "application/pdf":
        return "pdf"
    major = known.partition("/")[0]
    return major if major in ("image", "audio", "video", "text") else "other"


def is_reference(raw: msgspec.Raw) -> bool:
    """Whether OpenAI's `image_url`, a text or an object with one under `url`, names an address to fetch from
    and not the picture itself.
    """
    said = bytes(memoryview(raw)[:_HEAD])
    return b"://" in said and b"data:" not in said


_HEAD: Final = 256
"""Enough for what comes before an address's own words: names, `detail`, the scheme."""


def in_words(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """An answer's `parts` for a caller whose dialect has no sound: what was spoken stands as text, once."""
    if not any(isinstance(part, AudioPart) for part in parts):
        return parts
    written = {part.text.strip() for part in parts if isinstance(part, TextPart)}
    told: list[Part] = []
    for part in parts:
        if not isinstance(part, AudioPart):
            told.append(part)
        elif part.transcript and part.transcript.strip() not in written:
            told.append(TextPart(part.transcript))
    return tuple(told)
