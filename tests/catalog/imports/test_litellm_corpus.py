"""LiteLLM configurations of others (shared material, when it is there)."""

from pathlib import Path

import pytest
from tests.shared import shared_data

from passerelle.catalog import check, load_catalog
from passerelle.catalog.imports import import_litellm
from passerelle.config import load_settings
from passerelle.config.findings import errors_in

FOLDER = shared_data("import", "litellm-configs", "litellm")
FILES = sorted(FOLDER.glob("*.yaml")) if FOLDER is not None else []
EXPECTED = {
    "centralized-credentials": {"chat": 1, "summarize": 1},
    "credential-conflicts": {"overridden": 1, "missing": 1, "ambiguous": 1, "unsupported": 1},
    "database-settings": {"chat": 1},
    "environment-references": {"chat": 1},
    "incompatible-routing": {"chat": 2},
    "load-balancing-fallbacks": {"fast": 4, "backup": 2},
    "single-model-fallback": {"primary": 2, "backup": 1},
    "unmapped-fields": {"chat": 1},
    "unsupported-provider": {},
    "wildcard-model": {"gpt-6-sol": 1, "openai/gpt-5.5": 1},
}
"""Public names and how many deployments each must reach."""


@pytest.mark.skipif(not FILES, reason="the shared material is not here")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_configuration_of_others_is_carried_over_and_passes_our_check(file: Path, tmp_path: Path) -> None:
    result = import_litellm(file)
    path = tmp_path / "passerelle.toml"
    path.write_text(result.toml)
    variables = [line.removeprefix("#   ") for line in result.toml.splitlines() if line.startswith("#   ")]
    env = dict.fromkeys(variables, "set")
    assert errors_in(check(path, env)) == ()
    assert all(finding.line is not None and finding.next_step for finding in result.findings)
    catalog = load_catalog(load_settings(path, env))
    served = {name: len(catalog.resolve(name)) for name in EXPECTED.get(file.stem, {})}
    assert served == EXPECTED.get(file.stem, {})
