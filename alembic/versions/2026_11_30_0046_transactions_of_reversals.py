"""transactions of reversals

Revision 0046, after 0045. A payment can have several reversals: this tells which one an event reports. Servers of the
previous release write the default.
"""

import sqlalchemy as sa
from alembic import op

from db.models.types import TransactionId
from db.queries.fills import FILL_XIDS

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reversals", sa.Column("xid", TransactionId(), nullable=True))
    # Separately, because the default must not apply to existing rows.
    op.alter_column("reversals", "xid", server_default=sa.text("event_xid()"))
    op.execute(FILL_XIDS.format(table="reversals", event="PAYMENT_REVERSED"))


def downgrade() -> None:
    op.drop_column("reversals", "xid")
