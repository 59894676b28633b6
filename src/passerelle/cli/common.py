"""What commands share: the configuration options, opening the store, output for people and for scripts."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from passerelle.config import ConfigError, Settings, find_config, load_settings
from passerelle.core.clock import SystemClock
from passerelle.store import Store, StoreUnavailable, default_url, open_store

_F = TypeVar("_F", bound=Callable[..., Any])


def config_options(function: _F) -> _F:
    """`--config` and `--data`, as every command that reads the installation takes them."""
    function = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Data directory  [env: PASSERELLE_DATA_DIR]",
    )(function)
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Configuration file  [env: PASSERELLE_CONFIG; default: ./passerelle.toml if it exists]",
    )(function)


def json_option(function: _F) -> _F:
    """`--json`: one JSON document on standard output, for scripts."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(function)


def overrides(data: Path | None, **server: object) -> dict[str, object]:
    """Command-line options as settings; what was not given stays out."""
    said: dict[str, object] = {f"server.{k}": v for k, v in server.items() if v is not None}
    if data is not None:
        said["data_dir"] = str(data.absolute())
    return said


def config_path(config: Path | None) -> Path | None:
    """The configuration file: the option's, or the one found (`config.find_config`)."""
    return config.absolute() if config is not None else find_config(os.environ, Path.cwd())


def settings_for(config: Path | None, data: Path | None, **server: object) -> Settings:
    """The settings, or exit 1 with every mistake named."""
    try:
        return load_settings(config_path(config), os.environ, overrides(data, **server))
    except ConfigError as error:
        raise Failure("\n".join(str(finding) for finding in error.findings)) from error


class Failure(click.ClickException):
    """Ends the command with exit code 1 and a message on standard error."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print the message as it is."""
        click.echo(self.message, err=True)


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The installation's store, closed afterwards."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    url = settings.database_url or default_url(settings.data_dir)
    try:
        store = open_store(url, settings.data_dir, clock=SystemClock(), worker=f"cli-{os.getpid()}")
    except StoreUnavailable as error:
        raise Failure(f"The store cannot be opened: {error}") from error
    try:
        yield store
    finally:
        store.close()


def organisation_id(store: Store, org: str) -> str:
    """The id of the organisation named, or exit 1. `default` is the first one there is."""
    known = store.identity.organisations()
    for organisation in known:
        if org in (organisation.id, organisation.name):
            return organisation.id
    if org == "default":
        return known[0].id if known else "org_default"
    names = ", ".join(f"`{o.name}`" for o in known) or "none"
    raise Failure(f"There is no organisation `{org}`; known: {names}.")


def print_json(value: object) -> None:
    """One JSON document, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


def print_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns wide enough for their content; numbers to the right."""
    shown = [[("" if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [max(len(r[i]) for r in [list(headings), *shown]) for i in range(len(headings))]
    right = [
        bool(rows) and all(isinstance(row[i], int | float) or row[i] is None for row in rows)
        for i in range(len(headings))
    ]
    for line in [list(headings), *shown]:
        cells = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True)]
        click.echo("  ".join(cells).rstrip())


def without_secrets(env: Mapping[str, str]) -> dict[str, str]:
    """The environment a child needs that is not one of ours."""
    return {name: value for name, value in env.items() if not name.endswith(("_KEY", "_TOKEN", "_SECRET"))}
