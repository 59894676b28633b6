"""The command as a user's shell runs it: a process, without a terminal."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.serving import clean_env


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, which must be one JSON document."""
        return json.loads(self.out)


def call(*args: str, data: Path | None = None, cwd: Path | None = None, **env: str) -> Said:
    """Run `passerelle ARGS` to its end. `data` is its data directory, `env` its further environment."""
    if data is not None:
        env = {"PASSERELLE_DATA_DIR": str(data), **env}
    done = subprocess.run(
        [sys.executable, "-m", "passerelle", *args],
        env=clean_env(**env),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Said(done.returncode, done.stdout, done.stderr)
