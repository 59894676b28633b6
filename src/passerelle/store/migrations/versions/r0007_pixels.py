"""Pictures billed by the megapixel: the pixels of each attempt.

Revision 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, 0 in every row there is."""
    for table in ("ledger", "usage_hour"):
        op.add_column(table, sa.Column("image_pixels", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take it away again, and what was counted in it."""
    for table in ("ledger", "usage_hour"):
        op.drop_column(table, "image_pixels")
