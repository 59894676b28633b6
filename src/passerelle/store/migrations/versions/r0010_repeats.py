"""Idempotency keys, and the answers of the requests that had one.

Revision 0010.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _int(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=False)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "repeat",
        _text("org_id"),
        _text("name"),
        _text("digest"),
        _text("receipt_id"),
        _text("state"),
        _text("owner"),
        _int("leased_until_ns"),
        _int("at_ns"),
        _int("expires_at_ns"),
        _int("key_version"),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "name", name="pk_repeat"),
    )
    op.create_index("ix_repeat_expires_at_ns", "repeat", ["expires_at_ns"])
    op.create_index("ix_repeat_owner", "repeat", ["owner"])


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise NotImplementedError("what was kept would be lost; restore a backup")
