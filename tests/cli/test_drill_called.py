"""`passerelle drill`, called wrongly: exit code 1, since 2 says that a drill was not passed."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from passerelle.cli.main import passerelle

CONFIG = """
providers_from_environment = false
[local]
enabled = false
[providers.north]
kind = "openai_like"
dialect = "openai_chat"
base_url = "https://north.example.com/v1"
models = []
[[models]]
id = "bridge"
[[deployments]]
provider = "north"
model = "bridge"
"""


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--json",), "--without"),
        (("--without", "nobody"), "`north`"),
        (("--without", "north,"), "north,"),
        (("--without", "north", "--since", "soon"), "soon"),
        (("--without", "north", "--since", "0d"), "0d"),
        (("--without", "north", "--report", "drill.pdf"), ".html"),
        (("--without", "north", "--key", "key_1"), "--golden"),
        (("--without", "north", "--org", "nobody"), "nobody"),
        (("--without", "north", "--no-such"), "--no-such"),
        (("--without", "north", "elsewhere"), "elsewhere"),
        (("--without", "north", "--live"), "--scope"),
        (("--without", "north", "--live", "--scope", "everything", "--yes"), "--scope"),
        (("--without", "north", "--live", "--scope", "key:"), "--scope"),
        (("--without", "north", "--live", "--scope", "key:k"), "--yes"),
        (("--without", "north", "--live", "--scope", "key:k", "--yes", "--for", "5h"), "4h"),
        (("--without", "north", "--live", "--scope", "key:k", "--yes", "--report", "d.html"), "--report"),
    ],
    ids=str,
)
def test_a_wrong_call_is_1_and_says_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], said: str
) -> None:
    config = tmp_path / "passerelle.toml"
    config.write_text(CONFIG)
    monkeypatch.setenv("PASSERELLE_DATA_DIR", str(tmp_path / "data"))
    done = CliRunner().invoke(passerelle, ["drill", "--config", str(config), *args])
    assert done.exit_code == 1, done.output
    assert said in done.output


def test_nothing_asked_is_nothing_shown_and_nobody_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "passerelle.toml"
    config.write_text(CONFIG)
    monkeypatch.setenv("PASSERELLE_DATA_DIR", str(tmp_path / "data"))
    done = CliRunner().invoke(passerelle, ["drill", "--config", str(config), "--without", "north"])
    assert done.exit_code == 0, done.output
    assert "Nothing was judged" in done.output
