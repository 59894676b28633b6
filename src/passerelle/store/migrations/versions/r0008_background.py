"""Responses made in the background, and the events of those that are streamed.

Revision 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _int(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _sealed() -> "list[sa.Column[bytes] | sa.Column[int]]":
    return [
        _int("key_version"),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    ]


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "background_response",
        _text("org_id"),
        _text("response_id"),
        _text("project_id"),
        _text("key_id"),
        _text("state"),
        sa.Column("stream", sa.Boolean(), nullable=False),
        _int("tries"),
        _int("losses"),
        _int("events"),
        _int("at_ns"),
        _int("expires_at_ns"),
        _text("owner"),
        _int("leased_until_ns"),
        *_sealed(),
        sa.PrimaryKeyConstraint("org_id", "response_id", name="pk_background_response"),
    )
    op.create_index("ix_background_response_state", "background_response", ["state"])
    op.create_index("ix_background_response_expires_at_ns", "background_response", ["expires_at_ns"])
    op.create_table(
        "background_event",
        _text("org_id"),
        _text("response_id"),
        _int("number"),
        _int("until"),
        _int("expires_at_ns"),
        *_sealed(),
        sa.PrimaryKeyConstraint("org_id", "response_id", "number", name="pk_background_event"),
    )
    op.create_index("ix_background_event_expires_at_ns", "background_event", ["expires_at_ns"])


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise NotImplementedError("what was kept would be lost; restore a backup")
