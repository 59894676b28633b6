"""docs/dialects.md is what the codecs do: its tables are made by asking them."""

import importlib.util
import json
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from tests.docs.pages import ROOT, column, page, section

from passerelle.catalog import build
from passerelle.config import Template, load_settings
from passerelle.core.usage import BUCKETS


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    """`scripts/dialect_tables.py`."""
    spec = importlib.util.spec_from_file_location("dialect_tables", ROOT / "scripts/dialect_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["dialect_tables"] = module
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_current(tables: ModuleType) -> None:
    text = page("dialects.md")
    assert tables.written(text) == text, "run `make docs`"


def test_every_bucket_of_usage_is_explained() -> None:
    assert column(section(page("dialects.md"), "## Usage")) == list(BUCKETS)


def _tried(name: str) -> str:
    """The block after the mark of that name."""
    return page("dialects.md").split(f"<!-- tried: {name} -->\n```toml\n")[1].split("```")[0]


def test_a_provider_is_added_by_the_lines_of_the_page(tmp_path: Path) -> None:
    file = tmp_path / "passerelle.toml"
    file.write_text(f"[local]\nenabled = false\n{_tried('configuration')}")
    built = build(load_settings(file, {"HOUSE_API_KEY": "k" * 40}))
    assert not built.findings
    (deployment,) = [d for d in built.catalog.deployments if d.provider == "house"]
    assert (deployment.model.id, deployment.upstream_model) == ("house-model", "org/house-model-v2")
    assert deployment.dialect == "openai_chat"


def test_a_built_in_provider_is_one_entry(tmp_path: Path) -> None:
    (template,) = msgspec.convert(tomllib.loads(_tried("entry")), dict[str, Template]).values()
    assert set(template.entry["quirks"]) <= template.sources.keys()
    file = tmp_path / "passerelle.toml"
    entry = "\n".join(f"{name} = {json.dumps(value)}" for name, value in template.entry.items())
    file.write_text(f'[local]\nenabled = false\n[providers.house]\ncredential = "env:K"\n{entry}\n')
    assert load_settings(file, {"K": "k" * 40}).providers["house"].base_url == template.entry["base_url"]


def test_the_smallest_dialect_stands_first_and_is_what_it_says(tables: ModuleType) -> None:
    (first, *_) = [line for line in tables.folders().splitlines() if "`codecs/" in line]
    folder = ROOT / "src/passerelle" / first.split("`")[1]
    counted = sum(len(file.read_text("utf-8").splitlines()) for file in folder.rglob("*.py"))
    assert first.endswith(f"| {counted:,} |")
