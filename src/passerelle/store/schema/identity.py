"""Who: the tenancy tree and its keys. `revision` is the identity counter at the row's last change."""

from sqlalchemy import ForeignKeyConstraint, Index, PrimaryKeyConstraint, Table, UniqueConstraint

from passerelle.store.schema.columns import blob, metadata, number, words

organisation = Table(
    "organisation",
    metadata,
    words("org_id"),
    words("name"),
    words("rights"),
    number("created_at_ns"),
    number("disabled_at_ns", null=True),
    number("revision"),
    PrimaryKeyConstraint("org_id"),
    Index(None, "revision"),
)

workspace = Table(
    "workspace",
    metadata,
    words("org_id"),
    words("workspace_id"),
    words("name"),
    words("rights"),
    number("created_at_ns"),
    number("disabled_at_ns", null=True),
    number("revision"),
    PrimaryKeyConstraint("org_id", "workspace_id"),
    ForeignKeyConstraint(["org_id"], ["organisation.org_id"]),
    Index(None, "revision"),
)

project = Table(
    "project",
    metadata,
    words("org_id"),
    words("project_id"),
    words("workspace_id"),
    words("name"),
    words("rights"),
    number("created_at_ns"),
    number("disabled_at_ns", null=True),
    number("revision"),
    PrimaryKeyConstraint("org_id", "project_id"),
    ForeignKeyConstraint(["org_id", "workspace_id"], ["workspace.org_id", "workspace.workspace_id"]),
    Index(None, "revision"),
)

api_key = Table(
    "api_key",
    metadata,
    words("org_id"),
    words("key_id"),
    words("workspace_id"),
    words("project_id"),
    words("name"),
    words("role"),
    words("env"),
    blob("digest"),
    words("rights"),
    number("created_at_ns"),
    number("expires_at_ns", null=True),
    number("revoked_at_ns", null=True),
    number("revision"),
    PrimaryKeyConstraint("org_id", "key_id"),
    UniqueConstraint("key_id"),
    ForeignKeyConstraint(["org_id", "project_id"], ["project.org_id", "project.project_id"]),
    Index(None, "revision"),
)
