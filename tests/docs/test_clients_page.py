"""docs/clients/ and the README: the Python snippets of the SDKs run, against a gateway, as they stand; what
the pages say of agents is what `tests/agents` sees.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agents.agent_clients import CLIENTS
from tests.agents.agent_runs import RUNS, Run
from tests.docs.pages import ROOT, code_blocks, page, rows, section
from tests.serving import Gateway, clean_env

PAGES = ["clients/README.md", *sorted(f"clients/{p.name}" for p in (ROOT / "docs/clients").glob("[a-z]*.md"))]
ADDRESSES = {
    "http://127.0.0.1:8080",
    *[f"http://127.0.0.1:8080/v1{more}" for more in ("", "/responses", "/messages", "beta")],
    "https://opencode.ai/config.json",
}
AGENTS = (
    ("claude-code", "@anthropic-ai/claude-code", "Claude Code"),
    ("codex", "@openai/codex", "Codex CLI"),
    ("gemini-cli", "@google/gemini-cli", "Gemini CLI"),
    ("opencode", "opencode-linux-x64", "OpenCode"),
)
README = (ROOT / "README.md").read_text("utf-8")
CONFIG = """\
[providers.simulated]
script = { first_content_s = 0.0, tokens_per_s = 0.0 }
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that needs no key and no model."""
    with Gateway(tmp_path_factory.mktemp("snippets"), CONFIG) as running:
        yield running


def test_the_python_snippets_run_as_they_stand(gateway: Gateway, tmp_path: Path) -> None:
    """Of both pages in one process: importing the SDKs is most of it."""
    of_readme, of_page = code_blocks(README, "python"), code_blocks(page("clients/README.md"), "python")
    assert len(of_readme) >= 3
    assert len(of_page) >= 4
    program = "\n".join([*of_readme, *of_page])
    assert program.count("http://127.0.0.1:8080") == len(of_readme) + len(of_page)
    file = tmp_path / "snippets.py"
    file.write_text(program.replace("http://127.0.0.1:8080", gateway.base_url))
    done = subprocess.run(
        [sys.executable, str(file)],
        env=clean_env(PASSERELLE_API_KEY=gateway.key()["token"]),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == program.count("print(")
    assert done.stdout.count("[simulated by ") >= len(of_readme) + len(of_page)


@pytest.mark.parametrize("name", PAGES)
def test_snippets_in_other_languages_use_the_same_addresses(name: str) -> None:
    for language in ("javascript", "sh", "toml", "json", "yaml", "python"):
        for block in code_blocks(page(name), language):
            for url in re.findall(r"https?://[^\"'\s]+", block):
                assert url in ADDRESSES, block
            if language == "json":
                json.loads(block)
            elif language == "toml":
                tomllib.loads(block)
            elif language == "python":
                compile(block, name, "exec")


def test_every_page_of_a_tool_is_listed() -> None:
    listed = re.findall(r"\]\(([a-z-]+\.md)\)", section(page("clients/README.md"), "## Agents and tools"))
    assert sorted(f"clients/{name}" for name in listed) == PAGES[1:]


@pytest.mark.parametrize(("name", "package", "shown"), AGENTS)
def test_the_page_of_an_agent_names_the_version_that_was_seen(name: str, package: str, shown: str) -> None:
    described = json.loads((ROOT / "tests/agents/package.json").read_text())
    version = {**described["dependencies"], **described["optionalDependencies"]}[package]
    assert f"Seen with {version} on" in page(f"clients/{name}.md")
    told = {row[0]: row[1] for row in rows(section(page("clients/README.md"), "## What was tried"))}
    assert told[shown] == version


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.client}-{run.asked or run.dialect}")
def test_the_page_of_an_agent_names_what_is_dropped(run: Run) -> None:
    lost = section(
        page(f"clients/{run.client.partition(',')[0]}.md"), "## What is lost with another maker's model"
    )
    for name in run.dropped:
        assert f"`{name}`" in lost


@pytest.mark.parametrize("client", ["claude-code", "codex", "gemini-cli", "opencode"])
def test_the_settings_agents_are_tested_with_are_those_of_their_page(client: str, tmp_path: Path) -> None:
    started = CLIENTS[client](tmp_path, "key", "model")
    for name in started.env:
        quiet = name in (
            "DISABLE_AUTOUPDATER",
            "DISABLE_TELEMETRY",
        )  # the one variable of the page does it too
        assert quiet or name in page(f"clients/{client}.md")


def test_the_versions_that_tests_use_are_those_the_page_names() -> None:
    told = {row[0]: row[1] for row in rows(section(page("clients/README.md"), "## What was tried"))}
    locked = dict(re.findall(r"^([a-z-]+)==(\S+)", (ROOT / "locks/dev.txt").read_text(), re.MULTILINE))
    for name in ("openai", "anthropic", "google-genai"):
        assert told[f"{name} (Python)"] == locked[name]
    node = json.loads((ROOT / "tests/contract/node/package.json").read_text())["dependencies"]
    for name, version in node.items():
        assert told[f"{name} (Node)"] == version
