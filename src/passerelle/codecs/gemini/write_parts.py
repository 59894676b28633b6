"""One part of ours as Google's: requests and answers alike."""

from typing import Any, Final, assert_never
from urllib.parse import urlsplit

import msgspec

from passerelle.codecs.gemini.loss import Loss
from passerelle.codecs.gemini.parts import MINTED, is_public, nest
from passerelle.codecs.gemini.results import write_response
from passerelle.codecs.media import parse_data_url, true_type
from passerelle.core.message import (
    AudioPart,
    FilePart,
    ImagePart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

Json = dict[str, Any]

_TYPES: Final = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp",
    "gif": "image/gif", "heic": "image/heic", "heif": "image/heif", "bmp": "image/bmp",
    "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv",
    "html": "text/html", "json": "application/json", "xml": "text/xml", "mp4": "video/mp4",
    "mov": "video/mov", "webm": "video/webm", "mp3": "audio/mpeg", "wav": "audio/wav",
    "flac": "audio/flac", "ogg": "audio/ogg", "aac": "audio/aac", "m4a": "audio/m4a",
}  # fmt: skip
"""Media types by file name ending: Google wants one with every URI that is not its own."""


def blob(media_type: str, data: str) -> Json:
    """Inline media."""
    return {"inlineData": {"mimeType": true_type(media_type), "data": data}}


def by_uri(uri: str, media_type: str | None, otherwise: str) -> Json:
    """Media by URI. The type is guessed from the name when it is not said, else it is `otherwise`."""
    file: Json = {"fileUri": uri}
    if media_type is None and (is_public(uri) or uri.startswith("gs://")):
        ending = _path_of(uri).rpartition(".")[2].lower()
        media_type = _TYPES.get(ending, otherwise)
    if media_type:
        file = {"mimeType": media_type, **file}
    return {"fileData": file}


def _path_of(uri: str) -> str:
    """The path of a URL, or nothing when it cannot be read as one."""
    try:
        return urlsplit(uri).path
    except ValueError:
        return ""


def media(part: ImagePart | AudioPart | FilePart, *, own: bool, links: bool, lost: Loss) -> Json | None:
    """A picture, sound or document; None when it cannot be said, which goes to `lost` by name.

    `own`: the part came in this dialect. `links`: the model takes public URLs.
    """
    written = _media(part, links=links, lost=lost)
    if written is None:
        return None
    if own:
        if isinstance(part, FilePart) and part.name is not None:
            for kind in ("inlineData", "fileData"):
                if kind in written:
                    written[kind]["displayName"] = part.name
        return nest(nest(written, part.memo), part.extra)
    lost.update(part.extra)
    if isinstance(part, FilePart) and part.name is not None:
        lost.add("filename")
    elif isinstance(part, ImagePart) and part.detail not in (None, "auto"):
        lost.add("detail")
    return written


def _media(part: ImagePart | AudioPart | FilePart, *, links: bool, lost: Loss) -> Json | None:
    match part:
        case ImagePart():
            otherwise, name = "image/jpeg", "image_url"
        case AudioPart():
            otherwise, name = "audio/wav", "audio"
        case FilePart():
            otherwise, name = "application/pdf", "file"
        case _:
            assert_never(part)
    if part.data is not None:
        return blob(part.media_type or otherwise, part.data)
    uri = part.url
    if uri is None and not isinstance(part, AudioPart) and part.file_id and "://" in part.file_id:
        uri = part.file_id  # a file kept at Google: another provider's ids are no URIs
    if uri is None:
        lost.add("file_id" if not isinstance(part, AudioPart) and part.file_id else name)
        return None
    inline = parse_data_url(uri)
    if inline is not None:
        return blob(*inline)
    if is_public(uri) and not links:
        lost.add(name)
        return None
    return by_uri(uri, part.media_type, otherwise)


def call(part: ToolCallPart, name: str, signature: str | None, *, own: bool, lost: Loss) -> Json:
    """A function call. Minted ids stay here; free text goes as `input`."""
    said: Json = {} if part.id.startswith(MINTED) else {"id": part.id}
    said["name"] = name
    said["args"] = arguments(part)
    written: Json = {"functionCall": said}
    if signature is not None:
        written["thoughtSignature"] = signature
    if own:
        return nest(written, part.extra)
    lost.update(part.extra)
    return written


def arguments(part: ToolCallPart) -> msgspec.Raw:
    """The arguments as a JSON object: their own bytes, or what is not one as `{"input": …}`."""
    text = part.arguments
    if part.kind == "function":
        if not text.strip():
            return msgspec.Raw(b"{}")
        raw = json_object(text)
        if raw is not None:
            return raw
    return msgspec.Raw(_encode({"input": text}))


def json_object(text: str) -> msgspec.Raw | None:
    """`text` itself when it is a JSON object."""
    if text.lstrip()[:1] != "{":
        return None
    try:
        data = text.strip().encode()
        _decode_object(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return msgspec.Raw(data)


_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def result(
    part: ToolResultPart, name: str, call_id: str, *, own: bool, nested: bool, links: bool, lost: Loss
) -> list[Json]:
    """A function response, and the media that cannot stand in it as parts after it.

    `nested`: the model takes media inside the response (Gemini 3 on; earlier ones answer 400).
    """
    words: list[str] = []
    pictures: list[Json] = []
    for piece in part.content:
        if isinstance(piece, TextPart):
            words.append(piece.text)
            if not own:
                lost.update(piece.extra)
        else:
            written = media(piece, own=own, links=links, lost=lost)
            if written is not None:
                pictures.append(written)
    said: Json = {} if call_id.startswith(MINTED) else {"id": call_id}
    said["name"] = name
    said["response"] = write_response("\n".join(words), is_error=part.is_error)
    if pictures and nested:
        said["parts"] = pictures
    written_part: Json = {"functionResponse": said}
    if own:
        nest(written_part, part.extra)
    else:
        lost.update(part.extra)
    return [written_part] if nested else [written_part, *pictures]


def words(part: TextPart | RefusalPart, *, own: bool, lost: Loss) -> Json | None:
    """Words, or None when there are none and nothing else to say: Google refuses empty parts."""
    written: Json = {}
    if isinstance(part, TextPart):
        if own:
            nest(written, part.memo)
            if part.text or not part.extra or part.extra.keys() == {"thoughtSignature"}:
                written = {"text": part.text, **written}
            nest(written, part.extra)
            return written if part.text or len(written) > 1 or "text" not in written else None
        lost.update(part.extra)
        if part.citations:
            lost.add("citations")
    return {"text": part.text} if part.text else None


def thought(part: ReasoningPart, signature: str | None, *, own: bool) -> Json:
    """Reasoning, with the signature that lets it come back."""
    written: Json = {"text": part.text or "\n".join(part.summary), "thought": True}
    if signature is not None:
        written["thoughtSignature"] = signature
    if own and part.extra:
        if not part.text:
            del written["text"]
        return nest(written, part.extra)
    return written
