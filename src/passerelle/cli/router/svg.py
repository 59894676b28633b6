"""Small charts as SVG: lines, dots, bands, axes and a legend. Readable without colour, nothing fetched."""

import math
from collections.abc import Sequence
from html import escape

import msgspec

WIDTH, HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 190, 40, 52
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 4", "12 4", "1 5", "5 2")
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555", "#000000")
"""Okabe and Ito, "Color Universal Design" (jfly.uni-koeln.de/color, read 2026-11-22): all can tell them."""

Point = tuple[float, float]


class Line(msgspec.Struct, frozen=True):
    """A named line; the first of a chart lies on top."""

    name: str
    points: Sequence[Point]
    low: Sequence[float] = ()
    """With `high`: the band around each point."""
    high: Sequence[float] = ()
    look: int = 0
    """Its colour and dashes, by number; 0 is the strongest."""
    dotted: bool = False
    """Mark each point."""


class Dot(msgspec.Struct, frozen=True):
    """A named point, larger with `size` (1: usual)."""

    name: str
    x: float
    y: float
    size: float = 1.0


class Chart(msgspec.Struct, frozen=True):
    """What is drawn."""

    title: str
    x: str
    """What runs along the axis, with its unit."""
    y: str
    lines: tuple[Line, ...] = ()
    dots: tuple[Dot, ...] = ()
    diagonal: bool = False
    logarithmic: bool = False
    """Along x."""
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    mark_x: float | None = None
    """A vertical line, and `mark` what it says."""
    mark: str = ""


def svg(chart: Chart) -> str:
    """The chart as one SVG document."""
    frame = _Frame(chart)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" font-family="{_FONT}" font-size="12">'
    )
    parts = [
        head,
        f"<title>{escape(chart.title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15" font-weight="bold">{escape(chart.title)}</text>',
        *_axes(chart, frame),
    ]
    if chart.diagonal:
        low, high = max(frame.x_low, frame.y_low), min(frame.x_high, frame.y_high)
        parts.append(
            f'<line x1="{frame.x(low)}" y1="{frame.y(low)}" x2="{frame.x(high)}" y2="{frame.y(high)}" '
            'stroke="#999999" stroke-dasharray="3 3"/>'
        )
    if chart.mark_x is not None:
        at = frame.x(chart.mark_x)
        parts.append(
            f'<line x1="{at}" y1="{_TOP}" x2="{at}" y2="{HEIGHT - _BOTTOM}" stroke="#999999" '
            f'stroke-dasharray="3 3"/><text x="{at + 4}" y="{_TOP + 12}" fill="#555555">'
            f"{escape(chart.mark)}</text>"
        )
    for place in reversed(range(len(chart.lines))):  # the first on top
        parts += _line(chart.lines[place], frame)
    parts += _dots(chart.dots, frame)
    parts += _legend(chart.lines)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


class _Frame:
    """Data to pixels."""

    def __init__(self, chart: Chart) -> None:
        xs = [p[0] for line in chart.lines for p in line.points] + [dot.x for dot in chart.dots]
        ys = [p[1] for line in chart.lines for p in line.points] + [dot.y for dot in chart.dots]
        ys += [value for line in chart.lines for value in (*line.low, *line.high)]
        self._log = chart.logarithmic
        self.x_low, self.x_high = chart.x_range or _room(min(xs, default=0.0), max(xs, default=1.0))
        if chart.y_range:
            self.y_low, self.y_high = chart.y_range
        else:
            low, high = _room(min(ys, default=0.0), max(ys, default=1.0))
            self.y_low, self.y_high = low - (high - low) * 0.04, high + (high - low) * 0.04

    def x(self, value: float) -> float:
        low, high, at = self.x_low, self.x_high, value
        if self._log:
            low, high, at = math.log(low), math.log(high), math.log(value)
        return round(_LEFT + (at - low) / (high - low) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        inside = min(max(value, self.y_low), self.y_high)
        part = (inside - self.y_low) / (self.y_high - self.y_low)
        return round(HEIGHT - _BOTTOM - part * (HEIGHT - _TOP - _BOTTOM), 1)


def _room(low: float, high: float) -> tuple[float, float]:
    if high > low:
        return low, high
    apart = abs(low) * 0.5 or 0.5
    return low - apart, high + apart


def ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Round numbers from `low` to `high`."""
    rough = (high - low) / max(wanted - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * part for part in (1, 2, 2.5, 5, 10) if power * part >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _said(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.10g}" if value == 0 else f"{value:.4g}"


def _axes(chart: Chart, frame: _Frame) -> list[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    made = []
    for value in ticks(frame.y_low, frame.y_high):
        at = frame.y(value)
        made.append(f'<line x1="{_LEFT}" y1="{at}" x2="{right}" y2="{at}" stroke="#e4e4e4"/>')
        made.append(f'<text x="{_LEFT - 8}" y="{at + 4}" text-anchor="end">{_said(value)}</text>')
    if chart.logarithmic:
        across = sorted({point[0] for line in chart.lines for point in line.points})
    else:
        across = ticks(frame.x_low, frame.x_high)
    for value in across:
        at = frame.x(value)
        made.append(f'<line x1="{at}" y1="{bottom}" x2="{at}" y2="{bottom + 5}" stroke="#333333"/>')
        made.append(f'<text x="{at}" y="{bottom + 19}" text-anchor="middle">{_said(value)}</text>')
    made.append(
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="#333333"/>'
        f'<text x="{(_LEFT + right) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(chart.x)}</text>'
        f'<text transform="translate(16 {(_TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(chart.y)}</text>"
    )
    return made


def _line(line: Line, frame: _Frame) -> list[str]:
    colour, dash = _COLOURS[line.look % len(_COLOURS)], _DASHES[line.look % len(_DASHES)]
    made = []
    if line.low:
        up = [f"{frame.x(p[0])},{frame.y(v)}" for p, v in zip(line.points, line.high, strict=True)]
        down = [f"{frame.x(p[0])},{frame.y(v)}" for p, v in zip(line.points, line.low, strict=True)]
        made.append(
            f'<polygon points="{" ".join([*up, *reversed(down)])}" fill="{colour}" fill-opacity="0.13"/>'
        )
    points = " ".join(f"{frame.x(a)},{frame.y(b)}" for a, b in line.points)
    style = f' stroke-dasharray="{dash}"' if dash else ""
    width = 2.6 if line.look == 0 else 1.5
    made.append(
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"'
        f' stroke-linejoin="round"{style}/>'
    )
    if line.dotted or len(line.points) == 1:
        made += [
            f'<circle cx="{frame.x(a)}" cy="{frame.y(b)}" r="3.4" fill="{colour}"/>' for a, b in line.points
        ]
    return made


def _dots(dots: Sequence[Dot], frame: _Frame) -> list[str]:
    """Dots with their names, each name moved down until it covers no other."""
    made: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for dot in sorted(dots, key=lambda one: -one.y):
        x, y = frame.x(dot.x), frame.y(dot.y)
        made.append(
            f'<circle cx="{x}" cy="{y}" r="{round(3.6 * dot.size, 1)}" fill="#0072b2" fill-opacity="0.55" '
            'stroke="#003a5d"/>'
        )
        if not dot.name:
            continue
        long = 5.6 * len(dot.name)
        at_end = x + 8 + long > WIDTH - _RIGHT
        left = x - 8 - long if at_end else x + 8
        down = y + 4
        while any(abs(down - d) < 12 and left < b and left + long > a for a, b, d in taken):
            down += 6
        taken.append((left, left + long, down))
        place = f'x="{x - 8}" text-anchor="end"' if at_end else f'x="{x + 8}"'
        made.append(f'<text {place} y="{round(down, 1)}" font-size="11">{escape(dot.name)}</text>')
    return made


def _legend(lines: Sequence[Line]) -> list[str]:
    made = []
    for place, line in enumerate(lines):
        y = _TOP + 12 + place * 20
        x = WIDTH - _RIGHT + 14
        colour, dash = _COLOURS[line.look % len(_COLOURS)], _DASHES[line.look % len(_DASHES)]
        style = f' stroke-dasharray="{dash}"' if dash else ""
        made.append(
            f'<line x1="{x}" y1="{y - 4}" x2="{x + 28}" y2="{y - 4}" stroke="{colour}" '
            f'stroke-width="{2.6 if line.look == 0 else 1.5}"{style}/>'
            f'<text x="{x + 35}" y="{y}">{escape(line.name)}</text>'
        )
    return made
