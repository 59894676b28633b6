"""Models end on the day their maker says, on its own platforms, and whoever names them is told before."""

from datetime import date
from pathlib import Path

import pytest

from passerelle.catalog.builtin import builtin
from passerelle.catalog.describe import describe, lifecycle
from passerelle.catalog.load import ENDING, SOON_DAYS, build
from passerelle.config import load_settings
from passerelle.config.settings import Settings

_CONFIG = """
providers_from_environment = false
[local]
enabled = false
[providers.here]
kind = "simulated"
[[models]]
id = "old"
retires = "2026-12-31"
[[models]]
id = "new"
[[deployments]]
provider = "here"
model = "old"
[[deployments]]
provider = "here"
model = "new"
[aliases]
mine = ["new", "old"]
exact = ["here/old"]
"""


def _settings(folder: Path, text: str = _CONFIG, **env: str) -> Settings:
    path = folder / "passerelle.toml"
    path.write_text(text)
    return load_settings(path, env)


def test_every_built_in_day_has_a_source_and_is_a_day() -> None:
    ending = [model for model in builtin().models.values() if model.retires is not None]
    assert {"gemini-2.5-pro", "gemini-2.5-flash", "claude-sonnet-4-5"} <= {model.id for model in ending}
    for model in ending:
        assert model.retires_source
        assert date.fromisoformat(model.retires or "").isoformat() == model.retires


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (date(2026, 11, 1), "deprecated"),
        (date(2026, 11, 30), "deprecated"),
        (date(2026, 12, 1), "retired"),
        (date(2027, 1, 1), "retired"),
    ],
)
def test_what_a_model_is_follows_from_the_day_and_the_clock(on: date, expected: str) -> None:
    model = builtin().models["gemini-2.5-pro"]
    assert (lifecycle(model, on), lifecycle(builtin().models["gpt-6-sol"], on)) == (expected, "current")


@pytest.mark.parametrize(
    ("on", "said"),
    [
        (date(2026, 11, 1), "ends on 2026-12-31, in 60 days"),
        (date(2026, 12, 30), "ends on 2026-12-31, in 1 days"),
        (date(2027, 1, 1), "ended on 2026-12-31"),
    ],
)
def test_an_alias_to_a_model_that_ends_soon_is_warned_of(tmp_path: Path, on: date, said: str) -> None:
    assert SOON_DAYS == 60
    found = [f for f in build(_settings(tmp_path), on=on).findings if f.code == ENDING]
    assert [(f.field, f.severity) for f in found] == [
        ("aliases.mine[1]", "warning"),
        ("aliases.exact[0]", "warning"),
    ]
    assert all(said in f.message for f in found)
    assert all(f.line for f in found)


def test_nobody_is_warned_before_that(tmp_path: Path) -> None:
    built = build(_settings(tmp_path), on=date(2026, 10, 31))
    assert not [f for f in built.findings if f.code == ENDING]


def test_a_model_ends_at_its_makers_and_not_at_clouds_with_days_of_their_own(tmp_path: Path) -> None:
    text = """
    [local]
    enabled = false
    [providers.anthropic]
    credential = "env:K"
    [providers.bedrock]
    region = "eu-central-1"
    credential = "env:K"
    [aliases]
    there = ["bedrock/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"]
    anywhere = ["claude-sonnet-4-5"]
    """
    settings = _settings(tmp_path, text, K="k" * 40)
    before, after = (build(settings, on=on) for on in (date(2026, 11, 29), date(2026, 11, 30)))
    places = [
        {d.provider: d.retired for d in built.catalog.deployments if d.model.id == "claude-sonnet-4-5"}
        for built in (before, after)
    ]
    assert places == [{"anthropic": False, "bedrock": False}, {"anthropic": True, "bedrock": False}]
    assert [f.field for f in before.findings if f.code == ENDING] == ["aliases.anywhere[0]"]


def test_a_row_of_the_list_tells_the_day_and_who_says_so(tmp_path: Path) -> None:
    catalog = build(_settings(tmp_path), on=date(2026, 11, 1)).catalog
    rows = {row.id: row for row in describe(catalog, everything=True, on=date(2026, 11, 1))}
    row = rows["gemini-2.5-flash"]
    assert (row.lifecycle, row.retires) == ("deprecated", "2026-12-01")
    assert "ai.google.dev" in row.retires_source
    assert (rows["old"].lifecycle, rows["new"].lifecycle, rows["new"].retires) == (
        "deprecated",
        "current",
        None,
    )
