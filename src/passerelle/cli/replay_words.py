"""A replay as words and tables: the same for the terminal and for the report."""

from datetime import UTC, datetime

from passerelle.cli import look
from passerelle.core.money import show
from passerelle.gateway.drill.pages import Section, Table, money
from passerelle.gateway.replay.result import Change, Qualities, Result, Span, Times

SHOWN = 20
"""Rows of a table; the JSON has them all."""


def title(result: Result) -> str:
    """What is supposed, in a line."""
    said = result.supposed
    words = [f"mode {said.mode}"] if said.mode else []
    words += [f"without {said.without}"] if said.without else []
    words += [f"among {', '.join(said.models)}"] if said.models else []
    words += [f"other {name}" for name in said.files]
    return f"Replay: {', '.join(words) or 'the rules in force'}"


def verdict(result: Result) -> str:
    """What becomes of the requests, in a sentence."""
    totals = result.totals
    said = [f"{totals.requests:,} requests decided again", f"{totals.changed:,} go elsewhere"]
    if totals.lost:
        said.append(f"{totals.lost:,} may be served by nobody")
    if totals.gained:
        said.append(f"{totals.gained:,} may be served that were refused")
    if totals.forbidden:
        said.append(f"{totals.forbidden:,} were served by a place that these rules forbid")
    return "; ".join(said) + "."


def sections(result: Result) -> tuple[Section, ...]:
    """The whole, for people."""
    made = [Section("What it comes to", tables=(_sums(result),), items=result.notes)]
    for name, changes in (
        ("models", result.models),
        ("providers", result.providers),
        ("jurisdictions", result.jurisdictions),
    ):
        if changes:
            made.append(Section(f"Between {name}", tables=(_changes(changes),)))
    if result.forbidden:
        places = tuple(
            (one.deployment, one.rule, f"{one.requests:,}", one.example) for one in result.forbidden[:SHOWN]
        )
        made.append(
            Section(
                "Served by a place that these rules forbid",
                tables=(
                    Table(("deployment", "rule", "requests", "example"), places, frozenset(("requests",))),
                ),
            )
        )
    if result.losses:
        rows = tuple(
            (
                one.requested,
                one.data_class,
                ", ".join(one.rules) or one.problem,
                f"{one.requests:,}",
                one.example,
            )
            for one in result.losses[:SHOWN]
        )
        headings = ("asked for", "data class", "rules", "requests", "example")
        made.append(Section("Served by nobody", tables=(Table(headings, rows, frozenset(("requests",))),)))
    return tuple(made)


def how(result: Result) -> Section:
    """What it was made from, and what it cannot say."""
    said, inputs = result.supposed, result.inputs
    files = "".join(f"; {name} SHA-256 `{digest}`" for name, digest in said.files.items())
    routers = ", ".join(f"`{name}` ({count:,})" for name, count in result.basis.routers.items())
    made = (
        f"{inputs.read:,} receipts from {_time(inputs.since_ns)} until before {_time(inputs.until_ns)}, "
        f"with SHA-256 `{inputs.digest}`, decided by policy `{said.policy_version}` and catalog "
        f"`{said.catalog_version}` of Passerelle {said.version}{files}. In force are policy "
        f"`{said.policy_in_force}` and catalog `{said.catalog_in_force}`."
    )
    return Section(
        "How it was made",
        paragraphs=(
            made,
            *((f"Quality was predicted by {routers}.",) if routers else ()),
        ),
        items=result.limits,
    )


def tell(result: Result) -> None:
    """The result on a terminal."""
    look.say(look.strong(title(result)))
    look.say(verdict(result))
    for section in sections(result):
        look.say()
        look.say(look.strong(section.title))
        for table in section.tables:
            look.table(table.headings, table.rows, right=table.right)
        for item in section.items:
            look.labelled("Note", item)


def _sums(result: Result) -> Table:
    costs, rows = result.costs, []
    totals = result.totals
    served = totals.same + totals.changed
    rows.append(
        ("requests served", f"{served + totals.lost:,}", f"{served + totals.gained:,}",
         _signed(totals.gained - totals.lost))
    )  # fmt: skip
    for currency in sorted({*costs.recorded, *costs.replayed}):
        before, after = costs.recorded.get(currency, 0), costs.replayed.get(currency, 0)
        part = f" ({(after - before) / before:+.1%})" if before else ""
        rows.append(
            (
                "cost",
                show(before, currency, places=4),
                show(after, currency, places=4),
                f"{'+' if after > before else ''}{show(after - before, currency, places=4)}{part}",
            )
        )
    rows.append(("predicted quality", *_quality(result.quality)))
    rows.append(("first content", *_times(result.first_content)))
    rows.append(("whole answer", *_times(result.whole)))
    if costs.lost:
        rows.append(("cost of what nobody serves", money(costs.lost), "–", "–"))
    headings = ("", "recorded", "replayed", "difference")
    return Table(headings, tuple(rows), frozenset(headings[1:]))


def _quality(found: Qualities) -> tuple[str, str, str]:
    def said(span: Span | None, *, sign: bool = False) -> str:
        if span is None:
            return "–"
        form = "{:+.1f}" if sign else "{:.1f}"
        # 0 is added for the sake of what rounds to it from below: -0.0 says nothing more.
        points = (round(value * 100, 1) + 0.0 for value in (span.mean, span.low, span.high))
        mean, low, high = (form.format(value) for value in points)
        return f"{mean} [{low}, {high}]"

    return said(found.recorded), said(found.replayed), said(found.difference, sign=True)


def _times(found: Times) -> tuple[str, str, str]:
    if found.recorded_s is None or found.replayed_s is None:
        return "–", "–", "–"
    before, after = found.recorded_s, found.replayed_s
    if max(before, after) < 1:
        return f"{before * 1e3:.1f} ms", f"{after * 1e3:.1f} ms", f"{(after - before) * 1e3:+.1f} ms"
    return f"{before:.2f} s", f"{after:.2f} s", f"{after - before:+.2f} s"


def _changes(changes: tuple[Change, ...]) -> Table:
    rows = [(one.before, one.after, f"{one.requests:,}") for one in changes[:SHOWN]]
    left = sum(one.requests for one in changes[SHOWN:])
    if left:
        rows.append((f"{len(changes) - SHOWN} more", "", f"{left:,}"))
    return Table(("from", "to", "requests"), tuple(rows), frozenset(("requests",)))


def _signed(number: int) -> str:
    return f"{number:+,}" if number else "0"


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
