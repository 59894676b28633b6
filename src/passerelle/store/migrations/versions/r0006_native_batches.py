"""Batches that a provider's own batch service has: where each is there.

Revision 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, unsaid in every row there is."""
    op.add_column("batch", sa.Column("native", sa.Text(), nullable=True))


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise NotImplementedError("where batches are at their providers would be lost; restore a backup")
