"""Media: Converse's format names and everybody else's media types.

Formats: `ImageFormat`, `DocumentFormat`, `AudioFormat`, `VideoFormat` in botocore 1.44.5's service model. A
document's name may hold letters, digits, single spaces, hyphens, parentheses and brackets, 200 characters at
most (`DocumentBlock` there), and names must differ. All read 2026-11-22.
"""

import re
from typing import Final

from passerelle.codecs.media import audio_format, audio_type, media_kind

IMAGES: Final = frozenset({"png", "jpeg", "gif", "webp"})
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_DOCUMENT_TYPES: Final = {name: media_type for media_type, name in _DOCUMENTS.items()}
_WORDS: Final = frozenset({"csv", "html", "txt", "md"})
_TEXT_TYPES: Final = frozenset(
    {"application/json", "application/xml", "application/yaml", "application/x-yaml"}
)
_VIDEOS: Final = {
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_VIDEO_TYPES: Final = {**{name: kind for kind, name in _VIDEOS.items()}, "mpg": "video/mpeg"}
_AUDIOS: Final = frozenset(
    {
        "mp3",
        "opus",
        "wav",
        "aac",
        "flac",
        "mp4",
        "ogg",
        "mkv",
        "mka",
        "x-aac",
        "m4a",
        "mpeg",
        "mpga",
        "pcm",
        "webm",
    }
)
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9\-()\[\] ]+")
_SPACES: Final = re.compile(r"\s+")
_MAX_NAME: Final = 200


def image_format(media_type: str | None) -> str | None:
    """The format of an image, None for one Converse does not take."""
    name = (media_type or "image/png").lower().removeprefix("image/")
    name = "jpeg" if name == "jpg" else name
    return name if name in IMAGES else None


def document_format(media_type: str | None, name: str | None, data: str | None) -> str | None:
    """The format of a document by its media type, or its name, or its first bytes; None when it has none."""
    known = (media_type or "").lower()
    ending = (name or "").rpartition(".")[2].lower()
    if known == "text/plain" and ending in _WORDS:  # what words are called that nobody looked at
        return ending
    if known in _DOCUMENTS:
        return _DOCUMENTS[known]
    if ending in _DOCUMENT_TYPES:
        return ending
    if media_kind(known) == "text" or known in _TEXT_TYPES:
        return "txt"
    if data is not None and data.startswith("JVBERi"):  # `%PDF-` in base64
        return "pdf"
    return None


def document_type(format: str) -> str:
    """The media type of a document's format."""
    return _DOCUMENT_TYPES.get(format, "application/octet-stream")


def is_words(format: str | None) -> bool:
    """A document of this format is text, no more tokens than bytes."""
    return format in _WORDS


def video_format(media_type: str | None) -> str | None:
    """The format of a video, None for one Converse does not take."""
    return _VIDEOS.get((media_type or "").lower())


def video_type(format: str) -> str:
    """The media type of a video's format."""
    return _VIDEO_TYPES.get(format, f"video/{format}")


def sound_format(media_type: str) -> str | None:
    """The format of a sound, None for one Converse does not take."""
    name = audio_format(media_type)
    name = "pcm" if name == "pcm16" else name
    return name if name in _AUDIOS else None


def sound_type(format: str) -> str:
    """The media type of a sound's format."""
    return "audio/pcm" if format == "pcm" else audio_type(format)


class DocumentNames:
    """The names of one request's documents: allowed signs only, and no two alike."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def take(self, name: str | None, format: str | None) -> str:
        """The name to send for a document its caller calls `name`: its ending is the format's to say."""
        stem = name or ""
        if format is not None and stem.lower().endswith(f".{format}"):
            stem = stem[: -len(format) - 1]
        stem = _SPACES.sub(" ", _FOREIGN.sub(" ", stem)).strip()[:_MAX_NAME] or "document"
        count = self._taken[stem] = self._taken.get(stem, 0) + 1
        return stem if count == 1 else f"{stem[: _MAX_NAME - 6]} [{count}]"
