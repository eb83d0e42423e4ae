"""Customers."""

import re
import unicodedata
from datetime import datetime
from enum import Enum
from typing import ClassVar

import strawberry

from billing import limits
from billing.enums import SubscriptionStatus, TaxStatus
from billing.invoicing import first_sequence
from db import models
from db.queries.conditions import Condition, InvoiceNumberSearch
from db.queries.lookups import live_subscriptions_by_customer, test_clocks_by_id
from graph.schema.fields.connections import Connection, Search, connection
from graph.schema.fields.edges import edge
from graph.schema.fields.errors import bad_user_input
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents, Currency
from graph.schema.types.common import (
    Address,
    DateTimeRange,
    MetadataEntry,
    MetadataEntryInput,
    Node,
    TaxId,
    any_of,
    field,
    has_metadata,
    id_is,
    in_currency,
    is_positive,
    is_set,
    metadata_field,
    metadata_filter_field,
    within,
)
from graph.schema.types.corrections import CreditNote, CreditNoteFilter, CreditNoteOrder
from graph.schema.types.discounts import Discount, DiscountFilter, DiscountOrder
from graph.schema.types.events import Event, feed_by
from graph.schema.types.invoices import InvoiceFilter, InvoiceOrder
from graph.schema.types.lazy import LazyInvoice, LazySubscription, LazyTestClock
from graph.schema.types.payments import (
    LedgerEntry,
    LedgerEntryFilter,
    LedgerEntryOrder,
    Payment,
    PaymentFilter,
    PaymentOrder,
)
from graph.schema.types.subscriptions import SubscriptionFilter, SubscriptionOrder
from graph.schema.types.taxes import TaxRate, customer_rates_field, of_profile


@strawberry.type(description="A person or company that is billed. Customers can be archived but never deleted.")
class Customer(Node):
    row: ClassVar = models.Customer

    name: str = field("The name on invoices.")
    email: str = field(
        "The e-mail address, unique among the customers that are not archived, ignoring case. This applies separately"
        " to customers in real time and to those on each test clock."
    )
    external_id: str | None = field("The customer's id in your own system. Unique. Null if not set.")
    address: Address | None = field("The postal address on invoices. Null if not set.")
    tax_id: str | None = field("The tax id on invoices, such as a VAT number. Null if not set.")
    tax_status: TaxStatus = of_profile("The tax status.", TaxStatus, lambda profile: profile.status)
    tax_exemption_reason: str | None = of_profile(
        "The reason why the customer is exempt from tax. Null if `taxStatus` is not EXEMPT.",
        str | None,
        lambda profile: profile.exemption_reason,
    )
    tax_ids: list[TaxId] = of_profile("The customer's VAT numbers.", list[TaxId], lambda profile: list(profile.ids))
    tax_rates: list[TaxRate] = customer_rates_field()
    currency: Currency | None = field(
        "The currency in which the customer is billed. The first subscription, invoice, payment or balance adjustment"
        " sets it permanently. Null before that."
    )
    balance_cents: Cents = field(
        "The customer's credit balance, in minor units of `currency`: overpayments and credits that have not"
        " been applied to an invoice. It is applied to the next invoice first. Never negative; what the customer"
        " owes is on the invoices."
    )
    net_days: int | None = field(
        "Payment terms: days from issue to due date of this customer's invoices. If null, the plan's value"
        f" applies, else {limits.NET_DAYS}."
    )
    po_number: str | None = field(
        "Purchase order number that the customer's invoices show. Copied when an invoice is finalized, unless a draft"
        " has its own. Null if not set."
    )
    invoice_memo: str | None = field(
        "Memo that the customer's invoices show. Copied when an invoice is finalized, unless a draft has its own. Null"
        " if not set."
    )
    archived_at: datetime | None = field("When the customer was archived. Null if not archived.")
    version: int = field("Version of the customer. Starts at 1 and increases by one with each change.")
    created_at: datetime = field("When the customer was created.")
    updated_at: datetime = field("When the customer was last changed.")
    metadata: list[MetadataEntry] = metadata_field()

    subscription: LazySubscription | None = edge(
        live_subscriptions_by_customer,
        "id",
        "The live subscription, that is, the one that is not CANCELED. Null if there is none.",
    )
    subscriptions: Connection[LazySubscription] = connection(
        models.Subscription,
        parent="customer_id",
        filter_by=SubscriptionFilter,
        order_by=SubscriptionOrder,
        description="All subscriptions, including canceled ones.",
    )
    invoices: Connection[LazyInvoice] = connection(
        models.Invoice,
        parent="customer_id",
        filter_by=InvoiceFilter,
        order_by=InvoiceOrder,
        description="All invoices, including one-off invoices.",
    )
    payments: Connection[Payment] = connection(
        models.Payment,
        parent="customer_id",
        filter_by=PaymentFilter,
        order_by=PaymentOrder,
        description="All payments.",
    )
    credit_notes: Connection[CreditNote] = connection(
        models.CreditNote,
        parent="customer_id",
        filter_by=CreditNoteFilter,
        order_by=CreditNoteOrder,
        description="All credit notes, including void ones.",
    )
    discounts: Connection[Discount] = connection(
        models.Discount,
        parent="customer_id",
        filter_by=DiscountFilter,
        order_by=DiscountOrder,
        description="The discounts of the customer and of its subscriptions, including used-up and removed ones.",
    )
    ledger: Connection[LedgerEntry] = connection(
        models.LedgerEntry,
        parent="customer_id",
        filter_by=LedgerEntryFilter,
        order_by=LedgerEntryOrder,
        description="The ledger of `balanceCents`: every change to the balance.",
    )
    events: Connection[Event] = feed_by(
        "customer_id",
        "Events of the customer and of the customer's objects, oldest first by default: the customer's part of the feed"
        " `events`.",
    )
    test_clock: LazyTestClock | None = edge(
        test_clocks_by_id,
        "test_clock_id",
        "The test clock that the customer and all of its objects are on. Null if they are in real time.",
    )


@strawberry.input(description="Filter for customers. Omitted fields do not filter.")
class CustomerFilter:
    archived: bool | None = strawberry.field(
        default=None, description="True for archived customers only, false for customers that are not archived."
    )
    currency: Currency | None = strawberry.field(default=None, description="Only customers billed in this currency.")
    subscription_status: list[SubscriptionStatus] | None = strawberry.field(
        default=None,
        description=(
            "Only customers whose live subscription has one of these statuses. CANCELED matches none, since a"
            " canceled subscription is not live."
        ),
    )
    past_due: bool | None = strawberry.field(
        default=None,
        description=(
            "True for customers whose live subscription is PAST_DUE only, false for customers whose live"
            " subscription is not PAST_DUE or who have none."
        ),
    )
    plan_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Only customers whose live subscription is to this plan now. An unknown id matches none.",
    )
    has_balance: bool | None = strawberry.field(
        default=None,
        description="True for customers with a `balanceCents` above 0 only, false for customers with a balance of 0.",
    )
    created_at: DateTimeRange | None = strawberry.field(
        default=None, description="Only customers created in this range."
    )
    test_clock_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only customers on this test clock. An unknown id matches none."
    )
    metadata: list[MetadataEntryInput] | None = metadata_filter_field("customers")

    def conditions(self) -> tuple[Condition, ...]:
        return (
            *is_set("archived_at", self.archived),
            *in_currency(self.currency),
            *self.status_conditions(),
            *id_is("subscription_plan_id", self.plan_id),
            *is_positive("balance_cents", self.has_balance),
            *within("created_at", self.created_at),
            *id_is("test_clock_id", self.test_clock_id),
            *has_metadata(self.metadata),
        )

    def status_conditions(self) -> tuple[Condition, ...]:
        """Returns at most one condition on `subscription_status`, for both filters together."""
        past_due, statuses = self.past_due, self.subscription_status
        if statuses is None and past_due is False:
            return (Condition("subscription_status", "is not", SubscriptionStatus.PAST_DUE),)
        if statuses is None and past_due:
            statuses = [SubscriptionStatus.PAST_DUE]
        elif statuses is not None and past_due is not None:
            statuses = [status for status in statuses if (status is SubscriptionStatus.PAST_DUE) == past_due]
        return any_of("subscription_status", statuses)


SEARCHES = (
    "Only customers whose name, e-mail address, external id or invoice prefix contains this text, ignoring case. A text"
    f" of fewer than {limits.MIN_SEARCHED_PART} characters must be at the start of one of these. An invoice number"
    " finds the customer of the invoice. You may omit digits from its end, and all but the last"
    f" {limits.MIN_INVOICE_PREFIX} characters before the hyphen. The digits alone find nothing. White space around the"
    " text is ignored, and a blank text does not filter. There are no wildcards. The text must have a letter or digit,"
    f" at most {limits.MAX_SEARCH} characters, and no control characters."
)

INVOICE_NUMBER = re.compile(rf"([A-Za-z0-9]{{{limits.MIN_INVOICE_PREFIX},{limits.MAX_INVOICE_PREFIX}}})-([0-9]*)")


def found_by(query: str | None) -> tuple[Condition, ...]:
    """Returns the condition for the customers that a search finds. Raises a `BAD_USER_INPUT` error."""
    text = (query or "").strip()
    if not text:
        return ()
    if len(text) > limits.MAX_SEARCH:
        raise bad_user_input(f"`query` must have at most {limits.MAX_SEARCH} characters.")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise bad_user_input("`query` must not contain control characters.")
    if not any(character.isalnum() for character in text):
        raise bad_user_input("`query` must contain a letter or digit.")
    literal = re.sub(r"[\\%_]", r"\\\g<0>", text)
    if len(text) < limits.MIN_SEARCHED_PART:
        return (Condition("searched_text", "like", f"%\n\n{literal}%"),)
    pattern = f"%{literal}%"
    number = INVOICE_NUMBER.fullmatch(text)
    least = None if number is None else first_sequence(number[2])
    if number is None or least is None or least > limits.MAX_SEQUENCE:
        return (Condition("searched_text", "like", pattern),)
    return (Condition("searched_text", "like or numbered", InvoiceNumberSearch(pattern, f"%{number[1]}", least)),)


CUSTOMER_SEARCH = Search(found_by, SEARCHES)


@strawberry.enum(description="The field to sort customers by. Strings are compared by code point.")
class CustomerOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the customer was created.")
    NAME = strawberry.enum_value("name", description="The name.")
    EMAIL = strawberry.enum_value("email", description="The e-mail address.")


@strawberry.input(description="Sort order of customers.")
class CustomerOrder:
    field: CustomerOrderField = strawberry.field(
        default=CustomerOrderField.CREATED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")
