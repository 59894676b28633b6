"""The report as one HTML file: no scripts, nothing fetched, made to be printed, readable without colour."""

from html import escape

from passerelle.gateway.drill.pages import DUTY, Section, Table, sections, time_of, title, verdict
from passerelle.gateway.drill.report import Report

STYLE = """
@page { size: A4; margin: 16mm 14mm 18mm; }
* { box-sizing: border-box; }
body { font: 10.5pt/1.45 "Liberation Sans", Arial, Helvetica, sans-serif; color: #000; background: #fff;
  max-width: 190mm; margin: 0 auto; padding: 8mm 4mm; }
h1 { font-size: 20pt; line-height: 1.2; margin: 0 0 2mm; }
h2 { font-size: 13pt; margin: 9mm 0 1mm; padding-top: 2mm; border-top: 1.2pt solid #000; break-after: avoid; }
p { margin: 1.5mm 0; break-after: avoid; }
.verdict { font-size: 12pt; font-weight: bold; border: 1.2pt solid #000; padding: 3mm 4mm; margin: 4mm 0; }
.failed { border-width: 3pt; }
.made, .answers { font-size: 9pt; color: #333; break-after: avoid; }
.answers { font-style: italic; }
table { border-collapse: collapse; width: 100%; margin: 2.5mm 0 4mm; font-size: 8.5pt; line-height: 1.3; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
th { text-align: left; vertical-align: bottom; border-bottom: 1pt solid #000; padding: 1mm 1.5mm; }
td { vertical-align: top; border-bottom: .4pt solid #999; padding: 1mm 1.5mm; overflow-wrap: anywhere; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
tr.marked td { font-weight: bold; }
tr.marked td:first-child::before { content: "▸ "; }
code { font-family: "Liberation Mono", monospace; font-size: .95em; }
ul { margin: 1.5mm 0; padding-left: 5mm; }
li { margin: 1mm 0; }
@media print { body { padding: 0; max-width: none; } a { color: inherit; } }
"""


def html(report: Report) -> str:
    """The whole page, unsigned."""
    basis = report.basis
    made = (
        f"{time_of(report.made_at_ns)} · generation {basis.generation} · Passerelle {basis.version} · "
        f"signed by {basis.signer} (check with passerelle drill verify)"
    )
    failed = "" if report.passed else " failed"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title(report))}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{escape(title(report))}</h1>\n<p class="made">{escape(made)}</p>\n'
        f'<p class="verdict{failed}">{_words(verdict(report))}</p>\n'
        f'<p class="made">{escape(DUTY)}</p>\n'
        + "".join(shown(section) for section in sections(report))
        + "</body>\n</html>\n"
    )


def shown(section: Section) -> str:
    """One section of a page, drawn with `STYLE`."""
    return (
        f"<section>\n<h2>{escape(section.title)}</h2>\n"
        + (f'<p class="answers">{escape(section.answers)}</p>\n' if section.answers else "")
        + "".join(f"<p>{_words(paragraph)}</p>\n" for paragraph in section.paragraphs)
        + "".join(_table(table) for table in section.tables)
        + (_list(section.items) if section.items else "")
        + "</section>\n"
    )


def _list(items: tuple[str, ...]) -> str:
    return "<ul>\n" + "".join(f"<li>{_words(item)}</li>\n" for item in items) + "</ul>\n"


def _table(table: Table) -> str:
    def cell(tag: str, heading: str, text: str) -> str:
        return f"<{tag}{figure if heading in table.right else ''}>{_words(text)}</{tag}>"

    figure, look = ' class="n"', ' class="marked"'

    head = "".join(cell("th", name, name) for name in table.headings)
    rows = "".join(
        f"<tr{look if number in table.marked else ''}>"
        + "".join(cell("td", name, text) for name, text in zip(table.headings, row, strict=True))
        + "</tr>\n"
        for number, row in enumerate(table.rows)
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"


def _words(text: str) -> str:
    """Escaped, with names in backticks set apart."""
    parts = escape(text).split("`")
    if len(parts) % 2 == 0:
        return "`".join(parts)
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
