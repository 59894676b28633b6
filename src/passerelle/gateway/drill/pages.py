"""What a report says to people, as sections of words and tables: written once, shown as Markdown or HTML.

Each section names the duty it helps to answer: Regulation (EU) 2022/2554 (DORA), Articles 28 and 29
(eur-lex.europa.eu, OJ L 333, 27.12.2022, p. 1; read 2026-11-22).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import assert_never

import msgspec

from passerelle.core.money import show
from passerelle.gateway.drill.report import Finding, Loss, Money, Move, Report, Share

SHOWN = 50
"""Rows of a table of tenants or moves; the JSON report has them all."""


class Table(msgspec.Struct, frozen=True):
    """Columns and rows. Columns named in `right` hold figures."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[str] = frozenset()
    marked: frozenset[int] = frozenset()
    """Rows that need a look, which also say so in words."""


class Section(msgspec.Struct, frozen=True):
    """A heading, the duty it answers, and what it says."""

    title: str
    answers: str = ""
    """The duty, in a line of its own."""
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    items: tuple[str, ...] = ()


def title(report: Report) -> str:
    """Of the whole."""
    return f"Exit drill: without {report.without}"


DUTY = (
    "Regulation (EU) 2022/2554 on digital operational resilience for the financial sector (DORA), Articles "
    "28 and 29: exit strategies and concentration risk. Each section says what it answers."
)


def verdict(report: Report) -> str:
    """The result in a sentence."""
    totals = report.totals
    if not totals.requests:
        return "Nothing was judged: the inputs hold no request."
    served = totals.unaffected + totals.moved
    said = f"Without {report.without}, {served} of {totals.requests} requests would still be served"
    if totals.lost:
        return f"NOT PASSED. {said}; {totals.lost} would have no legal alternative."
    if not report.passed:
        return f"NOT PASSED. {said}, and none would be lost; a ceiling of concentration is exceeded."
    return f"PASSED. {said}; none would be without a legal alternative."


def sections(report: Report) -> tuple[Section, ...]:
    """Everything below the title, in order."""
    return (
        _result(report),
        _lost(report),
        _tenants(report),
        _moves(report),
        _shares(report, "provider"),
        _shares(report, "jurisdiction"),
        _basis(report),
        Section(
            "Method",
            "Answers DORA Art. 28(8): exit plans are documented and sufficiently tested.",
            items=report.method,
        ),
        Section("Limits of the method", "What this does not show.", items=report.limits),
    )


def time_of(ns: int) -> str:
    """A time as it is written down."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _result(report: Report) -> Section:
    totals = report.totals
    rows = [
        ("Judged", totals.requests, "requests, of recorded receipts or of the set"),
        ("Unaffected", totals.unaffected, "served first by another supplier anyway"),
        ("Moved", totals.moved, "served by another place"),
        ("No legal alternative", totals.lost, "served today, by nobody without the supplier"),
        ("Served by nobody even today", totals.unserved, "not the supplier's doing"),
        ("One place left", totals.last, "of those still served"),
    ]
    costs = (
        f"Cost of the requests served both ways: {money(totals.cost_before)} today, "
        f"{money(totals.cost_after)} without ({_difference(totals.cost_before, totals.cost_after)}). "
        f"Quality of those that move: {_quality(totals.quality_before)} today, "
        f"{_quality(totals.quality_after)} without."
    )
    return Section(
        "Result",
        "Answers DORA Art. 28(8): exit without disruption of business activities, without limits to "
        "compliance, without detriment to continuity and quality of services.",
        (costs,),
        (
            Table(
                ("what becomes of them", "requests", "share", "meaning"),
                tuple((name, f"{n}", _part(n, totals.requests), said) for name, n, said in rows),
                frozenset({"requests", "share"}),
            ),
        ),
        tuple(_finding(finding) for finding in report.findings),
    )


def _lost(report: Report) -> Section:
    answers = (
        "Answers DORA Art. 28(8): alternative solutions are identified; Art. 29(1)(a): a provider that is "
        "not easily substitutable."
    )
    if not report.losses:
        return Section("No alternative", answers, ("Every request that is served today has an alternative.",))
    tables = []
    for loss in report.losses:
        head = Table(
            ("organisation", "project", "key", "asked for", "data class", "needs", "requests", "example"),
            (
                (
                    loss.organisation, loss.project, f"{loss.key} ({loss.key_id})", _asked(loss),
                    loss.data_class, ", ".join(loss.features) or "words", f"{loss.requests}", loss.example,
                ),
            ),
            frozenset({"requests"}),
        )  # fmt: skip
        rules = Table(
            ("deployment", "rule", "why"),
            tuple((r.deployment, r.rule, r.reason) for r in loss.rejections),
        )
        tables += [head, rules]
    said = ["For these requests nobody is left; below each, every deployment with the rule that excludes it."]
    if report.losses_left_out:
        said.append(f"{report.losses_left_out} more kinds of requests are in the sums and not listed.")
    return Section("No alternative", answers, tuple(said), tuple(tables))


def _tenants(report: Report) -> Section:
    shown = report.tenants[:SHOWN]
    return Section(
        "By tenant",
        "Answers DORA Art. 28(3): what depends on the arrangement; Art. 28(8): continuity of services.",
        _more(len(report.tenants)),
        (
            Table(
                (
                    "organisation", "project", "key", "requests", "unaffected", "moved", "none left",
                    "one place left", "unserved today",
                ),
                tuple(
                    (
                        t.organisation, t.project, f"{t.key} ({t.key_id})", f"{t.requests}",
                        f"{t.unaffected}", f"{t.moved}", f"{t.lost}", f"{t.last}", f"{t.unserved}",
                    )
                    for t in shown
                ),
                frozenset(
                    {"requests", "unaffected", "moved", "none left", "one place left", "unserved today"}
                ),
                frozenset(i for i, t in enumerate(shown) if t.lost),
            ),
        ),
    )  # fmt: skip


def _moves(report: Report) -> Section:
    if not report.moves:
        return Section("Who takes over", paragraphs=("No request is served first by what is taken out.",))
    return Section(
        "Who takes over",
        "Answers DORA Art. 28(8): transition to alternative providers; Art. 29(1): benefits and costs of "
        "alternatives.",
        (
            (
                "Quality is the catalog's figure in points of 100; latency the median to the first content, "
                "and of the whole, measured in the period."
            ),
            *_more(len(report.moves)),
        ),
        (
            Table(
                ("from", "to", "requests", "cost today", "cost without", "difference", "quality", "latency"),
                tuple(
                    (
                        m.before,
                        m.after,
                        f"{m.requests}",
                        money(m.cost_before),
                        money(m.cost_after),
                        _difference(m.cost_before, m.cost_after)
                        + (f"; {m.unpriced} unpriced" if m.unpriced else ""),
                        f"{_quality(m.quality_before)} → {_quality(m.quality_after)}",
                        _latencies(m),
                    )
                    for m in report.moves[:SHOWN]
                ),
                frozenset({"requests", "cost today", "cost without", "difference"}),
            ),
        ),
    )  # fmt: skip


def _shares(report: Report, of: str) -> Section:
    shown = [share for share in report.shares if share.of == of]
    if of == "provider":
        heading = "Concentration by supplier"
        answers = (
            "Answers DORA Art. 29(1)(b): several arrangements with the same or closely connected providers."
        )
    else:
        heading = "Concentration by jurisdiction"
        answers = "Answers DORA Art. 29(2): providers and subcontractors established in third countries."
    return Section(
        heading,
        answers,
        (_ceiling(shown),),
        (
            Table(
                (of, "requests", "share", "spend", "share of spend", "requests without it", "verdict"),
                tuple(
                    (
                        share.name, f"{share.requests}", f"{share.request_share:.1%}", money(share.spend),
                        _parts(share.spend_share), f"{share.request_share_after:.1%}", _judged(share),
                    )
                    for share in shown
                ),
                frozenset({"requests", "share", "spend", "share of spend", "requests without it"}),
                frozenset(i for i, share in enumerate(shown) if share.exceeded),
            ),
        ),
    )  # fmt: skip


def _basis(report: Report) -> Section:
    inputs, basis = report.inputs, report.basis
    what = "signed receipts" if inputs.kind == "receipts" else "requests of a golden set"
    rows = (
        ("Taken out", f"{report.without}: {len(report.taken_out)} deployments: {_few(report.taken_out)}"),
        ("Report made", time_of(report.made_at_ns)),
        ("Period", f"{time_of(inputs.since_ns)} to {time_of(inputs.until_ns)}"),
        ("Inputs", f"{inputs.read} {what}, {inputs.judged} requests judged"),
        ("First and last", f"{inputs.first or 'none'} to {inputs.last or 'none'}"),
        ("Digest of inputs (SHA-256)", inputs.digest),
        ("Organisations", _few(inputs.organisations)),
        ("Passerelle", basis.version),
        ("Generation", f"{basis.generation} ({basis.generation_digest})"),
        ("Policy", basis.policy_version),
        ("Catalog", basis.catalog_version),
        ("Prices (SHA-256)", basis.prices_digest),
        ("Price rows", _few(basis.price_versions)),
        ("Rights", f"revision {basis.rights_revision}"),
        ("Signed by", f"installation {basis.signer}"),
    )
    return Section(
        "Basis",
        "Answers DORA Art. 28(3) and 28(8): documented, so that the test can be repeated and reviewed.",
        ("The same inputs, judged by the same generation, give the same figures.",),
        (Table(("what", "value"), rows),),
    )


def _finding(finding: Finding) -> str:
    match finding.severity:
        case "failed":
            return f"Failed: {finding.text}"
        case "exceeded":
            return f"Ceiling exceeded: {finding.text}"
        case "note":
            return f"Note: {finding.text}"
        case _:
            assert_never(finding.severity)


def _asked(loss: Loss) -> str:
    return loss.model if loss.operation == "chat" else f"{loss.model} ({loss.operation})"


def _judged(share: Share) -> str:
    said = "taken out" if share.taken_out else ""
    if share.exceeded:
        return f"OVER {share.ceiling:.0%}" + (f", {said}" if said else "")
    return said or ("within" if share.ceiling is not None else "")


def _ceiling(shares: list[Share]) -> str:
    ceiling = shares[0].ceiling if shares else None
    if ceiling is None:
        return "No ceiling is set under `[concentration]`."
    return f"The ceiling of `[concentration]` is {ceiling:.0%} of the requests, or of the spend."


def _more(count: int) -> tuple[str, ...]:
    return (f"The first {SHOWN} of {count}; the JSON report has them all.",) if count > SHOWN else ()


def money(found: Money) -> str:
    """Amounts, a currency each."""
    return ", ".join(show(nanos, currency, places=4) for currency, nanos in found.items()) or "0"


def _difference(before: Money, after: Money) -> str:
    said = []
    for currency in sorted({*before, *after}):
        was, will = before.get(currency, 0), after.get(currency, 0)
        part = f" ({(will - was) / was:+.0%})" if was and will else ""
        sign = "+" if will > was else ""
        said.append(f"{sign}{show(will - was, currency, places=4)}{part}")
    return ", ".join(said) or "none"


def _quality(quality: float | None) -> str:
    return "unknown" if quality is None else f"{quality * 100:.1f}"


def _pair(first_s: float | None, whole_s: float | None) -> str:
    if first_s is None and whole_s is None:
        return "unknown"
    return " / ".join("–" if found is None else _seconds(found) for found in (first_s, whole_s))


def _latencies(move: Move) -> str:
    before = _pair(move.first_content_before_s, move.duration_before_s)
    return f"{before} → {_pair(move.first_content_after_s, move.duration_after_s)}"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _part(count: int, whole: int) -> str:
    return f"{count / whole:.1%}" if whole else "–"


def _parts(shares: dict[str, float]) -> str:
    return ", ".join(f"{share:.1%} of {currency}" for currency, share in shares.items()) or "–"


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 12} more" if len(listed) > 12 else ""
    return (", ".join(listed[:12]) or "none") + more
