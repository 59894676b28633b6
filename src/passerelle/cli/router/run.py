"""One evaluation from a file to an `Evaluation`: reads, checks what belongs together, measures."""

import hashlib
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import numpy as np

from passerelle import __version__
from passerelle.cli.look import faint
from passerelle.cli.router import outcome_file
from passerelle.cli.router.evaluation import Data, Evaluation, Protocol
from passerelle.cli.router.learner import maker
from passerelle.router.evaluate import bootstrap, choosing, offline, splits, steady, stream
from passerelle.router.evaluate.contenders import Contender, Learned, LengthOnly, TaskMean
from passerelle.router.evaluate.outcomes import Outcomes, priced, sight_of
from passerelle.router.quality.base import Learner

_DRIFT = re.compile(r"(?P<model>.+):(?P<factor>\d+(\.\d+)?|\.\d+)(@(?P<at>\d+))?")
_TELL_EVERY_S = 5.0


class Refused(ValueError):
    """It cannot be measured; says why, and the next step."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command was called with."""

    data: Path
    conditions: tuple[tuple[str, str], ...]
    fit: tuple[int, ...]
    folds: int
    seeds: int
    by: str
    """The column whose groups are held out; "" for none."""
    tagged: bool
    pair: str | None
    prices: Path | None
    output_tokens: float
    online: bool
    warm: int
    requests: int
    drift: str | None
    explore: float
    resamples: int


def evaluate(asked: Asked) -> Evaluation:
    """Everything asked for; progress on standard error. `Refused` when the data do not allow it."""
    start_s = time.monotonic()
    try:
        data, costs = _read(asked)
        about = _about(asked, data, costs)
        protocol = Protocol(
            seeds=asked.seeds, folds=asked.folds, fit=asked.fit, held_out=asked.by or None,
            tagged=asked.tagged and data.tasks is not None, resamples=asked.resamples,
        )  # fmt: skip
        found = Evaluation(__version__, "", about, protocol)
        progress = Progress()
        try:
            found = (
                _online(asked, data, found, progress)
                if asked.online
                else _offline(asked, data, found, progress)
            )
        finally:
            progress.done()
    except (outcome_file.BadData, splits.TooFew, choosing.NoContest) as error:
        said = str(error)
        raise Refused(said if said.endswith(".") else f"{said}.") from error
    return msgspec.structs.replace(found, seconds=time.monotonic() - start_s)


def _read(asked: Asked) -> tuple[Outcomes, str]:
    columns = outcome_file.where(outcome_file.read(asked.data), asked.conditions)
    data = outcome_file.outcomes(columns)
    costs = "none" if data.costs is None else "measured"
    if asked.prices is not None:
        data = priced(data, outcome_file.prices(asked.prices, data.models), asked.output_tokens)
        costs = "from prices"
    if asked.by and asked.by != "task" and asked.by not in data.columns:
        there = ", ".join(f"`{name}`" for name in ("task", *data.columns) if name != "task" or data.tasks)
        raise outcome_file.BadData(f"`--by`: there is no column `{asked.by}`; there is {there or 'none'}.")
    if asked.by == "task" and data.tasks is None:
        raise outcome_file.BadData(
            "`--holdout-task` needs a column `task`; there is none. Name another one with `--by`."
        )
    return data, costs


def _about(asked: Asked, data: Outcomes, costs: str) -> Data:
    return Data(
        file=asked.data.name,
        sha256=hashlib.sha256(asked.data.read_bytes()).hexdigest(),
        rows=len(data.prompts),
        testable=int(data.whole().sum()),
        prompts=int(data.same().max()) + 1,
        models=data.models,
        tasks=None if data.tasks is None else len(set(data.tasks)),
        where=tuple(f"{column}={value}" for column, value in asked.conditions),
        costs=costs,
    )


def _offline(asked: Asked, data: Outcomes, found: Evaluation, progress: "Progress") -> Evaluation:
    parts = choosing.field(data, _pair(asked.pair, data))
    planned = [
        [splits.across(data, seed, asked.folds, fit=labels, by=asked.by) for seed in range(asked.seeds)]
        for labels in (asked.fit or (None,))
    ]
    make, memory = _maker_measured()
    progress("reading the prompts")
    learned = Learned(make, data, tagged=asked.tagged)
    contenders: list[Contender] = [learned, LengthOnly()]
    if data.tasks is not None:
        contenders.append(TaskMean())
    weights = bootstrap.weights(data.same(), asked.resamples)
    measured = tuple(
        offline.measure(data, trials, contenders, weights, parts, progress.under(labels, asked.fit))
        for trials, labels in zip(planned, asked.fit or (None,), strict=True)
    )
    fold, learner = learned.largest
    progress("asking the same differently")
    robustness = steady.robustness(data, fold, learner, parts, tagged=asked.tagged, resamples=asked.resamples)
    progress("timing decisions")
    decision = steady.decision(
        data, fold, learner, time.perf_counter_ns, time.thread_time_ns, tagged=asked.tagged, memory_mb=memory
    )
    return msgspec.structs.replace(
        found, learner=learner.version, measured=measured, robustness=robustness, decision=decision
    )


def _online(asked: Asked, data: Outcomes, found: Evaluation, progress: "Progress") -> Evaluation:
    if asked.warm >= found.data.testable:
        raise Refused(
            f"`--warm {asked.warm}` leaves nothing to ask of {found.data.testable} rows; give fewer, such as "
            f"{found.data.testable // 4}."
        )
    make = maker()
    streamed = stream.stream(
        data, make, range(asked.seeds), tagged=asked.tagged, warm=asked.warm, requests=asked.requests,
        drift=None if asked.drift is None else _drift(asked.drift, data, asked.requests),
        explore=asked.explore, resamples=asked.resamples, progress=progress,
    )  # fmt: skip
    return msgspec.structs.replace(found, learner=make().version, stream=streamed)


def _pair(said: str | None, data: Outcomes) -> tuple[str, str] | None:
    if said is None:
        return None
    named = tuple(name.strip() for name in said.split(","))
    known = ", ".join(f"`{model}`" for model in data.models)
    if len(named) != 2 or named[0] == named[1]:
        raise Refused(f"`--pair {said}` names no two models; write `STRONG,WEAK` with two of {known}.")
    for name in named:
        if name not in data.models:
            raise Refused(f"`--pair`: there is no `{name}`; there are {known}.")
    return named[0], named[1]


def _drift(said: str, data: Outcomes, requests: int) -> stream.Drift:
    parts = _DRIFT.fullmatch(said)
    if parts is None or not 0 <= float(parts["factor"]) <= 1:
        raise Refused(
            f"`--drift {said}` is no drift; write `best:0.3` or `MODEL:0.3@2500`, with a factor up to 1."
        )
    name, at = parts["model"], int(parts["at"] or requests // 2)
    if name != "best" and name not in data.models:
        known = ", ".join(f"`{model}`" for model in data.models)
        raise Refused(f"`--drift`: there is no `{name}`; there are `best`, {known}.")
    if at >= requests:
        raise Refused(
            f"`--drift {said}` begins after the last of {requests} requests; give more `--requests`."
        )
    if name == "best":
        return stream.Drift(
            int(np.argmax(data.scores[data.whole()].mean(axis=0))), float(parts["factor"]), at
        )
    return stream.Drift(data.models.index(name), float(parts["factor"]), at)


def _maker_measured() -> tuple[Callable[[], Learner], float | None]:
    """Makes learners, and how many MB larger the process is for what they load once."""
    before = _resident_mb()
    make = maker()
    make().estimate(sight_of("What is the capital of France?"), ("one", "another"))
    after = _resident_mb()
    return make, None if before is None or after is None else max(0.0, after - before)


def _resident_mb() -> float | None:
    """This process's memory where the system tells it (Linux: proc(5), `/proc/self/statm`)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Progress:
    """What is being done, on standard error: one line in a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._drawn = sys.stderr.isatty()
        self._told_s = time.monotonic()
        self._on_screen = False
        self._prefix = ""

    def __call__(self, what: str) -> None:
        """It has come to this."""
        now_s = time.monotonic()
        if self._drawn:
            click.echo(f"\r\x1b[K{faint(f'  {self._prefix}{what} …')}", nl=False, err=True, color=True)
            self._on_screen = True
        elif now_s - self._told_s >= _TELL_EVERY_S:
            click.echo(f"{self._prefix}{what} …", err=True)
            self._told_s = now_s

    def under(self, labels: int | None, several: tuple[int, ...]) -> "Progress":
        """The same, naming the number of labels where there are several."""
        self._prefix = f"{labels} labels: " if len(several) > 1 else ""
        return self

    def done(self) -> None:
        """Leave the line as it was before."""
        if self._on_screen:
            click.echo("\r\x1b[K", nl=False, err=True, color=True)
            self._on_screen = False
