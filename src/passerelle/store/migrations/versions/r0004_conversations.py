"""Responses and conversations that callers asked to keep, sealed, each row until its day.

Revision 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=null)


def _int(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _sealed() -> "list[sa.Column[bytes] | sa.Column[int]]":
    return [
        _int("key_version"),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    ]


def upgrade() -> None:
    """Make the four tables."""
    op.create_table(
        "stored_response",
        _text("org_id"),
        _text("response_id"),
        _text("project_id"),
        _text("key_id"),
        _text("previous_id", null=True),
        _text("conversation_id", null=True),
        _text("provider"),
        _int("at_ns"),
        _int("expires_at_ns"),
        *_sealed(),
        sa.PrimaryKeyConstraint("org_id", "response_id", name="pk_stored_response"),
    )
    op.create_table(
        "stored_output",
        _text("org_id"),
        _text("item_id"),
        _text("response_id"),
        _int("expires_at_ns"),
        sa.PrimaryKeyConstraint("org_id", "item_id", "response_id", name="pk_stored_output"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_stored_output_org_id_response_id", "stored_output", ["org_id", "response_id"])
    op.create_table(
        "conversation",
        _text("org_id"),
        _text("conversation_id"),
        _text("project_id"),
        _int("at_ns"),
        _int("expires_at_ns"),
        *_sealed(),
        sa.PrimaryKeyConstraint("org_id", "conversation_id", name="pk_conversation"),
    )
    op.create_table(
        "conversation_item",
        _text("org_id"),
        _text("conversation_id"),
        _text("place"),
        _text("item_id"),
        _text("provider"),
        _int("at_ns"),
        _int("expires_at_ns"),
        *_sealed(),
        sa.PrimaryKeyConstraint("org_id", "conversation_id", "place", name="pk_conversation_item"),
    )
    op.create_index(
        "ix_conversation_item_org_id_conversation_id_item_id",
        "conversation_item",
        ["org_id", "conversation_id", "item_id"],
    )
    for table in ("stored_response", "stored_output", "conversation", "conversation_item"):
        op.create_index(f"ix_{table}_expires_at_ns", table, ["expires_at_ns"])


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise NotImplementedError("what was kept would be lost; restore a backup")
