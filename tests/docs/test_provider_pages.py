"""docs/providers/ is what templates and catalog say, today."""

import importlib.util

from tests.docs.pages import DOCS, ROOT

from passerelle.config import templates


def test_the_pages_are_current_and_there_is_one_for_each_template() -> None:
    spec = importlib.util.spec_from_file_location("provider_pages", ROOT / "scripts/provider_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = {path.name: path.read_text("utf-8") for path in (DOCS / "providers").glob("*.md")}
    assert set(written) == {"README.md", *(f"{name}.md" for name in templates())}
    stale = [name for name, text in module.pages().items() if written[name] != text]
    assert not stale, "run `make docs`"
