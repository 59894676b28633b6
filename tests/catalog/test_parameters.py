"""The table of accepted settings: sound, sourced, and about models that exist."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from passerelle.catalog import describe, load_catalog
from passerelle.catalog.builtin import builtin
from passerelle.catalog.parameters import accepted, accepts_of, in_words, rows
from passerelle.codecs.claude import rules_for
from passerelle.config import load_settings, templates
from passerelle.core.accepts import EFFORTS
from passerelle.core.request import Dialect

KNOWN = builtin().models


def test_every_row_has_a_source_and_speaks_of_something_known() -> None:
    for row in rows():
        assert len(row.source) > 15
        assert row.models or row.providers or row.dialects
        assert set(row.providers) <= templates().keys(), row.providers
        for pattern in row.models:
            if not pattern.startswith(
                ("o4", "claude-mythos", "claude-haiku-5", "kimi-")
            ):  # declared by operators
                assert any(fnmatchcase(name, pattern) for name in KNOWN), pattern


def test_efforts_are_in_order_and_ranges_are_not_empty() -> None:
    for row in rows():
        if row.efforts is not None:
            assert list(row.efforts) == sorted(row.efforts, key=EFFORTS.index)
        for limit in row.ranges:
            assert limit.least is not None or limit.most is not None
            assert limit.least is None or limit.most is None or limit.least < limit.most


@pytest.mark.parametrize("model", [name for name in KNOWN if name.startswith("claude-")])
def test_the_table_says_of_claude_what_its_codec_knows(model: str) -> None:
    rules, said = rules_for(model), accepted(model, "anthropic", "anthropic")
    assert ("temperature" in said.refuses) == (not rules.sampling)
    assert said.efforts == rules.efforts
    assert ("enabled" in (said.thinking or ())) == rules.budget
    assert ("adaptive" in (said.thinking or ())) == rules.adaptive
    assert ("tool_choice" in said.refuses) == (not rules.forced_tools)
    assert bool({"disabled", "between_tools"} & (said.thinking or set())) == (rules.off != "never")


@pytest.mark.parametrize(
    ("model", "provider", "dialect", "efforts"),
    [
        ("gpt-5", "openai", "openai_chat", ("minimal", "low", "medium", "high")),
        ("gpt-5.1", "openai", "openai_chat", ("none", "low", "medium", "high")),
        ("gpt-6-astra", "openai", "openai_chat", ("low", "medium", "high", "xhigh")),
        ("gpt-6-astra", "openai", "openai_responses", ("low", "medium", "high", "xhigh", "max")),
        ("gpt-4o", "openai", "openai_chat", ()),
        ("o3", "openai", "openai_chat", ("low", "medium", "high")),
        ("gemini-2.5-pro", "gemini", "gemini", ()),
        ("mistral-large-4", "mistral", "openai_chat", ("none", "high")),
        ("smollm2-135m-instruct", "local", "openai_chat", None),
    ],
)
def test_efforts_are_known_by_model_and_dialect(
    model: str, provider: str, dialect: Dialect, efforts: tuple[str, ...] | None
) -> None:
    assert accepted(model, provider, dialect).efforts == efforts


def test_operators_say_otherwise_for_a_model_and_for_a_deployment(tmp_path: Path) -> None:
    file = tmp_path / "passerelle.toml"
    file.write_text(
        """
[providers.openai]
credential = "env:K"
[[models]]
id = "o3"
[models.accepts]
takes = ["stop"]
efforts = ["high", "low"]
[[deployments]]
provider = "openai"
model = "o3"
[deployments.accepts]
refuses = ["seed"]
stops = 2
[deployments.accepts.ranges.temperature]
most = 1
"""
    )
    catalog = load_catalog(load_settings(file, {"K": "k", "PASSERELLE_DATA_DIR": str(tmp_path)}))
    said = accepts_of(catalog.by_id["openai/o3"], "openai_chat")
    assert said.efforts == ("low", "high")
    assert "stop" not in said.refuses
    assert {"seed", "temperature"} <= said.refuses
    assert said.stops == 2
    assert "passerelle.toml" in said.sources


def test_a_table_in_words_says_each_thing_once() -> None:
    lines = list(in_words(accepted("claude-sonnet-4-5", "anthropic", "anthropic")))
    assert ("temperature", "0–1") in lines
    assert ("seed", "no") in lines
    assert len(lines) == len(set(lines))


def test_the_models_command_shows_what_each_model_takes(tmp_path: Path) -> None:
    file = tmp_path / "passerelle.toml"
    file.write_text('[providers.openai]\ncredential = "env:K"\n')
    catalog = load_catalog(load_settings(file, {"K": "k", "PASSERELLE_DATA_DIR": str(tmp_path)}))
    shown = {row.id: row.accepts for row in describe(catalog, everything=True)}
    assert shown["o3"]["openai_chat"]["temperature"] == "no"
    assert "max" in shown["gpt-6-astra"]["openai_responses"]["effort"]
    assert "max" not in shown["gpt-6-astra"]["openai_chat"]["effort"]
    assert shown["claude-opus-5-5"]["anthropic"]["thinking"] == "adaptive"  # not configured here
