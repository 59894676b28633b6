"""From groups of deployments to names of ours: which model each is, what callers may say, and in what order.

LiteLLM's `model_name` is at once a public name and a pool. Here a model is an identity and a name may be an
alias, so:

- a group of one deployment keeps the built-in model it is; its name is an alias of the deployment;
- a group of several deployments of one built-in model that no other group has keeps that model;
- any other group is a model of its own, declared with what all its members can do.

Fallbacks make the name an alias with targets in order. Targets are deployment ids or models, never aliases,
so that LiteLLM's mutual fallbacks do not become a loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from passerelle.catalog.builtin import Builtin
from passerelle.catalog.imports.draft import DeploymentDraft, Draft, ModelDraft, safe_name
from passerelle.catalog.imports.report import Report
from passerelle.catalog.imports.yaml_input import Path
from passerelle.catalog.merge import maker_template
from passerelle.catalog.prices import FIGURES, PriceBook
from passerelle.core.model import Model, Price
from passerelle.core.money import NANOS


@dataclass
class Group:
    """The entries that share a `model_name`."""

    name: str
    path: Path
    deployments: list[DeploymentDraft] = field(default_factory=list)
    ours: str = ""
    """Its name here."""

    @property
    def target(self) -> str:
        """What an alias names to mean this group: a deployment, or the model they all are."""
        only = self.deployments[0]
        return only.identity if len(self.deployments) == 1 else only.model


class Naming:
    """Settles names over a whole draft."""

    def __init__(self, draft: Draft, report: Report, known: Builtin, book: PriceBook) -> None:
        self._draft = draft
        self._report = report
        self._known = known
        self._book = book
        self._builtin_names = {name for m in known.models.values() for name in (*m.aliases, m.id)}

    def settle(
        self, groups: Mapping[str, Group], with_fallbacks: frozenset[str], *, shuffled: bool = True
    ) -> None:
        """Give each group its name, each deployment its model and id, and each name its alias. `shuffled`:
        LiteLLM drew deployments at random, by their capacity.
        """
        for group in groups.values():
            group.ours = self._fresh(group, {g.ours for g in groups.values()})
        owners: dict[str, set[str]] = {}
        for group in groups.values():
            for deployment in group.deployments:
                if deployment.known is not None:
                    owners.setdefault(deployment.known.id, set()).add(group.name)
        aliased = {group.ours for group in groups.values() if group.name in with_fallbacks}
        for group in groups.values():
            self._settle(group, owners, aliased)
            if shuffled:
                _weights(group)
        self._distinct_ids()
        for group in groups.values():
            self._alias(group)

    def _fresh(self, group: Group, taken: set[str]) -> str:
        ours = safe_name(group.name)
        if ours in taken:
            ours = next(name for i in range(2, 10_000) if (name := f"{ours}-{i}") not in taken)
        if ours != group.name:
            place = (*group.path, "model_name")
            self._report.say(place, "approximate", f"the name became `{ours}`", "Tell those who call it")
        return ours

    def _settle(self, group: Group, owners: Mapping[str, set[str]], aliased: set[str]) -> None:
        model = self._builtin_model(group, owners, aliased)
        if model is None:
            wanted = f"{group.ours}-pool" if group.ours in aliased else group.ours
            model = wanted if wanted not in self._builtin_names else f"imported-{wanted}"
            self._draft.models[model] = ModelDraft(model, _common(group))
        for deployment in group.deployments:
            deployment.model = model
            known = deployment.known
            if deployment.price is None and known is not None and known.id != model:
                deployment.price = self._price(deployment, known)

    def _builtin_model(self, group: Group, owners: Mapping[str, set[str]], aliased: set[str]) -> str | None:
        first = group.deployments[0].known
        if first is None or any(d.known is not first for d in group.deployments):
            return None
        if len(group.deployments) == 1:
            return first.id
        alone = owners[first.id] == {group.name}
        return first.id if alone and not aliased & {first.id, *first.aliases} else None

    def _price(self, deployment: DeploymentDraft, known: Model) -> dict[str, object] | None:
        """The price the catalog knows, written out: the declared model has no list price of its own."""
        template = deployment.provider.template or maker_template(known.maker)
        price = self._book.at(template, known.id)
        return None if price is None else _written(price)

    def _distinct_ids(self) -> None:
        taken: set[str] = set()
        for deployment in self._draft.deployments:
            usual, number = deployment.identity, 1
            while deployment.identity in taken:
                number += 1
                deployment.id = f"{usual}#{number}"
            taken.add(deployment.identity)

    def _alias(self, group: Group) -> None:
        """The group's name, where its model's names do not already say exactly the same."""
        model = group.deployments[0].model
        known = self._known.models.get(model)
        names = {model, *(known.aliases if known is not None else ())}
        members = sum(d.model == model for d in self._draft.deployments)
        if group.ours not in names or members > len(group.deployments):
            self._draft.aliases[group.ours] = (group.target,)


def _common(group: Group) -> dict[str, object]:
    """What is true of every model behind a group, so that none is asked for what it cannot do."""
    known = [d.known for d in group.deployments if d.known is not None]
    if len(known) < len(group.deployments):
        return dict(group.deployments[0].said) if len(group.deployments) == 1 else {}
    fields: dict[str, object] = {
        "input_modalities": sorted(frozenset.intersection(*(m.input_modalities for m in known))),
        "output_modalities": sorted(known[0].output_modalities),
        "capabilities": sorted(frozenset.intersection(*(m.capabilities for m in known))),
    }
    contexts = [m.context_tokens for m in known if m.context_tokens is not None]
    outputs = [m.max_output_tokens for m in known if m.max_output_tokens is not None]
    if len(contexts) == len(known):
        fields["context_tokens"] = min(contexts)
    if len(outputs) == len(known):
        fields["max_output_tokens"] = min(outputs)
    return fields


def _weights(group: Group) -> None:
    """LiteLLM's `simple-shuffle` draws by `weight`, else by `rpm` when all entries of a group have one."""
    if len(group.deployments) < 2 or any(d.weight is not None for d in group.deployments):
        return
    if all(d.requests_per_minute for d in group.deployments):
        for deployment in group.deployments:
            deployment.weight = float(deployment.requests_per_minute or 1)


def _written(price: Price) -> dict[str, object]:
    fields: dict[str, object] = {
        name: Decimal(amount) / NANOS for name in FIGURES if (amount := getattr(price, name)) is not None
    }
    if price.currency != "USD":
        fields["currency"] = price.currency
    if price.long_context is not None:
        tier = _written(price.long_context)
        tier.pop("currency", None)
        fields |= {"long_context_above": price.long_context_above, "long_context": tier}
    if price.source:
        fields["source"] = price.source.partition(";")[0]
    return fields
