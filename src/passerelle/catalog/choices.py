"""What `[router]` chooses among and falls back on, and what is committed: is there any of it?"""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from passerelle.catalog.lookup import Catalog
from passerelle.config.findings import Finding
from passerelle.config.settings import Settings
from passerelle.core.model import Deployment


def choice_findings(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    """Names that mean nothing here."""
    origin, router = settings.origin, settings.router
    said: list[tuple[tuple[str, ...], str | None, tuple[str, ...]]] = [
        (("router",), router.default_model, ())
    ]
    said += [(("router", "aliases", n), a.default_model, a.models) for n, a in router.aliases.items()]
    for name, tenant in router.organisations.items():
        here = ("router", "organisations", name)
        said.append((here, tenant.default_model, ()))
        said += [((*here, "aliases", n), a.default_model, a.models) for n, a in tenant.aliases.items()]
    for path, default, models in said:
        if default is not None and not catalog.resolve(default):
            yield origin.finding(
                (*path, "default_model"),
                f"nothing that is configured serves `{default}`, so it is no default",
                "Name a model or deployment that `passerelle models` lists",
                severity="warning",
                code="nothing_served",
            )
        for word in models:
            if not (catalog.resolve(word) or any(_fits(d, word) for d in catalog.deployments)):
                yield origin.finding(
                    (*path, "models"),
                    f"`{word}` fits nothing that is configured",
                    "Name models or patterns that `passerelle models` lists",
                    severity="warning",
                    code="nothing_served",
                )
    for index, one in enumerate(settings.commitments):
        places = [d.id for d in catalog.deployments if d.provider == one.provider]
        if not places or one.deployment not in (None, *places):
            yield origin.finding(
                ("commitments", index, "deployment" if places else "provider"),
                f"there is no `{one.deployment if places else one.provider}` here to commit to",
                "Name a configured provider, and one of its deployments or none",
                code="unknown_name",
            )


def _fits(deployment: Deployment, pattern: str) -> bool:
    """As `policy.eligible.matches` will have it."""
    names = (deployment.model.id, deployment.id, f"{deployment.provider}/{deployment.model.id}")
    return any(fnmatchcase(name, pattern) for name in names)
