"""What settings say of models, checked against what there is: on the merged data, before validation.

Works on `origin.data`, passing over what has the wrong type, so that a mistake elsewhere hides none here.
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, get_args

from passerelle.catalog.builtin import Builtin
from passerelle.catalog.merge import offers_by_name
from passerelle.codecs.base import QUIRKS
from passerelle.config.crosscheck import alias_targets, deployment_id, is_reserved
from passerelle.config.findings import Finding, did_you_mean
from passerelle.config.origin import Origin, rows, table
from passerelle.core.model import LACKS, Model
from passerelle.core.request import Dialect

DIALECTS_OF = {
    "anthropic": frozenset({"anthropic"}),
    "gemini": frozenset({"gemini"}),
    "bfl": frozenset({"openai_chat"}),
    "openai_like": frozenset({"openai_chat", "openai_responses", "anthropic"}),
    "bedrock": frozenset({"bedrock", "anthropic"}),
    "azure": frozenset({"openai_chat", "openai_responses", "anthropic"}),
    "vertex": frozenset({"gemini", "anthropic", "openai_chat"}),
    "local": frozenset({"openai_chat"}),
    "simulated": frozenset({"openai_chat", "openai_responses", "anthropic", "gemini"}),
}
"""The dialects each kind of provider can be spoken to in (`providers/` has the adapters)."""
_KNOWN = frozenset(get_args(Dialect))


def reference_findings(origin: Origin, known: Builtin) -> Iterator[Finding]:
    """Every name of a model, quirk or dialect that means nothing here."""
    data = origin.data
    names = _model_names(data, known)
    providers = {n: e for n, e in table(data, "providers").items() if isinstance(e, dict)}
    yield from _model_clashes(data, origin, known)
    for name, entry in providers.items():
        yield from _provider(name, entry, origin, known)
    for index, row in rows(data, "deployments"):
        yield from _deployment(index, row, providers, names, origin)
    yield from _aliases(data, providers, names, origin)


def _texts(value: object) -> tuple[str, ...]:
    return (
        tuple(v for v in value if isinstance(v, str)) if isinstance(value, list | tuple | frozenset) else ()
    )


def _model_names(data: Mapping[str, Any], known: Builtin) -> dict[str, str]:
    """Every name of a model → its id, the operator's own included."""
    names = {name: m.id for m in known.models.values() for name in (*m.aliases, m.id)}
    for _, row in rows(data, "models"):
        identity = row.get("id")
        if isinstance(identity, str):
            names |= dict.fromkeys((*_texts(row.get("aliases")), identity), identity)
    return names


def _model_clashes(data: Mapping[str, Any], origin: Origin, known: Builtin) -> Iterator[Finding]:
    """Names that would mean two models."""
    taken = {name: m.id for m in known.models.values() for name in (*m.aliases, m.id)}
    for index, row in rows(data, "models"):
        identity = row.get("id")
        if not isinstance(identity, str):
            continue
        for place, alias in [(("models", index, "id"), identity)] + [
            (("models", index, "aliases"), alias) for alias in _texts(row.get("aliases"))
        ]:
            owner = taken.setdefault(alias, identity)
            if owner != identity:
                yield origin.finding(
                    place,
                    f"`{alias}` already means the model `{owner}`",
                    f"Choose another name, or correct `{owner}` itself by giving the entry that `id`",
                    code="duplicate",
                )
            elif is_reserved(alias) and place[-1] == "aliases":
                yield origin.finding(
                    place, f"`{alias}` is the router's own name", "Choose another name", code="reserved_name"
                )


def _provider(name: str, entry: Mapping[str, Any], origin: Origin, known: Builtin) -> Iterator[Finding]:
    path = ("providers", name)
    yield from _quirks(entry, path, origin)
    yield from _dialects(entry, entry.get("kind"), path, origin)
    template = entry.get("template")
    region = entry.get("region")
    offers = tuple(
        offers_by_name(
            known.offers.get(template, ()) if isinstance(template, str) else (),
            entry.get("kind"),
            region if isinstance(region, str) else None,
        )
    )
    patterns = entry.get("models")
    for index, pattern in enumerate(patterns if isinstance(patterns, list) else ()):
        if not isinstance(pattern, str) or not offers:
            continue
        labels = [label for offer in offers for label in (offer.model, offer.upstream)]
        if not any(fnmatchcase(label, pattern) for label in labels):
            yield origin.finding(
                (*path, "models", index),
                f"`{pattern}` fits no model that `{template}` is known to serve",
                did_you_mean(pattern, labels, "Correct it, or declare the model under `[[deployments]]`"),
                code="unknown_model",
            )
    declared = any(row.get("provider") == name for _, row in rows(origin.data, "deployments"))
    if offers and patterns is None and not declared and all(offer.group.named_only for offer in offers):
        yield origin.finding(
            path,
            "nothing will be sent to it: what it serves depends on the deployments you have made there",
            "Name them: `models`, where a deployment is called like its model, or `[[deployments]]` with its "
            "name in `upstream_model`",
            severity="warning",
            code="nothing_served",
        )
    if not offers and not declared:
        yield origin.finding(
            path,
            "no model is known to be served here, so nothing will be sent to it",
            f'Declare what it serves: `[[deployments]]` with `provider = "{name}"` and `model`',
            severity="warning",
            code="nothing_served",
        )


def _deployment(
    index: int,
    row: Mapping[str, Any],
    providers: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, str],
    origin: Origin,
) -> Iterator[Finding]:
    path = ("deployments", index)
    model = row.get("model")
    if isinstance(model, str) and model not in names:
        yield origin.finding(
            (*path, "model"),
            f"there is no model `{model}`",
            did_you_mean(model, names, f'Declare it: `[[models]]` with `id = "{model}"`'),
            code="unknown_model",
        )
    yield from _quirks(row, path, origin)
    yield from _lacks(row, path, origin)
    provider = row.get("provider")
    entry = providers.get(provider, {}) if isinstance(provider, str) else {}
    yield from _dialects(row, entry.get("kind"), path, origin)


def _quirks(row: Mapping[str, Any], path: tuple[str | int, ...], origin: Origin) -> Iterator[Finding]:
    for index, quirk in enumerate(_texts(row.get("quirks"))):
        if quirk not in QUIRKS:
            listed = "Choose among " + ", ".join(f"`{known}`" for known in QUIRKS)
            yield origin.finding(
                (*path, "quirks", index),
                f"there is no quirk `{quirk}`",
                did_you_mean(quirk, QUIRKS, listed),
                code="unknown_quirk",
            )


def _lacks(row: Mapping[str, Any], path: tuple[str | int, ...], origin: Origin) -> Iterator[Finding]:
    for index, lack in enumerate(_texts(row.get("without"))):
        if lack not in LACKS:
            listed = "Choose among " + ", ".join(f"`{known}`" for known in LACKS)
            yield origin.finding(
                (*path, "without", index),
                f"there is nothing called `{lack}` that a deployment could be without",
                did_you_mean(lack, LACKS, listed),
                code="invalid_value",
            )


def _dialects(
    row: Mapping[str, Any], kind: object, path: tuple[str | int, ...], origin: Origin
) -> Iterator[Finding]:
    allowed = DIALECTS_OF.get(kind) if isinstance(kind, str) else None
    if allowed is None:
        return
    listed = ", ".join(f"`{dialect}`" for dialect in sorted(allowed))
    for place, dialect in [((*path, "dialect"), row.get("dialect"))] + [
        ((*path, "also"), dialect) for dialect in _texts(row.get("also"))
    ]:
        if isinstance(dialect, str) and dialect not in allowed and dialect in _KNOWN:
            yield origin.finding(
                place,
                f"a provider of kind `{kind}` does not speak `{dialect}`",
                f"Choose among {listed}, or another `kind`",
                code="conflict",
            )


def _aliases(
    data: Mapping[str, Any],
    providers: Mapping[str, Mapping[str, Any]],
    names: Mapping[str, str],
    origin: Origin,
) -> Iterator[Finding]:
    aliases = table(data, "aliases")
    own = {identity for _, row in rows(data, "deployments") if (identity := deployment_id(row)) is not None}
    for alias, value in aliases.items():
        for index, target in enumerate(alias_targets(value)):
            if target in names or target in own or (target in aliases and target != alias):
                continue
            provider, _, rest = target.partition("/")
            if provider in providers and rest:
                continue  # whether it serves `rest` is seen once the deployments are built
            known = [*names, *own, *aliases]
            yield origin.finding(
                ("aliases", alias, index),
                f"`{target}` is neither a model nor a deployment nor an alias",
                did_you_mean(target, known, "Name one that `passerelle models` lists"),
                code="unknown_model",
            )


def model_finding(origin: Origin, model: Model, field: str, message: str, next_step: str) -> Finding:
    """A finding about a declared model, at the field its author wrote."""
    for index, row in rows(origin.data, "models"):
        if row.get("id") == model.id:
            path = ("models", index, field) if field in row else ("models", index)
            return origin.finding(path, message, next_step, code="contradiction")
    return origin.finding(("models",), f"`{model.id}`: {message}", next_step, code="contradiction")
