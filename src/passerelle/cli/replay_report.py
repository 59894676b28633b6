"""A replay as files: a page, the same as Markdown, the whole as JSON, and the plots."""

from collections import Counter
from html import escape
from pathlib import Path

import msgspec

from passerelle.cli.replay_words import how, sections, title, verdict
from passerelle.cli.router.svg import Chart, Dot, Line, svg
from passerelle.gateway.drill import html as page
from passerelle.gateway.drill import markdown as text
from passerelle.gateway.replay.result import Result

_HOUR_NS = 3_600_000_000_000


def write(folder: Path, result: Result) -> list[Path]:
    """Write everything into `folder`, made when it is not there; the paths written. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    charts = {name: svg(chart) for name, chart in pictures(result).items()}
    files = {
        "report.html": html(result, charts),
        "report.md": markdown(result, charts),
        "report.json": msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n",
        **{f"{name}.svg": drawn for name, drawn in charts.items()},
    }
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
    return [folder / name for name in files]


def pictures(result: Result) -> dict[str, Chart]:
    """Charts by file name, without the ending; those that there is something to draw of."""
    made = {}
    currency = _usual(result)
    if currency is not None:
        made["cost"] = spending(result, currency)
        chart = trade(result, currency)
        if chart is not None:
            made["cost-quality"] = chart
    return made


def spending(result: Result, currency: str) -> Chart:
    """What was spent by then, and what would have been."""
    since, until = result.inputs.since_ns, result.inputs.until_ns
    hours = (until - since) / _HOUR_NS
    unit, size = ("hours", 1.0) if hours <= 72 else ("days", 24.0)
    recorded, replayed = [(0.0, 0.0)], [(0.0, 0.0)]
    ends = [*(point.at_ns for point in result.series[1:]), until]
    for point, end in zip(result.series, ends, strict=True):
        at = (end - since) / _HOUR_NS / size
        recorded.append((at, recorded[-1][1] + point.recorded.get(currency, 0) / 1e9))
        replayed.append((at, replayed[-1][1] + point.replayed.get(currency, 0) / 1e9))
    return Chart(
        title=f"Spent by then ({currency})",
        x=f"{unit} since the beginning",
        y=currency,
        lines=(Line("replayed", replayed), Line("recorded", recorded, look=1)),
        y_range=(0.0, max(recorded[-1][1], replayed[-1][1]) * 1.05 or 1.0),
    )


def trade(result: Result, currency: str) -> Chart | None:
    """Cost and predicted quality, both ways; None where quality is unknown."""
    quality, costs = result.quality, result.costs
    if quality.recorded is None or quality.replayed is None or not costs.compared:
        return None
    each = 1e9 * costs.compared / 1000
    dots = [
        ("recorded", costs.recorded.get(currency, 0) / each, quality.recorded),
        ("replayed", costs.replayed.get(currency, 0) / each, quality.replayed),
    ]
    return Chart(
        title="Cost and predicted quality",
        x=f"{currency} per 1,000 requests",
        y="predicted quality, points of 100",
        lines=tuple(
            Line(f"{name}, 90 % interval", [(x, span.low * 100), (x, span.high * 100)], look=number)
            for number, (name, x, span) in enumerate(reversed(dots))
        ),
        dots=tuple(Dot(name, x, span.mean * 100) for name, x, span in dots),
        x_range=(0.0, max(x for _, x, _ in dots) * 1.15 or 1.0),
    )


def markdown(result: Result, charts: dict[str, str]) -> str:
    """The report for a repository or a wiki; the plots lie beside it."""
    lines = [f"# {_plain(title(result))}", "", f"**{_plain(verdict(result))}**", ""]
    for name in charts:
        lines += [f"![{name}]({name}.svg)", ""]
    for section in (*sections(result), how(result)):
        lines += text.shown(section)
    return "\n".join(lines).rstrip() + "\n"


def html(result: Result, charts: dict[str, str]) -> str:
    """The report as one page: no scripts, nothing fetched."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title(result))}</title>\n<style>{page.STYLE}"
        "svg { max-width: 100%; height: auto; }\n</style>\n</head>\n<body>\n"
        f"<h1>{escape(title(result))}</h1>\n"
        f'<p class="verdict">{escape(verdict(result))}</p>\n'
        + "".join(f"<figure>\n{drawn}</figure>\n" for drawn in charts.values())
        + "".join(page.shown(section) for section in (*sections(result), how(result)))
        + "</body>\n</html>\n"
    )


def _usual(result: Result) -> str | None:
    """The currency in which the most is spent."""
    spent = Counter(result.costs.recorded) + Counter(result.costs.replayed)
    return max(spent, key=lambda name: (spent[name], name)) if spent else None


def _plain(words: str) -> str:
    return " ".join(words.split()).replace("<", "&lt;")
