"""`passerelle import`."""

import sys
from pathlib import Path

import click
import msgspec

from passerelle.catalog.imports import import_litellm
from passerelle.cli.common import Failure, json_option, print_json


@click.group()
def command() -> None:
    """Turn another gateway's configuration into ours, with a list of what needs attention.

    \b
    Example:
      passerelle import litellm config.yaml --output passerelle.toml
    """


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Write the TOML here.")
@json_option
def litellm(file: Path, output: Path | None, as_json: bool) -> None:
    """Read a LiteLLM config.yaml; print our TOML, and the findings on standard error.

    Secrets are never copied: a literal key becomes a finding that says where to put it.

    \b
    Example:
      passerelle import litellm config.yaml --output passerelle.toml
    """
    result = import_litellm(file)
    if output is not None:
        if output.exists():
            raise Failure(f"`{output}` exists; choose another name, or move it away first.")
        try:
            output.write_text(result.toml)
        except OSError as error:
            raise Failure(f"`{output}` cannot be written: {error.strerror}. Choose another place.") from error
    if as_json:
        print_json({"toml": result.toml, "findings": [msgspec.structs.asdict(f) for f in result.findings]})
    else:
        if output is None:
            click.echo(result.toml)
        for finding in result.findings:
            click.echo(str(finding), err=True)
    sys.exit(1 if any(finding.severity == "error" for finding in result.findings) else 0)
