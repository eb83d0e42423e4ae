from datetime import datetime
from typing import ClassVar

from sqlalchemy import (
    CHAR,
    DDL,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    collate,
    event,
    func,
    literal_column,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from billing.enums import SubscriptionStatus
from billing.ids import CustomerId, PlanId, TestClockId
from billing.limits import (
    MAX_EMAIL,
    MAX_EXTERNAL_ID,
    MAX_INVOICE_PREFIX,
    MAX_MEMO,
    MAX_NAME,
    MAX_PO_NUMBER,
    MAX_TAX_ID,
    MIN_INVOICE_PREFIX,
)
from billing.records import Address
from billing.taxes import TaxProfile
from db.models.base import (
    BY_CODE_POINT,
    NO_PENDING_ENTRIES,
    NO_TEST_CLOCK,
    Base,
    Versioned,
    check_amount,
    check_enum,
    check_length,
    currency_code,
    days_to_pay,
    is_set_in_real_time,
    json_object,
)


def searchable(value: ColumnElement[str]) -> ColumnElement[str]:
    """Returns the form in which a text or a pattern is searched: lower case, with `NN` in place of two line feeds.

    pg_trgm ignores line feeds, so without this it could not find the beginning of a text from its index. The letters
    are upper case, so they occur nowhere else in the text. The form must be cheap, because PostgreSQL computes it for
    each row that the index finds: with `translate` for all punctuation, it took many times as long.
    """
    return func.replace(func.lower(collate(value, "default")), literal_column(r"E'\n\n'"), literal_column("'NN'"))


SEARCHED_TEXT = searchable(
    literal_column(
        r"(E'\n\n' || customers.name || E'\n\n' || customers.email || E'\n\n'"
        r" || coalesce(customers.external_id, '') || E'\n\n' || customers.invoice_prefix)",
        Text(),
    )
)
"""The texts that a search for customers looks at. Two line feeds precede each of them."""


class Customer(Versioned, Base):
    """A customer.

    `email_key` is the normalized e-mail address. It is unique among the customers that are not archived, separately for
    each test clock and for real time. `po_number` and `invoice_memo` are for the customer's future invoices.
    `currency` is null until the customer's first amount, and permanent from then on. `last_invoice_number` and
    `last_ledger_number` are the numbers of the last finalized invoice and of the last ledger entry. `balance_cents` is
    the sum of the ledger entries. `test_clock_id` never changes. `subscription_status` and `subscription_plan_id` are
    copies of the live subscription's, null without one. A `tax_profile` of null means the defaults.
    """

    __tablename__ = "customers"

    id: Mapped[CustomerId] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(BY_CODE_POINT)
    email: Mapped[str] = mapped_column(BY_CODE_POINT)
    email_key: Mapped[str]
    external_id: Mapped[str | None]
    address: Mapped[Address | None]
    tax_id: Mapped[str | None]
    tax_profile: Mapped[TaxProfile | None]
    currency: Mapped[str | None] = mapped_column(CHAR(3))
    invoice_prefix: Mapped[str]
    last_invoice_number: Mapped[int] = mapped_column(Integer)
    balance_cents: Mapped[int] = mapped_column(server_default="0")
    last_ledger_number: Mapped[int] = mapped_column(Integer, server_default="0")
    net_days: Mapped[int | None] = mapped_column(Integer)
    po_number: Mapped[str | None]
    invoice_memo: Mapped[str | None]
    test_clock_id: Mapped[TestClockId | None] = mapped_column(ForeignKey("test_clocks.id"))
    custom_metadata: Mapped[dict[str, str]] = mapped_column("metadata")
    archived_at: Mapped[datetime | None]
    subscription_status: Mapped[SubscriptionStatus | None]
    subscription_plan_id: Mapped[PlanId | None]

    searched_text: ClassVar[ColumnElement[str]]

    __table_args__ = (
        UniqueConstraint("external_id"),
        UniqueConstraint("invoice_prefix"),
        UniqueConstraint("id", "currency", name="uq_customers_id_currency"),
        check_length("name", MAX_NAME),
        check_length("email", MAX_EMAIL),
        check_length("external_id", MAX_EXTERNAL_ID),
        check_length("tax_id", MAX_TAX_ID),
        check_length("po_number", MAX_PO_NUMBER),
        check_length("invoice_memo", MAX_MEMO),
        currency_code(),
        CheckConstraint(
            f"invoice_prefix ~ '^[A-Z0-9]{{{MIN_INVOICE_PREFIX},{MAX_INVOICE_PREFIX}}}$'", name="invoice_prefix"
        ),
        CheckConstraint("last_invoice_number >= 0", name="last_invoice_number"),
        CheckConstraint("last_ledger_number >= 0", name="last_ledger_number"),
        CheckConstraint("balance_cents = 0 OR currency IS NOT NULL", name="balance_currency"),
        check_amount("balance_cents", signed=False),
        days_to_pay(),
        check_enum("subscription_status", SubscriptionStatus),
        CheckConstraint("(subscription_status IS NULL) = (subscription_plan_id IS NULL)", name="live_subscription"),
        json_object("metadata"),
        json_object("address"),
        # Older servers know this name, so it must not change.
        Index(
            "uq_customers_email_key",
            "email_key",
            "test_clock_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("archived_at IS NULL"),
        ),
        Index("ix_customers_email_key", "email_key", "test_clock_id", "archived_at", "id"),
        Index(
            "ix_customers_metadata",
            "metadata",
            postgresql_using="gin",
            postgresql_ops={"metadata": "jsonb_path_ops"},
            postgresql_with=NO_PENDING_ENTRIES,
        ),
        Index(
            "ix_customers_search",
            SEARCHED_TEXT.label("searched_text"),
            postgresql_using="gin",
            postgresql_ops={"searched_text": "gin_trgm_ops"},
            postgresql_with=NO_PENDING_ENTRIES,
        ),
        Index("ix_customers_created_at", "created_at", "id"),
        Index("ix_customers_name", "name", "id"),
        Index("ix_customers_email", "email", "id"),
        Index("ix_customers_currency", "currency", "created_at", "id", postgresql_where=NO_TEST_CLOCK),
        Index(
            "ix_customers_in_use",
            "created_at",
            "id",
            postgresql_where=text("archived_at IS NULL AND test_clock_id IS NULL"),
        ),
        Index(
            "ix_customers_archived",
            "created_at",
            "id",
            postgresql_where=text("archived_at IS NOT NULL AND test_clock_id IS NULL"),
        ),
        Index(
            "ix_customers_subscription_status",
            "subscription_status",
            "created_at",
            "id",
            postgresql_where=is_set_in_real_time("subscription_status"),
        ),
        Index(
            "ix_customers_subscription_plan_id",
            "subscription_plan_id",
            "subscription_status",
            "created_at",
            "id",
            postgresql_where=is_set_in_real_time("subscription_plan_id"),
        ),
        Index(
            "ix_customers_with_balance",
            "created_at",
            "id",
            postgresql_where=text("balance_cents > 0 AND test_clock_id IS NULL"),
        ),
        Index(
            "ix_customers_test_clock_id",
            "test_clock_id",
            "created_at",
            "id",
            postgresql_where=text("test_clock_id IS NOT NULL"),
        ),
        # Each invoice updates this row. With free space on the page, these updates do not touch the indexes (HOT).
        {"postgresql_with": {"fillfactor": 85}},
    )


Customer.searched_text = SEARCHED_TEXT

# `gin_trgm_ops` is part of it.
event.listen(Base.metadata, "before_create", DDL("CREATE EXTENSION IF NOT EXISTS pg_trgm"))  # type: ignore[no-untyped-call]
