"""What the router learns from, and what it has learned.

Revision 0011.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=null)


def _int(name: str, *, null: bool = False) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=null)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "feedback",
        _text("org_id"),
        _int("number"),
        _text("receipt_id"),
        _text("verdict_id"),
        _text("source"),
        _text("actor"),
        _int("at_ns"),
        _text("project_id"),
        _text("deployment"),
        _text("model"),
        _text("task", null=True),
        _int("score_ppm"),
        _int("weight_ppm"),
        _int("prior_ppm", null=True),
        sa.Column("features", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "number", name="pk_feedback"),
        sa.UniqueConstraint(
            "org_id", "receipt_id", "source", "actor", "verdict_id", name="uq_feedback_org_id"
        ),
    )
    op.create_table(
        "verdict",
        _text("org_id"),
        _text("verdict_id"),
        _int("at_ns"),
        _text("actor"),
        _text("first"),
        _text("second"),
        _text("overall"),
        _text("criteria"),
        sa.PrimaryKeyConstraint("org_id", "verdict_id", name="pk_verdict"),
        sa.UniqueConstraint("org_id", "first", "second", "actor", name="uq_verdict_org_id"),
    )
    op.create_index("ix_verdict_org_id_second", "verdict", ["org_id", "second"])
    op.create_table(
        "router",
        _text("org_id"),
        _int("number"),
        _int("version"),
        _int("rests_on"),
        _int("epoch"),
        _int("frozen_at", null=True),
        _text("owner"),
        _int("leased_until_ns"),
        sa.PrimaryKeyConstraint("org_id", name="pk_router"),
    )
    op.create_table(
        "router_state",
        _text("org_id"),
        _int("version"),
        _int("number"),
        _int("epoch"),
        _int("at_ns"),
        _text("actor"),
        _text("origin"),
        _text("learner"),
        _int("restores", null=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "version", name="pk_router_state"),
    )


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise NotImplementedError("what was learned would be lost; restore a backup")
