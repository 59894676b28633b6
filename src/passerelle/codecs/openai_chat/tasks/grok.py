"""xAI's pictures: OpenAI's paths, other fields (quirk `image_ratio`).

From docs.x.ai, "Image generations" and "Image edits" of the REST reference and "Image generation" of its
guides (read 2026-11-22): a shape as `aspect_ratio` out of a list and `resolution` `1k` or `2k`, while `size`
and `style` are not supported; pictures to edit as JSON, `image` when there is one and `images` when there are
more, by address or as a `data:` URL (a form is refused); no mask and no stream.
"""

import binascii
from typing import Any, Final

import msgspec

from passerelle.codecs.base import Encoded, Target
from passerelle.codecs.media import to_data_url
from passerelle.codecs.shapes import nearest, settings, sides
from passerelle.core.errors import invalid
from passerelle.core.tasks import ImageRequest, Media

RATIOS: Final = (
    "1:1", "3:4", "4:3", "9:16", "16:9", "2:3", "3:2", "9:19.5", "19.5:9", "9:20", "20:9", "1:2", "2:1",
)  # fmt: skip
_LARGE: Final = 1_536
"""Longest side above which `2k` is asked for."""
_json = msgspec.json.Encoder()


def encode_grok(request: ImageRequest, target: Target) -> Encoded:
    """Raises `ProblemError` for what would make another picture than the one asked for."""
    if request.mask is not None:
        raise invalid(f"`{target.model}` takes no `mask`; say in the prompt what to change.", "mask")
    dropped = [name for name in settings(request) if name not in ("quality", "user")]
    said = {
        "n": request.n if request.n > 1 else None,
        "quality": request.quality,
        "user": request.user,
        "response_format": {True: "url", False: "b64_json", None: None}[request.as_url],
    }
    body: dict[str, Any] = {"model": target.model, "prompt": request.prompt}
    body |= {name: value for name, value in said.items() if value is not None}
    if request.size is not None:
        wide, high = sides(request.size)
        body["aspect_ratio"], exact = nearest(wide, high, RATIOS)
        if max(wide, high) > _LARGE:
            body["resolution"] = "2k"
        if not exact:
            dropped.append("size")
    given = [{"type": "image_url", "url": _address(image)} for image in request.images]
    if given:
        body |= {"image": given[0]} if len(given) == 1 else {"images": given}
    if request.extra:
        body |= {name: value for name, value in request.extra.items() if name not in body}
    return Encoded(_json.encode(body), tuple(dropped))


def _address(image: Media) -> str:
    if image.url is not None:
        return image.url
    data = binascii.b2a_base64(image.data, newline=False).decode("ascii")
    return to_data_url(image.media_type or "image/png", data)
