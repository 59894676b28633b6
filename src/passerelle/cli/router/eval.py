"""`passerelle router eval`."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import click

from passerelle.cli import look
from passerelle.cli.common import Failure, json_option, print_json


class Numbers(click.ParamType[tuple[int, ...]]):
    """`1500`, or several: `200,500,1500`."""

    name = "K[,K…]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Rising, each once."""
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.strip().isdecimal() and int(part) >= 1 for part in parts):
            self.fail(f"`{value}` is no number of labels; write `1500`, or `200,500,1500`.", param, ctx)
        return tuple(sorted({int(part) for part in parts}))


class Condition(click.ParamType[tuple[str, str]]):
    """`COLUMN=VALUE`."""

    name = "COLUMN=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The two sides."""
        if isinstance(value, tuple):
            return value
        column, equals, wanted = str(value).partition("=")
        if not equals or not column:
            self.fail(f"`{value}` is no condition; write `dataset=mmlu`.", param, ctx)
        return column, wanted


@click.command()
@click.argument("data", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--where", "conditions", multiple=True, type=Condition(), help="Only these rows; may be given again."
)
@click.option("--fit", type=Numbers(), help="Learn from so many rows and test on the rest; several: a curve.")
@click.option(
    "--folds",
    type=click.IntRange(2, 100),
    default=5,
    show_default=True,
    help="Without --fit: learn from all folds but one.",
)
@click.option("--seeds", type=click.IntRange(1, 100), default=5, show_default=True, help="Repetitions.")
@click.option("--holdout-task", is_flag=True, help="Leave whole tasks out: test on tasks never seen.")
@click.option(
    "--by", default="task", show_default=True, metavar="COLUMN", help="With --holdout-task: what a task is."
)
@click.option("--no-task", is_flag=True, help="Hide the task tag from the router.")
@click.option(
    "--pair",
    metavar="STRONG,WEAK",
    help="The two models of APGR and CPT. Default: the best and the cheapest.",
)
@click.option(
    "--prices",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON with USD for a million tokens, where the data have no costs.",
)
@click.option(
    "--output-tokens",
    type=click.FloatRange(1, 1e6),
    default=250,
    show_default=True,
    help="With --prices: the length of an answer.",
)
@click.option("--stream", "online", is_flag=True, help="Online: only the chosen model's outcome is seen.")
@click.option(
    "--warm",
    type=click.IntRange(0, 10_000_000),
    default=300,
    show_default=True,
    help="With --stream: rows learned from before the first request.",
)
@click.option(
    "--requests",
    type=click.IntRange(10, 10_000_000),
    default=5000,
    show_default=True,
    help="With --stream: how many are asked.",
)
@click.option(
    "--drift",
    metavar="MODEL:FACTOR[@N]",
    help="With --stream: from request N (default: half way) the scores of MODEL (or `best`) are multiplied.",
)
@click.option(
    "--explore",
    type=click.FloatRange(0, 0.5),
    default=0.0,
    show_default=True,
    help="With --stream: the part of requests that try a model within 5 points of the best.",
)
@click.option(
    "--resamples",
    type=click.IntRange(20, 100_000),
    default=1000,
    show_default=True,
    help="Bootstrap resamples behind each interval.",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write report.html, report.md, report.json and the plots into this directory.",
)
@json_option
def command(
    data: Path,
    conditions: tuple[tuple[str, str], ...],
    fit: tuple[int, ...] | None,
    folds: int,
    seeds: int,
    holdout_task: bool,
    by: str,
    no_task: bool,
    pair: str | None,
    prices: Path | None,
    output_tokens: float,
    online: bool,
    warm: int,
    requests: int,
    drift: str | None,
    explore: float,
    resamples: int,
    report: Path | None,
    as_json: bool,
) -> None:
    """How good the router is on your own outcomes, beside what anybody could do without it.

    DATA is Parquet or JSON lines with a row for each prompt: `prompt`, `score|MODEL` between 0 and 1 for two
    models or more, and if you have them `task` and `cost|MODEL` in USD. Nothing is called and nothing is
    kept: a router is fitted on one part of the rows and judged on the other.

    Exit codes: 0 it was measured; 1 the data cannot be used; 2 it was called wrongly.

    \b
    Example:
      passerelle router eval outcomes.jsonl --report report/
      passerelle router eval outcomes.parquet --fit 200,500,1500 --where dataset=mmlu
      passerelle router eval outcomes.parquet --holdout-task --prices prices.json
      passerelle router eval outcomes.parquet --stream --drift best:0.3
    """
    _refuse_together(online=online, holdout_task=holdout_task, fit=fit, drift=drift, by=by, explore=explore)
    if importlib.util.find_spec("numpy") is None:
        raise Failure("Evaluating needs numpy: `pip install 'passerelle[eval]'`.")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as a gateway's worker does
    from passerelle.cli.router.run import Asked, Refused, evaluate

    asked = Asked(
        data=data, conditions=conditions, fit=fit or (), folds=folds, seeds=seeds,
        by=by if holdout_task else "", tagged=not no_task, pair=pair, prices=prices,
        output_tokens=output_tokens, online=online, warm=warm, requests=requests, drift=drift,
        explore=explore, resamples=resamples,
    )  # fmt: skip
    try:
        evaluation = evaluate(asked)
    except Refused as error:
        raise Failure(str(error)) from error
    written: list[Path] = []
    if report is not None:
        from passerelle.cli.router.report import write

        try:
            written = write(report, evaluation)
        except OSError as error:
            raise Failure(f"`{report}` cannot be written: {error.strerror or error}.") from error
    if as_json:
        print_json(evaluation)
        return
    from passerelle.cli.router.tell import tell

    tell(evaluation)
    if written:
        look.labelled("Written", ", ".join(str(path) for path in written))


def _refuse_together(
    *,
    online: bool,
    holdout_task: bool,
    fit: tuple[int, ...] | None,
    drift: str | None,
    by: str,
    explore: float,
) -> None:
    if online and holdout_task:
        raise click.UsageError("--stream and --holdout-task are two evaluations; ask for one at a time.")
    if online and fit:
        raise click.UsageError("--stream learns from --warm rows; --fit belongs to the other evaluation.")
    if not online and (drift or explore):
        raise click.UsageError(f"{'--drift' if drift else '--explore'} belongs to --stream; give that too.")
    if by != "task" and not holdout_task:
        raise click.UsageError("--by belongs to --holdout-task; give that too.")
