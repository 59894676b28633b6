"""`passerelle check`."""

import os
import sys
from pathlib import Path

import click
import msgspec

from passerelle.cli import look
from passerelle.cli.common import config_options, config_path, json_option, overrides, print_json


@click.command()
@config_options
@json_option
def command(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Name every mistake in the configuration: file, line, field, and the next step.

    Exit code 1 when there is a mistake, 0 when there are at most warnings.

    \b
    Example:
      passerelle check --config passerelle.toml
    """
    from passerelle import catalog

    path = config_path(config)
    findings = catalog.check(path, os.environ, overrides(data))
    mistakes = [finding for finding in findings if finding.severity == "error"]
    if as_json:
        print_json({"ok": not mistakes, "findings": [msgspec.structs.asdict(f) for f in findings]})
    else:
        for finding in findings:
            click.echo(str(finding))
        read = "the environment and the built-in defaults" if path is None else str(path)
        others = len(findings) - len(mistakes)
        click.echo(f"{look.counted(len(mistakes), 'mistake')}, {look.counted(others, 'warning')} in {read}")
    sys.exit(1 if mistakes else 0)
