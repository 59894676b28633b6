"""What was used, by the tags of requests: hourly sums from now on.

Revision 0009.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_IDENTITY = (
    "org_id", "hour", "tag", "workspace_id", "project_id", "key_id", "provider", "deployment", "model",
    "currency", "shard",
)  # fmt: skip
_SUMS = (
    "attempts", "failed", "unpriced", "estimated_nanos", "amount_nanos", "input_tokens", "cache_read_tokens",
    "cache_write_5m_tokens", "cache_write_1h_tokens", "input_audio_tokens", "input_image_tokens",
    "output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens",
)  # fmt: skip
_UNITS = ("output_images", "input_characters", "input_audio_ms", "searches", "image_pixels")


def upgrade() -> None:
    """Make the table. Requests of before are in no line of it."""
    kinds = {"hour": sa.BigInteger(), "shard": sa.BigInteger()}
    op.create_table(
        "usage_tag",
        *[sa.Column(name, kinds.get(name, sa.Text()), nullable=False) for name in _IDENTITY],
        *[sa.Column(name, sa.BigInteger(), nullable=False) for name in _SUMS],
        *[sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in _UNITS],
        sa.PrimaryKeyConstraint(*_IDENTITY, name="pk_usage_tag"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise NotImplementedError("what was used by tag would be lost; restore a backup")
