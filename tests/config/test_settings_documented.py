"""The documentation says every setting there is, as it is, and nothing else."""

import re
from pathlib import Path

import pytest

from passerelle.catalog import check
from passerelle.codecs.base import QUIRKS
from passerelle.config import templates
from passerelle.config.schema import environment_names, settings_table
from passerelle.config.sections import DeadlineSettings, ServerSettings
from passerelle.providers.base import Deadlines

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"
TEXT = DOCUMENT.read_text("utf-8")
SHARED = (
    (re.compile(r"^(models\[\]|deployments\[\])\.price\."), "price."),
    (re.compile(r"^(models\[\]|deployments\[\])\.accepts\."), "accepts."),
    (re.compile(r"^(providers\.NAME|deployments\[\])\.attributes\."), "attributes."),
)
"""Settings that several tables have are documented once."""


def documented_as(path: str) -> str:
    for pattern, short in SHARED:
        path = pattern.sub(short, path)
    return path


def rows() -> dict[str, list[str]]:
    """The rows of every table that lists settings."""
    found: dict[str, list[str]] = {}
    listing = False
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            listing = False
        elif cells[0] == "setting":
            listing = True
        elif listing and cells[0].startswith("`"):
            assert cells[0].strip("`") not in found, cells[0]
            found[cells[0].strip("`")] = cells[1:]
    return found


ROWS = rows()
SETTINGS = {documented_as(setting.path): setting for setting in settings_table()}


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    assert ROWS.keys() == SETTINGS.keys()


@pytest.mark.parametrize("path", sorted(SETTINGS))
def test_a_settings_type_default_variable_and_meaning_are_as_documented(path: str) -> None:
    setting, cells = SETTINGS[path], ROWS[path]
    assert cells[0].strip("`").replace("\\|", "|") == setting.type
    expected = "the user's data folder" if path == "data_dir" else setting.default
    assert cells[1].strip("`") == expected
    if setting.env is not None:
        assert cells[2] == f"`{setting.env}`"
    assert len(cells[-1]) > 8
    assert cells[-1].endswith(".")


def test_every_server_setting_has_an_environment_variable() -> None:
    named = {path for path, _ in environment_names().values()}
    assert {("server", name) for name in ServerSettings.model_fields} <= named
    assert ("data_dir",) in named


def test_every_template_and_quirk_is_documented() -> None:
    for name, template in templates().items():
        assert f"| `{name}` | {template.label} |" in TEXT
        assert all(f"`{variable}`" in TEXT for variable in template.env)
    assert all(f"| `{quirk}` |" in TEXT for quirk in QUIRKS)


def test_the_complete_example_has_no_mistake(tmp_path: Path) -> None:
    example = max(re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL), key=len)
    path = tmp_path / "passerelle.toml"
    path.write_text(example)
    variables = dict.fromkeys(re.findall(r"env:(\w+)", example), "set")
    env = {"HOME": "/home/u", **variables, "PASSERELLE_STORE": "postgresql://u@h/d", "OPENAI_API_KEY": "set"}
    assert check(path, env) == []


def test_deadlines_are_those_the_providers_take() -> None:
    assert set(DeadlineSettings.model_fields) == set(Deadlines.__struct_fields__)
    assert DeadlineSettings().model_dump() == {
        n: getattr(Deadlines(), n) for n in Deadlines.__struct_fields__
    }
