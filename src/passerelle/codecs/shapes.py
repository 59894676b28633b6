"""What callers say of a picture they want: its size, `1024x1536`, as its sides and as the nearest of the
shapes that a model offers; and its other settings.
"""

from collections.abc import Iterable
from typing import Any, Final

from passerelle.core.errors import invalid
from passerelle.core.tasks import ImageRequest

MOST_SIDE: Final = 16_384


def sides(size: str) -> tuple[int, int]:
    """Width and height in pixels. Raises `ProblemError`."""
    width, x, height = size.partition("x")
    if not (x and width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise invalid(f"`size` is `{size[:60]}`; write it as `1024x1536`, in pixels.", "size")
    wide, high = int(width[:9]), int(height[:9])
    if not (0 < wide <= MOST_SIDE and 0 < high <= MOST_SIDE):
        raise invalid(f"`size` is `{size[:60]}`; each side is between 1 and {MOST_SIDE} pixels.", "size")
    return wide, high


def nearest(wide: int, high: int, ratios: Iterable[str]) -> tuple[str, bool]:
    """The nearest of `ratios` (`16:9`), and whether it is the very shape."""

    def off(ratio: str) -> float:
        across, _, down = ratio.partition(":")
        x, y = float(across), float(down)
        return max(wide * y, high * x) / min(wide * y, high * x)

    found = min(ratios, key=off)
    return found, off(found) < 1.01


def settings(request: ImageRequest) -> dict[str, Any]:
    """What was said of how the picture is to be, besides its size, by the names OpenAI's callers say it with;
    nothing for what was left unsaid.
    """
    said = {
        "quality": request.quality,
        "background": request.background,
        "output_format": request.form,
        "output_compression": request.compression,
        "partial_images": request.partial_images or None,
        "user": request.user,
    }
    return {name: value for name, value in said.items() if value is not None}
