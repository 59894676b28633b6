"""Pictures by Gemini's own models: `generateContent` that answers in pictures.

From ai.google.dev/gemini-api/docs/image-generation and `google-genai` 3.4.0 (`types.ImageConfig`, read
2026-11-22): `responseModalities`, `imageConfig.aspectRatio` out of a list and `imageConfig.imageSize` of
`1K`, `2K` or `4K`; pictures go in and come out as `inlineData`; one picture an answer.
"""

import binascii
from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Target, Watched
from passerelle.codecs.gemini.response import decode_response as decode_answer
from passerelle.codecs.shapes import nearest, settings, sides
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.message import ImagePart, TextPart
from passerelle.core.request import Dialect
from passerelle.core.tasks import ImageRequest, ImageResponse, MadeImage, Media
from passerelle.core.usage import Usage

_json = msgspec.json.Encoder()

RATIOS: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")


class ImagesProvider:
    """Obeys `codecs.base.TaskProviderSide`, for making pictures and for editing them."""

    dialect: Dialect = "gemini"

    def encode_request(self, request: ImageRequest, target: Target) -> Encoded:
        """Raises `ProblemError` for what would make another picture than the one asked for."""
        if request.n > 1:
            raise invalid(f"`n` is {request.n}; `{target.model}` makes one picture at a time.", "n")
        if request.mask is not None:
            raise invalid(f"`{target.model}` takes no `mask`; say in the prompt what to change.", "mask")
        dropped = list(settings(request))
        dropped += request.extra or ()
        parts: list[dict[str, Any]] = [{"text": request.prompt}]
        parts += [_part(image) for image in request.images]
        config: dict[str, Any] = {"responseModalities": ["IMAGE"]}
        if request.size is not None:
            fitting, exact = _image_config(request.size)
            config["imageConfig"] = fitting
            if not exact:
                dropped.append("size")
        body = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
        return Encoded(_json.encode(body), tuple(dropped))

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Never: callers of this dialect ask for pictures in a conversation."""
        return None

    def decode_response(self, body: bytes, content_type: str) -> ImageResponse:
        """Raises `AnswerError`, also when words came in place of a picture."""
        answer = decode_answer(body)
        made = []
        for part in answer.parts:
            if isinstance(part, ImagePart) and part.data is not None:
                try:
                    data = binascii.a2b_base64(part.data)
                except ValueError:
                    raise AnswerError("the provider's picture is no base64") from None
                made.append(MadeImage(Media(part.media_type or "", data)))
        if not made:
            said = " ".join(part.text for part in answer.parts if isinstance(part, TextPart))
            if answer.finish in ("content_filter", "refusal"):
                raise AnswerError("the provider's filter kept the picture back", "content_policy")
            raise AnswerError(f"the provider gave words in place of a picture: {said[:200]}")
        usage = answer.usage
        if usage.source != "none":
            usage = _pictured(usage, len(made))
        return ImageResponse(tuple(made), answer.model, usage)

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`."""
        answer = self.decode_response(body, "")
        return Watched(answer.model, answer.usage)


def _pictured(usage: Usage, pictures: int) -> Usage:
    """Output that is not counted apart was the picture's."""
    if usage.output_image_tokens:
        return msgspec.structs.replace(usage, output_images=pictures)
    return msgspec.structs.replace(
        usage, output_tokens=0, output_image_tokens=usage.output_tokens, output_images=pictures
    )


def _part(image: Media) -> dict[str, Any]:
    if image.url is not None:
        return {"fileData": {"fileUri": image.url}}
    data = binascii.b2a_base64(image.data, newline=False).decode("ascii")
    return {"inlineData": {"mimeType": image.media_type or "image/png", "data": data}}


def _image_config(size: str) -> tuple[dict[str, str], bool]:
    """The nearest shape and size offered, and whether the shape is the very one. Raises `ProblemError`."""
    wide, high = sides(size)
    ratio, exact = nearest(wide, high, RATIOS)
    config = {"aspectRatio": ratio}
    longest = max(wide, high)
    if longest > 2048:
        config["imageSize"] = "4K"
    elif longest > 1536:
        config["imageSize"] = "2K"
    return config, exact
