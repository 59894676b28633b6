"""docs/dialects.md is what the codecs do: its tables are made by asking them."""

import importlib.util
import sys
from types import ModuleType

import pytest
from tests.docs.pages import ROOT, column, page, section

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
