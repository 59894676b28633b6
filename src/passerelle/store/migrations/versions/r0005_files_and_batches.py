"""Files kept for projects, batches, and the results of a batch's lines until its files are written.

Revision 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "file",
        *[_text(name) for name in ("org_id", "file_id", "project_id", "key_id", "name", "purpose")],
        _text("media_type"),
        _int("size_bytes"),
        _int("created_at_ns"),
        _int("expires_at_ns", null=True),
        sa.PrimaryKeyConstraint("org_id", "file_id", name="pk_file"),
        sa.UniqueConstraint("file_id", name="uq_file_file_id"),
    )
    op.create_index("ix_file_org_id_project_id_file_id", "file", ["org_id", "project_id", "file_id"])
    op.create_index("ix_file_expires_at_ns", "file", ["expires_at_ns"])
    op.create_table(
        "batch",
        *[_text(name) for name in ("org_id", "batch_id", "project_id", "key_id", "surface", "endpoint")],
        _text("state"),
        _text("input_file_id"),
        _text("output_file_id", null=True),
        _text("error_file_id", null=True),
        *[_text(name) for name in ("terms", "problems", "tokens", "reached")],
        *[_int(name) for name in ("total", "completed", "failed", "expired", "cancelled")],
        _int("created_at_ns"),
        _int("expires_at_ns"),
        _int("purge_at_ns", null=True),
        _text("owner"),
        _int("leased_until_ns"),
        sa.PrimaryKeyConstraint("org_id", "batch_id", name="pk_batch"),
        sa.UniqueConstraint("batch_id", name="uq_batch_batch_id"),
    )
    op.create_index("ix_batch_org_id_project_id_batch_id", "batch", ["org_id", "project_id", "batch_id"])
    op.create_index("ix_batch_state", "batch", ["state"])
    op.create_index("ix_batch_purge_at_ns", "batch", ["purge_at_ns"])
    op.create_table(
        "batch_line",
        _text("org_id"),
        _text("batch_id"),
        _int("line"),
        _text("kind"),
        _text("receipt_id"),
        _int("key_version"),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "batch_id", "line", name="pk_batch_line"),
        sa.ForeignKeyConstraint(
            ["org_id", "batch_id"], ["batch.org_id", "batch.batch_id"], name="fk_batch_line_batch"
        ),
    )


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise NotImplementedError("kept files and batches would be lost; restore a backup")
