"""The catalog: what exists, where, and what each name means. Immutable; its version is its content's hash."""

import hashlib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

import msgspec

from passerelle.catalog.regional import regional_names, split
from passerelle.core.model import Deployment, Model

MAX_NAME = 200
"""No name of ours is longer; longer ones are not searched for."""


class Catalog(msgspec.Struct, frozen=True, eq=False):
    """Models and deployments. Made by `load_catalog`, or by `Catalog.of` from parts."""

    version: str
    """A content hash: equal catalogs have equal versions on every machine."""
    models: Mapping[str, Model]
    """Every known model by id, also those nobody serves here."""
    deployments: tuple[Deployment, ...]
    """In the order of the providers in the settings."""
    by_id: Mapping[str, Deployment]
    aliases: Mapping[str, tuple[str, ...]]
    """The operator's own names, as written."""
    names: Mapping[str, tuple[Deployment, ...]]
    """Everything `resolve` answers to."""
    tiered: Mapping[str, tuple[tuple[Deployment, ...], ...]]
    """Aliases of several targets: the deployments of each target, in order."""
    folded: Mapping[str, str]
    """Names without their case → names."""
    model_names: Mapping[str, str]
    """Ids and aliases of known models, without their case → model id."""
    offered_by: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """Model id → provider templates that would serve it if they were configured."""

    @classmethod
    def of(
        cls,
        models: Iterable[Model],
        deployments: Iterable[Deployment],
        aliases: Mapping[str, tuple[str, ...]] | None = None,
        *,
        offered_by: Mapping[str, tuple[str, ...]] | None = None,
    ) -> "Catalog":
        """A catalog of these parts. Earlier deployments win where ids are equal."""
        by_model = {model.id: model for model in models}
        by_id: dict[str, Deployment] = {}
        for deployment in deployments:
            by_id.setdefault(deployment.id, deployment)
        said = dict(aliases or {})
        listed = tuple(by_id.values())
        plain = _plain_names(by_model, listed)
        tiered = {alias: tiers for alias in said if (tiers := _tiers(alias, said, plain))}
        names = {**plain, **{alias: _flat(tiers) for alias, tiers in tiered.items()}}
        folded: dict[str, str] = {}
        for name in names:
            folded.setdefault(name.casefold(), name)
        return cls(
            version=_version(by_model, listed, said),
            models=MappingProxyType(by_model),
            deployments=listed,
            by_id=MappingProxyType(by_id),
            aliases=MappingProxyType(said),
            names=MappingProxyType(names),
            tiered=MappingProxyType(tiered),
            folded=MappingProxyType(folded),
            model_names=MappingProxyType(_model_names(by_model)),
            offered_by=MappingProxyType(dict(offered_by or {})),
        )

    def resolve(self, name: str) -> tuple[Deployment, ...]:
        """The deployments a name means, in order; empty when unknown. Understands, the first that fits:
        the operator's aliases, deployment ids, model ids and their aliases (cloud ids included), regional
        ids (`eu.anthropic.…`: only deployments that stay there), `provider/model`, and providers' own names
        for models. Case matters only between equals.
        """
        found = self.names.get(name)
        if found is None:
            known = self.folded.get(name.casefold())
            return () if known is None else self.names[known]
        return found

    def tiers(self, name: str) -> tuple[tuple[Deployment, ...], ...]:
        """As `resolve`, in the order of trying: an alias's targets one after the other, the deployments
        of one target together. Any other name has one tier; an unknown one has none.
        """
        tiers = self.tiered.get(name) or self.tiered.get(self.folded.get(name.casefold(), ""))
        if tiers is not None:
            return tiers
        found = self.resolve(name)
        return (found,) if found else ()

    def model(self, name: str) -> Model | None:
        """The known model a name means, whether anybody serves it here or not."""
        known = self.model_names.get(name.casefold())
        return None if known is None else self.models[known]

    def suggest(self, name: str) -> tuple[str, ...]:
        """Up to three names near `name` that would have been answered, best first."""
        folded = name[:MAX_NAME].casefold()
        plain = [known for known in self.folded if "/" not in known]
        near = get_close_matches(folded, self.folded if "/" in folded else plain, n=6, cutoff=0.6)
        near += get_close_matches(folded.rpartition("/")[2], plain, n=3, cutoff=0.7)
        found: dict[tuple[str, ...], str] = {}
        for match in near:  # names of the same thing once
            known = self.folded[match]
            found.setdefault(tuple(d.id for d in self.names[known]), known)
        return tuple(found.values())[:3]

    def why_unknown(self, name: str) -> str:
        """In words for the caller's 404, after the model's name: what is missing, and the next step."""
        placed = split(name[:MAX_NAME])
        asked = None if placed is None else self.model(placed[1])
        if placed is not None and asked is not None:
            return (
                f"it asks for `{asked.id}` in `{placed[0]}`, and no deployment here is known to stay there; "
                f"name `{asked.id}` to be served elsewhere, or let the operator state the `regions` of one."
            )
        model = self.model(name)
        if model is not None:
            templates = self.offered_by.get(model.id, ())
            if templates:
                listed = " or ".join(f"`[providers.{template}]`" for template in templates)
                return f"no configured provider serves `{model.id}`; the operator can add {listed}."
            return f"no configured provider serves `{model.id}`; the operator can add one that does."
        near = " or ".join(f"`{suggestion}`" for suggestion in self.suggest(name))
        if near:
            return f"it does not exist here; did you mean {near}?"
        return "it does not exist here; list the models with `GET /v1/models`."


def _plain_names(
    models: Mapping[str, Model], deployments: tuple[Deployment, ...]
) -> dict[str, tuple[Deployment, ...]]:
    """Every name that is not an alias of the operator's. The first kind of name to claim one keeps it."""
    plain: dict[str, tuple[Deployment, ...]] = {d.id: (d,) for d in deployments}
    of_model: dict[str, list[Deployment]] = {}
    of_pair: dict[tuple[str, str], list[Deployment]] = {}
    of_upstream: dict[str, list[Deployment]] = {}
    for deployment in deployments:
        of_model.setdefault(deployment.model.id, []).append(deployment)
        of_pair.setdefault((deployment.provider, deployment.model.id), []).append(deployment)
        of_upstream.setdefault(deployment.upstream_model, []).append(deployment)
    for model, served in of_model.items():
        plain.setdefault(model, tuple(served))
    for model, served in of_model.items():
        for name in _aliases(models, model):
            plain.setdefault(name, tuple(served))
    for name, staying in regional_names(models.values(), deployments):
        plain.setdefault(name, staying)
    for (provider, model), served in of_pair.items():
        for name in (model, *_aliases(models, model)):
            plain.setdefault(f"{provider}/{name}", tuple(served))
    for upstream, served in of_upstream.items():
        if split(upstream) is None:  # a name that asks for a place reaches those that stay there, or nobody
            plain.setdefault(upstream, tuple(served))
    return plain


def _aliases(models: Mapping[str, Model], model: str) -> tuple[str, ...]:
    return models[model].aliases if model in models else ()


def _tiers(
    alias: str,
    aliases: Mapping[str, tuple[str, ...]],
    plain: Mapping[str, tuple[Deployment, ...]],
) -> tuple[tuple[Deployment, ...], ...]:
    """An alias's deployments, target by target, each once. A target that is an alias stands for its own
    targets; one that names the alias itself, or leads back, means the model or deployment of that name.
    """
    seen: set[str] = set()
    tiers: list[tuple[Deployment, ...]] = []
    open_aliases: list[str] = [alias]
    stack: list[tuple[str, int]] = [(target, 1) for target in reversed(aliases[alias])]
    entered: set[str] = {alias}
    while stack:
        target, depth = stack.pop()
        del open_aliases[depth:]
        if target in aliases and target not in open_aliases:
            if target not in entered:  # its targets stand in the list already
                entered.add(target)
                open_aliases.append(target)
                stack += [(inner, depth + 1) for inner in reversed(aliases[target])]
            continue
        fresh = tuple(d for d in plain.get(target, ()) if d.id not in seen)
        seen.update(d.id for d in fresh)
        if fresh:
            tiers.append(fresh)
    return tuple(tiers)


def _flat(tiers: tuple[tuple[Deployment, ...], ...]) -> tuple[Deployment, ...]:
    return tuple(deployment for tier in tiers for deployment in tier)


def _model_names(models: Mapping[str, Model]) -> dict[str, str]:
    names = {identity.casefold(): identity for identity in models}
    for model in models.values():
        for alias in model.aliases:
            names.setdefault(alias.casefold(), model.id)
    return names


def _version(
    models: Mapping[str, Model],
    deployments: tuple[Deployment, ...],
    aliases: Mapping[str, tuple[str, ...]],
) -> str:
    content = (sorted(models.values(), key=lambda model: model.id), deployments, sorted(aliases.items()))
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()[:16]
