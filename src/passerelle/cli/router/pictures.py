"""The plots of an evaluation."""

from passerelle.cli.router.evaluation import Evaluation
from passerelle.cli.router.svg import Chart, Dot, Line
from passerelle.router.evaluate.result import OURS, ZERO, Measured, Streamed

_LINES = (OURS, "task mean", "length only", "without updates", ZERO, "random", "best single", "oracle")
"""In this order, each looking the same in every plot."""


def pictures(found: Evaluation) -> dict[str, Chart]:
    """Charts by file name, without the ending; those that there is something to draw of."""
    made: dict[str, Chart] = {}
    if len(found.measured) > 1:
        made["labels"] = labels(found.measured)
    if found.measured:
        last = found.measured[-1]
        if last.hulls:
            made["cost-quality"] = hulls(last)
        if last.curves:
            made["deferral"] = deferral(last)
        made["calibration"] = calibration(last)
    if found.stream is not None:
        made["stream"] = stream(found.stream)
    return made


def deferral(found: Measured) -> Chart:
    """What part of the gap each share of strong calls recovers."""
    names = [name for name in _LINES if name in found.curves]
    top = max(y for name in names for _, y in found.curves[name])
    return Chart(
        title="Deferral: quality recovered by calls to the strong model",
        x=f"share of calls to {found.strong}",
        y="part of the gap recovered",
        lines=tuple(Line(name, found.curves[name], look=_LINES.index(name)) for name in names),
        y_range=(min(0.0, min(y for name in names for _, y in found.curves[name])), max(1.05, top * 1.03)),
    )


def hulls(found: Measured) -> Chart:
    """Mean score by mean cost, and the models themselves."""
    dearest = max(one.cost or 0.0 for one in found.models) * 1000
    lines = []
    for name in (OURS, "task mean", "length only", ZERO, "oracle"):
        if name in found.hulls:
            points = [(cost * 1000, score) for cost, score in found.hulls[name]]
            lines.append(
                Line(name, [*points, (max(dearest, points[-1][0]), points[-1][1])], look=_LINES.index(name))
            )
    return Chart(
        title="Cost and quality: the hull of each router",
        x="USD per 1,000 requests",
        y="mean score",
        lines=tuple(lines),
        dots=tuple(
            Dot(one.model, one.cost * 1000, one.score) for one in found.models if one.cost is not None
        ),
    )


def calibration(found: Measured) -> Chart:
    """What was predicted, and what came of it."""
    most = max((one.count for one in found.reliability), default=1)
    return Chart(
        title="Calibration: predicted and measured score, all models",
        x="predicted score (a dot's area: how many predictions)",
        y="measured score",
        lines=(Line(OURS, [(one.predicted, one.seen) for one in found.reliability]),),
        dots=tuple(
            Dot("", one.predicted, one.seen, size=0.6 + 2.4 * (one.count / most) ** 0.5)
            for one in found.reliability
        ),
        diagonal=True,
        x_range=(0.0, 1.0),
        y_range=(0.0, 1.0),
    )


def labels(found: tuple[Measured, ...]) -> Chart:
    """The headline figure by number of labels."""
    key, name = ("aiq", "AIQ") if "aiq" in found[0].of(OURS).figures else ("apgr", "APGR")
    lines = []
    for who in (OURS, "task mean", "length only"):
        figures = [
            (float(one.labels), mine.figures[key])
            for one in found
            for mine in one.contestants
            if mine.name == who and mine.figures[key].value is not None
        ]
        ours = who == OURS
        lines.append(
            Line(
                who,
                [(x, figure.value or 0.0) for x, figure in figures],
                low=[figure.low or 0.0 for _, figure in figures] if ours else (),
                high=[figure.high or 0.0 for _, figure in figures] if ours else (),
                dotted=True,
                look=_LINES.index(who),
            )
        )
    return Chart(
        title=f"Learning: {name} by number of labels (band: 95 %)",
        x="labels (logarithmic)",
        y=name,
        lines=tuple(line for line in lines if line.points),
        logarithmic=True,
    )


def stream(found: Streamed) -> Chart:
    """The running mean of each policy."""
    by = {policy.name: policy for policy in found.policies}
    return Chart(
        title="Online: mean score of the 250 requests before",
        x="request",
        y="mean score",
        lines=tuple(
            Line(name, [(float(at), score) for at, score in by[name].rolling], look=_LINES.index(name))
            for name in _LINES
            if name in by
        ),
        mark_x=None if found.drift_at is None else float(found.drift_at),
        mark="" if found.drift is None else f"{found.drift} worsens",
    )
