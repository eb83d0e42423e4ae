"""`billing verify` accepts correct books and reports each kind of corruption with exactly one check."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing.changes import ChangeMode, ChangeRequest
from billing.coupon_validation import CouponRequest
from billing.credit_notes import Distribution, RequestedCredit
from billing.enums import CouponDuration, TaxCategory, TaxKind
from billing.ids import PlanId
from billing.subscribing import CancellationRequest, SubscriptionRequest
from db.database import Database
from db.driver.errors import server_detail
from db.embedded import EmbeddedPostgres
from db.models import IdempotencyKey
from db.queries.invariants import INVARIANTS
from db.queries.invariants.corrections import (
    CREDIT_NOTE_NUMBERS,
    CREDIT_NOTES,
    CREDIT_NOTES_APPLIED,
    CREDIT_NOTES_OF_INVOICES,
    CREDITED_LINES,
    REFUNDED_AND_REVERSED_PAYMENTS,
    REFUNDED_CREDIT_NOTES,
)
from db.queries.invariants.discounts import PERIODS_USED, REDEMPTIONS
from db.queries.invariants.figures import COUNTED, DAYS, KINDS, MOVEMENTS
from db.queries.invariants.money import (
    AMOUNTS_DUE,
    BALANCE_APPLIED,
    BALANCES,
    CREDITS,
    CURRENCY_INVARIANT,
    LEDGER,
    OVERPAYMENTS,
    PAID,
    PAYMENTS,
    RELEASED,
    REVERSALS,
    TOTALS,
)
from db.queries.invariants.records import EVENTS, FEED, IDEMPOTENCY, LAST_NUMBERS, NUMBERS, SEQUENCES, VERSIONS
from db.queries.invariants.rule import Invariant
from db.queries.invariants.subscriptions import (
    LIVE_SUBSCRIPTION_COPIES,
    NEXT_BILLING,
    ONE_LIVE_SUBSCRIPTION,
    PERIODS_INVOICED,
    PERIODS_OF_SUBSCRIPTION,
    PERIODS_TILE,
    TERMS,
    TEST_CLOCKS,
)
from db.queries.invariants.taxes import CREDITED_TAX_GROUPS, TAX_GROUPS
from services.corrections import refund_payment, reverse_recorded_payment
from services.credit_notes import create_credit_note, void_issued_credit_note
from services.customers import create_customer
from services.discounts import create_coupon
from services.drafts import OneOffLine, create_invoice, delete_draft_invoice, finalize_invoice
from services.invoices import mark_invoice_uncollectible, reissue_invoice, void_invoice
from services.payments import record_payment
from services.plans import create_plan
from services.sellers import SellerChanges, update_seller
from services.subscriptions import cancel_subscription, change_subscription, create_subscription
from services.tax_rates import create_tax_rate
from services.test_clocks import create_test_clock
from services.verify import AcknowledgedLineError, Check, snapshot, verify, verify_acknowledged
from tests.conftest import execute, named
from tests.support import NOW, a_customer, counted_statements, stored, undone

Made = TypeVar("Made")


def day(number: int) -> datetime:
    return NOW + timedelta(days=number)


class Books:
    """Books made of operations in separate transactions. Their ids are kept by name in `ids`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ids: dict[str, UUID] = {}

    async def do(self, operation: Callable[..., Awaitable[Made]], at: datetime = NOW, **inputs: object) -> Made:
        async with self.database.sessions.begin() as session:
            return await operation(session, now=at, **inputs)

    def keep(self, name: str, id_: UUID | None) -> None:
        assert id_ is not None, name
        self.ids[name] = id_

    async def plan(self, name: str, amount_cents: int, trial_days: int = 0) -> None:
        inputs: dict[str, Any] = {"code": name, "name": name, "amount_cents": amount_cents, "currency": "EUR"}
        self.keep(name, (await self.do(create_plan, **inputs, trial_days=trial_days)).plan_id)

    async def customer(self, name: str, **inputs: Any) -> None:
        email = f"{name}@example.com"
        self.keep(name, (await self.do(create_customer, name=name, email=email, **inputs)).customer_id)

    async def subscribe(self, name: str, plan: str, at: datetime = NOW, **inputs: Any) -> None:
        request = SubscriptionRequest(PlanId(self.ids[plan]), **inputs)
        made = await self.do(create_subscription, at, request=request, customer_id=self.ids[name])
        self.keep(f"{name}_subscription", made.subscription_id)
        if made.invoice_id is not None:
            self.keep(f"{name}_first", made.invoice_id)

    async def change(self, name: str, at: datetime, mode: ChangeMode, made: str = "", **inputs: Any) -> None:
        subscription_id = self.ids[f"{name}_subscription"]
        request = ChangeRequest(mode=mode, **inputs)
        outcome = await self.do(change_subscription, at, request=request, subscription_id=subscription_id)
        if made:
            self.keep(made, outcome.invoice_id)

    async def draft(self, name: str, made: str, amount_cents: int) -> None:
        inputs: dict[str, Any] = {
            "customer_id": self.ids[name],
            "currency": "EUR",
            "lines": [OneOffLine("Set-up", amount_cents)],
        }
        self.keep(made, (await self.do(create_invoice, **inputs)).invoice_id)

    async def note(self, invoice: str, made: str, amount_cents: int, distribution: Distribution | None = None) -> None:
        inputs: dict[str, Any] = {"invoice_id": self.ids[invoice], "distribution": distribution, "reason": "Too much"}
        note = await self.do(create_credit_note, request=RequestedCredit(amount_cents=amount_cents), **inputs)
        self.keep(made, note.credit_note_id)

    async def pay(self, name: str, made: str, amount_cents: int, at: datetime = NOW) -> None:
        inputs: dict[str, Any] = {"customer_id": self.ids[name], "amount_cents": amount_cents, "currency": "EUR"}
        self.keep(made, (await self.do(record_payment, at, **inputs, allow_overpayment=True)).payment_id)


async def of_an_upgrade_and_a_downgrade(books: Books) -> None:
    """Ada overpays and upgrades. The invoice is voided. Then she downgrades: a credit and an invoice with a negative
    total.
    """
    await books.customer("ada")
    await books.subscribe("ada", "pro")
    await books.pay("ada", "ada_paid", 5000, day(1))
    await books.change("ada", day(31), ChangeMode.IMMEDIATE, "ada_upgrade", plan_id=books.ids["team"])
    await books.do(void_invoice, day(32), invoice_id=books.ids["ada_upgrade"])
    await books.change("ada", day(33), ChangeMode.IMMEDIATE, "ada_downgrade", plan_id=books.ids["mini"])


async def of_one_off_invoices(books: Books) -> None:
    """Bob's balance pays parts of two invoices: one is voided, the other marked uncollectible after a partial
    payment.
    """
    await books.customer("bob")
    await books.pay("bob", "bob_ahead", 1000)
    for name, amount_cents in (("bob_void", 3000), ("bob_doubtful", 4000), ("bob_draft", 500), ("bob_deleted", 600)):
        await books.draft("bob", name, amount_cents)
    await books.do(finalize_invoice, invoice_id=books.ids["bob_void"])
    await books.do(void_invoice, invoice_id=books.ids["bob_void"])
    await books.do(finalize_invoice, invoice_id=books.ids["bob_doubtful"])
    await books.pay("bob", "bob_paid", 500)
    await books.do(mark_invoice_uncollectible, invoice_id=books.ids["bob_doubtful"])
    await books.do(delete_draft_invoice, invoice_id=books.ids["bob_deleted"])


async def of_other_subscriptions(books: Books) -> None:
    """Cyd has pending lines. Dan's invoice is reissued, then he cancels and subscribes again. Eve is on trial on a
    test clock. Fay's subscription has not started. Gus's only invoice is void.
    """
    for name in ("cyd", "dan", "fay", "gus"):
        await books.customer(name)
    await books.subscribe("cyd", "pro")
    await books.change("cyd", day(10), ChangeMode.NEXT_INVOICE, quantity=2)
    await books.subscribe("dan", "pro")
    await books.do(void_invoice, invoice_id=books.ids["dan_first"])
    await books.do(reissue_invoice, invoice_id=books.ids["dan_first"])
    books.ids["dan_canceled"] = books.ids["dan_subscription"]
    at_once = CancellationRequest(at_period_end=False)
    await books.do(cancel_subscription, day(2), request=at_once, subscription_id=books.ids["dan_canceled"])
    await books.subscribe("dan", "team", day(3))
    books.keep("clock", (await books.do(create_test_clock)).test_clock_id)
    await books.customer("eve", test_clock_id=books.ids["clock"])
    await books.subscribe("eve", "tryout")
    await books.subscribe("fay", "pro", start_at=day(20))
    await books.subscribe("gus", "pro")
    await books.do(void_invoice, invoice_id=books.ids["gus_first"])


async def of_corrections(books: Books) -> None:
    """Hal overpays, and one of his invoices gets a credit note. Parts of the payment are refunded and reversed. His
    second invoice gets a credit note before it is paid, and another one that is voided.
    """
    await books.customer("hal")
    for name, amount_cents in (("hal_first", 1000), ("hal_open", 2000)):
        await books.draft("hal", name, amount_cents)
    await books.do(finalize_invoice, invoice_id=books.ids["hal_first"])
    await books.pay("hal", "hal_paid", 1500)
    await books.note("hal_first", "hal_note", 300, Distribution(refund_cents=200))
    await books.do(
        refund_payment, payment_id=books.ids["hal_paid"], amount_cents=200, credit_note_id=books.ids["hal_note"]
    )
    await books.do(refund_payment, payment_id=books.ids["hal_paid"], amount_cents=100)
    await books.do(reverse_recorded_payment, payment_id=books.ids["hal_paid"], amount_cents=400, reason="Returned")
    await books.do(finalize_invoice, invoice_id=books.ids["hal_open"])
    await books.note("hal_open", "hal_applied", 700)
    await books.note("hal_open", "hal_void", 50)
    await books.do(void_issued_credit_note, credit_note_id=books.ids["hal_void"])


async def of_taxes(books: Books) -> None:
    """Ivy's invoice has a VAT, and a part of it is credited."""
    seller: SellerChanges = {"legal_name": "Example GmbH", "home_country": "DE"}
    await books.do(update_seller, changes=seller)
    rate: dict[str, Any] = {"name": "VAT", "kind": TaxKind.VAT, "category": TaxCategory.S, "percent": Decimal(19)}
    rate_id = (await books.do(create_tax_rate, **rate)).tax_rate_id
    assert rate_id is not None
    await books.customer("ivy", tax_rate_ids=[rate_id])
    await books.draft("ivy", "ivy_first", 1000)
    await books.do(finalize_invoice, invoice_id=books.ids["ivy_first"])
    await books.note("ivy_first", "ivy_note", 119)


async def of_discounts(books: Books) -> None:
    """Jan subscribes with a coupon, and so does Kim, on a test clock. Jan's first invoice is voided and reissued."""
    coupon = CouponRequest("JAN", "Welcome", percent_off=Decimal(15), duration=CouponDuration.ONCE, max_redemptions=2)
    books.keep("coupon", (await books.do(create_coupon, request=coupon)).coupon_id)
    await books.customer("jan")
    await books.customer("kim", test_clock_id=books.ids["clock"])
    for name in ("jan", "kim"):
        await books.subscribe(name, "pro", coupon_codes=["jan"])
    await books.do(void_invoice, invoice_id=books.ids["jan_first"])
    again = await books.do(reissue_invoice, invoice_id=books.ids["jan_first"])
    books.keep("jan_again", again.invoice_id)


async def keep(books: Books) -> None:
    for plan, amount_cents in (("pro", 2900), ("team", 9000), ("mini", 100)):
        await books.plan(plan, amount_cents)
    await books.plan("tryout", 1500, trial_days=14)
    await of_an_upgrade_and_a_downgrade(books)
    await of_one_off_invoices(books)
    await of_other_subscriptions(books)
    await of_corrections(books)
    await of_taxes(books)
    await of_discounts(books)
    async with books.database.sessions() as session:
        found = await session.execute(
            text(
                "SELECT id, reverses_line_id FROM invoice_lines WHERE invoice_id = :id AND reverses_line_id IS NOT NULL"
            ),
            {"id": books.ids["ada_downgrade"]},
        )
        books.ids["ada_credit"], books.ids["ada_credited"] = found.one()
        void_line = "SELECT id FROM invoice_lines WHERE invoice_id = :id AND kind = 'PRORATION_CHARGE'"
        books.keep("ada_void", await session.scalar(text(void_line), {"id": books.ids["ada_upgrade"]}))
        hals_line = "SELECT id FROM invoice_lines WHERE invoice_id = :id"
        books.keep("hal_line", await session.scalar(text(hals_line), {"id": books.ids["hal_first"]}))
        jans = "SELECT id FROM discounts WHERE customer_id = :id"
        books.keep("jan_discount", await session.scalar(text(jans), {"id": books.ids["jan"]}))
    books.keep("nowhere", uuid4())
    key = IdempotencyKey(api_key="local", key="order-1", request_hash=b"#" * 32, result={}, created_at=NOW)
    await stored(books.database.sessions, key)


@asynccontextmanager
async def copied(server: EmbeddedPostgres, template: str) -> AsyncIterator[Database]:
    """Creates a copy of a database without open connections, and drops it at the end of the block."""
    name = f"books_{uuid4().hex}"
    await execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template}")
    database = Database(named(server.url, name))
    try:
        yield database
    finally:
        await database.close()
        await execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
async def books(server: EmbeddedPostgres, template: str) -> AsyncIterator[Books]:
    """Correct books. All tests in this module read them, and none changes them."""
    async with copied(server, template) as database:
        books = Books(database)
        await keep(books)
        yield books


@pytest.fixture(scope="module")
async def lawless(server: EmbeddedPostgres, books: Books) -> AsyncIterator[Database]:
    """Copy of the books in a database without constraints."""
    await books.database.close()
    template = books.database.engine.url.database
    assert template is not None
    async with copied(server, template) as database:
        async with database.sessions.begin() as session:
            await session.execute(text(WITHOUT_CONSTRAINTS))
        yield database


WITHOUT_CONSTRAINTS = """
    DO $$
    DECLARE
        rule record;
    BEGIN
        FOR rule IN
            SELECT conrelid::regclass AS relation, conname AS name FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u')
            ORDER BY contype = 'f' DESC
        LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', rule.relation, rule.name);
        END LOOP;
        FOR rule IN
            SELECT indexrelid::regclass AS name FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
            WHERE relnamespace = 'public'::regnamespace AND indisunique
        LOOP
            EXECUTE format('DROP INDEX %s', rule.name);
        END LOOP;
    END $$
"""


async def test_books_in_order_break_nothing(books: Books) -> None:
    async with snapshot(books.database) as session:
        checks = await verify(session)

    assert [each for each in checks if not each.holds] == []
    assert {each.name: each.rows for each in checks} == {
        ONE_LIVE_SUBSCRIPTION.name: 8,
        PERIODS_TILE.name: 9,
        PERIODS_OF_SUBSCRIPTION.name: 9,
        PERIODS_INVOICED.name: 9,
        NEXT_BILLING.name: 9,
        TERMS.name: 9,
        LIVE_SUBSCRIPTION_COPIES.name: 11,
        TEST_CLOCKS.name: 9 + 19,
        TOTALS.name: 19,
        TAX_GROUPS.name: 1,
        PERIODS_USED.name: 2,
        REDEMPTIONS.name: 1,
        AMOUNTS_DUE.name: 19,
        PAID.name: 13,
        PAYMENTS.name: 4,
        OVERPAYMENTS.name: 4,
        CREDITS.name: 1,
        BALANCE_APPLIED.name: 4,
        RELEASED.name: 1,
        LEDGER.name: 12,
        BALANCES.name: 11,
        REVERSALS.name: 2,
        CURRENCY_INVARIANT.name: 19 + 4 + 12 + 4,
        VERSIONS.name: 121,
        FEED.name: 121,
        EVENTS.name: 11 + 4 + 9 + 19 + 4 + 4 + 1 + 1 + 1 + 1 + 1 + 2,
        IDEMPOTENCY.name: 1,
        SEQUENCES.name: 18,
        LAST_NUMBERS.name: 11,
        NUMBERS.name: 19,
        CREDIT_NOTES.name: 4,
        CREDITED_TAX_GROUPS.name: 1,
        CREDIT_NOTES_OF_INVOICES.name: 3,
        CREDITED_LINES.name: 3,
        CREDIT_NOTES_APPLIED.name: 4,
        REFUNDED_AND_REVERSED_PAYMENTS.name: 4,
        REFUNDED_CREDIT_NOTES.name: 4,
        CREDIT_NOTE_NUMBERS.name: 4,
        COUNTED.name: 9,
        MOVEMENTS.name: 11,
        KINDS.name: 9,
        DAYS.name: 0,
    }
    assert [each.remark for each in checks if each.remark] == [", 1 with only void invoices"]


class Case:
    """Corruption of the books by SQL statements, the invariant that it violates, and the expected examples.
    Statements and examples refer to ids by name.
    """

    def __init__(self, what: str, invariant: Invariant, statements: str, *examples: str) -> None:
        self.what = what
        self.invariant = invariant
        self.statements = statements.split(";")
        self.examples = examples


CASES = (
    Case(
        "a second live subscription",
        ONE_LIVE_SUBSCRIPTION,
        """
        UPDATE subscriptions SET status = 'ACTIVE', next_billing_at = current_period_end
        WHERE id = :dan_canceled
        """,
        "customer {dan}: 2 live subscriptions",
    ),
    Case(
        "a gap between periods",
        PERIODS_TILE,
        """
        UPDATE billing_periods SET ends_at = ends_at - interval '1 second'
        WHERE subscription_id = :ada_subscription AND ordinal = 0
        """,
        "subscription {ada_subscription}: period 1 does not begin where period 0 ends",
    ),
    Case(
        "periods that overlap",
        PERIODS_TILE,
        """
        UPDATE billing_periods SET ends_at = ends_at + interval '1 second'
        WHERE subscription_id = :ada_subscription AND ordinal = 0
        """,
        "subscription {ada_subscription}: period 1 does not begin where period 0 ends",
    ),
    Case(
        "a skipped period",
        PERIODS_TILE,
        """
        UPDATE billing_periods SET ordinal = 2 WHERE subscription_id = :ada_subscription AND ordinal = 1;
        UPDATE invoices SET period_ordinal = 2 WHERE subscription_id = :ada_subscription AND period_ordinal = 1
        """,
        "subscription {ada_subscription}: period 2 follows period 0",
    ),
    Case(
        "a period that runs backwards",
        PERIODS_TILE,
        """
        UPDATE billing_periods SET starts_at = ends_at + interval '1 second'
        WHERE subscription_id = :ada_subscription AND ordinal = 0;
        UPDATE subscriptions AS s SET started_at = starts_at FROM billing_periods AS p
        WHERE s.id = p.subscription_id AND s.id = :ada_subscription AND ordinal = 0
        """,
        "subscription {ada_subscription}: period 0 ends before it begins",
    ),
    Case(
        "a start before the first period",
        PERIODS_OF_SUBSCRIPTION,
        "UPDATE subscriptions SET started_at = started_at - interval '1 second' WHERE id = :cyd_subscription",
        "subscription {cyd_subscription}: its first period does not begin when it started",
    ),
    Case(
        "a current period that ends later than the last one",
        PERIODS_OF_SUBSCRIPTION,
        """
        UPDATE subscriptions
        SET current_period_end = current_period_end + interval '1 second',
            next_billing_at = next_billing_at + interval '1 second'
        WHERE id = :cyd_subscription
        """,
        "subscription {cyd_subscription}: its last period is not its current one",
    ),
    Case(
        "a current period that begins later than the last one",
        PERIODS_OF_SUBSCRIPTION,
        """
        UPDATE subscriptions SET current_period_start = current_period_start + interval '1 second'
        WHERE id = :cyd_subscription
        """,
        "subscription {cyd_subscription}: its last period is not its current one",
    ),
    Case(
        "an end after the last period",
        PERIODS_OF_SUBSCRIPTION,
        """
        UPDATE subscriptions
        SET status = 'CANCELED', ended_at = current_period_end + interval '1 second', canceled_at = current_period_end,
            next_billing_at = NULL
        WHERE id = :cyd_subscription;
        UPDATE customers SET subscription_status = NULL, subscription_plan_id = NULL WHERE id = :cyd
        """,
        "subscription {cyd_subscription}: it ended after its last period",
    ),
    Case(
        "periods before the start",
        PERIODS_OF_SUBSCRIPTION,
        """
        UPDATE subscriptions SET status = 'PENDING' WHERE id = :gus_subscription;
        UPDATE customers SET subscription_status = 'PENDING' WHERE id = :gus
        """,
        "subscription {gus_subscription}: is PENDING and has periods",
    ),
    Case(
        "a start without a period",
        PERIODS_OF_SUBSCRIPTION,
        """
        UPDATE subscriptions SET status = 'ACTIVE', current_period_end = next_billing_at
        WHERE id = :fay_subscription;
        UPDATE customers SET subscription_status = 'ACTIVE' WHERE id = :fay
        """,
        "subscription {fay_subscription}: is ACTIVE and has no period",
    ),
    Case(
        "a period without an invoice",
        PERIODS_INVOICED,
        "UPDATE invoices SET kind = 'PRORATION', period_ordinal = NULL WHERE id = :cyd_first",
        "subscription {cyd_subscription}: period 0 has no invoice",
    ),
    Case(
        "a period that is billed twice",
        PERIODS_INVOICED,
        """
        UPDATE invoices SET status = 'OPEN', amount_due_cents = amount_cents
        WHERE subscription_id = :dan_canceled AND status = 'VOID'
        """,
        "subscription {dan_canceled}: period 0 has 2 invoices that are not void",
    ),
    Case(
        "a renewal that is skipped",
        NEXT_BILLING,
        "UPDATE subscriptions SET next_billing_at = '2026-04-01 UTC' WHERE id = :cyd_subscription",
        "subscription {cyd_subscription}: is billed next at 2026-04-01 00:00:00+00,"
        " but its period or its cancellation is at 2026-03-02 12:00:00+00",
    ),
    Case(
        "a cancellation at a given time that is skipped",
        NEXT_BILLING,
        """
        UPDATE subscriptions SET cancel_at = '2026-03-01 UTC', cancel_settlement = 'NONE', canceled_at = updated_at
        WHERE id = :cyd_subscription
        """,
        "subscription {cyd_subscription}: is billed next at 2026-03-02 12:00:00+00,"
        " but its period or its cancellation is at 2026-03-01 00:00:00+00",
    ),
    Case(
        "a start that never comes",
        NEXT_BILLING,
        "UPDATE subscriptions SET next_billing_at = NULL WHERE id = :fay_subscription",
        "subscription {fay_subscription}: is PENDING but has no next billing date",
    ),
    Case(
        "a renewal after the end",
        NEXT_BILLING,
        "UPDATE subscriptions SET next_billing_at = '2026-04-01 12:00 UTC' WHERE id = :dan_canceled",
        "subscription {dan_canceled}: is CANCELED but would be billed next at 2026-04-01 12:00:00+00",
    ),
    Case(
        "a plan that does not exist",
        TERMS,
        """
        UPDATE subscriptions SET plan_id = :nowhere WHERE id = :cyd_subscription;
        UPDATE customers SET subscription_plan_id = :nowhere WHERE id = :cyd
        """,
        "subscription {cyd_subscription}: has no plan",
    ),
    Case(
        "no quantity",
        TERMS,
        """
        ALTER TABLE subscriptions ALTER quantity DROP NOT NULL;
        UPDATE subscriptions SET quantity = NULL WHERE id = :cyd_subscription
        """,
        "subscription {cyd_subscription}: has no quantity",
    ),
    Case(
        "copies of another status and of another plan",
        LIVE_SUBSCRIPTION_COPIES,
        """
        UPDATE customers SET subscription_status = 'PAST_DUE' WHERE id = :cyd;
        UPDATE customers SET subscription_plan_id = :mini WHERE id = :gus
        """,
        "customer {cyd}: has the status PAST_DUE, subscription {cyd_subscription} is ACTIVE",
        "customer {gus}: has another plan than subscription {gus_subscription}",
    ),
    Case(
        "copies without a live subscription, and a live subscription without copies",
        LIVE_SUBSCRIPTION_COPIES,
        """
        UPDATE customers SET subscription_status = 'ACTIVE', subscription_plan_id = :pro WHERE id = :bob;
        UPDATE customers SET subscription_status = NULL, subscription_plan_id = NULL WHERE id = :cyd
        """,
        "customer {bob}: has the subscription status ACTIVE, but no live subscription",
        "customer {cyd}: lacks the status and plan of subscription {cyd_subscription}",
    ),
    Case(
        "times that are mixed up",
        TEST_CLOCKS,
        """
        UPDATE invoices SET test_clock_id = NULL WHERE id = :eve_first;
        UPDATE subscriptions SET test_clock_id = :clock WHERE id = :cyd_subscription
        """,
        "invoice {eve_first}: is on a different test clock than its customer",
        "subscription {cyd_subscription}: is on a different test clock than its customer",
    ),
    Case(
        "a line that was changed",
        TOTALS,
        "UPDATE invoice_lines SET amount_cents = amount_cents + 1 WHERE invoice_id = :gus_first",
        "invoice {gus_first}: lines of 2901 and a subtotal of 2900",
    ),
    Case(
        "an invoice without its lines",
        TOTALS,
        "DELETE FROM invoice_lines WHERE invoice_id = :gus_first",
        "invoice {gus_first}: lines of 0 and a subtotal of 2900",
    ),
    Case(
        "tax that is not in the total",
        TOTALS,
        "UPDATE invoices SET tax_cents = 1 WHERE id = :gus_first",
        "invoice {gus_first}: taxes of 0 on lines and of 1 in total",
    ),
    Case(
        "a discount that no line has",
        TOTALS,
        "UPDATE invoices SET discount_cents = 1 WHERE id = :gus_first",
        "invoice {gus_first}: discounts of 0 on lines and of 1 in total",
    ),
    Case(
        "a discount that no coupon gave",
        TOTALS,
        "UPDATE invoices SET discounts = jsonb_set(discounts, '{0,amount_cents}', '434') WHERE id = :jan_again",
        "invoice {jan_again}: discounts of 434 by coupon and of 435 in total",
    ),
    Case(
        "a use that a discount does not count",
        PERIODS_USED,
        "UPDATE discounts SET periods_used = 0 WHERE id = :jan_discount",
        "discount {jan_discount}: its invoices use 1 periods, but periods_used is 0",
    ),
    Case(
        "a use of a void invoice",
        PERIODS_USED,
        "UPDATE discounts SET periods_used = 2 WHERE id = :jan_discount",
        "discount {jan_discount}: its invoices use 1 periods, but periods_used is 2",
    ),
    Case(
        "a redemption that a coupon does not count",
        REDEMPTIONS,
        "UPDATE coupons SET redeemed = 0 WHERE id = :coupon",
        "coupon {coupon}: there are 1 redemptions in real time, but redeemed is 0",
    ),
    Case(
        "more redemptions than allowed",
        REDEMPTIONS,
        "UPDATE coupons SET max_redemptions = 0 WHERE id = :coupon",
        "coupon {coupon}: redeemed is 1, but max_redemptions is 0",
    ),
    Case(
        "rounding that is not in the total",
        TOTALS,
        "UPDATE invoices SET rounding_cents = 1 WHERE id = :gus_first",
        "invoice {gus_first}: a subtotal of 2900, tax of 0, rounding of 1 and a total of 2900",
    ),
    Case(
        "a tax group that the lines do not add up to",
        TAX_GROUPS,
        "UPDATE invoices SET taxes = jsonb_set(taxes, '{0,taxable_cents}', '999') WHERE id = :ivy_first",
        "invoice {ivy_first}: VAT 19 % of 190 on 999, with lines of 190 on 1000",
    ),
    Case(
        "a tax of a line that its invoice does not have",
        TAX_GROUPS,
        "UPDATE invoices SET taxes = NULL WHERE id = :ivy_first",
        "invoice {ivy_first}: the lines have VAT 19 % of 190, which the invoice does not",
    ),
    Case(
        "a tax group of a credit note that its lines do not add up to",
        CREDITED_TAX_GROUPS,
        "UPDATE credit_notes SET taxes = jsonb_set(taxes, '{0,amount_cents}', '18') WHERE id = :ivy_note",
        "credit note {ivy_note}: VAT 19 % of 18 on 100, with lines of 19 on 100",
    ),
    Case(
        "tax of a credit note that its lines do not have",
        CREDIT_NOTES,
        "UPDATE credit_notes SET tax_cents = 18 WHERE id = :ivy_note",
        "credit note {ivy_note}: taxes of 19 on lines and of 18 in total",
    ),
    Case(
        "too little due",
        AMOUNTS_DUE,
        "UPDATE invoices SET amount_due_cents = 2899 WHERE id = :cyd_first",
        "invoice {cyd_first}: 2899 is due of a total of 2900 with allocations of 0",
    ),
    Case(
        "something due on a void invoice",
        AMOUNTS_DUE,
        "UPDATE invoices SET amount_due_cents = 1 WHERE id = :gus_first",
        "invoice {gus_first}: is VOID, and 1 is due",
    ),
    Case(
        "money on a void invoice",
        AMOUNTS_DUE,
        """
        UPDATE allocations SET invoice_id = :bob_void WHERE payment_id = :bob_paid;
        UPDATE invoices SET amount_due_cents = amount_due_cents + 500 WHERE id = :bob_doubtful
        """,
        "invoice {bob_void}: is VOID, and allocations of 500 are not released",
    ),
    Case(
        "more money than the total",
        AMOUNTS_DUE,
        """
        UPDATE allocations SET invoice_id = :eve_first, customer_id = :eve WHERE payment_id = :bob_paid;
        UPDATE payments SET customer_id = :eve WHERE id = :bob_paid;
        UPDATE invoices SET amount_due_cents = amount_due_cents + 500 WHERE id = :bob_doubtful
        """,
        "invoice {eve_first}: allocations of 500 to a total of 0",
    ),
    Case(
        "PAID with something due",
        PAID,
        "UPDATE invoices SET status = 'PAID' WHERE id = :cyd_first",
        "invoice {cyd_first}: is PAID, and 2900 is due",
    ),
    Case(
        "OPEN with nothing due",
        PAID,
        "UPDATE invoices SET status = 'OPEN' WHERE id = :eve_first",
        "invoice {eve_first}: is OPEN, and 0 is due",
    ),
    Case(
        "a payment of which a part is lost",
        PAYMENTS,
        "UPDATE payments SET amount_cents = amount_cents + 1 WHERE id = :bob_paid",
        "payment {bob_paid}: 501 less 0 reversed, with allocations of 500 and 0 overpaid less 0",
    ),
    Case(
        "an overpayment that the ledger does not know",
        OVERPAYMENTS,
        """
        UPDATE payments SET amount_cents = amount_cents + 1, overpayment_cents = overpayment_cents + 1
        WHERE id = :ada_paid
        """,
        "payment {ada_paid}: 2101 overpaid, ledger entries of 2100",
    ),
    Case(
        "credit from an invoice that gave none",
        CREDITS,
        """
        UPDATE ledger_entries SET invoice_id = :ada_first
        WHERE kind = 'INVOICE_CREDIT' AND invoice_id = :ada_downgrade
        """,
        "invoice {ada_downgrade}: allocations of 800 and ledger entries of 0 from a total of -2520",
        "invoice {ada_first}: allocations of 0 and ledger entries of 1720 from a total of 2900",
    ),
    Case(
        "balance that another invoice took",
        BALANCE_APPLIED,
        "UPDATE ledger_entries SET invoice_id = :bob_draft WHERE kind = 'APPLIED' AND invoice_id = :bob_doubtful",
        "invoice {bob_doubtful}: 1000 of the balance applied, ledger entries of 0",
        "invoice {bob_draft}: 0 of the balance applied, ledger entries of -1000",
    ),
    Case(
        "a void invoice that kept what it took",
        RELEASED,
        "UPDATE ledger_entries SET invoice_id = :bob_draft WHERE kind = 'GIVEN_BACK'",
        "invoice {bob_draft}: released allocations of 0, ledger entries of 1000",
        "invoice {bob_void}: released allocations of 1000, ledger entries of 0",
    ),
    Case(
        "money released from an invoice that is owed",
        RELEASED,
        """
        UPDATE allocations SET released_at = created_at WHERE kind = 'BALANCE' AND invoice_id = :bob_doubtful;
        UPDATE invoices SET amount_due_cents = amount_due_cents + 1000 WHERE id = :bob_doubtful
        """,
        "invoice {bob_doubtful}: released allocations of 1000, ledger entries of 0",
    ),
    Case(
        "a credit note without its lines",
        CREDIT_NOTES,
        "DELETE FROM credit_note_lines WHERE credit_note_id = :hal_note",
        "credit note {hal_note}: lines of 0 and a total of 300",
    ),
    Case(
        "credit notes of more than the invoice",
        CREDIT_NOTES_OF_INVOICES,
        """
        UPDATE invoices SET subtotal_cents = 299, amount_cents = 299 WHERE id = :hal_first;
        INSERT INTO invoice_lines (id, customer_id, invoice_id, position, kind, description, quantity,
          unit_amount_cents, amount_cents)
        VALUES (:nowhere, :hal, :hal_first, 2, 'ONE_OFF', 'Less', 1, -701, -701);
        UPDATE allocations SET amount_cents = 299 WHERE payment_id = :hal_paid;
        UPDATE payments SET amount_cents = amount_cents - 701 WHERE id = :hal_paid
        """,
        "invoice {hal_first}: credit notes of 300 to a total of 299",
    ),
    Case(
        "a line that is credited for more than its amount",
        CREDITED_LINES,
        """
        UPDATE invoice_lines SET amount_cents = 299, unit_amount_cents = 299 WHERE invoice_id = :hal_first;
        INSERT INTO invoice_lines (id, customer_id, invoice_id, position, kind, description, quantity,
          unit_amount_cents, amount_cents)
        VALUES (:nowhere, :hal, :hal_first, 2, 'ONE_OFF', 'More', 1, 701, 701)
        """,
        "line {hal_line}: credit notes of 300 and proration credits of 0 to an amount of 299",
    ),
    Case(
        "a credit note that is void and still applied",
        CREDIT_NOTES_APPLIED,
        """
        UPDATE credit_notes SET status = 'VOID', voided_at = issued_at WHERE id = :hal_applied
        """,
        "credit note {hal_applied}: is VOID and applied 700, with allocations of 700",
    ),
    Case(
        "a credit note that the ledger does not know",
        CREDIT_NOTES_APPLIED,
        "UPDATE ledger_entries SET credit_note_id = :hal_void WHERE credit_note_id = :hal_note",
        "credit note {hal_note}: is ISSUED and added 100 to the balance, with ledger entries of 0",
        "credit note {hal_void}: is VOID and added 0 to the balance, with ledger entries of 100",
    ),
    Case(
        "a reversal that is lost",
        REFUNDED_AND_REVERSED_PAYMENTS,
        "DELETE FROM reversals WHERE payment_id = :hal_paid",
        "payment {hal_paid}: 400 reversed, with reversals of 0",
    ),
    Case(
        "a refund from the balance that the ledger does not know",
        REFUNDED_AND_REVERSED_PAYMENTS,
        "UPDATE ledger_entries SET kind = 'ADJUSTMENT', payment_id = NULL WHERE kind = 'REFUND'",
        "payment {hal_paid}: refunds of 100 from the balance, ledger entries of 0",
    ),
    Case(
        "a refund of a credit note that is lost",
        REFUNDED_CREDIT_NOTES,
        "UPDATE credit_notes SET refunded_cents = 100 WHERE id = :hal_note",
        "credit note {hal_note}: 100 refunded, with refunds of 200",
    ),
    Case(
        "a number of a credit note that is skipped",
        CREDIT_NOTE_NUMBERS,
        "UPDATE credit_notes SET sequence = sequence + 1 WHERE id = :hal_void",
        "customer {hal}: credit note 4 follows credit note 2",
    ),
    Case(
        "a running balance that is off",
        LEDGER,
        """
        UPDATE ledger_entries SET balance_after_cents = balance_after_cents + 1
        WHERE customer_id = :ada AND sequence = 2
        """,
        "customer {ada}: a balance of 1 after ledger entry 2 instead of 0",
    ),
    Case(
        "a ledger entry that is missing",
        LEDGER,
        """
        UPDATE ledger_entries SET sequence = 4 WHERE customer_id = :ada AND sequence = 3;
        UPDATE customers SET last_ledger_number = 4 WHERE id = :ada
        """,
        "customer {ada}: ledger entry 4 follows entry 2",
    ),
    Case(
        "a balance below 0 for a while",
        LEDGER,
        """
        UPDATE ledger_entries
        SET sequence = 3 - sequence, balance_after_cents = CASE sequence WHEN 2 THEN -2100 ELSE 0 END
        WHERE customer_id = :ada AND sequence < 3
        """,
        "customer {ada}: a balance of -2100 after ledger entry 1",
    ),
    Case(
        "a balance that is no sum",
        BALANCES,
        "UPDATE customers SET balance_cents = balance_cents + 1 WHERE id = :ada",
        "customer {ada}: a balance of 1721, ledger entries of 1720",
    ),
    Case(
        "a wrong count of ledger entries",
        BALANCES,
        "UPDATE customers SET last_ledger_number = 1 WHERE id = :fay",
        "customer {fay}: last_ledger_number is 1, but the last entry is 0",
    ),
    Case(
        "more given back than was billed",
        REVERSALS,
        """
        UPDATE invoice_lines SET amount_cents = amount_cents + CASE WHEN id = :ada_credit THEN -400 ELSE 400 END
        WHERE invoice_id = :ada_downgrade
        """,
        "line {ada_credited}: 3010 credited of 2900 billed",
    ),
    Case(
        "less than nothing given back",
        REVERSALS,
        """
        UPDATE invoice_lines
        SET amount_cents = amount_cents + CASE WHEN id = :ada_credit THEN 2611 ELSE -2611 END
        WHERE invoice_id = :ada_downgrade
        """,
        "line {ada_credited}: -1 credited of 2900 billed",
    ),
    Case(
        "too much that waits to be given back",
        REVERSALS,
        """
        UPDATE pending_lines SET customer_id = :ada, reverses_line_id = :ada_credited
        WHERE reverses_line_id IS NOT NULL
        """,
        "line {ada_credited}: 4543 credited of 2900 billed",
    ),
    Case(
        "a line of a void invoice that is given back",
        REVERSALS,
        "UPDATE invoice_lines SET reverses_line_id = :ada_void WHERE id = :ada_credit",
        "line {ada_void}: is credited but on a void invoice",
    ),
    Case(
        "a line that is given back and was never billed",
        REVERSALS,
        "UPDATE pending_lines SET reverses_line_id = :nowhere WHERE reverses_line_id IS NOT NULL",
        "line {nowhere}: is credited but does not exist",
    ),
    Case(
        "money in several currencies",
        CURRENCY_INVARIANT,
        """
        UPDATE payments SET currency = 'USD' WHERE id = :bob_paid;
        UPDATE invoices SET currency = 'USD' WHERE id = :cyd_first;
        UPDATE ledger_entries SET id = :nowhere, currency = 'USD' WHERE kind = 'GIVEN_BACK'
        """,
        "invoice {cyd_first}: is in USD, its customer in EUR",
        "ledger entry {nowhere}: is in USD, its customer in EUR",
        "payment {bob_paid}: is in USD, its customer in EUR",
    ),
    Case(
        "an event that is missing",
        VERSIONS,
        "DELETE FROM events WHERE object_id = :bob_doubtful AND version = 2",
        "invoice {bob_doubtful}: version 3 follows version 1",
    ),
    Case(
        "an event that is there twice",
        VERSIONS,
        "UPDATE events SET version = 3 WHERE object_id = :bob_doubtful AND version = 2",
        "invoice {bob_doubtful}: version 3 follows version 1",
        "invoice {bob_doubtful}: version 3 follows version 3",
    ),
    Case(
        "changes without an event",
        EVENTS,
        """
        UPDATE plans SET version = 2 WHERE id = :pro;
        UPDATE test_clocks SET version = 2 WHERE id = :clock
        """,
        "plan {pro}: is at version 2, its last event at 1",
        "test clock {clock}: is at version 2, its last event at 1",
    ),
    Case(
        "a row without events",
        EVENTS,
        "DELETE FROM events WHERE object_id IN (:fay_subscription, :bob_paid)",
        "payment {bob_paid}: has no event",
        "subscription {fay_subscription}: has no event",
    ),
    Case(
        "a payment that was changed",
        EVENTS,
        """
        INSERT INTO events OVERRIDING SYSTEM VALUE
        SELECT (jsonb_populate_record(e, jsonb_build_object('id', :nowhere, 'version', 2))).* FROM events AS e
        WHERE object_id = :bob_paid
        """,
        "payment {bob_paid}: is at version 1, its last event at 2",
    ),
    Case(
        "a deleted draft that is there",
        EVENTS,
        "UPDATE events SET type = 'INVOICE_DELETED' WHERE object_id = :bob_draft",
        "invoice {bob_draft}: was deleted but exists",
    ),
    Case(
        "an invoice that is gone and was not deleted",
        EVENTS,
        "UPDATE events SET type = 'INVOICE_UPDATED' WHERE object_id = :bob_deleted AND type = 'INVOICE_DELETED'",
        "invoice {bob_deleted}: has events but does not exist",
    ),
    Case(
        "an event that was copied from a server with more transactions",
        FEED,
        "UPDATE events SET xid = '1000000000000' WHERE object_id = :bob_paid",
        "payment {bob_paid}: version 1 is hidden until the server has made 1000000000000 transactions",
    ),
    Case(
        "a key without a result",
        IDEMPOTENCY,
        "UPDATE idempotency_keys SET result = NULL",
        "key order-1 of local: has no result",
    ),
    Case(
        "a key without a hash",
        IDEMPOTENCY,
        "UPDATE idempotency_keys SET request_hash = ''",
        "key order-1 of local: has no hash of its request",
    ),
    Case(
        "a key with two results",
        IDEMPOTENCY,
        "INSERT INTO idempotency_keys SELECT * FROM idempotency_keys",
        "key order-1 of local: exists twice",
    ),
    Case(
        "a number that was left out",
        SEQUENCES,
        """
        UPDATE invoices SET sequence = 5, number = left(number, -1) || '5' WHERE id = :ada_downgrade;
        UPDATE customers SET last_invoice_number = 5 WHERE id = :ada
        """,
        "customer {ada}: invoice 5 follows invoice 3",
    ),
    Case(
        "a number that was given twice",
        SEQUENCES,
        """
        UPDATE invoices SET sequence = 3, number = left(number, -1) || '3' WHERE id = :ada_downgrade;
        UPDATE customers SET last_invoice_number = 3 WHERE id = :ada
        """,
        "customer {ada}: invoice 3 follows invoice 3",
    ),
    Case(
        "a number that no invoice has",
        LAST_NUMBERS,
        "UPDATE customers SET last_invoice_number = 1 WHERE id = :fay",
        "customer {fay}: last_invoice_number is 1, but the last invoice is 0",
    ),
    Case(
        "another prefix",
        NUMBERS,
        """
        UPDATE customers SET invoice_prefix = 'CYD' WHERE id = :cyd;
        UPDATE invoices SET number = 'DYC-0001' WHERE id = :cyd_first
        """,
        "invoice {cyd_first}: has the number DYC-0001, with the prefix CYD and the sequence 1",
    ),
    Case(
        "a draft with a number",
        NUMBERS,
        "UPDATE invoices SET number = 'BOB-0003' WHERE id = :bob_draft",
        "invoice {bob_draft}: is DRAFT and has the number BOB-0003",
    ),
    Case(
        "an MRR that no movement explains",
        COUNTED,
        "UPDATE subscriptions SET mrr_cents = mrr_cents + 1 WHERE id = :gus_subscription",
        "subscription {gus_subscription}: counts with 2943, but its movements add up to 2942",
    ),
    Case(
        "a status that no movement explains",
        COUNTED,
        "UPDATE subscriptions SET counted_status = 'PENDING' WHERE id = :gus_subscription",
        "subscription {gus_subscription}: counts as PENDING, but its movements do not",
    ),
    Case(
        "a movement that is missing",
        MOVEMENTS,
        "UPDATE mrr_movements SET sequence = 2 WHERE customer_id = :gus",
        "customer {gus}: MRR movement 2 follows movement 0",
    ),
    Case(
        "a movement that ends elsewhere",
        MOVEMENTS,
        "UPDATE mrr_movements SET after_cents = 1 WHERE customer_id = :gus",
        "customer {gus}: MRR movement 1 ends at 1, not at 2942",
    ),
    Case(
        "a new customer who counts as an expansion",
        KINDS,
        "UPDATE mrr_movements SET new_cents = 0, expansion_cents = new_cents WHERE customer_id = :gus",
        "customer {gus}: in the month from 2026-01-01, its MRR movement from 0 by 2942 is of another kind",
    ),
    Case(
        "a day on which nothing was written",
        DAYS,
        "INSERT INTO daily_figures VALUES ('EUR', '2026-01-31', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0)",
        "EUR on 2026-01-31: the figures of the day are not what was written",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
async def test_what_breaks_an_invariant_is_found(lawless: Database, books: Books, case: Case) -> None:
    async with undone(lawless) as session:
        for statement in case.statements:
            await session.execute(text(statement).bindparams(**named_in(statement, books.ids)))
        checks = await verify(session)

    broken = [each for each in checks if not each.holds]
    assert [each.name for each in broken] == [case.invariant.name], broken
    examples = sorted(example.format(**books.ids) for example in case.examples)
    assert (sorted(broken[0].examples), broken[0].violations) == (examples, len(examples))


def named_in(statement: str, ids: dict[str, UUID]) -> dict[str, UUID]:
    """Returns the ids that a statement refers to."""
    return {name: ids[name] for name in re.findall(r"(?<!:):([a-z_]+)", statement)}


def test_each_invariant_is_broken_once_at_least() -> None:
    assert {case.invariant.name for case in CASES} == {invariant.name for invariant in INVARIANTS}


def test_a_check_is_a_line() -> None:
    held = Check("I4", "lines add up", "invoices", 12_345, 0)
    broken = Check("I4", "lines add up", "ledger entries", 1, 12_007, ("invoice 1: 2", "invoice 2: 3"), ", 4 new")

    assert re.sub(r" {5,}", " … ", held.line()) == "I4  ok … lines add up … 12 345 invoices"
    assert re.sub(r" {5,}", " … ", broken.line()).splitlines() == [
        "I4  VIOLATED  lines add up … 12 007 of 1 ledger entry, 4 new",
        " … invoice 1: 2",
        " … invoice 2: 3",
        " … … and 12 005 more",
    ]


async def test_five_examples_are_enough(lawless: Database) -> None:
    async with undone(lawless) as session:
        await session.execute(text("UPDATE customers SET last_invoice_number = last_invoice_number + 1"))
        [broken] = [each for each in await verify(session) if not each.holds]

    assert (broken.rows, broken.violations, len(broken.examples)) == (11, 11, 5)
    assert broken.line().splitlines()[-1] == "        … and 6 more"


async def test_many_rows_take_as_many_statements_as_few(database: Database) -> None:
    many = text(
        """
        WITH made AS (
            INSERT INTO customers (id, name, email, email_key, invoice_prefix, last_invoice_number, metadata, version,
                                   created_at, updated_at)
            SELECT gen_random_uuid(), n, n, n, 'PREFIX' || n, 0, '{}', 1, :now, :now FROM generate_series(1, 2000) AS n
            RETURNING id
        )
        INSERT INTO events (id, customer_id, type, object_type, object_id, version, actor, changes, occurred_at,
                            recorded_at)
        SELECT gen_random_uuid(), id, 'CUSTOMER_CREATED', 'CUSTOMER', id, 1, 'api', '{}', :now, :now FROM made
        """
    )
    async with database.sessions.begin() as session:
        await session.execute(many, {"now": NOW})

    async with snapshot(database) as session:
        with counted_statements(database) as statements:
            checks = await verify(session)

    assert [each for each in checks if not each.holds] == []
    assert sum(each.rows for each in checks) == 6 * 2000
    assert len(statements) == len(INVARIANTS)


async def test_no_timeout_of_the_database_ends_a_snapshot(database: Database) -> None:
    names = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
    async with database.sessions() as session:
        for name in names:
            await session.execute(text(f"ALTER DATABASE {database.engine.url.database} SET {name} = '1min'"))
    await database.engine.dispose()

    async with snapshot(database) as session:
        assert [await session.scalar(text(f"SHOW {name}")) for name in names] == ["0"] * 3


async def test_a_snapshot_stands_still_and_takes_no_writes(database: Database) -> None:
    count, timeout = text("SELECT count(*) FROM customers"), text("SHOW statement_timeout")
    async with database.sessions() as session:
        usual = await session.scalar(timeout)
    async with snapshot(database) as session:
        before = await session.scalar(count)
        await stored(database.sessions, a_customer())
        assert await session.scalar(count) == before == 0
        assert await session.scalar(timeout) == "0"
        with pytest.raises(DBAPIError) as refused:
            await session.execute(text("DELETE FROM customers"))
    async with database.sessions.begin() as session:
        assert await session.scalar(timeout) == usual != "0"
        assert await session.scalar(text("SHOW transaction_isolation")) == "read committed"
        assert await session.scalar(text("SHOW transaction_read_only")) == "off"

    assert server_detail(refused.value, "sqlstate") == "25006"


def acknowledgement(type_: str, id_: UUID, **more: object) -> str:
    return json.dumps({"type": type_, "id": str(id_), **more})


async def test_what_was_acknowledged_is_there(books: Books) -> None:
    acknowledged = (
        *("Customer", "ada"),
        *("Plan", "pro"),
        *("Subscription", "dan_canceled"),
        *("Invoice", "bob_void"),
        *("Invoice", "bob_draft"),
        *("Invoice", "bob_deleted"),
        *("Payment", "bob_paid"),
        *("TestClock", "clock"),
    )
    said = list(zip(acknowledged[::2], acknowledged[1::2], strict=True))
    lines = [acknowledgement(type_, books.ids[name]) for type_, name in said]

    async with snapshot(books.database) as session:
        check = await verify_acknowledged(session, [*lines, "", "\n"])

    assert (check.code, check.rows, check.violations, check.examples) == ("I1", 8, 0, ())


async def test_what_was_acknowledged_and_is_not_there_is_missed(books: Books) -> None:
    types = ("Customer", "Plan", "Subscription", "Invoice", "Payment", "TestClock")
    lines = [acknowledgement(type_, books.ids["nowhere"]) for type_ in types]

    async with snapshot(books.database) as session:
        check = await verify_acknowledged(session, [*lines, acknowledgement("Plan", books.ids["ada"])])

    assert (check.rows, check.violations, check.holds) == (7, 7, False)
    assert set(check.examples) < {
        f"Plan {books.ids['ada']}: does not exist",
        *(f"{type_} {books.ids['nowhere']}: does not exist" for type_ in types),
    }
    assert len(check.examples) == 5


async def test_what_has_fallen_behind_what_was_acknowledged_is_missed(books: Books) -> None:
    ada, canceled, deleted = books.ids["ada"], books.ids["dan_canceled"], books.ids["bob_deleted"]
    async with snapshot(books.database) as session:
        versions = "SELECT version FROM subscriptions WHERE id = :id"
        version = await session.scalar(text(versions), {"id": canceled}) or 0
        lines = [
            acknowledgement("Subscription", canceled, version=version - 1),
            acknowledgement("Subscription", canceled, version=version),
            acknowledgement("Subscription", canceled, version=version + 1),
            acknowledgement("Invoice", deleted, version=2),
            acknowledgement("Customer", ada, version=2**31 - 1),
        ]

        check = await verify_acknowledged(session, lines)

    assert version > 1
    assert (check.rows, check.violations) == (5, 2)
    assert check.examples[1] == (
        f"Subscription {canceled}: is at version {version}, but version {version + 1} was acknowledged"
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 2 is not a JSON object with a type and an id."),
        ("[]", "Line 2 is not a JSON object with a type and an id."),
        ('{"type": "Plan"}', "Line 2 is not a JSON object with a type and an id."),
        ('{"type": "Plan", "id": 7}', "Line 2 is not a JSON object with a type and an id."),
        ('{"type": "Plan", "id": "7"}', "Line 2 is not a JSON object with a type and an id."),
        (acknowledgement("Robot", UUID(int=0)), "Line 2 has the unknown type 'Robot'; known types: Customer, Plan, "),
        (
            acknowledgement("Plan", UUID(int=0), version=0),
            "Line 2 has the version 0, which is not a whole number above 0.",
        ),
        (
            acknowledgement("Plan", UUID(int=0), version="1"),
            "Line 2 has the version '1', which is not a whole number above 0.",
        ),
    ],
)
async def test_a_line_that_acknowledges_nothing_is_refused(database: Database, line: str, said: str) -> None:
    async with snapshot(database) as session:
        with pytest.raises(AcknowledgedLineError, match=re.escape(said)):
            await verify_acknowledged(session, ["", line])
