"""Everything, from nothing: tenancy, budgets, ledger, audit, receipts.

Revision 0001. This file is history: later changes of `schema` are steps of their own.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "audit",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("audit_id", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "audit_id", name="pk_audit"),
    )
    op.create_table(
        "budget_account",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("spent_nanos", sa.BigInteger(), nullable=False),
        sa.Column("leased_nanos", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "budget_id", "period", name="pk_budget_account"),
    )
    op.create_table(
        "budget_lease",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("lease_id", sa.Text(), nullable=False),
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("granted_nanos", sa.BigInteger(), nullable=False),
        sa.Column("spent_nanos", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "lease_id", name="pk_budget_lease"),
    )
    op.create_index(
        "ix_budget_lease_org_id_budget_id_period",
        "budget_lease",
        ["org_id", "budget_id", "period"],
        unique=False,
    )
    op.create_index(
        "ix_budget_lease_state_expires_at_ns", "budget_lease", ["state", "expires_at_ns"], unique=False
    )
    op.create_table(
        "content",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("key_version", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "receipt_id", name="pk_content"),
    )
    op.create_index("ix_content_org_id_at_ns", "content", ["org_id", "at_ns"], unique=False)
    op.create_table(
        "content_key",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "version", name="pk_content_key"),
    )
    op.create_table(
        "hold",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=False),
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("lease_id", sa.Text(), nullable=True),
        sa.Column("held_nanos", sa.BigInteger(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "receipt_id", "hold_id", "budget_id", name="pk_hold"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "intent",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("data_class", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("estimate_nanos", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "attempt_id", name="pk_intent"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_intent_org_id_at_ns", "intent", ["org_id", "at_ns"], unique=False)
    op.create_table(
        "ledger",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("duration_ns", sa.BigInteger(), nullable=False),
        sa.Column("first_content_ns", sa.BigInteger(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_5m_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_audio_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_image_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_audio_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_image_tokens", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("price_version", sa.Text(), nullable=True),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("unknown", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "attempt_id", name="pk_ledger"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ledger_org_id_receipt_id", "ledger", ["org_id", "receipt_id"], unique=False)
    op.create_table(
        "meta",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "name", name="pk_meta"),
    )
    op.create_table(
        "organisation",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name="pk_organisation"),
    )
    op.create_index("ix_organisation_revision", "organisation", ["revision"], unique=False)
    op.create_table(
        "outcome",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "receipt_id", name="pk_outcome"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "price_row",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("first_seen_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "version", name="pk_price_row"),
    )
    op.create_table(
        "receipt",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "receipt_id", name="pk_receipt"),
    )
    op.create_index(
        "ix_receipt_org_id_key_id_receipt_id", "receipt", ["org_id", "key_id", "receipt_id"], unique=False
    )
    op.create_index(
        "ix_receipt_org_id_project_id_receipt_id",
        "receipt",
        ["org_id", "project_id", "receipt_id"],
        unique=False,
    )
    op.create_index("ix_receipt_org_id_request_id", "receipt", ["org_id", "request_id"], unique=False)
    op.create_table(
        "signing_batch",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "batch_id", name="pk_signing_batch"),
    )
    op.create_table(
        "signing_key",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("first_seen_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "signer", name="pk_signing_key"),
    )
    op.create_table(
        "usage_hour",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("shard", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("unpriced", sa.BigInteger(), nullable=False),
        sa.Column("estimated_nanos", sa.BigInteger(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_read_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_5m_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_audio_tokens", sa.BigInteger(), nullable=False),
        sa.Column("input_image_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_audio_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_image_tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "org_id",
            "hour",
            "workspace_id",
            "project_id",
            "key_id",
            "provider",
            "deployment",
            "model",
            "currency",
            "shard",
            name="pk_usage_hour",
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "budget",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("limit_nanos", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organisation.org_id"], name="fk_budget_organisation"),
        sa.PrimaryKeyConstraint("org_id", "budget_id", name="pk_budget"),
        sa.UniqueConstraint("budget_id", name="uq_budget_budget_id"),
    )
    op.create_index("ix_budget_revision", "budget", ["revision"], unique=False)
    op.create_table(
        "workspace",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["org_id"], ["organisation.org_id"], name="fk_workspace_organisation"),
        sa.PrimaryKeyConstraint("org_id", "workspace_id", name="pk_workspace"),
    )
    op.create_index("ix_workspace_revision", "workspace", ["revision"], unique=False)
    op.create_table(
        "project",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "workspace_id"],
            ["workspace.org_id", "workspace.workspace_id"],
            name="fk_project_workspace",
        ),
        sa.PrimaryKeyConstraint("org_id", "project_id", name="pk_project"),
    )
    op.create_index("ix_project_revision", "project", ["revision"], unique=False)
    op.create_table(
        "api_key",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("workspace_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("env", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.Column("created_at_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id", "project_id"], ["project.org_id", "project.project_id"], name="fk_api_key_project"
        ),
        sa.PrimaryKeyConstraint("org_id", "key_id", name="pk_api_key"),
        sa.UniqueConstraint("key_id", name="uq_api_key_key_id"),
    )
    op.create_index("ix_api_key_revision", "api_key", ["revision"], unique=False)


def downgrade() -> None:
    """Drop all tables."""
    op.drop_index("ix_api_key_revision", table_name="api_key")
    op.drop_table("api_key")
    op.drop_index("ix_project_revision", table_name="project")
    op.drop_table("project")
    op.drop_index("ix_workspace_revision", table_name="workspace")
    op.drop_table("workspace")
    op.drop_index("ix_budget_revision", table_name="budget")
    op.drop_table("budget")
    op.drop_table("usage_hour")
    op.drop_table("signing_key")
    op.drop_table("signing_batch")
    op.drop_index("ix_receipt_org_id_request_id", table_name="receipt")
    op.drop_index("ix_receipt_org_id_project_id_receipt_id", table_name="receipt")
    op.drop_index("ix_receipt_org_id_key_id_receipt_id", table_name="receipt")
    op.drop_table("receipt")
    op.drop_table("price_row")
    op.drop_table("outcome")
    op.drop_index("ix_organisation_revision", table_name="organisation")
    op.drop_table("organisation")
    op.drop_table("meta")
    op.drop_index("ix_ledger_org_id_receipt_id", table_name="ledger")
    op.drop_table("ledger")
    op.drop_index("ix_intent_org_id_at_ns", table_name="intent")
    op.drop_table("intent")
    op.drop_table("hold")
    op.drop_table("content_key")
    op.drop_index("ix_content_org_id_at_ns", table_name="content")
    op.drop_table("content")
    op.drop_index("ix_budget_lease_state_expires_at_ns", table_name="budget_lease")
    op.drop_index("ix_budget_lease_org_id_budget_id_period", table_name="budget_lease")
    op.drop_table("budget_lease")
    op.drop_table("budget_account")
    op.drop_table("audit")
