"""The sections of a LiteLLM configuration beside its models: what they become, or why nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from passerelle.catalog.imports.draft import Draft, safe_name
from passerelle.catalog.imports.litellm_names import Group
from passerelle.catalog.imports.report import Report, table_of, text_of
from passerelle.catalog.imports.yaml_input import Path

_SECTIONS = frozenset(
    {"model_list", "credential_list", "router_settings", "litellm_settings", "general_settings",
     "environment_variables"}
)  # fmt: skip
_ROUTING = ("router_settings", "litellm_settings")

_DECIDE = frozenset(
    {"master_key", "database_url", "content_policy_fallbacks", "default_fallbacks", "max_budget"}
)
"""What somebody has to decide anew."""

_ADVICE = {
    "master_key": "Make keys with `passerelle keys create`; none ever stands in a file",
    "database_url": "Set `[store] url` to a new database: LiteLLM's tables mean nothing here",
    "num_retries": "Nothing: an attempt that fails goes to the next deployment by itself",
    "allowed_fails": "Nothing: each deployment has a breaker of its own",
    "cooldown_time": "Nothing: each deployment has a breaker of its own",
    "context_window_fallbacks": "Nothing: deployments that are too small are not chosen",
    "content_policy_fallbacks": "Decide by hand: a refusal is an answer here, not an outage",
    "default_fallbacks": "List the names in order under `[aliases]`",
    "callbacks": "Receipts and metrics are built in; see `[telemetry]`",
    "success_callback": "Receipts and metrics are built in; see `[telemetry]`",
    "failure_callback": "Receipts and metrics are built in; see `[telemetry]`",
    "cache": "Nothing: answers are not cached; docs/routing.md says what keeps prompt caches warm",
    "drop_params": "Nothing: what a model cannot take is reported in `x-passerelle-dropped`",
    "max_budget": "Set budgets on organisations, projects or keys",
}
_GENERAL_ADVICE = "Leave it out, or see docs/configuration.md for what is near it"


def fallbacks_in(data: Mapping[str, Any]) -> Iterator[str]:
    """LiteLLM's names that have fallbacks."""
    for section in _ROUTING:
        rows = table_of(data.get(section)).get("fallbacks")
        for row in rows if isinstance(rows, list) else ():
            yield from table_of(row)


def draws_at_random(data: Mapping[str, Any]) -> bool:
    """Whether LiteLLM's default strategy is in force, which draws by weight or capacity."""
    return bool(table_of(data.get("router_settings")).get("routing_strategy") in (None, "simple-shuffle"))


def read_settings(data: Mapping[str, Any], draft: Draft, groups: Mapping[str, Group], report: Report) -> None:
    """Everything beside the models."""
    for section in _ROUTING:
        for key, value in table_of(data.get(section)).items():
            _setting((section, key), value, draft, groups, report)
    for key in table_of(data.get("general_settings")):
        _unmapped(("general_settings", key), report)
    for key in table_of(data.get("environment_variables")):
        place = ("environment_variables", key)
        if key == "DATABASE_URL":
            _unmapped((*place[:1], "database_url"), report, place=place)
            continue
        report.say(
            place,
            "unmapped_field",
            "variables are not set from a file here, and its value was not copied",
            "Set it where Passerelle is started, if something needs it",
        )
    for key in data:
        if key not in _SECTIONS:
            _unmapped((key,), report)


def _setting(path: Path, value: object, draft: Draft, groups: Mapping[str, Group], report: Report) -> None:
    key = path[-1]
    if key == "fallbacks" and isinstance(value, list):
        for index, row in enumerate(value):
            for name, targets in table_of(row).items():
                _fallback((*path, index, name), groups.get(name), targets, draft, groups, report)
    elif key == "model_group_alias" and isinstance(value, dict):
        for name, said in value.items():
            target = text_of(value, name) or text_of(table_of(said), "model") or ""
            group = groups.get(target)
            if group is None:
                report.say(
                    (*path, name), "needs_attention", "it names no model that came over", "Add an alias"
                )
            else:
                draft.aliases[safe_name(name)] = draft.aliases.get(group.ours, (group.target,))
                report.say((*path, name), "mapped", f"an alias of `{group.ours}`", "Nothing to do")
    elif key == "routing_strategy" and value == "simple-shuffle":
        report.say(path, "approximate", "deployments of a model are drawn by `weight`", "Nothing to do")
    elif key == "routing_strategy":
        message = "this strategy has no counterpart; deployments of a model are drawn by `weight`"
        report.say(path, "unmapped_field", message, "Set `weight`, or let callers ask for `smart`")
    elif key in ("timeout", "request_timeout") and _seconds(value) is not None:
        draft.deadlines["total_s"] = _seconds(value) or 0.0
        report.say(path, "approximate", "it became the deadline of a whole request", "Adjust `[deadlines]`")
    else:
        _unmapped(path, report)


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= 86_400 else None


def _fallback(
    path: Path,
    group: Group | None,
    targets: object,
    draft: Draft,
    groups: Mapping[str, Group],
    report: Report,
) -> None:
    listed = [t for t in (targets if isinstance(targets, list) else [targets]) if isinstance(t, str)]
    reached = [groups[name] for name in listed if name in groups]
    if group is None or not reached:
        report.say(path, "needs_attention", "it names models that did not come over", "Add an alias by hand")
        return
    order = dict.fromkeys((group.target, *(each.target for each in reached)))
    draft.aliases[group.ours] = tuple(order)
    report.say(
        path, "approximate", f"`{group.ours}` is an alias, its targets tried in order", "Check the order"
    )
    if len(reached) < len(listed):
        report.say(path, "needs_attention", "some of its models did not come over", "Complete the alias")


def _unmapped(path: Path, report: Report, *, place: Path | None = None) -> None:
    key = str(path[-1])
    decide = key in _DECIDE
    report.say(
        place or path,
        "needs_attention" if decide else "unmapped_field",
        "this is not carried over" if decide else "this setting has no counterpart",
        _ADVICE.get(key, _GENERAL_ADVICE),
    )
