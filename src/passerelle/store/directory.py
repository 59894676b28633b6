"""The tenancy tree as one immutable value: rows as they are stored, and what a key amounts to. Pure."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from passerelle.core.principal import ROLE_PERMISSIONS, Key, Principal, Rights, Role
from passerelle.store import rights
from passerelle.store.values import Budget, KeyEntry


class Node(msgspec.Struct, frozen=True, array_like=True):
    """An organisation, workspace or project as stored."""

    org_id: str
    id: str
    parent_id: str
    """A project's workspace; else empty."""
    name: str
    rights: str
    """`Rights` as JSON, decoded when first needed."""
    disabled: bool


class KeyRow(msgspec.Struct, frozen=True, array_like=True):
    """A key as stored."""

    org_id: str
    id: str
    workspace_id: str
    project_id: str
    name: str
    role: Role
    env: str
    digest: bytes
    rights: str
    created_at_ns: int
    expires_at_ns: int | None
    revoked_at_ns: int | None

    def key(self) -> Key:
        """The key as the rest of the house knows it."""
        return Key(
            id=self.id,
            org_id=self.org_id,
            workspace_id=self.workspace_id,
            project_id=self.project_id,
            name=self.name,
            role=self.role,
            digest=self.digest,
            created_at_ns=self.created_at_ns,
            rights=read_rights(self.rights),
            expires_at_ns=self.expires_at_ns,
            revoked_at_ns=self.revoked_at_ns,
        )


class BudgetEntry(msgspec.Struct, frozen=True, array_like=True):
    """A budget as stored."""

    budget: Budget
    disabled: bool


class Changes(msgspec.Struct, frozen=True, array_like=True):
    """Rows stamped after some revision, and the counter as it was before they were read."""

    revision: int
    organisations: list[Node]
    workspaces: list[Node]
    projects: list[Node]
    keys: list[KeyRow]
    budgets: list[BudgetEntry]
    database: int = 0
    """Which database they are from."""
    whole: bool = True
    """They are all there is, not what is new."""


class Directory(msgspec.Struct, frozen=True):
    """Everything at one revision. `entries` and `proven` remember what was worked out; nothing else ever
    changes.
    """

    revision: int
    organisations: Mapping[str, Node]
    workspaces: Mapping[tuple[str, str], Node]
    projects: Mapping[tuple[str, str], Node]
    keys: Mapping[str, KeyRow]
    budgets: Mapping[str, BudgetEntry]
    scoped: Mapping[tuple[str, str, str], tuple[str, ...]]
    """(organisation, scope, scope id) → its enabled budgets."""
    entries: dict[str, KeyEntry]
    database: int = -1
    proven: dict[bytes, KeyEntry] = msgspec.field(default_factory=dict)
    """Digests of whole tokens that proved to be these keys'."""

    def after(self, changes: Changes) -> "Directory":
        """The directory with the changed rows in place of the old."""
        if changes.whole and self is not NOTHING:
            return NOTHING.after(changes)
        only_keys = not (changes.organisations or changes.workspaces or changes.projects or changes.budgets)
        touched = {row.id for row in changes.keys}
        budgets = _with(self.budgets, changes.budgets, lambda entry: entry.budget.id)
        return Directory(
            revision=changes.revision,
            organisations=_with(self.organisations, changes.organisations, lambda node: node.id),
            workspaces=_with(self.workspaces, changes.workspaces, lambda node: (node.org_id, node.id)),
            projects=_with(self.projects, changes.projects, lambda node: (node.org_id, node.id)),
            keys=_with(self.keys, changes.keys, lambda row: row.id),
            budgets=budgets,
            scoped=_scoped(budgets.values()) if changes.budgets else self.scoped,
            entries=(
                {key_id: entry for key_id, entry in list(self.entries.items()) if key_id not in touched}
                if only_keys
                else {}
            ),
            database=changes.database,
        )

    def copy(self) -> Changes:
        """Everything as the changes that make it out of nothing."""
        return Changes(
            self.revision,
            list(self.organisations.values()),
            list(self.workspaces.values()),
            list(self.projects.values()),
            list(self.keys.values()),
            list(self.budgets.values()),
            self.database,
        )

    def entry(self, key_id: str) -> KeyEntry | None:
        """The key with what it may do; None when it, or an ancestor, does not exist."""
        known = self.entries.get(key_id)
        if known is None:
            row = self.keys.get(key_id)
            known = None if row is None else self._work_out(row)
            if known is not None:
                self.entries[key_id] = known
        return known

    def _work_out(self, row: KeyRow) -> KeyEntry | None:
        organisation = self.organisations.get(row.org_id)
        workspace = self.workspaces.get((row.org_id, row.workspace_id))
        project = self.projects.get((row.org_id, row.project_id))
        if organisation is None or workspace is None or project is None:
            return None
        ancestors = (organisation, workspace, project)
        levels = [*(read_rights(node.rights) for node in ancestors), read_rights(row.rights)]
        off = row.revoked_at_ns is not None or any(node.disabled for node in ancestors)
        return KeyEntry(
            key=row.key(),
            principal=Principal(
                org_id=row.org_id,
                workspace_id=row.workspace_id,
                project_id=row.project_id,
                key_id=row.id,
                key_name=row.name,
                role=row.role,
                permissions=ROLE_PERMISSIONS[row.role],
                rights=rights.intersect(levels),
                model_patterns=rights.model_patterns(levels),
                budgets=self._budgets_of(row),
                org_name=organisation.name,
            ),
            state="revoked" if off else "active",
        )

    def _budgets_of(self, row: KeyRow) -> tuple[str, ...]:
        scopes = (
            ("organisation", row.org_id),
            ("workspace", row.workspace_id),
            ("project", row.project_id),
            ("key", row.id),
        )
        found = [one for scope, node in scopes for one in self.scoped.get((row.org_id, scope, node), ())]
        return tuple(sorted(found))


NOTHING = Directory(-1, {}, {}, {}, {}, {}, {}, {})
"""Before the first load."""


@lru_cache(maxsize=10_000)
def read_rights(text: str) -> Rights:
    """`Rights` from its stored JSON. Most nodes have the same few, so each text is decoded once."""
    return msgspec.json.decode(text, type=Rights)


def _with(old: Mapping[Any, Any], changed: list[Any], identity: Callable[[Any], Any]) -> Mapping[Any, Any]:
    return old if not changed else {**old, **{identity(one): one for one in changed}}


def _scoped(entries: Iterable[BudgetEntry]) -> dict[tuple[str, str, str], tuple[str, ...]]:
    found: dict[tuple[str, str, str], list[str]] = {}
    for entry in entries:
        if not entry.disabled:
            one = entry.budget
            found.setdefault((one.org_id, one.scope, one.scope_id), []).append(one.id)
    return {identity: tuple(ids) for identity, ids in found.items()}
