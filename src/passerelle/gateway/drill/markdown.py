"""The report as Markdown."""

from passerelle.gateway.drill.pages import DUTY, Section, Table, sections, time_of, title, verdict
from passerelle.gateway.drill.report import Report


def markdown(report: Report) -> str:
    """The whole page, unsigned."""
    lines = [f"# {_plain(title(report))}", "", f"**{_plain(verdict(report))}**", ""]
    basis = report.basis
    made = f"{time_of(report.made_at_ns)} · generation `{basis.generation}` · Passerelle {basis.version}"
    lines += [f"{made} · signed by `{basis.signer}`", "", DUTY, ""]
    for section in sections(report):
        lines += shown(section)
    return "\n".join(lines).rstrip() + "\n"


def shown(section: Section) -> list[str]:
    """One section, in lines."""
    lines = [f"## {_plain(section.title)}", ""]
    if section.answers:
        lines += [f"*{_plain(section.answers)}*", ""]
    for paragraph in section.paragraphs:
        lines += [_plain(paragraph), ""]
    for table in section.tables:
        lines += [*_table(table), ""]
    if section.items:
        lines += [*(f"- {_plain(item)}" for item in section.items), ""]
    return lines


def _table(table: Table) -> list[str]:
    return [
        _row(table.headings),
        _row(tuple("---:" if heading in table.right else "---" for heading in table.headings)),
        *(_row(tuple(_cell(cell) for cell in row)) for row in table.rows),
    ]


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """Names are others' words: they must neither end a line nor open a tag or a comment."""
    return " ".join(text.split()).replace("<", "&lt;")
