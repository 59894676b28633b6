"""A configuration supposed: what is laid over what, where each value stands, and nothing else changed."""

from pathlib import Path
from typing import Any

import pytest

from passerelle.config.document import Document, parse
from passerelle.config.findings import ConfigError
from passerelle.config.origin import Origin
from passerelle.config.suppose import Part, suppose

OWN = """
[policy]
default_data_class = "public"
[router]
smart_mode = "cost"
[[models]]
id = "one"
quality = 0.5
[[deployments]]
provider = "north"
model = "one"
weight = 0.5
[[commitments]]
provider = "north"
amount = 1
[aliases]
first = "one"
"""


def supposed(folder: Path, **texts: str) -> Any:
    files: dict[Part, Path] = {}
    for part, text in texts.items():
        path = folder / f"{part}.toml"
        path.write_text(text)
        files[part] = path  # type: ignore[index]
    return suppose(parse(OWN, "own.toml"), files)


def test_a_policy_stands_in_place_of_ours_and_says_where_it_stands(tmp_path: Path) -> None:
    made = supposed(tmp_path, policy='\n[policy.classes.internal]\nregions = ["eu"]\n').document
    assert made.data["policy"] == {"classes": {"internal": {"regions": ["eu"]}}}
    assert made.data["router"] == {"smart_mode": "cost"}  # it says nothing of it
    origin = Origin(made.name, made.lines, files=made.files)
    assert origin.place(("policy", "classes", "internal", "regions")) == (str(tmp_path / "policy.toml"), 3)
    assert origin.place(("router", "smart_mode")) == ("own.toml", 5)


def test_rows_are_laid_over_those_of_their_id_field_by_field_or_added(tmp_path: Path) -> None:
    text = (
        '[[models]]\nid = "two"\n[[models]]\nid = "one"\nquality = 0.9\n'
        '[[deployments]]\nprovider = "north"\nmodel = "one"\nregion = "eu"\n[aliases]\nfirst = "two"\n'
    )
    made = supposed(tmp_path, catalog=text).document
    assert made.data["models"] == [{"id": "one", "quality": 0.9}, {"id": "two"}]
    assert made.data["deployments"] == [{"provider": "north", "model": "one", "weight": 0.5, "region": "eu"}]
    assert made.data["aliases"] == {"first": "two"}
    origin = Origin(made.name, made.lines, files=made.files)
    file = str(tmp_path / "catalog.toml")
    assert origin.place(("models", 0, "quality")) == (file, 5)
    assert origin.place(("models", 1, "id")) == (file, 2)
    assert origin.place(("deployments", 0, "weight")) == ("own.toml", 12)


def test_prices_are_said_of_the_catalog_that_is_given_too(tmp_path: Path) -> None:
    price = '[[models]]\nid = "two"\nprice = { input = 1 }\n'
    made = supposed(tmp_path, catalog='[[models]]\nid = "two"\n', prices=price)
    assert made.document.data["models"][1] == {"id": "two", "price": {"input": 1}}
    assert made.priced == ((("models", 1), "models", "two"),)


def test_what_an_option_does_not_look_at_is_passed_over_and_said(tmp_path: Path) -> None:
    made = supposed(tmp_path, commitments=OWN)
    assert {finding.field for finding in made.passed_over} == {
        "policy", "router", "models", "deployments", "aliases",
    }  # fmt: skip
    assert all(finding.severity == "warning" for finding in made.passed_over)
    assert made.document.data == parse(OWN, "own.toml").data


def test_what_is_no_rule_at_all_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"policy\.toml:1: error: `polcy`.*Did you mean `policy`"):
        supposed(tmp_path, policy="[polcy]\n")
    with pytest.raises(ConfigError, match="name another with `--policy`"):
        suppose(Document("own.toml"), {"policy": tmp_path / "none.toml"})


@pytest.mark.parametrize("part", ["policy", "catalog", "commitments"])
def test_what_is_already_so_changes_nothing(tmp_path: Path, part: str) -> None:
    own = parse(OWN, "own.toml")
    made = supposed(tmp_path, **{part: OWN})
    assert made.document.data == own.data
    assert made.document.lines == own.lines
