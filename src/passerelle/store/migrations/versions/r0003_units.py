"""What is not billed in tokens: pictures, characters spoken, sound heard, searches.

Revision 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UNITS = ("output_images", "input_characters", "input_audio_ms", "searches")


def upgrade() -> None:
    """Add the columns, 0 in every row there is."""
    for table in ("ledger", "usage_hour"):
        for name in _UNITS:
            op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take them away again, and what was counted in them."""
    for table in ("ledger", "usage_hour"):
        for name in _UNITS:
            op.drop_column(table, name)
