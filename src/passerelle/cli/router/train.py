"""`passerelle router train`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from passerelle.cli import look
from passerelle.cli.common import (
    CATALOG,
    Failure,
    config_options,
    json_option,
    opened,
    org_option,
    organisation_id,
    print_json,
    refused,
    settings_of,
    whoever,
)
from passerelle.cli.router.rollback import shown

if TYPE_CHECKING:
    from passerelle.catalog import Catalog
    from passerelle.config import Settings
    from passerelle.core.outcome import Head
    from passerelle.gateway.learning.fold import Fold
    from passerelle.store import Store


@click.command()
@click.argument(
    "data_file", metavar="[DATA]", required=False, type=click.Path(dir_okay=False, path_type=Path)
)
@click.option("--from-outcomes", is_flag=True, help="Learn anew from the feedback that was given here.")
@click.option(
    "--model",
    "renamed",
    multiple=True,
    metavar="COLUMN=MODEL",
    help="What a model of DATA is called in the catalog; may be given again.",
)
@config_options
@org_option
@json_option
def command(
    config: Path | None,
    data: Path | None,
    data_file: Path | None,
    from_outcomes: bool,
    renamed: tuple[str, ...],
    org: str,
    as_json: bool,
) -> None:
    """Learn from DATA (Parquet or JSON lines), or anew from feedback: a new version, in force at once.

    DATA has a column `prompt`, one `score|MODEL` of each model, in [0, 1], and may have `task`. Outcomes that
    are given from now on are learned on top of it. With --from-outcomes, the last few thousand are learned
    again, all together.

    \b
    Example:
      passerelle router train outcomes.jsonl --org acme --model gpt-4=gpt-4.1
      passerelle router train --from-outcomes --org acme
    """
    if (data_file is None) is not from_outcomes:
        raise click.UsageError("Give DATA, or --from-outcomes.")
    names = _renamed(renamed)
    settings = settings_of(config, data, CATALOG)
    with opened(settings) as store:
        org_id = organisation_id(store, org)
        head = store.router_states.head(org_id)
        if data_file is None:
            fold = _again(store, head)
        else:
            fold = _from_file(data_file, names, _catalog(settings))
        from passerelle.gateway.learning.learned import pressed

        made = store.router_states.train(
            org_id, number=head.number, learner=fold.learner.version, body=pressed(fold), actor=whoever()
        )
    if as_json:
        print_json({**shown(made), "models": list(fold.learner.models)})
    else:
        models = ", ".join(fold.learner.models)
        look.say(f"Version {made.version} is in force ({made.learner}); it knows {models}.")


def _renamed(said: Sequence[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for one in said:
        column, equals, model = one.partition("=")
        if not (column and equals and model):
            raise click.UsageError(f"`{one}` renames nothing; write `--model COLUMN=MODEL`.")
        names[column] = model
    return names


def _catalog(settings: "Settings") -> "Catalog":
    from passerelle.catalog import load_catalog
    from passerelle.config import ConfigError

    try:
        return load_catalog(settings)
    except ConfigError as error:
        raise refused(error) from error


def _again(store: "Store", head: "Head") -> "Fold":
    from passerelle.gateway.learning.fold import FIRST_FIT, WINDOW, again
    from passerelle.gateway.learning.kinds import best

    rows = store.feedback.before(head.org_id, head.number, most=WINDOW)
    fold = again(rows, best())
    if not fold.ready:
        raise Failure(
            f"There are {fold.learned} outcomes to learn from, and {FIRST_FIT} are needed; give more "
            "feedback or train from a file."
        )
    return fold


def _from_file(path: Path, names: dict[str, str], catalog: "Catalog") -> "Fold":
    from passerelle.cli.router import outcome_file
    from passerelle.gateway.learning.kinds import best

    kind = best()
    if kind.pack is None:
        raise Failure("Learning from a file needs numpy: `pip install 'passerelle[router]'`.")
    try:
        found = outcome_file.outcomes(outcome_file.read(path))
    except outcome_file.BadData as error:
        raise Failure(str(error)) from error
    models = [names.get(model, model) for model in found.models]
    known = {d.model.id: d.model.quality for d in catalog.deployments}
    strange = [model for model in models if model not in known]
    if len(strange) == len(models):
        raise Failure(
            f"None of the models is served here: {', '.join(f'`{m}`' for m in models[:8])}. Say what they "
            "are called with `--model COLUMN=MODEL`; `passerelle models` lists the names."
        )
    if strange:
        click.echo(f"Not served here, and of use to none but later: {', '.join(strange)}.", err=True)
    if len(set(models)) < len(models):
        raise Failure("Two columns are the same model; leave one out.")
    from passerelle.gateway.learning.fold import from_table

    priors = {model: quality for model in models if (quality := known.get(model)) is not None}
    return from_table(found.sights(tagged=True), models, found.scores, priors, kind)
