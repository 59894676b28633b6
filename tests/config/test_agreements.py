"""Settings that another floor reads under the same names."""

from passerelle.config.policy import ClassRules
from passerelle.config.providers import AttributeSettings, ProviderKind, ScriptSettings
from passerelle.config.settings import default_weights
from passerelle.core.model import Attributes
from passerelle.policy.rules import Demands
from passerelle.providers import entry
from passerelle.providers.local.options import installed_path
from passerelle.providers.simulated.script import Script


def test_the_simulated_script_is_what_the_simulated_provider_reads() -> None:
    assert ScriptSettings().model_dump() == {n: getattr(Script(), n) for n in Script.__struct_fields__}


def test_class_rules_are_what_policies_are_compiled_from() -> None:
    assert ClassRules().model_dump() == {n: getattr(Demands(), n) for n in Demands.__struct_fields__}


def test_attributes_are_those_of_deployments() -> None:
    assert set(AttributeSettings.model_fields) == set(Attributes.__struct_fields__)


def test_provider_kinds_are_those_with_an_adapter() -> None:
    assert ProviderKind.__args__ == entry.ProviderKind.__args__  # type: ignore[attr-defined]


def test_weights_are_looked_for_where_they_are_installed(tmp_path: object) -> None:
    from pathlib import Path

    assert default_weights(Path("/data")) == installed_path(Path("/data"))
