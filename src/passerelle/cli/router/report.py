"""An evaluation as files: a page, the same as Markdown, the figures as JSON, and the plots."""

from html import escape
from pathlib import Path

import msgspec

from passerelle.cli.router.evaluation import Evaluation
from passerelle.cli.router.pictures import pictures
from passerelle.cli.router.svg import Chart, svg
from passerelle.cli.router.words import Table, judged, summary, tables, took

TITLE = "How good the router is"
_STYLE = """
body { font: 15px/1.5 "Liberation Sans", Arial, Helvetica, sans-serif; color: #111; background: #fff;
  max-width: 60rem; margin: 0 auto; padding: 2rem 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; break-after: avoid; }
.first { font-weight: bold; font-size: 1.05rem; border: 1px solid #111; padding: .6rem .8rem; }
.note, .how { color: #444; font-size: .87rem; margin: .3rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .87rem; margin: .4rem 0; }
th { text-align: left; vertical-align: bottom; border-bottom: 1.5px solid #111; padding: .25rem .6rem; }
td { border-bottom: 1px solid #ccc; padding: .25rem .6rem; white-space: nowrap; }
th + th, td + td { text-align: right; font-variant-numeric: tabular-nums; }
tr.ours td { font-weight: bold; }
figure { margin: 1.2rem 0; break-inside: avoid; }
svg { max-width: 100%; height: auto; }
code { font-family: "Liberation Mono", monospace; font-size: .95em; }
"""


def write(folder: Path, found: Evaluation) -> list[Path]:
    """Write everything into `folder`, made when it is not there; the paths written. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    charts = pictures(found)
    files = {
        "report.html": html(found, charts),
        "report.md": markdown(found, charts),
        "report.json": msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n",
        **{f"{name}.svg": svg(chart) for name, chart in charts.items()},
    }
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
    return [folder / name for name in files]


def markdown(found: Evaluation, charts: dict[str, Chart]) -> str:
    """The report for a repository or a wiki; the plots lie beside it."""
    parts = [f"# {TITLE}\n", f"**{summary(found)}.**\n", judged(found) + "\n"]
    if found.decision is not None:
        parts.append(f"A decision takes {took(found.decision)}.\n")
    parts += [f"![{chart.title}]({name}.svg)\n" for name, chart in charts.items()]
    for table in tables(found):
        parts.append(f"## {table.title}\n")
        head = "| " + " | ".join(_cell(name) for name in table.headings) + " |"
        rule = "|---|" + "---:|" * (len(table.headings) - 1)
        rows = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in table.rows]
        parts.append("\n".join([head, rule, *rows]) + "\n")
        if table.note:
            parts.append(table.note + "\n")
    parts.append(_made(found) + "\n")
    return "\n".join(parts)


def html(found: Evaluation, charts: dict[str, Chart]) -> str:
    """The report as one page: no scripts, nothing fetched."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    decision = ""
    if found.decision is not None:
        decision = f'<p class="how">A decision takes {_words(took(found.decision))}.</p>\n'
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{TITLE}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{TITLE}</h1>\n"
        f'<p class="first">{_words(summary(found))}.</p>\n'
        f'<p class="how">{_words(judged(found))}</p>\n{decision}'
        + "".join(f"<figure>\n{svg(chart)}</figure>\n" for chart in charts.values())
        + "".join(_section(table) for table in tables(found))
        + f'<p class="how">{_words(_made(found))}</p>\n</body>\n</html>\n'
    )


def _section(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.headings)
    rows = "".join(
        f"<tr{' class=ours' if row[0] == 'passerelle' else ''}>"
        + "".join(f"<td>{_words(cell)}</td>" for cell in row)
        + "</tr>\n"
        for row in table.rows
    )
    note = f'<p class="note">{_words(table.note)}</p>\n' if table.note else ""
    return (
        f'<h2>{_words(table.title)}</h2>\n<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table></div>\n{note}"
    )


def _made(found: Evaluation) -> str:
    return (
        f"Made by Passerelle {found.passerelle} with the learner `{found.learner}` in {found.seconds:.0f} s "
        f"from data with SHA-256 `{found.data.sha256}`. How each figure is computed: docs/router-eval.md."
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _words(text: str) -> str:
    """Escaped, with names in backticks set apart."""
    parts = escape(text).split("`")
    if len(parts) % 2 == 0:
        return "`".join(parts)
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
