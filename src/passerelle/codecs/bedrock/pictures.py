"""Pictures by InvokeModel: Stability AI's models, the only ones left there that make any.

Amazon's own (Titan Image Generator until 2026-06-30, Nova Canvas until 2026-09-30) are past their end of life
(docs.aws.amazon.com/bedrock "Model lifecycle", by way of the LiteLLM 1.109.1 model table): not spoken to.

Bodies and answers, docs.aws.amazon.com/bedrock, read 2026-11-22:

    stable-image-core, -ultra   "Stable Image Core request and response", "Stable Image Ultra …"
                                {"prompt", "aspect_ratio", "output_format", "seed"…}
    sd3-5-large                 "Stable Diffusion 3.5 Large": the same, or {"mode": "image-to-image",
                                "image", "strength"} in place of a shape
    inpaint, search-replace…    "Stability AI Image Services": {"image", "prompt", "mask" (white where it
                                is to change), "output_format"…}, and what else a service needs under its
                                own name (`search_prompt`, `left`…)

    {"seeds", "finish_reasons": [null], "images": [base64]}, or {"finish_reasons": ["Filter reason: prompt"]}
"""

import binascii
from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Target, Watched
from passerelle.codecs.bedrock.models import base_model
from passerelle.codecs.fields import BAD_JSON, number_in
from passerelle.codecs.shapes import nearest, settings, sides
from passerelle.core.errors import AnswerError, invalid
from passerelle.core.request import Dialect
from passerelle.core.tasks import ImageRequest, ImageResponse, MadeImage, Media
from passerelle.core.usage import Usage

RATIOS: Final = ("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")
FORMS: Final = frozenset({"jpeg", "png"})
"""The services give `webp` as well."""
_STRENGTH: Final = 0.75
"""How far a picture made of another may depart from it where the caller does not say (`strength`, which the
model demands): well away from both ends, 0 (the same picture) and 1 (as if none were given)."""
_MAGIC: Final = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))
_MAKES: Final = ("stable-image-core", "stable-image-ultra", "sd3")
"""What makes pictures of words alone; every other one works on a picture."""
_encode = msgspec.json.Encoder().encode


class _Answer(msgspec.Struct):
    images: list[str] = []
    finish_reasons: list[str | None] = []


_answer: Final = msgspec.json.Decoder(_Answer)


class PicturesProvider:
    """Obeys `codecs.base.TaskProviderSide`, for making pictures and for editing them."""

    dialect: Dialect = "bedrock"

    def encode_request(self, request: ImageRequest, target: Target) -> Encoded:
        """Raises `ProblemError` for what would make another picture than the one asked for."""
        model = base_model(target.model)
        if "." in model and not model.startswith("stability."):
            raise invalid(f"`{target.model}` is not known to make pictures; name another model", "model")
        makes = any(name in model for name in _MAKES)
        _check(request, target.model, makes=makes, edits=not makes or "sd3" in model)
        dropped = [name for name in settings(request) if name != "output_format"]
        body: dict[str, Any] = {"prompt": request.prompt}
        if request.form in FORMS or (request.form == "webp" and not makes):
            body["output_format"] = request.form
        elif request.form is not None:
            dropped.append("output_format")
        if request.images:
            body["init_image" if "style-transfer" in model else "image"] = _base64(request.images[0])
            if request.mask is not None:
                body["mask"] = _base64(request.mask)
            if makes:
                body |= {"mode": "image-to-image", "strength": _STRENGTH}
            if request.size is not None:
                dropped.append("size")
        elif request.size is not None:
            body["aspect_ratio"], exact = nearest(*sides(request.size), RATIOS)
            if not exact:
                dropped.append("size")
        body |= {name: _number(value) for name, value in (request.extra or {}).items() if name not in _OURS}
        return Encoded(_encode(body), tuple(dropped))

    def relay_request(self, body: bytes, target: Target) -> bytes | None:
        """Nobody asks for pictures in this dialect."""
        return None

    def decode_response(self, body: bytes, content_type: str = "application/json") -> ImageResponse:
        """Raises `AnswerError`, with the filter's words where it kept a picture back."""
        try:
            answer = _answer.decode(body)
        except BAD_JSON:
            raise AnswerError("the provider's pictures are in no known form") from None
        reasons = [reason for reason in answer.finish_reasons if reason]
        if reasons:
            filtered = any(reason.startswith("Filter reason") for reason in reasons)
            words = f"the provider made no picture: {reasons[0][:200]}"
            raise AnswerError(words, "content_policy" if filtered else "server_error")
        if not answer.images:
            raise AnswerError("the provider gave no picture")
        made = tuple(MadeImage(_read(image)) for image in answer.images)
        return ImageResponse(made, usage=Usage(output_images=len(made)))

    def watch_response(self, body: bytes) -> Watched:
        """As `decode_response`; never needed, since nothing is relayed."""
        return Watched(usage=self.decode_response(body).usage)


_OURS: Final = frozenset({"prompt", "image", "init_image", "mask", "output_format", "mode"})
"""What comes from the caller's own fields, and not from those it adds."""


def _check(request: ImageRequest, model: str, *, makes: bool, edits: bool) -> None:
    if request.n > 1:
        raise invalid(f"`n` is {request.n}; `{model}` makes one picture at a time.", "n")
    if request.images and not edits:
        raise invalid(f"`{model}` makes pictures of words alone; name another model to edit one.", "image")
    if not request.images and not makes:
        raise invalid(f"`{model}` works on a picture; send one, to `/v1/images/edits`.", "image")
    if len(request.images) > 1:
        raise invalid(f"`image` holds {len(request.images)}; `{model}` takes one.", "image")
    if request.mask is not None and makes:
        raise invalid(f"`{model}` takes no `mask`; say in the prompt what to change.", "mask")
    if request.mask is not None and _transparent(request.mask.data):
        raise invalid(
            f"`mask` is transparent where the picture is to change, which `{model}` does not see; paint it "
            "white there, and black elsewhere.",
            "mask",
        )
    if any(one.url is not None for one in (*request.images, *((request.mask,) if request.mask else ()))):
        raise invalid(f"`{model}` fetches no pictures; send `image` as a file.", "image")


def _transparent(data: bytes) -> bool:
    """Whether it is a PNG with an alpha channel, as OpenAI's callers make masks: colour types 4 and 6 of its
    first chunk (w3.org/TR/png, "IHDR")."""
    return data.startswith(b"\x89PNG") and data[25:26] in (b"\x04", b"\x06")


def _number(value: Any) -> Any:
    """A number that a form could only say as text."""
    if not isinstance(value, str):
        return value
    number = number_in(value)
    return value if number is None else number


def _base64(image: Media) -> str:
    return binascii.b2a_base64(image.data, newline=False).decode("ascii")


def _read(image: str) -> Media:
    try:
        data = binascii.a2b_base64(image)
    except ValueError:
        data = b""
    if not data:
        raise AnswerError("the provider's picture is no base64")
    return Media(next((kind for magic, kind in _MAGIC if data.startswith(magic)), ""), data)
