"""What commands share: the configuration options, opening the store, failing in words.

The configuration and the database are imported where they are used: `--help` and `receipts verify FILE`
need neither.
"""

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from passerelle.config import ConfigError, Settings
    from passerelle.store import Store

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


def org_option(function: _F) -> _F:
    """`--org`: whose records are meant."""
    return click.option("--org", default="default", show_default=True, help="Organisation, by name or id.")(
        function
    )


def overrides(data: Path | None, **server: object) -> dict[str, object]:
    """Command-line options as settings; what was not given stays out."""
    said: dict[str, object] = {f"server.{k}": v for k, v in server.items() if v is not None}
    if data is not None:
        said["data_dir"] = str(data.absolute())
    return said


def config_path(config: Path | None) -> Path | None:
    """The configuration file: the option's, or the one found (`config.find_config`)."""
    from passerelle.config import find_config

    return config.absolute() if config is not None else find_config(os.environ, Path.cwd())


def settings_for(config: Path | None, data: Path | None, **server: object) -> "Settings":
    """The settings, or exit 1 with every mistake named."""
    from passerelle.config import ConfigError, load_settings

    try:
        return load_settings(config_path(config), os.environ, overrides(data, **server))
    except ConfigError as error:
        raise refused(error) from error


STORE = frozenset({"data_dir", "store"})
"""The sections that lead to the store."""
CATALOG = STORE | {"local", "providers", "models", "deployments", "aliases", "providers_from_environment"}
"""The sections that say which models there are."""


def settings_of(config: Path | None, data: Path | None, sections: frozenset[str] = STORE) -> "Settings":
    """The settings of what a command uses, or exit 1 with every mistake in it. Mistakes elsewhere are
    warnings: who looks at the ledger needs no provider's credential.
    """
    from passerelle.config import ConfigError, load_part

    try:
        settings, passed_over = load_part(config_path(config), os.environ, overrides(data), sections)
    except ConfigError as error:
        raise refused(error) from error
    for finding in passed_over:
        click.echo(str(finding).replace(": error: ", ": warning: ", 1), err=True)
    return settings


class Failure(click.ClickException):
    """Ends the command with exit code 1 and a message on standard error."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print the message as it is."""
        click.echo(self.message, err=True)


def refused(error: "ConfigError") -> Failure:
    """A configuration with mistakes, all of them."""
    return Failure("\n".join(str(finding) for finding in error.findings))


def unwritable(folder: Path, error: OSError) -> Failure:
    """The data directory is not for this user."""
    return Failure(
        f"The data directory `{folder}` cannot be used: {error.strerror or error}. "
        "Choose another with --data, or correct its owner and permissions."
    )


def private_data_dir(settings: "Settings") -> None:
    """The data directory, made for this user alone when it is not there, or exit 1."""
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(settings.data_dir, error) from error


@contextmanager
def opened(settings: "Settings") -> Iterator["Store"]:
    """The installation's store, closed afterwards."""
    from passerelle.core.clock import SystemClock
    from passerelle.store import StoreUnavailable, default_url, open_store

    url = settings.database_url or default_url(settings.data_dir)
    private_data_dir(settings)
    try:
        store = open_store(url, settings.data_dir, clock=SystemClock(), worker=f"cli-{os.getpid()}")
    except StoreUnavailable as error:
        raise Failure(f"The store cannot be opened: {error}") from error
    except OSError as error:
        raise unwritable(settings.data_dir, error) from error
    try:
        yield store
    finally:
        store.close()


def organisation_id(store: "Store", org: str) -> str:
    """The id of the organisation named, or exit 1. `default` is the first one there is."""
    known = store.identity.organisations()
    for organisation in known:
        if org in (organisation.id, organisation.name):
            return organisation.id
    if org == "default":
        return known[0].id if known else "org_default"
    names = ", ".join(f"`{o.name}`" for o in known) or "none"
    raise Failure(f"There is no organisation `{org}`; known: {names}.")


def whoever() -> str:
    """Who is at the command line, as the audit has it."""
    try:
        return f"cli:{getpass.getuser()}"
    except OSError:  # a container whose user has no name
        return "cli:unknown"


def print_json(value: object) -> None:
    """One JSON document, indented."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())
