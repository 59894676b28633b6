"""The fields of a task's request, whether it came as JSON or as a form, and its files."""

from collections.abc import Mapping
from typing import Any, Final

from passerelle.codecs.fields import number_in
from passerelle.codecs.multipart import Upload, is_form, read_form
from passerelle.codecs.openai_reading import Json, decode_object
from passerelle.core.errors import invalid
from passerelle.core.tasks import Media

_NUMBERS: Final = frozenset({"n", "output_compression", "partial_images", "seed", "speed", "temperature"})
_FLAGS: Final = frozenset({"stream"})


def read_fields(body: bytes, content_type: str) -> tuple[Json, Mapping[str, list[Media]]]:
    """The named fields, numbers as numbers; and the files by the name they came under.

    A form repeats a name for a list (`image[]`, `timestamp_granularities[]`); the brackets are left out.
    Raises `ProblemError`.
    """
    if not is_form(content_type):
        return decode_object(body), {}
    form = read_form(body, content_type)
    fields: Json = {}
    for name, value in form.fields:
        if name.endswith("[]"):
            fields.setdefault(name[:-2], []).append(value)
        elif name in fields:
            raise invalid(f"`{name}` was sent twice; send it once.", name)
        else:
            fields[name] = _typed(name, value)
    files: dict[str, list[Media]] = {}
    for upload in form.uploads:
        files.setdefault(upload.head.name.removesuffix("[]"), []).append(_media(upload))
    return fields, files


def _media(upload: Upload) -> Media:
    kind = upload.head.content_type.partition(";")[0].strip().lower()
    if not kind or kind == "application/octet-stream":
        kind = sniffed(upload.data) or kind
    return Media(kind, upload.data, filename=upload.head.filename)


def sniffed(data: bytes) -> str | None:
    """The type of a picture or a sound by its first bytes; None when they say nothing."""
    for begins, kind in _MAGIC:
        if data.startswith(begins):
            if begins == b"RIFF":
                return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12])
            return kind
    if data[4:8] == b"ftyp":
        return "audio/mp4"
    if data[:1] == b"\xff" and data[1:2] in (b"\xfb", b"\xf3", b"\xf2"):
        return "audio/mpeg"
    return None


_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", ""),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "audio/webm"),
)


def _typed(name: str, value: str) -> Any:
    if name in _FLAGS:
        if value not in ("true", "false", "1", "0"):
            raise invalid(f"`{name}` is `{value[:60]}`; send `true` or `false`.", name)
        return value in ("true", "1")
    if name not in _NUMBERS:
        return value
    number = number_in(value)
    if number is None:
        raise invalid(f"`{name}` is `{value[:60]}`; send a number.", name)
    return number
