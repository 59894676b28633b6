"""Settings: `passerelle.toml` and the environment, read once, checked whole, every mistake named.

`load_settings` gives them or raises `ConfigError`; `check` gives the mistakes. `docs/configuration.md`
documents every setting.
"""

from passerelle.config.entries import DeploymentSettings, ModelSettings, PriceSettings
from passerelle.config.environment import find_config
from passerelle.config.findings import ConfigError, Finding
from passerelle.config.load import check, inspect, load_part, load_settings
from passerelle.config.policy import ClassRules, PolicySettings
from passerelle.config.providers import ProviderSettings
from passerelle.config.secret import Secret, SecretError, SecretRef
from passerelle.config.sections import DeadlineSettings, LocalSettings, RouterSettings, ServerSettings
from passerelle.config.settings import Settings
from passerelle.config.templates import Template, templates

__all__ = [
    "ClassRules",
    "ConfigError",
    "DeadlineSettings",
    "DeploymentSettings",
    "Finding",
    "LocalSettings",
    "ModelSettings",
    "PolicySettings",
    "PriceSettings",
    "ProviderSettings",
    "RouterSettings",
    "Secret",
    "SecretError",
    "SecretRef",
    "ServerSettings",
    "Settings",
    "Template",
    "check",
    "find_config",
    "inspect",
    "load_part",
    "load_settings",
    "templates",
]
