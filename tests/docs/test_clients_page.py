"""docs/clients.md and the README: every Python snippet runs, against a gateway, as it stands."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, code_blocks, page, rows, section
from tests.serving import Gateway, clean_env

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
    of_readme, of_page = code_blocks(README, "python"), code_blocks(page("clients.md"), "python")
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


def test_snippets_in_other_languages_use_the_same_addresses() -> None:
    for language in ("javascript", "sh", "toml", "json"):
        for block in code_blocks(page("clients.md"), language):
            for url in re.findall(r"http://[^\"'\s]+", block):
                assert re.fullmatch(r"http://127\.0\.0\.1:8080(/v1)?", url), block
            if language == "json":
                json.loads(block)


def test_the_versions_that_tests_use_are_those_the_page_names() -> None:
    told = {row[0]: row[1] for row in rows(section(page("clients.md"), "## What was tried"))}
    locked = dict(re.findall(r"^([a-z-]+)==(\S+)", (ROOT / "locks/dev.txt").read_text(), re.MULTILINE))
    for name in ("openai", "anthropic", "google-genai"):
        assert told[f"{name} (Python)"] == locked[name]
    node = json.loads((ROOT / "tests/contract/node/package.json").read_text())["dependencies"]
    for name, version in node.items():
        assert told[f"{name} (Node)"] == version
