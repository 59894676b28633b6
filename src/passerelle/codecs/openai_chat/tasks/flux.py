"""Black Forest Labs' jobs: a picture asked for in its own words (quirk `flux_job`).

From docs.bfl.ai (its OpenAPI description and "Polling", read 2026-11-22): `prompt`, `width` and `height` in
pixels, `output_format` `jpeg` or `png`, `input_image`, `input_image_2`… as base64 or by address; one picture
a job. What comes back is put into OpenAI's form by `providers/bfl.py`, which waits for the job.
"""

import binascii
from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Target
from passerelle.codecs.shapes import settings, sides
from passerelle.core.errors import invalid
from passerelle.core.tasks import ImageRequest, Media

_json = msgspec.json.Encoder()

_STEP: Final = 16
"""Sides are multiples of sixteen pixels."""
_LEAST, _MOST = 256, 4096


def encode_job(request: ImageRequest, target: Target) -> Encoded:
    """Raises `ProblemError` for what would make another picture than the one asked for."""
    if request.n > 1:
        raise invalid(f"`n` is {request.n}; `{target.model}` makes one picture at a time.", "n")
    if request.mask is not None:
        raise invalid(f"`{target.model}` takes no `mask`; say in the prompt what to change.", "mask")
    body: dict[str, Any] = {"prompt": request.prompt}
    dropped = [name for name in settings(request) if name != "output_format"]
    if request.size is not None:
        width, height = sides(request.size)
        body["width"], body["height"] = _fitting(width), _fitting(height)
        if (body["width"], body["height"]) != (width, height):
            dropped.append("size")
    if request.form in ("jpeg", "png"):
        body["output_format"] = request.form
    elif request.form is not None:
        dropped.append("output_format")
    for at, image in enumerate(request.images, 1):
        body["input_image" if at == 1 else f"input_image_{at}"] = _given(image)
    if request.extra:
        body |= {name: value for name, value in request.extra.items() if name not in body}
    return Encoded(_json.encode(body), tuple(dropped))


def _fitting(side: int) -> int:
    return min(max(_LEAST, round(side / _STEP) * _STEP), _MOST)


def _given(image: Media) -> str:
    return image.url or binascii.b2a_base64(image.data, newline=False).decode("ascii")
