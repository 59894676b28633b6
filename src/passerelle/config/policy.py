"""`[policy]`: what may go where. Compiled by `policy.rules`; here only its written form.

The fields of `ClassRules` are those of `policy.rules.Demands`. There is no switch that lets an unknown
attribute pass: state the attribute on the provider or the deployment, with evidence, instead.
"""

from collections.abc import Mapping

from pydantic import Field

from passerelle.config.types import Count, Law, Region, Section, Text
from passerelle.core.model import DataClass, Hosting, TrainingUse


class ClassRules(Section):
    """`[policy.classes.CLASS]`: what a data class, and every more sensitive one, asks of a deployment."""

    regions: tuple[Region, ...] | None = None
    storage_regions: tuple[Region, ...] | None = None
    jurisdictions: tuple[Law, ...] | None = None
    hosting: tuple[Hosting, ...] | None = None
    max_retention_days: Count | None = None
    training_use: tuple[TrainingUse, ...] | None = None
    certifications: tuple[Text, ...] = ()


class PolicySettings(Section):
    """`[policy]`."""

    default_data_class: DataClass = "internal"
    classes: Mapping[DataClass, ClassRules] = Field(default_factory=dict)
