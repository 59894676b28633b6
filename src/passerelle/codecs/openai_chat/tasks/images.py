"""Pictures as OpenAI's callers ask for them: `images/generations` and `images/edits`.

Shapes: `openai.types.image_generate_params`, `image_edit_params`, `images_response`, `image_gen_*_event`
(SDK 3.54, read 2026-11-22). Edits come as a form with the files, or as JSON with `images` by address.
"""

import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from passerelle.codecs.base import Envelope, PathTarget, ReplyContext, Whole
from passerelle.codecs.media import parse_data_url, to_data_url
from passerelle.codecs.openai_chat.tasks.fields import read_fields, sniffed
from passerelle.codecs.openai_reading import (
    Json,
    a_list,
    an_object,
    left,
    need_text,
    take_bool,
    take_int,
    take_text,
)
from passerelle.codecs.sse import write_event
from passerelle.core.errors import invalid
from passerelle.core.request import Dialect, Operation
from passerelle.core.tasks import ImageRequest, ImageResponse, Media
from passerelle.core.usage import Usage

_json = msgspec.json.Encoder()

MOST_PICTURES: Final = 10
MOST_SOURCES: Final = 16
"""As many as the API itself takes (`image_edit_params`, read 2026-11-22)."""
MOST_TOKENS: Final = 16_384
"""Of one picture made: the dearest setting documented is 6,240 tokens and grows with the size."""

MEGAPIXEL: Final = 1_000_000
MOST_PIXELS: Final = 4_200_000
"""Of a picture made without a size, where pixels are billed (FLUX.2 makes four megapixels; docs.bfl.ai, read
2026-11-22)."""
MOST_SOURCE_PIXELS: Final = 20_000_000
"""Of a picture given (as many as Black Forest Labs takes; docs.bfl.ai, read 2026-11-22)."""


class ImagesClient:
    """Obeys `TaskClientSide`, for making pictures and for editing them."""

    dialect: Dialect = "openai_chat"

    def __init__(self, operation: Operation) -> None:
        self._operation: Operation = operation

    def envelope(self, body: bytes, target: PathTarget) -> Envelope:
        """Raises `ProblemError` naming the field."""
        asked = self.decode_request(body, target)
        sources = len(asked.images) + (asked.mask is not None)
        words = len(asked.prompt.encode("utf-8", "surrogatepass"))
        return Envelope(
            operation=self._operation,
            model=asked.model,
            stream=asked.stream,
            answers=asked.n,
            text_bytes=words,
            images=sources,
            likely=Usage(
                input_tokens=words // 4 + 1,
                output_images=asked.n,
                image_pixels=asked.n * _pixels(asked.size, MEGAPIXEL) + sources * MEGAPIXEL,
            ),
            most=Usage(
                output_images=asked.n,
                output_image_tokens=MOST_TOKENS * asked.n * (1 + asked.partial_images),
                image_pixels=asked.n * _pixels(asked.size, MOST_PIXELS) + sources * MOST_SOURCE_PIXELS,
            ),
        )

    def decode_request(self, body: bytes, target: PathTarget) -> ImageRequest:
        """The whole request. Raises `ProblemError`."""
        fields, files = read_fields(body, target.content_type)
        model = need_text(fields, "model", "")
        if not model:
            raise invalid("`model` is empty; name a model, as `GET /v1/models` lists them.", "model")
        prompt = need_text(fields, "prompt", "")
        if not prompt.strip():
            raise invalid("`prompt` is empty; say what the picture is to show.", "prompt")
        images: tuple[Media, ...] = ()
        mask = None
        if self._operation == "edit_image":
            images, mask = _sources(fields, files)
        n = take_int(fields, "n", least=1) or 1
        if n > MOST_PICTURES:
            raise invalid(f"`n` is {n}; ask for at most {MOST_PICTURES} pictures at a time.", "n")
        return ImageRequest(
            model=model,
            prompt=prompt,
            dialect="openai_chat",
            n=n,
            size=_not_auto(take_text(fields, "size")),
            quality=_not_auto(take_text(fields, "quality")),
            background=_not_auto(take_text(fields, "background")),
            form=take_text(fields, "output_format"),
            compression=take_int(fields, "output_compression"),
            as_url=_as_url(fields),
            images=images,
            mask=mask,
            user=take_text(fields, "user"),
            stream=take_bool(fields, "stream") or False,
            partial_images=take_int(fields, "partial_images") or 0,
            extra=left(fields),
        )

    def encode_response(self, response: ImageResponse, request: ImageRequest, context: ReplyContext) -> Whole:
        """The pictures; under `stream`, as the one event that ends each."""
        if request.stream:
            return Whole(self._events(response, context), "text/event-stream")
        data = []
        for made in response.images:
            item: Json = _as_asked(made.image, as_url=request.as_url)
            if made.revised_prompt is not None:
                item["revised_prompt"] = made.revised_prompt
            data.append(item)
        body: Json = {"created": context.created_s, "data": data, **_about(response)}
        usage = _encode_usage(response.usage)
        if usage is not None:
            body["usage"] = usage
        return Whole(_json.encode(body))

    def _events(self, response: ImageResponse, context: ReplyContext) -> bytes:
        kind = completed(self._operation)
        usage = _encode_usage(response.usage) or _encode_usage(Usage(output_image_tokens=0), always=True)
        frames = []
        for made in response.images:
            event = {
                "type": kind,
                "created_at": context.created_s,
                "size": "auto",
                "quality": "auto",
                "background": "auto",
                "output_format": _form_of(made.image),
                **_about(response),
                "b64_json": _base64(made.image),
                "usage": usage,
            }
            frames.append(write_event(kind.encode(), _json.encode(event)))
        return b"".join(frames)


def _pixels(size: str | None, unsaid: int) -> int:
    """A picture's, one megapixel at least; `unsaid` where the size does not tell."""
    width, x, height = (size or "").partition("x")
    if not (x and len(size or "") < 12 and width.isdecimal() and height.isdecimal()):
        return unsaid
    return max(MEGAPIXEL, int(width) * int(height))


def completed(operation: Operation) -> str:
    """The event that ends a picture."""
    return "image_generation.completed" if operation == "generate_image" else "image_edit.completed"


def _sources(fields: Json, files: Mapping[str, list[Media]]) -> tuple[tuple[Media, ...], Media | None]:
    """The pictures to start from, out of a form's files or JSON's `images`."""
    images = list(files.get("image", ()))
    if "images" in fields:
        for at, item in enumerate(a_list(fields.pop("images"), "images")):
            images.append(_by_address(item, f"images[{at}]"))
    if not images:
        raise invalid("`image` is missing; send at least one picture to edit.", "image")
    if len(images) > MOST_SOURCES:
        raise invalid(f"`image` came {len(images)} times; send at most {MOST_SOURCES} pictures.", "image")
    given = files.get("mask", [])
    mask = given[0] if given else None
    if mask is None and "mask" in fields:
        mask = _by_address(fields.pop("mask"), "mask")
    return tuple(images), mask


def _by_address(item: Any, at: str) -> Media:
    fields = an_object(item, at)
    url = fields.get("image_url")
    if not isinstance(url, str) or not url:
        raise invalid(f"`{at}.image_url` is missing; give the picture's address, or a data URL.", at)
    inline = parse_data_url(url)
    if inline is None:
        return Media("", url=url)
    try:
        return Media(inline[0], binascii.a2b_base64(inline[1], strict_mode=True))
    except ValueError:
        raise invalid(f"`{at}.image_url` is no base64; encode the picture again.", at) from None


def _as_url(fields: Json) -> bool | None:
    form = take_text(fields, "response_format")
    if form not in (None, "url", "b64_json"):
        raise invalid(f"`response_format` is `{form[:60]}`; use `url` or `b64_json`.", "response_format")
    return None if form is None else form == "url"


def _not_auto(word: str | None) -> str | None:
    return None if word == "auto" else word


def _as_asked(image: Media, *, as_url: bool | None) -> Json:
    """Bytes where an address was asked for are given as a data URL; an address cannot become bytes here."""
    if image.url is not None:
        return {"url": image.url}
    if as_url:
        return {"url": to_data_url(_type_of(image), _base64(image))}
    return {"b64_json": _base64(image)}


def _about(response: ImageResponse) -> Json:
    about: Json = {}
    if response.images and response.images[0].image.url is None:
        about["output_format"] = _form_of(response.images[0].image)
    for name in ("background", "quality", "size"):
        value = getattr(response, name)
        if value is not None:
            about[name] = value
    return about


def _type_of(image: Media) -> str:
    return image.media_type or sniffed(image.data) or "image/png"


def _form_of(image: Media) -> str:
    return _type_of(image).partition("/")[2].partition("+")[0]


def _base64(image: Media) -> str:
    return binascii.b2a_base64(image.data, newline=False).decode("ascii")


def _encode_usage(usage: Usage, *, always: bool = False) -> Json | None:
    """Token counts, where the provider counted any."""
    if not always and not usage.total_output_tokens:
        return None
    return {
        "input_tokens": usage.total_input_tokens,
        "output_tokens": usage.total_output_tokens,
        "total_tokens": usage.total_tokens,
        "input_tokens_details": {
            "image_tokens": usage.input_image_tokens,
            "text_tokens": usage.total_input_tokens - usage.input_image_tokens,
        },
    }
