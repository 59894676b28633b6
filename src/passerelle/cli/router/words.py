"""An evaluation as words and tables: the same for the terminal and for the report."""

from collections.abc import Sequence

import msgspec

from passerelle.cli.router.evaluation import Evaluation
from passerelle.router.evaluate.bootstrap import Figure
from passerelle.router.evaluate.result import (
    BEST,
    OURS,
    RANDOM,
    ZERO,
    Decision,
    Measured,
    Robustness,
    Streamed,
)

_ORDER = (OURS, "without updates", "task mean", "length only", RANDOM, BEST, ZERO, "oracle")
_SHOWN = {
    "apgr": ("APGR", 3),
    "cpt50": ("CPT50 %", 1),
    "cpt80": ("CPT80 %", 1),
    "aiq": ("AIQ", 4),
    "closed": ("gap closed %", 1),
    "save100": ("save@100 %", 0),
    "save99": ("save@99 %", 0),
    "save95": ("save@95 %", 0),
    "score": ("score", 4),
    "gain": ("points over best", 2),
    "ece": ("ECE", 3),
    "auc": ("AUC", 3),
    "brier": ("Brier", 3),
}
"""Heading and decimal places of each figure."""
_WITH_INTERVAL = {"apgr", "cpt50", "cpt80", "aiq", "closed", "gain"}


class Table(msgspec.Struct, frozen=True):
    """Rows of cells; the first column names, the others are figures."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """What a reader must know to read it."""


def number(value: float | None, places: int) -> str:
    """A figure, or a dash where it was not reached."""
    if value is None:
        return "–"
    said = f"{value:.{places}f}"
    return said.lstrip("-") if float(said) == 0 else said.replace("-", "−")


def interval(figure: Figure | None, places: int) -> str:
    """`0.642 [0.631, 0.655]`."""
    if figure is None:
        return ""
    if figure.value is None or (figure.low is None and figure.high is None):
        return number(figure.value, places)
    return f"{number(figure.value, places)} [{number(figure.low, places)}, {number(figure.high, places)}]"


def summary(found: Evaluation) -> str:
    """The first thing to say."""
    if found.stream is not None:
        ours = next(policy for policy in found.stream.policies if policy.name == OURS)
        return (
            f"Mean score {interval(ours.last, 3)} over the last {found.stream.last:,} of "
            f"{found.stream.requests:,} requests"
        )
    last = found.measured[-1]
    figures = last.of(OURS).figures
    parts = []
    if "aiq" in figures:
        closed = interval(figures["closed"], 1)
        parts.append(f"AIQ {interval(figures['aiq'], 4)}, {closed} % of the oracle's gap closed")
    if "apgr" in figures and (len(found.data.models) == 2 or not parts):
        parts.append(f"APGR {interval(figures['apgr'], 3)}")
    parts.append(f"{interval(figures['gain'], 2)} points over the best single model, `{last.best}`")
    return "; ".join(parts)


def judged(found: Evaluation) -> str:
    """What was measured on, and how."""
    data, how = found.data, found.protocol
    parts = [f"`{data.file}`"]
    if data.where:
        parts.append("where " + " and ".join(f"`{one}`" for one in data.where))
    parts.append(f"{data.rows:,} rows ({data.prompts:,} different prompts)")
    if data.testable < data.rows:
        parts.append(f"{data.testable:,} with the scores of all models, the only ones tested on")
    parts.append(f"{len(data.models)} models")
    if data.tasks is not None:
        parts.append(
            f"{data.tasks} tasks, {'shown to the router' if how.tagged else 'hidden from the router'}"
        )
    parts.append(
        {"measured": "costs as given", "from prices": "costs from prices", "none": "no costs"}[data.costs]
    )
    if found.stream is not None:
        parts.append(f"{found.stream.warm:,} rows learned first")
    elif how.held_out:
        parts.append(f"every `{how.held_out}` held out once, in {how.folds} groups")
    elif not how.fit:
        parts.append(f"{how.folds} folds")
    parts.append(f"{how.seeds} seeds, 95 % intervals of {how.resamples:,} resamples")
    return ", ".join(parts) + "."


def tables(found: Evaluation) -> list[Table]:
    """All tables that have something to say, in reading order."""
    made: list[Table] = []
    if len(found.measured) > 1:
        made.append(learning(found.measured))
    if found.measured:
        last = found.measured[-1]
        made += [*contests(last), ahead(last), modes(last), models(last)]
    if found.robustness is not None:
        made.append(robustness(found.robustness))
    if found.stream is not None:
        made.append(streamed(found.stream))
    return [table for table in made if table.rows]


def contests(found: Measured) -> list[Table]:
    """Every router beside the others: between two models, by cost, and by the best predicted model."""
    on = f"{found.labels:,} rows learned from, {found.tested:,} tested on"
    return [
        _contest(
            found, ("apgr", "cpt50", "cpt80"), f"Between two models ({on})",
            f"Strong: `{found.strong}`, weak: `{found.weak}`. CPT: the share of calls to the strong one that "
            "recovers 50 or 80 % of the distance between the two.",
        ),
        _contest(
            found, ("aiq", "closed", "save100", "save99", "save95"), f"All models, by cost ({on})",
            "Saving: of the best single model's cost, at 100, 99 and 95 % of its score; – if never reached.",
        ),
        _contest(
            found, ("score", "gain", "ece", "auc", "brier"), f"The best predicted model each time ({on})",
            f"Points over best: over `{found.best}`, the best single model in hindsight; the worst fold has "
            f"{number(found.worst_gain, 2)} over its own. ECE, AUC and Brier are means over the models. "
            f"{found.known:.0%} of the requests were like what had been learned.",
        ),
    ]  # fmt: skip


def _contest(found: Measured, keys: Sequence[str], title: str, note: str) -> Table:
    keys = [key for key in keys if key in found.of(OURS).figures]
    rows = []
    for one in sorted(found.contestants, key=lambda one: _ORDER.index(one.name)):
        if keys and keys[0] in one.figures:
            cells = [
                interval(one.figures.get(key), _SHOWN[key][1])
                if key in _WITH_INTERVAL or key not in one.figures
                else number(one.figures[key].value, _SHOWN[key][1])
                for key in keys
            ]
            rows.append((one.name, *cells))
    return Table(title, ("router", *(_SHOWN[key][0] for key in keys)), tuple(rows), note)


def ahead(found: Measured) -> Table:
    """Ours less theirs, with the interval of the difference."""
    keys = list(found.ahead)
    names = [name for name in _ORDER if any(name in found.ahead[key] for key in keys)]
    rows = [
        (f"over {name}", *(interval(found.ahead[key].get(name), _SHOWN[key][1]) for key in keys))
        for name in names
    ]
    return Table(
        "Ahead of the others", ("passerelle", *(_SHOWN[key][0] for key in keys)), tuple(rows),
        "Differences on the same resampled prompts: an interval without 0 is no accident of the prompts.",
    )  # fmt: skip


def modes(found: Measured) -> Table:
    """What each mode of `smart` would do."""
    rows = [
        (
            one.mode,
            number(one.score.value, 4),
            interval(one.gain, 2),
            number(one.saving.value, 1) if one.saving is not None else "",
            _most(one.shares),
        )
        for one in found.modes
    ]
    return Table(
        "Modes", ("mode", "score", "points over best", "saving %", "mostly"), tuple(rows),
        "Quality takes the best predicted model, balanced and cost the cheapest within 1.5 and 5.5 points.",
    )  # fmt: skip


def _most(shares: dict[str, float]) -> str:
    ordered = sorted(shares.items(), key=lambda item: -item[1])[:2]
    return ", ".join(f"{model} {share:.0%}" for model, share in ordered if share >= 0.005)


def models(found: Measured) -> Table:
    """Each model by itself, and how well its score is predicted."""
    rows = [
        (
            one.model, number(one.score, 4), "" if one.cost is None else number(one.cost * 1000, 3),
            interval(one.ece, 3), interval(one.auc, 3), interval(one.brier, 3),
        )
        for one in sorted(found.models, key=lambda one: -one.score)
    ]  # fmt: skip
    return Table("Models", ("model", "score", "USD per 1,000", "ECE", "AUC", "Brier"), tuple(rows))


def learning(found: Sequence[Measured]) -> Table:
    """The headline figures by number of labels."""
    keys = [
        key for key in ("apgr", "cpt50", "cpt80", "aiq", "closed", "gain") if key in found[0].of(OURS).figures
    ]
    rows = [
        (f"{one.labels:,}", *(interval(one.of(OURS).figures[key], _SHOWN[key][1]) for key in keys))
        for one in found
    ]
    return Table("By number of labels", ("labels", *(_SHOWN[key][0] for key in keys)), tuple(rows))


def robustness(found: Robustness) -> Table:
    """Same choice under each change."""
    changes = list(dict.fromkeys(row.change for row in found.rows))
    by = {(row.policy, row.change): row.same for row in found.rows}
    rows = [
        (
            policy,
            *(number(by[policy, change].value, 1) for change in changes),
            number(found.overall(policy), 1),
        )
        for policy in found.policies
    ]
    return Table(
        f"Same choice of {found.prompts} prompts asked differently, %", ("chosen by", *changes, "all"),
        tuple(rows),
    )  # fmt: skip


def streamed(found: Streamed) -> Table:
    """Each policy at the beginning and in the end."""
    by = {policy.name: policy for policy in found.policies}
    rows = []
    for name in _ORDER:
        if name in by:
            one = by[name]
            against = found.ahead.get(name)
            rows.append(
                (
                    name, interval(one.first, 3), interval(one.last, 3), number(one.every.value, 3),
                    interval(against, 3) if against is not None else "",
                )
            )  # fmt: skip
    notes = []
    if found.drift is not None and found.drift_at is not None:
        notes.append(f"`{found.drift}` is worse from request {found.drift_at:,} on.")
        if found.recovery is not None:
            notes.append(
                f"Back within 5 % of its last level after {number(found.recovery.value, 0)} requests."
            )
    if found.repeats:
        notes.append(
            f"The data ran out: {found.repeats:,} requests had been asked before, which flatters memory."
        )
    return Table(
        f"Online, {found.requests:,} requests after {found.warm:,} labels",
        ("policy", f"first {found.first:,}", f"last {found.last:,}", "all", "passerelle ahead, last"),
        tuple(rows), " ".join(notes),
    )  # fmt: skip


def took(found: Decision) -> str:
    """What a decision takes, in a sentence."""
    memory = "" if found.memory_mb is None else f", {found.memory_mb:.0f} MB to load"
    return (
        f"{found.p50_ms:.2f} ms in the median, {found.p99_ms:.2f} ms at the 99th percentile of "
        f"{found.decisions:,}, from words to model ({found.cpu_p50_ms:.2f} and {found.cpu_p99_ms:.2f} ms of "
        f"processor time){memory}; {found.state_bytes / 1e6:.2f} MB of state"
    )
