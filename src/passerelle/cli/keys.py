"""`passerelle keys`."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
import msgspec

from passerelle.cli import look
from passerelle.cli.common import (
    Failure,
    config_options,
    json_option,
    opened,
    org_option,
    organisation_id,
    print_json,
    settings_of,
    whoever,
)
from passerelle.core.model import DATA_CLASSES
from passerelle.core.money import nanos_from_decimal
from passerelle.core.money import show as show_money
from passerelle.core.plan import Affinity, OnContextLength, OnRefusal, SmartMode
from passerelle.core.principal import PRIORITIES, Key, Organisation, Project, Rights, Role, Workspace

if TYPE_CHECKING:
    from passerelle.store import Budget, Store

ROLES: tuple[Role, ...] = get_args(Role)


@click.group()
def command() -> None:
    """Create, list and revoke API keys.

    \b
    Example:
      passerelle keys create --name laptop
    """


@command.command()
@config_options
@click.option("--name", required=True, help="What the key is for.")
@click.option("--org", default="default", show_default=True, help="Organisation, made when it is new.")
@click.option("--workspace", default="default", show_default=True, help="Workspace, made when it is new.")
@click.option("--project", default="default", show_default=True, help="Project, made when it is new.")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="member",
    show_default=True,
    help="What it may do; see docs/api.md.",
)
@click.option("--model", "models", multiple=True, help="A pattern it may use; may be given again.")
@click.option(
    "--data-class", type=click.Choice(DATA_CLASSES), help="Its requests are at least this sensitive."
)
@click.option("--region", "regions", multiple=True, help="Its data may go here only; may be given again.")
@click.option("--rpm", type=click.IntRange(1), help="Requests a minute.")
@click.option("--concurrency", type=click.IntRange(1), help="Requests under way at once.")
@click.option("--priority", type=click.Choice(PRIORITIES), help="Its requests go no earlier than that.")
@click.option("--budget", type=click.FloatRange(min=0), help="What it may spend a month, in USD.")
@click.option("--store-content", is_flag=True, help="Keep prompts and answers, encrypted, with its receipts.")
@click.option(
    "--store-conversations", is_flag=True, help="Let its callers keep responses and conversations, encrypted."
)
@click.option("--audit-required", is_flag=True, help="Refuse its requests when the audit cannot be written.")
@click.option(
    "--delivery",
    type=click.Choice(("stream", "verified")),
    help="How its answers are delivered when a request does not say; see docs/resilience.md.",
)
@click.option(
    "--continues/--never-continues",
    default=None,
    help="Go on with texts that break off by another call, or never do.",
)
@click.option("--hedge", is_flag=True, help="Let its requests have two places called at once.")
@click.option(
    "--cascade/--no-cascade",
    "cascade",
    default=None,
    help="Let its requests have a cheaper model asked first and its answer checked, or never do.",
)
@click.option(
    "--on-context-length",
    type=click.Choice(get_args(OnContextLength)),
    help="Whether a prompt too long for one model goes on to a larger one.",
)
@click.option(
    "--on-refusal",
    type=click.Choice(get_args(OnRefusal)),
    help="Whether a prompt that one provider refuses by policy goes on to the next.",
)
@click.option("--mode", type=click.Choice(get_args(SmartMode)), help="How `smart` chooses for it.")
@click.option(
    "--affinity",
    type=click.Choice(get_args(Affinity)),
    help="Whether its conversations stay at one place; see docs/routing.md.",
)
@click.option("--expires-days", type=click.IntRange(1), help="Days until it ends.")
@json_option
def create(
    config: Path | None,
    data: Path | None,
    name: str,
    org: str,
    workspace: str,
    project: str,
    role: Role,
    models: tuple[str, ...],
    data_class: str | None,
    regions: tuple[str, ...],
    rpm: int | None,
    concurrency: int | None,
    priority: str | None,
    budget: float | None,
    store_content: bool,
    store_conversations: bool,
    audit_required: bool,
    delivery: str | None,
    continues: bool | None,
    hedge: bool,
    cascade: bool | None,
    on_context_length: OnContextLength | None,
    on_refusal: OnRefusal | None,
    mode: SmartMode | None,
    affinity: Affinity | None,
    expires_days: int | None,
    as_json: bool,
) -> None:
    """Create a key and print it: it is shown this once and never again.

    A running gateway knows it within a second.

    \b
    Example:
      passerelle keys create --name laptop
      passerelle keys create --name ci --model "gpt-*" --budget 20 --json
    """
    rights = msgspec.convert(
        {
            "models": models or None,
            "data_class": data_class,
            "regions": regions or None,
            "requests_per_minute": rpm,
            "concurrency": concurrency,
            "priority": priority,
            "content": "full" if store_content else "conversations" if store_conversations else None,
            "audit": "required" if audit_required else None,
            "delivery": delivery,
            "continues": continues,
            "hedge": hedge or None,
            "cascade": cascade,
            "on_context_length": on_context_length,
            "on_refusal": on_refusal,
            "mode": mode,
            "affinity": affinity,
        },
        Rights,
    )
    expires = None if expires_days is None else time.time_ns() + expires_days * 86_400 * 1_000_000_000
    actor = whoever()
    with opened(settings_of(config, data)) as store:
        found_org, found_project = _place(store, org, workspace, project, actor, quiet=as_json)
        key, token = store.keys.create(
            found_org.id,
            found_project.id,
            name=name,
            actor=actor,
            role=role,
            rights=rights,
            expires_at_ns=expires,
            budget_nanos=None if budget is None else nanos_from_decimal(str(budget)),
        )
        made = None if budget is None else _budget_of(store, key, token)
    if as_json:
        said = {**_shown(key), "organisation": found_org.name, "project": found_project.name}
        if made is not None:
            said["budget"] = msgspec.to_builtins(made)
        print_json({**said, "token": token})
        return
    click.echo(token)
    if made is not None:
        click.echo(
            f"It may spend {show_money(made.limit_nanos, made.currency)} a month: budget `{made.id}`.",
            err=True,
        )
    click.echo(f"Key `{key.id}` of {found_org.name} / {found_project.name}. It is not shown again.", err=True)


@command.command(name="list")
@config_options
@org_option
@json_option
def list_command(config: Path | None, data: Path | None, org: str, as_json: bool) -> None:
    """List an organisation's keys, revoked ones included.

    \b
    Example:
      passerelle keys list
    """
    with opened(settings_of(config, data)) as store:
        keys = store.keys.list(organisation_id(store, org))
    if as_json:
        print_json([_shown(key) for key in keys])
        return
    look.table(
        ["key", "name", "role", "project", "created", "state"],
        [[k.id, k.name, k.role, k.project_id, _day(k.created_at_ns), _state(k)] for k in keys],
        empty="No keys yet: make one with `passerelle keys create --name NAME`.",
    )


@command.command()
@config_options
@click.argument("key_id")
@org_option
@json_option
def revoke(config: Path | None, data: Path | None, key_id: str, org: str, as_json: bool) -> None:
    """End a key now. Every running gateway refuses it within a second.

    \b
    Example:
      passerelle keys revoke key_4fT0…
    """
    with opened(settings_of(config, data)) as store:
        key = store.keys.revoke(organisation_id(store, org), key_id, actor=whoever())
    if key is None:
        raise Failure(f"The organisation `{org}` has no key `{key_id}`; see `passerelle keys list`.")
    if as_json:
        print_json(_shown(key))
    else:
        click.echo(f"{key.id} is revoked")


def _budget_of(store: "Store", key: Key, token: str) -> "Budget | None":
    """The budget that was made with the key."""
    entry = store.identity.authenticate(token)
    for budget_id in () if entry is None else entry.principal.budgets:
        found = store.identity.budget(budget_id)
        if found is not None and found.scope_id == key.id:
            return found
    return None


def _named(items: Sequence[Organisation | Workspace | Project], name: str) -> int | None:
    """Where `name` (an id, or a name) is among them; names of the first ones begin alike."""
    for place, item in enumerate(items):
        if name in (item.id, item.name):
            return place
    if name == "default" and items:
        return 0
    return None


def _place(
    store: "Store", org: str, workspace: str, project: str, actor: str, *, quiet: bool
) -> tuple[Organisation, Project]:
    """The project a key is for; what does not exist is made, and said."""

    def say(what: str, name: str) -> None:
        if not quiet:
            click.echo(f"{what} `{name}` is new: created.", err=True)

    store.tenants.bootstrap(actor=actor)
    organisations = store.identity.organisations()
    place = _named(organisations, org)
    if place is None:
        found_org = store.tenants.create_organisation(org, actor=actor)
        say("Organisation", org)
    else:
        found_org = organisations[place]
    workspaces = store.identity.workspaces(found_org.id)
    place = _named(workspaces, workspace)
    if place is None:
        found_workspace = store.tenants.create_workspace(found_org.id, workspace, actor=actor)
        if workspace != "default":
            say("Workspace", workspace)
    else:
        found_workspace = workspaces[place]
    projects = [p for p in store.identity.projects(found_org.id) if p.workspace_id == found_workspace.id]
    place = _named(projects, project)
    if place is None:
        found_project = store.tenants.create_project(found_org.id, found_workspace.id, project, actor=actor)
        if project != "default":
            say("Project", project)
    else:
        found_project = projects[place]
    return found_org, found_project


def _shown(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role,
        "org_id": key.org_id,
        "workspace_id": key.workspace_id,
        "project_id": key.project_id,
        "created_at": _day(key.created_at_ns),
        "state": _state(key),
        "rights": msgspec.to_builtins(key.rights),
    }


def _state(key: Key) -> str:
    if key.revoked_at_ns is not None:
        return "revoked"
    if key.expires_at_ns is not None and key.expires_at_ns <= time.time_ns():
        return "expired"
    return "active"


def _day(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).isoformat(timespec="seconds")
