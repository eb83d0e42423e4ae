"""transactions of refunds

Revision 0047, after 0046. A payment can have several refunds: this tells which one an event reports. Servers of the
previous release write the default.
"""

import sqlalchemy as sa
from alembic import op

from db.models.types import TransactionId
from db.queries.fills import FILL_XIDS

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refunds", sa.Column("xid", TransactionId(), nullable=True))
    # Separately, because the default must not apply to existing rows.
    op.alter_column("refunds", "xid", server_default=sa.text("event_xid()"))
    op.execute(FILL_XIDS.format(table="refunds", event="PAYMENT_REFUNDED"))


def downgrade() -> None:
    op.drop_column("refunds", "xid")
