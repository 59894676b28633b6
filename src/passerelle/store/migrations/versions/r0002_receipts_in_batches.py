"""Receipts stand in their signed batch, a line each, and outcomes say where.

A receipt had a row of its own, with five indexes and the path to its root; a request now has one row fewer,
and a proof is worked out when somebody asks for it. An attempt's id begins with its receipt's ULID, so the
ledger needs no index by receipt.

Revision 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Move receipts into their batches, and what they were found by into `outcome`."""
    connection = op.get_bind()
    op.execute(
        "CREATE TABLE moved_outcome AS SELECT o.org_id, o.receipt_id,"
        " CASE WHEN substr(o.request_id, 5) = substr(o.receipt_id, 5) THEN NULL ELSE o.request_id END"
        " AS request_id,"
        " coalesce(r.project_id, (SELECT max(l.project_id) FROM ledger l WHERE l.org_id = o.org_id"
        "  AND l.receipt_id = o.receipt_id), '') AS project_id,"
        " coalesce(r.key_id, (SELECT max(l.key_id) FROM ledger l WHERE l.org_id = o.org_id"
        "  AND l.receipt_id = o.receipt_id), '') AS key_id,"
        " o.at_ns, o.outcome, o.problem, o.attempts, o.worker, o.group_id, r.leaf"
        " FROM outcome o LEFT JOIN receipt r ON r.org_id = o.org_id AND r.receipt_id = o.receipt_id"
    )
    op.execute(
        "CREATE TABLE moved_receipt AS SELECT org_id, batch_id, leaf, body FROM receipt"
        " ORDER BY org_id, batch_id, leaf"
    )
    op.execute("CREATE TABLE moved_batch AS SELECT * FROM signing_batch")
    for table in ("outcome", "receipt", "signing_batch"):
        op.drop_table(table)
    op.drop_index("ix_ledger_org_id_receipt_id", table_name="ledger")
    op.create_table(
        "outcome",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("receipt_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "receipt_id", name="pk_outcome"),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO outcome SELECT * FROM moved_outcome")
    op.create_index("ix_outcome_org_id_key_id_receipt_id", "outcome", ["org_id", "key_id", "receipt_id"])
    op.create_index(
        "ix_outcome_org_id_project_id_receipt_id", "outcome", ["org_id", "project_id", "receipt_id"]
    )
    given = sa.text("request_id IS NOT NULL")
    op.create_index(
        "ix_outcome_org_id_request_id", "outcome", ["org_id", "request_id"],
        sqlite_where=given, postgresql_where=given,
    )  # fmt: skip
    batch = op.create_table(
        "signing_batch",
        sa.Column("org_id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("bodies", sa.LargeBinary(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "batch_id", name="pk_signing_batch"),
    )
    moved = connection.execute(
        sa.text("SELECT org_id, batch_id, signer, size, root, signature, at_ns FROM moved_batch")
    )
    for row in moved.mappings().all():
        bodies = connection.execute(
            sa.text("SELECT body FROM moved_receipt WHERE org_id = :org AND batch_id = :batch ORDER BY leaf"),
            {"org": row["org_id"], "batch": row["batch_id"]},
        ).scalars()
        connection.execute(batch.insert().values(**row, bodies="\n".join(bodies).encode()))
    for table in ("moved_outcome", "moved_receipt", "moved_batch"):
        op.drop_table(table)


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise NotImplementedError("receipts cannot leave their batches again; restore a backup")
