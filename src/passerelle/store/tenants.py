"""The tenancy tree: organisations, workspaces and projects, made and changed."""

from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Table, select, update

from passerelle.core.clock import mint
from passerelle.core.principal import Organisation, Project, Rights, Workspace
from passerelle.store import changes, schema
from passerelle.store.budgeting import Budgeting
from passerelle.store.directory import read_rights

NodeKind = Literal["organisation", "workspace", "project"]

_TABLES: dict[NodeKind, Table] = {
    "organisation": schema.organisation,
    "workspace": schema.workspace,
    "project": schema.project,
}
_IDENTITY: dict[NodeKind, str] = {
    "organisation": "org_id",
    "workspace": "workspace_id",
    "project": "project_id",
}


class Tenants(Budgeting):
    """Management of the tree. A change reaches every worker within a second."""

    def create_organisation(
        self, name: str, *, actor: str, rights: Rights | None = None, id: str | None = None
    ) -> Organisation:
        """A new tenant. Raises `StoreUnavailable`; `IntegrityError` when `id` is taken."""
        made = Organisation(id or mint("org"), name, rights or Rights())
        with self._database.write() as connection:
            self._insert(connection, schema.organisation, made.id, made)
            self._record(connection, made.id, actor, "organisation.created", made.id, None, made)
        self._changed()
        return made

    def create_workspace(
        self, org_id: str, name: str, *, actor: str, rights: Rights | None = None, id: str | None = None
    ) -> Workspace:
        """A new division of an organisation."""
        made = Workspace(id or mint("wsp"), org_id, name, rights or Rights())
        with self._database.write() as connection:
            self._insert(connection, schema.workspace, org_id, made, workspace_id=made.id)
            self._record(connection, org_id, actor, "workspace.created", made.id, None, made)
        self._changed()
        return made

    def create_project(
        self,
        org_id: str,
        workspace_id: str,
        name: str,
        *,
        actor: str,
        rights: Rights | None = None,
        id: str | None = None,
    ) -> Project:
        """A new project. The workspace must be the same organisation's (the database checks it)."""
        made = Project(id or mint("prj"), org_id, workspace_id, name, rights or Rights())
        with self._database.write() as connection:
            self._insert(
                connection, schema.project, org_id, made, project_id=made.id, workspace_id=workspace_id
            )
            self._record(connection, org_id, actor, "project.created", made.id, None, made)
        self._changed()
        return made

    def change(
        self,
        kind: NodeKind,
        org_id: str,
        node_id: str,
        *,
        actor: str,
        name: str | None = None,
        rights: Rights | None = None,
        disabled: bool | None = None,
    ) -> bool:
        """Rename a node, replace its rights, or switch it off or on (and with it every key below).

        False when the organisation has no such node.
        """
        table, identity = _TABLES[kind], _IDENTITY[kind]
        where = (table.c.org_id == org_id, table.c[identity] == node_id)
        columns = (table.c.name, table.c.rights, table.c.disabled_at_ns)
        with self._database.write() as connection:
            row = connection.execute(select(*columns).where(*where).with_for_update()).one_or_none()
            if row is None:
                return False
            values: dict[str, Any] = {"revision": changes.stamp(self._database, connection)}
            if name is not None:
                values["name"] = name
            if rights is not None:
                values["rights"] = _text(rights)
            if disabled is not None:
                values["disabled_at_ns"] = self._clock.unix_ns() if disabled else None
            connection.execute(update(table).where(*where).values(**values))
            after = connection.execute(select(*columns).where(*where)).one()
            self._record(connection, org_id, actor, f"{kind}.changed", node_id, _shown(row), _shown(after))
        self._changed()
        return True

    def bootstrap(self, *, actor: str) -> tuple[Organisation, Workspace, Project]:
        """The first organisation, workspace and project, made when there are none yet."""
        with self._database.write() as connection:
            organisation = connection.execute(
                select(schema.organisation.c.org_id, schema.organisation.c.name, schema.organisation.c.rights)
                .order_by(schema.organisation.c.created_at_ns)
                .limit(1)
            ).one_or_none()
            if organisation is None:
                made = Organisation("org_default", "Default organisation")
                workspace = Workspace("wsp_default", made.id, "Default workspace")
                project = Project("prj_default", made.id, workspace.id, "Default project")
                self._insert(connection, schema.organisation, made.id, made)
                self._insert(connection, schema.workspace, made.id, workspace, workspace_id=workspace.id)
                self._insert(
                    connection, schema.project, made.id, project,
                    project_id=project.id, workspace_id=workspace.id,
                )  # fmt: skip
                self._record(connection, made.id, actor, "organisation.created", made.id, None, made)
            else:
                found = self._first_project(connection, organisation.org_id)
                made = Organisation(organisation.org_id, organisation.name, read_rights(organisation.rights))
                if found is None:
                    raise LookupError(f"organisation `{made.id}` has no project; create one first")
                workspace, project = found
        self._changed()
        return made, workspace, project

    # --- inside

    def _insert(
        self,
        connection: Connection,
        table: Table,
        org_id: str,
        node: Organisation | Workspace | Project,
        **ids: str,
    ) -> None:
        connection.execute(
            table.insert().values(
                **{"org_id": org_id, **ids},
                name=node.name,
                rights=_text(node.rights),
                created_at_ns=self._clock.unix_ns(),
                disabled_at_ns=None,
                revision=changes.stamp(self._database, connection),
            )
        )

    def _first_project(self, connection: Connection, org_id: str) -> tuple[Workspace, Project] | None:
        workspace, project = schema.workspace.c, schema.project.c
        row = connection.execute(
            select(workspace.workspace_id, workspace.name, workspace.rights,
                   project.project_id, project.name, project.rights)
            .join_from(
                schema.project,
                schema.workspace,
                (project.org_id == workspace.org_id) & (project.workspace_id == workspace.workspace_id),
            )
            .where(project.org_id == org_id, project.disabled_at_ns.is_(None))
            .order_by(project.created_at_ns, project.project_id)
            .limit(1)
        ).one_or_none()  # fmt: skip
        if row is None:
            return None
        return (
            Workspace(row[0], org_id, row[1], read_rights(row[2])),
            Project(row[3], org_id, row[0], row[4], read_rights(row[5])),
        )


def _shown(row: Any) -> dict[str, Any]:
    return {"name": row.name, "rights": read_rights(row.rights), "disabled_at_ns": row.disabled_at_ns}


def _text(rights: Rights) -> str:
    return msgspec.json.encode(rights).decode()
