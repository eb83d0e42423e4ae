"""The query root type."""

import asyncio
from typing import Annotated, Any, cast

import strawberry

from billing.coupon_validation import coupon_code_or_none
from billing.enums import ApiKeyScope
from billing.validation import MINOR_UNITS, email_key_or_none
from db import models
from db.queries.lookups import (
    by_id,
    coupons_by_code,
    coupons_by_id,
    credit_notes_by_id,
    customers_by_email_key,
    customers_by_external_id,
    customers_by_id,
    discounts_by_id,
    invoices_by_id,
    invoices_by_number,
    kinds_by_id,
    latest_payments_by_reference,
    payments_by_id,
    plans_by_code,
    plans_by_id,
    sellers_by_id,
    subscriptions_by_id,
    tax_rates_by_id,
    test_clocks_by_id,
    webhook_endpoints_by_id,
)
from db.queries.tax_rules import latest_seller_id
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.context import Info
from graph.schema.fields.edges import lookup
from graph.schema.fields.errors import bad_user_input
from graph.schema.fields.paging import MAX_PAGE
from graph.schema.fields.scalars import Currency, parse_id
from graph.schema.queries.previews import PreviewQueries
from graph.schema.types.access import ApiKey, Viewer
from graph.schema.types.analytics import Analytics
from graph.schema.types.common import Node, SupportedCurrency
from graph.schema.types.corrections import CreditNote, CreditNoteFilter, CreditNoteOrder
from graph.schema.types.customers import CUSTOMER_SEARCH, Customer, CustomerFilter, CustomerOrder
from graph.schema.types.discounts import Coupon, CouponFilter, CouponOrder, Discount
from graph.schema.types.events import Event, events_cursor, feed
from graph.schema.types.invoices import Invoice, InvoiceFilter, InvoiceOrder
from graph.schema.types.payments import Payment, PaymentFilter, PaymentOrder
from graph.schema.types.plans import Plan, PlanFilter, PlanOrder
from graph.schema.types.runs import (
    BillingRun,
    BillingRunFilter,
    BillingRunOrder,
    TestClock,
    TestClockFilter,
    TestClockOrder,
)
from graph.schema.types.subscriptions import Subscription, SubscriptionFilter, SubscriptionOrder
from graph.schema.types.taxes import Seller, TaxRate, TaxRateFilter, TaxRateOrder
from graph.schema.types.webhooks import WebhookDelivery, WebhookEndpoint, webhook_delivery, webhook_endpoint
from services import api_keys
from services.webhooks.endpoints import webhook_endpoint_ids

Id = Annotated[strawberry.ID, strawberry.argument(description="The object's id.")]


async def find_node(info: Info, id: strawberry.ID) -> Any:
    key = parse_id(id)
    kind = await info.context.find(kinds_by_id, key)
    if kind is None or (kind.for_admins and info.context.access.scope is not ApiKeyScope.ADMIN):
        return None
    return await info.context.find(by_id[kind.model], key)


def stored_number(text: str) -> str:
    """Returns the invoice number in the form in which it is stored. Numbers are upper case, as their prefixes are."""
    return text.strip().upper()


@strawberry.type(description="All queries. Looking up an id that does not exist or is malformed returns null.")
class Query(PreviewQueries):
    @strawberry.field(description="The object with this id, of any type.")
    async def node(self, info: Info, id: Id) -> Node | None:
        return await find_node(info, id)

    @strawberry.field(
        description=(
            f"The objects with these ids, in the same order; null for each id that does not exist. At most {MAX_PAGE}."
        )
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="The objects' ids.")],
    ) -> list[Node | None]:
        limit = info.context.settings.limits.page
        if len(ids) > limit:
            raise bad_user_input(f"`ids` must have at most {limit} items.")
        # If one lookup fails, do not cancel the others: other fields may await the same loader futures.
        found: list[Any] = await asyncio.gather(*(find_node(info, each) for each in ids), return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        return found

    customer: Customer | None = lookup(customers_by_id, "The customer with this id.")
    customer_by_email: Customer | None = lookup(
        customers_by_email_key,
        (
            "The customer with this e-mail address, ignoring case. If several have it, the one in real time that is not"
            " archived, else the one in real time that was archived last, else one on a test clock."
        ),
        argument="email",
        argument_description="The e-mail address.",
        argument_type=str,
        key_of=email_key_or_none,
    )
    customer_by_external_id: Customer | None = lookup(
        customers_by_external_id,
        "The customer with this external id.",
        argument="externalId",
        argument_description="The customer's id in your own system.",
        argument_type=str,
        key_of=str,
    )
    plan: Plan | None = lookup(plans_by_id, "The plan with this id.")
    plan_by_code: Plan | None = lookup(
        plans_by_code,
        "The plan with this code.",
        argument="code",
        argument_description="The plan's code.",
        argument_type=str,
        key_of=str,
    )
    subscription: Subscription | None = lookup(subscriptions_by_id, "The subscription with this id.")
    invoice: Invoice | None = lookup(invoices_by_id, "The invoice with this id.")
    invoice_by_number: Invoice | None = lookup(
        invoices_by_number,
        (
            "The finalized invoice with this number, ignoring case and surrounding white space. Customer sessions find"
            " only the customer's own invoices."
        ),
        argument="number",
        argument_description="The invoice number, such as `7K2M9QXW4T-0001`.",
        argument_type=str,
        key_of=stored_number,
    )
    payment: Payment | None = lookup(payments_by_id, "The payment with this id.")
    payment_by_reference: Payment | None = lookup(
        latest_payments_by_reference,
        "The newest payment with this reference, by `createdAt`, then by id. Includes payments of customers on test"
        " clocks; to omit those, use the filter `reference` of `payments`.",
        argument="reference",
        argument_description="The reference, exactly as it was recorded. Case matters.",
        argument_type=str,
        key_of=str,
    )
    credit_note: CreditNote | None = lookup(credit_notes_by_id, "The credit note with this id.")
    coupon: Coupon | None = lookup(
        coupons_by_id, "The coupon with this id. Customer sessions see only coupons that the customer has redeemed."
    )
    coupon_by_code: Coupon | None = lookup(
        coupons_by_code,
        "The coupon with this code, ignoring case. Customer sessions see only coupons that the customer has redeemed.",
        argument="code",
        argument_description="The code.",
        argument_type=str,
        key_of=coupon_code_or_none,
    )
    discount: Discount | None = lookup(discounts_by_id, "The discount with this id.")
    tax_rate: TaxRate | None = lookup(tax_rates_by_id, "The tax rate with this id.")

    @strawberry.field(description="The profile of the seller that is in force. Null before the first `updateSeller`.")
    async def seller(self, info: Info) -> Seller | None:
        info.context.access.require(ApiKeyScope.READ)
        async with info.context.reads() as session:
            seller_id = await session.scalar(latest_seller_id())
        found: Seller | None = None if seller_id is None else await info.context.find(sellers_by_id, seller_id)
        return found

    @strawberry.field(
        description=(
            "Figures of the business, such as monthly recurring revenue. Customers on test clocks do not count."
            " Customer sessions are rejected."
        )
    )
    def analytics(self, info: Info) -> Analytics:
        info.context.access.require(ApiKeyScope.READ)
        return Analytics(now=info.context.now())

    test_clock: TestClock | None = lookup(test_clocks_by_id, "The test clock with this id.")

    @strawberry.field(
        description=(
            "All API keys, including revoked ones, oldest first. Customer sessions are not included."
            " Requires an API key with scope ADMIN."
        )
    )
    async def api_keys(self, info: Info) -> list[ApiKey]:
        info.context.access.require(ApiKeyScope.ADMIN)
        async with info.context.reads() as session:
            return cast("list[ApiKey]", await api_keys.api_keys(session))

    @strawberry.field(description="All webhook endpoints, oldest first. Requires an API key with scope ADMIN.")
    async def webhook_endpoints(self, info: Info) -> list[WebhookEndpoint]:
        info.context.access.require(ApiKeyScope.ADMIN)
        async with info.context.reads() as session:
            ids = await webhook_endpoint_ids(session)
        return await asyncio.gather(*(info.context.find(webhook_endpoints_by_id, id_) for id_ in ids))

    webhook_endpoint: WebhookEndpoint | None = strawberry.field(
        resolver=webhook_endpoint,
        description="The webhook endpoint with this id. Requires an API key with scope ADMIN.",
    )
    webhook_delivery: WebhookDelivery | None = strawberry.field(
        resolver=webhook_delivery,
        description="The webhook delivery with this id. Requires an API key with scope ADMIN.",
    )

    customers: Connection[Customer] = connection(
        models.Customer,
        filter_by=CustomerFilter,
        order_by=CustomerOrder,
        without_test_clocks=True,
        search=CUSTOMER_SEARCH,
        description=(
            "All customers, including archived ones. Customers on a test clock are omitted unless the filter"
            " names the clock."
        ),
    )
    plans: Connection[Plan] = connection(
        models.Plan,
        filter_by=PlanFilter,
        order_by=PlanOrder,
        description="All plans, including archived ones.",
    )
    subscriptions: Connection[Subscription] = connection(
        models.Subscription,
        filter_by=SubscriptionFilter,
        order_by=SubscriptionOrder,
        without_test_clocks=True,
        description=(
            "All subscriptions, including canceled ones. Subscriptions on a test clock are omitted unless the"
            " filter names the clock or the customer."
        ),
    )
    invoices: Connection[Invoice] = connection(
        models.Invoice,
        filter_by=InvoiceFilter,
        order_by=InvoiceOrder,
        without_test_clocks=True,
        description=(
            "All invoices. Invoices on a test clock are omitted unless the filter names the clock, the customer"
            " or the subscription."
        ),
    )
    payments: Connection[Payment] = connection(
        models.Payment,
        filter_by=PaymentFilter,
        order_by=PaymentOrder,
        without_test_clocks=True,
        description=(
            "All payments. Payments on a test clock are omitted unless the filter names the clock or the customer."
        ),
    )
    credit_notes: Connection[CreditNote] = connection(
        models.CreditNote,
        filter_by=CreditNoteFilter,
        order_by=CreditNoteOrder,
        without_test_clocks=True,
        description=(
            "All credit notes, including void ones. Credit notes on a test clock are omitted unless the filter names"
            " the clock, the customer or the invoice."
        ),
    )
    coupons: Connection[Coupon] = connection(
        models.Coupon,
        filter_by=CouponFilter,
        order_by=CouponOrder,
        description="All coupons, including archived ones. Customer sessions see only those the customer has redeemed.",
    )
    tax_rates: Connection[TaxRate] = connection(
        models.TaxRate,
        filter_by=TaxRateFilter,
        order_by=TaxRateOrder,
        description="All tax rates, including archived ones. Empty in customer sessions.",
    )
    events: Connection[Event] = feed(
        "The feed of all events, oldest first by default, including events of plans, test clocks and customers on"
        " test clocks. Poll it, oldest first, with the `endCursor` of the previous page, even if that page was"
        " empty: you get every event exactly once. Start with `eventsCursor` to get only new events. An event"
        " appears as soon as all transactions that started before it have ended, usually immediately."
    )
    events_cursor: str = strawberry.field(
        resolver=events_cursor,
        description=(
            "A cursor at the current end of the feed `events`, in the order oldest first. `events(after:)` with this"
            " cursor returns exactly the events that are not in the feed yet, including those of transactions that are"
            " already open. Also valid for `Customer.events`. To keep a copy of objects up to date, read this cursor"
            " first, then read the objects in a separate request."
        ),
    )

    @strawberry.field(description="The caller of this request, and what it may access.")
    def viewer(self, info: Info) -> Viewer:
        access = info.context.access
        customer_id = None if access.customer_id is None else strawberry.ID(str(access.customer_id))
        return Viewer(scope=access.scope, customer_id=customer_id)

    @strawberry.field(description="All currencies that the server accepts, sorted by code.")
    def currencies(self) -> list[SupportedCurrency]:
        return [SupportedCurrency(code=Currency(code), minor_units=digits) for code, digits in MINOR_UNITS.items()]

    test_clocks: Connection[TestClock] = connection(
        models.TestClock,
        filter_by=TestClockFilter,
        order_by=TestClockOrder,
        description="All test clocks.",
    )
    billing_runs: Connection[BillingRun] = connection(
        models.BillingRun,
        filter_by=BillingRunFilter,
        order_by=BillingRunOrder,
        newest_first=True,
        description="The runs that billed what was due, newest first.",
    )
