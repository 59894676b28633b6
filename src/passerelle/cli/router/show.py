"""`passerelle router show`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from passerelle.cli import look
from passerelle.cli.common import (
    config_options,
    json_option,
    opened,
    org_option,
    organisation_id,
    print_json,
    settings_of,
)

if TYPE_CHECKING:
    from passerelle.core.outcome import Head, State
    from passerelle.gateway.learning.fold import Fold


class Line(msgspec.Struct, frozen=True):
    """One model on one task."""

    model: str
    task: str | None
    outcomes: int
    mean: float
    low: float
    high: float


class Shown(msgspec.Struct, frozen=True):
    """What `--json` gives."""

    org_id: str
    learner: str
    """The state's own name: receipts have it as `router_version`."""
    version: int
    """The kept version it goes on from; 0: none."""
    outcomes: int
    """Given so far."""
    learned: int
    """Of these, learned from since that began."""
    ready: bool
    """Whether it chooses already; False: the catalog does."""
    frozen_at: int | None
    calibration: float | None
    """Expected calibration error of what was predicted before each outcome."""
    models: list[Line]
    changed: dict[str, list[int]]
    """Outcomes at which a model was found to be no longer what it was."""
    versions: list[object]


@click.command()
@config_options
@org_option
@json_option
def command(config: Path | None, data: Path | None, org: str, as_json: bool) -> None:
    """What was learned: each model on each task with its interval, versions, calibration, changes noticed.

    Read from the store: the same as the workers know. Means count from when a model was last found changed;
    the interval holds the true mean nine times in ten.

    \b
    Example:
      passerelle router show --org acme
      passerelle router show --json
    """
    from passerelle.gateway.learning.kinds import best
    from passerelle.gateway.learning.learned import caught_up

    with opened(settings_of(config, data)) as store:
        org_id = organisation_id(store, org)
        head = store.router_states.head(org_id)
        versions = store.router_states.list(org_id)
        fold = caught_up(store, head, best())
    found = _shown(head, versions, fold)
    if as_json:
        print_json(found)
    else:
        _tell(found, versions)


def _shown(head: "Head", versions: "tuple[State, ...]", fold: "Fold") -> Shown:
    from passerelle.cli.router.rollback import shown

    lines = [
        Line(
            model,
            task or None,
            told.outcomes,
            round(told.mean, 4),
            round(max(told.mean - told.half, 0.0), 4),
            round(min(told.mean + told.half, 1.0), 4),
        )
        for model, tasks in sorted(fold.told.items())
        for task, told in sorted(tasks.items())
    ]
    error = fold.calibration
    return Shown(
        org_id=head.org_id,
        learner=fold.learner.version if fold.ready else "prior",
        version=head.version,
        outcomes=head.number,
        learned=fold.learned,
        ready=fold.ready,
        frozen_at=head.frozen_at,
        calibration=None if error is None else round(error, 4),
        models=lines,
        changed=fold.resets,
        versions=[shown(one) for one in versions],
    )


def _tell(found: Shown, versions: "tuple[State, ...]") -> None:
    chooses = "chooses by what it learned" if found.ready else "chooses by the catalog until more is known"
    look.say(look.strong(f"{look.counted(found.outcomes, 'outcome')}; {chooses}"))
    look.labelled("State", f"{found.learner}, from version {found.version}")
    if found.frozen_at is not None:
        look.labelled("Frozen", f"after outcome {found.frozen_at}; `passerelle router unfreeze` goes on")
    if found.calibration is not None:
        look.labelled(
            "Error", f"{found.calibration:.3f} between what was predicted and what came, on average"
        )
    look.say()
    look.table(
        ["model", "task", "outcomes", "mean", "interval", "changed"],
        [
            (
                line.model,
                line.task or "-",
                line.outcomes,
                f"{line.mean:.3f}",
                f"{line.low:.3f} to {line.high:.3f}",
                len(found.changed.get(line.model, ())) or "-",
            )
            for line in found.models
        ],
        right=["outcomes", "mean", "changed"],
        empty="Nothing is learned yet: `POST /api/feedback` tells how well an answer did.",
    )
    if versions:
        look.say()
        look.table(
            ["version", "after outcome", "how", "by", "state"],
            [
                (
                    one.version,
                    one.number,
                    one.origin.replace("_", " ") + ("" if one.restores is None else f" to {one.restores}"),
                    one.actor,
                    one.learner,
                )
                for one in versions
            ],
            right=["version", "after outcome"],
        )
