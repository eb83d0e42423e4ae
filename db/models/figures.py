"""Tables of the figures of the business."""

from datetime import date, datetime

from sqlalchemy import CHAR, CheckConstraint, ForeignKeyConstraint, Index, Integer, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.ids import CustomerId, SubscriptionId
from db.models.base import Base
from db.models.types import TransactionId

KINDS_ADD_UP = "mrr_cents = new_cents + expansion_cents + reactivated_cents - contraction_cents - churned_cents"


class MrrMovement(Base):
    """A change of a customer's MRR, or of the status of its subscription, at `at`.

    All amounts and the counts of subscriptions by status are differences, so that rows add up. The movement of a
    customer in a month is one kind: a row that turns an expansion into a churn has a negative `expansion_cents`. The
    last three columns are for the customer's next row: its MRR after this one, its MRR at the start of the month, and
    when it first had MRR. Rows are never changed. `sequence` counts the customer's rows from 1, in the order of `at`.
    """

    __tablename__ = "mrr_movements"

    customer_id: Mapped[CustomerId] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    subscription_id: Mapped[SubscriptionId]
    currency: Mapped[str] = mapped_column(CHAR(3))
    at: Mapped[datetime]
    xid: Mapped[int] = mapped_column(TransactionId(), server_default=text("event_xid()"))
    mrr_cents: Mapped[int]
    new_cents: Mapped[int]
    expansion_cents: Mapped[int]
    contraction_cents: Mapped[int]
    churned_cents: Mapped[int]
    reactivated_cents: Mapped[int]
    active: Mapped[int] = mapped_column(Integer)
    trialing: Mapped[int] = mapped_column(Integer)
    past_due: Mapped[int] = mapped_column(Integer)
    after_cents: Mapped[int]
    month_start_cents: Mapped[int]
    first_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(["subscription_id", "customer_id"], ["subscriptions.id", "subscriptions.customer_id"]),
        CheckConstraint("sequence >= 1", name="sequence"),
        CheckConstraint(KINDS_ADD_UP, name="kinds"),
        CheckConstraint("least(after_cents, month_start_cents) >= 0", name="mrr"),
        CheckConstraint("first_at <= at AND (after_cents = 0 OR first_at IS NOT NULL)", name="first_at"),
        Index("ix_mrr_movements_xid", "xid"),
        Index("ix_mrr_movements_at", "at", postgresql_include=["currency", "mrr_cents"]),
    )


class DailyFigures(Base):
    """Sums in one currency for a day (UTC), of what transactions below the watermark have written.

    Sums of MRR movements by `at`, totals of invoices by their issue, less those voided on the day, and payments by
    their receipt, less refunds and reversals on the day.
    """

    __tablename__ = "daily_figures"

    currency: Mapped[str] = mapped_column(CHAR(3), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    mrr_cents: Mapped[int] = mapped_column(Numeric())
    new_cents: Mapped[int] = mapped_column(Numeric())
    expansion_cents: Mapped[int] = mapped_column(Numeric())
    contraction_cents: Mapped[int] = mapped_column(Numeric())
    churned_cents: Mapped[int] = mapped_column(Numeric())
    reactivated_cents: Mapped[int] = mapped_column(Numeric())
    active: Mapped[int]
    trialing: Mapped[int]
    past_due: Mapped[int]
    invoiced_cents: Mapped[int] = mapped_column(Numeric())
    collected_cents: Mapped[int] = mapped_column(Numeric())

    __table_args__ = (CheckConstraint(KINDS_ADD_UP, name="kinds"),)


class FiguresWatermark(Base):
    """The transaction id up to which `daily_figures` contain everything. A single row."""

    __tablename__ = "figures_watermark"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    below_xid: Mapped[int] = mapped_column(TransactionId())

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
