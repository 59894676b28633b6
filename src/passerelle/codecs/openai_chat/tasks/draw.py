"""Pictures as OpenAI's API, and those who copied it, are asked for them.

Which field who takes, read 2026-11-22: `gpt-image-*` always gives base64 and refuses `response_format` (its
API reference); xAI's fields are others (`grok`), and its base64 may stand in a `data:` URL; Together takes
`width`, `height` and `steps` beside them (docs.together.ai, "Images"), which a caller of the same dialect may
send.
"""

import binascii
from typing import Any

import msgspec

from passerelle.codecs.base import Encoded, Envelope, Target, Watched
from passerelle.codecs.fields import BAD_JSON
from passerelle.codecs.media import to_data_url
from passerelle.codecs.multipart import PartHead, Upload, write_form
from passerelle.codecs.openai_chat.answers import parse_answer
from passerelle.codecs.openai_chat.tasks.flux import encode_job
from passerelle.codecs.openai_chat.tasks.grok import encode_grok
from passerelle.codecs.openai_chat.tasks.images import completed
from passerelle.codecs.openai_chat.tasks.stream import EventWatcher
from passerelle.codecs.openai_reading import Json
from passerelle.core.errors import AnswerError
from passerelle.core.request import Dialect, Operation
from passerelle.core.tasks import ImageRequest, ImageResponse, MadeImage, Media
from passerelle.core.usage import NO_USAGE, Usage

_json = msgspec.json.Encoder()


class _InputDetails(msgspec.Struct):
    image_tokens: int | None = None


class _OutputDetails(msgspec.Struct):
    text_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """`usage` of a picture."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Picture(msgspec.Struct):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class _Answer(msgspec.Struct):
    data: list[_Picture]
    model: str | None = None
    usage: WireUsage | None = None
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    billed_pixels: int | msgspec.UnsetType | None = msgspec.UNSET
    """Told by `providers/bfl.py`: what a job was billed for, null when it was not said."""


_answer_decoder = msgspec.json.Decoder(_Answer)


class ImagesProvider:
    """Obeys `TaskProviderSide`, for making pictures and for editing them."""

    dialect: Dialect = "openai_chat"

    def __init__(self, operation: Operation) -> None:
        self._operation: Operation = operation

    def encode_request(self, request: ImageRequest, target: Target) -> Encoded:
        """JSON; a form when there are files to send."""
        if "flux_job" in target.quirks:
            return encode_job(request, target)
        if "image_ratio" in target.quirks:
            return encode_grok(request, target)
        fields: Json = {"model": target.model, "prompt": request.prompt}
        for name, value in (
            ("n", request.n if request.n > 1 else None),
            ("size", request.size),
            ("quality", request.quality),
            ("background", request.background),
            ("output_format", request.form),
            ("output_compression", request.compression),
            ("user", None if "no_metadata" in target.quirks else request.user),
            ("stream", request.stream or None),
            ("partial_images", request.partial_images or None),
        ):
            if value is not None:
                fields[name] = value
        if request.as_url is not None and "images_base64" not in target.quirks:
            fields["response_format"] = "url" if request.as_url else "b64_json"
        if request.extra and request.dialect == self.dialect:
            fields |= {name: value for name, value in request.extra.items() if name not in fields}
        dropped = ("user",) if request.user is not None and "user" not in fields else ()
        sources = (*request.images, *((request.mask,) if request.mask is not None else ()))
        if not sources:
            return Encoded(_json.encode(fields), dropped)
        if any(source.url is not None for source in sources):
            fields["images"] = [{"image_url": _address(image)} for image in request.images]
            if request.mask is not None:
                fields["mask"] = {"image_url": _address(request.mask)}
            return Encoded(_json.encode(fields), dropped)
        uploads = [_upload("image[]", at, image) for at, image in enumerate(request.images)]
        if request.mask is not None:
            uploads.append(_upload("mask", 0, request.mask))
        body, content_type = write_form(_as_form(fields), uploads)
        return Encoded(body, dropped, content_type=content_type)

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Never: a form is written anew, and servers differ in what they take."""
        return None

    def decode_response(self, body: bytes, content_type: str) -> ImageResponse:
        """Raises `AnswerError`."""
        try:
            answer = _answer_decoder.decode(body)
        except BAD_JSON:
            parse_answer(body)  # an error body says more than its shape does
            raise AnswerError("the provider's pictures are not in OpenAI's form") from None
        if not answer.data:
            raise AnswerError("the provider gave no picture")
        kind = f"image/{answer.output_format}" if answer.output_format else ""
        made = tuple(MadeImage(_read(picture, kind), picture.revised_prompt) for picture in answer.data)
        return ImageResponse(
            images=made,
            model=answer.model or "",
            usage=_usage(answer, len(made)),
            size=answer.size,
            quality=answer.quality,
            background=answer.background,
        )

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`."""
        answer = self.decode_response(body, "")
        return Watched(answer.model, answer.usage)

    def stream_watcher(self, envelope: Envelope) -> EventWatcher:
        """Over when as many pictures as were asked for are complete."""
        return EventWatcher(completed(self._operation), envelope.answers, _stream_usage)


def _usage(answer: _Answer, pictures: int) -> Usage:
    if answer.billed_pixels is None:
        return NO_USAGE  # then it is estimated from what was asked for
    if isinstance(answer.billed_pixels, int):
        return Usage(output_images=pictures, image_pixels=max(0, answer.billed_pixels))
    return decode_usage(answer.usage, pictures)


def decode_usage(usage: WireUsage | None, pictures: int) -> Usage:
    """Pictures by number, and by token where the provider counts those."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return Usage(output_images=pictures)
    given, made = max(0, usage.input_tokens or 0), max(0, usage.output_tokens or 0)
    seen = 0 if usage.input_tokens_details is None else usage.input_tokens_details.image_tokens or 0
    seen = min(max(0, seen), given)
    words = 0 if usage.output_tokens_details is None else usage.output_tokens_details.text_tokens or 0
    words = min(max(0, words), made)
    return Usage(
        input_tokens=given - seen,
        input_image_tokens=seen,
        output_tokens=words,
        output_image_tokens=made - words,
        output_images=pictures,
    )


def _stream_usage(event: dict[str, Any]) -> Usage:
    try:
        wire = msgspec.convert(event.get("usage"), WireUsage | None)
    except msgspec.ValidationError:
        wire = None
    return decode_usage(wire, 1)


def _read(picture: _Picture, kind: str) -> Media:
    if picture.b64_json:
        try:
            return Media(kind, binascii.a2b_base64(picture.b64_json.rpartition(",")[2]))
        except ValueError:
            raise AnswerError("the provider's picture is no base64") from None
    if picture.url:
        return Media(kind, url=picture.url)
    raise AnswerError("the provider gave a picture with nothing in it")


def _address(image: Media) -> str:
    if image.url is not None:
        return image.url
    return to_data_url(image.media_type, binascii.b2a_base64(image.data, newline=False).decode("ascii"))


def _upload(name: str, at: int, image: Media) -> Upload:
    ending = image.media_type.partition("/")[2] or "png"
    return Upload(PartHead(name, f"{name.removesuffix('[]')}-{at}.{ending}", image.media_type), image.data)


def _as_form(fields: Json) -> list[tuple[str, str]]:
    """A form's fields: text, with brackets for lists and JSON for objects."""
    found: list[tuple[str, str]] = []
    for name, value in fields.items():
        if isinstance(value, list):
            found += [(f"{name}[]", _as_text(item)) for item in value]
        else:
            found.append((name, _as_text(value)))
    return found


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _json.encode(value).decode()
