"""What a command does not need, it does not import."""

import json
import subprocess
import sys

import pytest

_SCRIPT = """
import json, sys
from click.testing import CliRunner
from passerelle.cli.main import passerelle
done = CliRunner().invoke(passerelle, {args!r})
heavy = ["sqlalchemy", "pydantic", "fastapi", "uvicorn", "cryptography", "prometheus_client", "opentelemetry"]
print(json.dumps([done.exit_code, [name for name in heavy if name in sys.modules]]))
"""


@pytest.mark.parametrize(
    ("args", "code", "needed"),
    [
        (["--help"], 0, []),
        (["keys", "create", "--help"], 0, []),
        (["serve", "--help"], 0, []),
        (["quickstart", "--help"], 0, []),
        (["ask", "hello", "--url", "ftp://nowhere"], 1, []),
        (["receipts", "verify", __file__], 1, []),
        (["check", "--json"], 0, ["pydantic"]),
        (["models", "--json"], 0, ["pydantic"]),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else str(value),
)
def test_a_command_imports_only_what_it_needs(
    args: list[str], code: int, needed: list[str], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setenv("PASSERELLE_DATA_DIR", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(args=args)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == [code, needed]
