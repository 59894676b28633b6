"""The rules of a replay: the installation's own, with what the files given say in their place."""

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from passerelle.cli.common import Failure, config_path, overrides, refused, settings_for

if TYPE_CHECKING:
    from passerelle.catalog import Catalog
    from passerelle.config import Finding, Settings
    from passerelle.config.suppose import Part, Supposition
    from passerelle.core.plan import SmartMode
    from passerelle.gateway.generation import Generation
    from passerelle.gateway.replay.rules import Rules
    from passerelle.policy.removal import Without


class Given(msgspec.Struct, frozen=True):
    """The files given."""

    policy: Path | None = None
    prices: Path | None = None
    catalog: Path | None = None
    commitments: Path | None = None

    def files(self) -> "dict[Part, Path]":
        """Those that were, by option."""
        said: dict[Part, Path | None] = {
            "policy": self.policy,
            "prices": self.prices,
            "catalog": self.catalog,
            "commitments": self.commitments,
        }
        return {part: path for part, path in said.items() if path is not None}


def generation_of_files(
    config: Path | None, data: Path | None, given: Given
) -> "tuple[Settings, Generation]":
    """The settings in force, and the generation that is supposed, or exit 1 with every mistake named."""
    from passerelle.app import generation_of
    from passerelle.config import ConfigError
    from passerelle.config.document import Document, read
    from passerelle.config.load import inspect_document
    from passerelle.config.suppose import suppose

    settings = settings_for(config, data)
    supposed = settings
    files = given.files()
    try:
        if files:
            path = config_path(config)
            own = Document("settings") if path is None else read(path)

            def read_as(document: Document) -> "Settings":
                said = inspect_document(document, os.environ, overrides(data), has_file=path is not None)
                if said.settings is None:
                    raise ConfigError(said.findings)
                return said.settings

            laid = suppose(own, files)
            for finding in laid.passed_over:
                click.echo(str(finding), err=True)
            supposed = read_as(laid.document)
            if laid.priced:
                unpriced: dict[Part, Path] = {part: file for part, file in files.items() if part != "prices"}
                _check_prices(read_as(suppose(own, unpriced).document), supposed, laid)
        return settings, generation_of(supposed, None, lambda _: 0)
    except ConfigError as error:
        raise refused(error) from error


def rules_of(
    settings: "Settings",
    generation: "Generation",
    given: Given,
    without: "Without | None",
    mode: "SmartMode | None",
    models: tuple[str, ...],
    revision: int,
) -> "Rules":
    """The rules, or exit 1 where an option names nothing that is there."""
    from passerelle.app import policy_of
    from passerelle.gateway.replay.rules import Rules
    from passerelle.policy.removal import suppliers, takes_out

    deployments = generation.catalog.deployments
    if without is not None and not any(takes_out(without, one) for one in deployments):
        known = ", ".join(f"`{name}`" for name in sorted(suppliers(deployments)))
        raise Failure(
            f"`{without.text}` takes out no deployment; what is there is reached by {known or 'nothing'}."
        )
    rules = Rules(
        generation=generation,
        rights_revision=revision,
        in_force=_catalog(settings),
        policy_in_force=policy_of(settings.policy).version,
        without=without,
        mode=mode,
        models=models,
        commitments=given.commitments is not None,
        files={part: sha256(path.read_bytes()).hexdigest() for part, path in given.files().items()},
    )
    unknown = rules.unknown_models()
    if unknown:
        raise Failure(
            f"`--models` names `{unknown[0]}`, which is no model here; list yours with `passerelle models`."
        )
    return rules


def _catalog(settings: "Settings") -> "Catalog":
    from passerelle import catalog

    return catalog.build(settings).catalog


def _check_prices(bare: "Settings", supposed: "Settings", laid: "Supposition") -> None:
    """A price of what would not be there without it is misspelt. Raises `ConfigError`."""
    from passerelle.config import ConfigError
    from passerelle.config.findings import did_you_mean

    known = _catalog(bare)
    findings: list[Finding] = []
    for path, section, name in laid.priced:
        there: Iterable[Any] = known.by_id if section == "deployments" else known.models
        if name not in there:
            what = "deployment" if section == "deployments" else "model"
            step = did_you_mean(name, there, "List yours with `passerelle models`")
            message = f"there is no {what} `{name}` whose price this could be"
            findings.append(supposed.origin.finding(path, message, step))
    if findings:
        raise ConfigError(findings)
