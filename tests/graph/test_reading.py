"""Reading stored objects: money and its allocations, pending changes and lines, test clocks and runs."""

from datetime import timedelta
from typing import Any

import pytest

from billing import enums as values
from billing import ids, records
from billing.ids import new_id
from db import models
from db.access.transactions import Sessions
from db.database import Database
from tests.support import NOW, Api, a_customer, a_plan, counted_statements, stored

DAY = timedelta(days=1)
BILL_TO = records.BillTo("Ada Lovelace", "ada@example.com", None, None)


def a_subscription(customer: models.Customer, plan: models.Plan, **columns: Any) -> models.Subscription:
    return models.Subscription(
        **{
            "id": ids.SubscriptionId(new_id()),
            "customer_id": customer.id,
            "plan_id": plan.id,
            "quantity": 1,
            "status": values.SubscriptionStatus.ACTIVE,
            "anchor_at": NOW,
            "anchor_ordinal": 0,
            "started_at": NOW,
            "current_period_start": NOW,
            "current_period_end": NOW + 30 * DAY,
            "next_billing_at": NOW + 30 * DAY,
            "cancel_at_period_end": False,
            "terms_at": NOW,
            "test_clock_id": customer.test_clock_id,
            "custom_metadata": {},
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
        | columns
    )


def an_invoice(customer: models.Customer, sequence: int, **columns: Any) -> models.Invoice:
    """Returns an open one-off invoice over 10.00 EUR."""
    return models.Invoice(
        **{
            "id": ids.InvoiceId(new_id()),
            "customer_id": customer.id,
            "subscription_id": None,
            "kind": values.InvoiceKind.ONE_OFF,
            "status": values.InvoiceStatus.OPEN,
            "sequence": sequence,
            "number": f"{customer.invoice_prefix}-{sequence:04d}",
            "currency": "EUR",
            "subtotal_cents": 1000,
            "tax_cents": 0,
            "amount_cents": 1000,
            "amount_due_cents": 1000,
            "bill_to": BILL_TO,
            "period_start": NOW,
            "period_end": NOW,
            "issued_at": NOW,
            "due_at": NOW + 14 * DAY,
            "test_clock_id": customer.test_clock_id,
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
        | columns
    )


def a_void_invoice(customer: models.Customer, sequence: int) -> models.Invoice:
    return an_invoice(customer, sequence, status=values.InvoiceStatus.VOID, amount_due_cents=0)


def a_line(invoice: models.Invoice, **columns: Any) -> models.InvoiceLine:
    return models.InvoiceLine(
        **{
            "id": ids.InvoiceLineId(new_id()),
            "customer_id": invoice.customer_id,
            "invoice_id": invoice.id,
            "position": 1,
            "kind": values.LineKind.ONE_OFF,
            "description": "Setup",
            "quantity": 1,
            "unit_amount_cents": 1000,
            "amount_cents": 1000,
        }
        | columns
    )


def a_payment(customer: models.Customer, **columns: Any) -> models.Payment:
    return models.Payment(
        **{
            "id": ids.PaymentId(new_id()),
            "customer_id": customer.id,
            "amount_cents": 700,
            "overpayment_cents": 0,
            "currency": "EUR",
            "method": values.PaymentMethod.BANK_TRANSFER,
            "reference": None,
            "received_at": NOW,
            "created_at": NOW,
        }
        | columns
    )


def an_allocation(invoice: models.Invoice, kind: values.AllocationKind, cents: int, **columns: Any) -> Any:
    return models.Allocation(
        **{
            "id": new_id(),
            "customer_id": invoice.customer_id,
            "invoice_id": invoice.id,
            "kind": kind,
            "amount_cents": cents,
            "created_at": NOW,
        }
        | columns
    )


def a_ledger_entry(customer: models.Customer, kind: values.LedgerEntryKind, **columns: Any) -> models.LedgerEntry:
    return models.LedgerEntry(
        **{"id": new_id(), "customer_id": customer.id, "kind": kind, "currency": "EUR", "created_at": NOW} | columns
    )


def a_test_clock(**columns: Any) -> models.TestClock:
    return models.TestClock(
        **{
            "id": ids.TestClockId(new_id()),
            "name": "A year of Pro",
            "status": values.TestClockStatus.READY,
            "frozen_at": NOW,
            "target_at": None,
            "version": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
        | columns
    )


def id_of(row: Any) -> dict[str, str]:
    return {"id": str(row.id)}


async def test_a_payment_says_what_it_paid(api: Api, sessions: Sessions) -> None:
    customer = await stored(sessions, a_customer(currency="EUR", balance_cents=50))
    one, two = await stored(sessions, an_invoice(customer, 1), an_invoice(customer, 2))
    payment = await stored(
        sessions,
        a_payment(
            customer,
            overpayment_cents=50,
            method=values.PaymentMethod.CASH,
            reference="receipt 7",
            received_at=NOW - DAY,
        ),
    )
    await stored(
        sessions,
        an_allocation(two, values.AllocationKind.PAYMENT, 250, payment_id=payment.id, created_at=NOW + DAY),
        an_allocation(one, values.AllocationKind.PAYMENT, 400, payment_id=payment.id),
    )
    fields = """id amountCents overpaymentCents currency method reference receivedAt createdAt customer { id }
      allocations { kind amountCents createdAt releasedAt invoice { id } payment { id } sourceInvoice { id } }"""

    data = await api(
        f"""query ($id: ID!) {{ payment(id: $id) {{ {fields} }}
          node(id: $id) {{ __typename id ... on Payment {{ {fields} }} }} nodes(ids: [$id]) {{ __typename id }} }}""",
        id=str(payment.id),
    )

    assert data["payment"] == {
        "id": str(payment.id),
        "amountCents": 700,
        "overpaymentCents": 50,
        "currency": "EUR",
        "method": "CASH",
        "reference": "receipt 7",
        "receivedAt": "2026-01-30T12:00:00Z",
        "createdAt": "2026-01-31T12:00:00Z",
        "customer": id_of(customer),
        "allocations": [
            {
                "kind": "PAYMENT",
                "amountCents": cents,
                "createdAt": at,
                "releasedAt": None,
                "invoice": id_of(invoice),
                "payment": id_of(payment),
                "sourceInvoice": None,
            }
            for invoice, cents, at in ((one, 400, "2026-01-31T12:00:00Z"), (two, 250, "2026-02-01T12:00:00Z"))
        ],
    }
    assert data["node"] == {"__typename": "Payment", **data["payment"]}
    assert data["nodes"] == [{"__typename": "Payment", "id": str(payment.id)}]


async def test_an_invoice_says_what_was_put_against_it(api: Api, sessions: Sessions) -> None:
    customer = await stored(sessions, a_customer(currency="EUR"))
    invoice, other, credit = await stored(
        sessions,
        an_invoice(customer, 1, amount_due_cents=150),
        an_invoice(customer, 2),
        an_invoice(
            customer,
            3,
            status=values.InvoiceStatus.PAID,
            subtotal_cents=-300,
            amount_cents=-300,
            amount_due_cents=0,
            paid_at=NOW,
        ),
    )
    late, early = await stored(
        sessions,
        a_payment(customer, created_at=NOW + 2 * DAY),
        a_payment(customer, created_at=NOW + DAY),
    )
    await stored(
        sessions,
        an_allocation(invoice, values.AllocationKind.PAYMENT, 40, payment_id=late.id, created_at=NOW + 2 * DAY),
        an_allocation(invoice, values.AllocationKind.BALANCE, 10, created_at=NOW + timedelta(hours=1)),
        an_allocation(
            invoice,
            values.AllocationKind.CREDIT,
            300,
            source_invoice_id=credit.id,
            created_at=NOW + timedelta(hours=2),
            released_at=NOW + DAY,
        ),
        # Two allocations of one payment: the payment is listed once.
        an_allocation(invoice, values.AllocationKind.PAYMENT, 20, payment_id=early.id, created_at=NOW + DAY),
        an_allocation(invoice, values.AllocationKind.PAYMENT, 30, payment_id=early.id, created_at=NOW + DAY),
        an_allocation(other, values.AllocationKind.PAYMENT, 50, payment_id=late.id),
    )

    data = await api(
        """{ invoices { nodes { id payments { id } allocations {
          kind amountCents releasedAt payment { id } sourceInvoice { id } invoice { id }
        } } } }"""
    )

    found = {node["id"]: node for node in data["invoices"]["nodes"]}
    assert found[str(invoice.id)] == {
        "id": str(invoice.id),
        "payments": [id_of(early), id_of(late)],
        "allocations": [
            {
                "kind": kind,
                "amountCents": cents,
                "releasedAt": released_at,
                "payment": payment and id_of(payment),
                "sourceInvoice": source and id_of(source),
                "invoice": id_of(invoice),
            }
            for kind, cents, payment, source, released_at in (
                ("BALANCE", 10, None, None, None),
                ("CREDIT", 300, None, credit, "2026-02-01T12:00:00Z"),
                ("PAYMENT", 20, early, None, None),
                ("PAYMENT", 30, early, None, None),
                ("PAYMENT", 40, late, None, None),
            )
        ],
    }
    assert found[str(other.id)]["payments"] == [id_of(late)]
    assert found[str(credit.id)] == {"id": str(credit.id), "payments": [], "allocations": []}


async def test_an_invoice_names_the_one_that_it_was_issued_in_place_of(api: Api, sessions: Sessions) -> None:
    customer = await stored(sessions, a_customer(currency="EUR", net_days=60))
    void = await stored(sessions, a_void_invoice(customer, 1))
    successor = await stored(sessions, an_invoice(customer, 2, replaces_id=void.id, net_days=3))

    data = await api("{ invoices { nodes { id netDays replaces { id } replacedBy { id } customer { netDays } } } }")

    assert data["invoices"]["nodes"] == [
        {
            "id": str(void.id),
            "netDays": None,
            "replaces": None,
            "replacedBy": id_of(successor),
            "customer": {"netDays": 60},
        },
        {
            "id": str(successor.id),
            "netDays": 3,
            "replaces": id_of(void),
            "replacedBy": None,
            "customer": {"netDays": 60},
        },
    ]


async def test_a_credit_names_the_line_that_it_gives_back(api: Api, sessions: Sessions) -> None:
    customer, plan = await stored(sessions, a_customer(currency="EUR"), a_plan())
    first, second = await stored(sessions, an_invoice(customer, 1), an_invoice(customer, 2))
    charge = await stored(
        sessions,
        a_line(
            first,
            kind=values.LineKind.RECURRING,
            plan_id=plan.id,
            period_ordinal=4,
            period_start=NOW,
            period_end=NOW + DAY,
        ),
    )
    credit = await stored(
        sessions,
        a_line(
            second,
            kind=values.LineKind.PRORATION_CREDIT,
            amount_cents=-500,
            plan_id=plan.id,
            period_ordinal=4,
            period_start=NOW,
            period_end=NOW + DAY,
            reverses_line_id=charge.id,
        ),
    )
    await stored(sessions, a_line(second, position=2))

    data = await api(
        """query ($id: ID!) { invoice(id: $id) { lines {
          id kind amountCents periodOrdinal plan { id } invoice { id } reverses { id invoice { id } reverses { id } }
        } } }""",
        id=str(second.id),
    )

    given_back, one_off = data["invoice"]["lines"]
    assert given_back == {
        "id": str(credit.id),
        "kind": "PRORATION_CREDIT",
        "amountCents": -500,
        "periodOrdinal": 4,
        "plan": id_of(plan),
        "invoice": id_of(second),
        "reverses": {"id": str(charge.id), "invoice": id_of(first), "reverses": None},
    }
    assert (one_off["periodOrdinal"], one_off["plan"], one_off["reverses"]) == (None, None, None)


async def test_the_ledger_tells_how_the_balance_came_about(api: Api, sessions: Sessions) -> None:
    customer = await stored(sessions, a_customer(currency="EUR", balance_cents=250))
    payment, invoice = await stored(sessions, a_payment(customer, overpayment_cents=300), an_invoice(customer, 1))
    rows = await stored(
        sessions,
        *(
            a_ledger_entry(
                customer,
                kind,
                sequence=sequence,
                amount_cents=cents,
                balance_after_cents=after,
                payment_id=paid_by and paid_by.id,
                invoice_id=None if paid_by else invoice.id,
                created_at=NOW + sequence * DAY,
            )
            for sequence, kind, cents, after, paid_by in (
                (1, values.LedgerEntryKind.OVERPAYMENT, 300, 300, payment),
                (2, values.LedgerEntryKind.APPLIED, -100, 200, None),
                (3, values.LedgerEntryKind.GIVEN_BACK, 50, 250, None),
            )
        ),
    )
    query = """query ($id: ID!, $first: Int, $after: String, $filter: LedgerEntryFilter, $orderBy: LedgerEntryOrder) {
      customer(id: $id) { balanceCents ledger(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
        nodes { id sequence kind amountCents balanceAfterCents currency createdAt invoice { id } payment { id } }
        pageInfo { hasNextPage endCursor } totalCount
      } } }"""

    async def ledger(**arguments: Any) -> Any:
        found = (await api(query, id=str(customer.id), **arguments))["customer"]
        assert found["balanceCents"] == 250
        return found["ledger"]

    entries = (await ledger())["nodes"]
    assert entries[:2] == [
        {
            "id": str(rows[0].id),
            "sequence": 1,
            "kind": "OVERPAYMENT",
            "amountCents": 300,
            "balanceAfterCents": 300,
            "currency": "EUR",
            "createdAt": "2026-02-01T12:00:00Z",
            "invoice": None,
            "payment": id_of(payment),
        },
        {
            "id": str(rows[1].id),
            "sequence": 2,
            "kind": "APPLIED",
            "amountCents": -100,
            "balanceAfterCents": 200,
            "currency": "EUR",
            "createdAt": "2026-02-02T12:00:00Z",
            "invoice": id_of(invoice),
            "payment": None,
        },
    ]
    one = await ledger(first=2)
    two = await ledger(first=2, after=one["pageInfo"]["endCursor"])
    assert [one["nodes"], two["nodes"]] == [entries[:2], entries[2:]]
    assert (one["pageInfo"]["hasNextPage"], two["pageInfo"]["hasNextPage"]) == (True, False)
    assert (await ledger(orderBy={"direction": "DESC"}))["nodes"] == entries[::-1]
    given_back = await ledger(filter={"kind": ["GIVEN_BACK"]})
    assert (given_back["nodes"], given_back["totalCount"]) == (entries[2:], 1)
    assert (await ledger(filter={"createdAt": {"until": "2026-02-02T12:00:00Z"}}))["nodes"] == entries[:1]


@pytest.mark.parametrize(
    ("field", "expected"), [("CREATED_AT", [300, 100, 200]), ("RECEIVED_AT", [200, 100, 300]), ("AMOUNT", None)]
)
async def test_payments_are_ordered_and_filtered(
    api: Api, sessions: Sessions, field: str, expected: list[int] | None
) -> None:
    customer = await stored(sessions, a_customer(currency="EUR"))
    await stored(
        sessions,
        *(
            a_payment(
                customer, amount_cents=cents, method=method, created_at=NOW + days * DAY, received_at=NOW - days * DAY
            )
            for cents, method, days in (
                (300, values.PaymentMethod.CARD, 0),
                (100, values.PaymentMethod.CASH, 1),
                (200, values.PaymentMethod.CARD, 2),
            )
        ),
    )
    query = """query ($id: ID!, $after: String, $filter: PaymentFilter, $orderBy: PaymentOrder) { customer(id: $id) {
      payments(first: 2, after: $after, filter: $filter, orderBy: $orderBy) {
        nodes { amountCents } pageInfo { endCursor } } } }"""

    async def page(**arguments: Any) -> tuple[list[int], str]:
        found = (await api(query, id=str(customer.id), **arguments))["customer"]["payments"]
        return [node["amountCents"] for node in found["nodes"]], found["pageInfo"]["endCursor"]

    one, cursor = await page(orderBy={"field": field})
    two, _ = await page(orderBy={"field": field}, after=cursor)
    assert one + two == (expected or [100, 200, 300])
    assert (await page(filter={"method": ["CASH"]}))[0] == [100]
    assert (await page(filter={"receivedAt": {"from": "2026-01-31T12:00:00Z"}}))[0] == [300]


async def test_a_subscription_says_what_comes_with_its_next_period(api: Api, sessions: Sessions) -> None:
    plan, next_plan = await stored(sessions, a_plan(trial_days=7, net_days=30), a_plan())
    customer, other = await stored(sessions, a_customer(currency="EUR"), a_customer(currency="EUR"))
    await stored(
        sessions,
        a_subscription(
            customer,
            plan,
            trial_start=NOW - 7 * DAY,
            trial_end=NOW,
            pending_plan_id=next_plan.id,
            pending_quantity=5,
            pending_since=NOW + DAY,
        ),
        a_subscription(other, plan, quantity=2),
    )

    data = await api(
        """{ subscriptions { nodes { quantity trialStart trialEnd plan { id trialDays netDays }
          pendingChange { quantity requestedAt effectiveAt plan { id trialDays netDays } } } } }"""
    )

    terms = {"id": str(plan.id), "trialDays": 7, "netDays": 30}
    assert data["subscriptions"]["nodes"] == [
        {
            "quantity": 1,
            "trialStart": "2026-01-24T12:00:00Z",
            "trialEnd": "2026-01-31T12:00:00Z",
            "plan": terms,
            "pendingChange": {
                "quantity": 5,
                "requestedAt": "2026-02-01T12:00:00Z",
                "effectiveAt": "2026-03-02T12:00:00Z",
                "plan": {"id": str(next_plan.id), "trialDays": 0, "netDays": None},
            },
        },
        {"quantity": 2, "trialStart": None, "trialEnd": None, "plan": terms, "pendingChange": None},
    ]


async def test_a_subscription_says_why_it_is_not_billed(api: Api, sessions: Sessions) -> None:
    plan, customer = await stored(sessions, a_plan(), a_customer(currency="EUR"))
    subscription = await stored(sessions, a_subscription(customer, plan))
    query = "{ subscriptions { nodes { billingHold { reason since retryAt attempts } } } }"
    assert (await api(query))["subscriptions"]["nodes"] == [{"billingHold": None}]

    await stored(
        sessions,
        models.BillingHold(
            subscription_id=subscription.id,
            customer_id=customer.id,
            reason="The total is more than 2^53 − 1.",
            attempts=3,
            since=NOW,
            retry_at=NOW + DAY,
        ),
    )

    assert (await api(query))["subscriptions"]["nodes"] == [
        {
            "billingHold": {
                "reason": "The total is more than 2^53 − 1.",
                "since": "2026-01-31T12:00:00Z",
                "retryAt": "2026-02-01T12:00:00Z",
                "attempts": 3,
            }
        }
    ]


async def test_lines_wait_for_the_next_invoice_in_the_order_they_came(api: Api, sessions: Sessions) -> None:
    plan, customer = await stored(sessions, a_plan(), a_customer(currency="EUR"))
    subscription, invoice = await stored(sessions, a_subscription(customer, plan), an_invoice(customer, 1))
    charge = await stored(sessions, a_line(invoice))
    credit, new_charge = await stored(
        sessions,
        *(
            models.PendingLine(
                id=ids.InvoiceLineId(new_id()),
                customer_id=customer.id,
                subscription_id=subscription.id,
                kind=kind,
                description=description,
                plan_id=plan.id,
                quantity=2,
                unit_amount_cents=1000,
                amount_cents=cents,
                period_ordinal=0,
                period_start=NOW,
                period_end=NOW + 30 * DAY,
                reverses_line_id=reverses,
                created_at=NOW,
            )
            for kind, description, cents, reverses in (
                (values.LineKind.PRORATION_CREDIT, "Unused time on Pro", -400, charge.id),
                (values.LineKind.PRORATION_CHARGE, "Remaining time on 2 × Pro", 900, None),
            )
        ),
    )

    data = await api(
        """{ subscriptions { nodes { pendingLines {
          id kind description quantity unitAmountCents amountCents periodOrdinal periodStart periodEnd createdAt
          plan { id } reverses { id }
        } } } }"""
    )

    same = {
        "quantity": 2,
        "unitAmountCents": 1000,
        "periodOrdinal": 0,
        "periodStart": "2026-01-31T12:00:00Z",
        "periodEnd": "2026-03-02T12:00:00Z",
        "createdAt": "2026-01-31T12:00:00Z",
        "plan": id_of(plan),
    }
    assert data["subscriptions"]["nodes"][0]["pendingLines"] == [
        same
        | {
            "id": str(credit.id),
            "kind": "PRORATION_CREDIT",
            "description": "Unused time on Pro",
            "amountCents": -400,
            "reverses": id_of(charge),
        },
        same
        | {
            "id": str(new_charge.id),
            "kind": "PRORATION_CHARGE",
            "description": "Remaining time on 2 × Pro",
            "amountCents": 900,
            "reverses": None,
        },
    ]


async def test_a_test_clock_knows_who_lives_in_its_time(api: Api, sessions: Sessions) -> None:
    clock, advancing = await stored(
        sessions,
        a_test_clock(),
        a_test_clock(name=None, status=values.TestClockStatus.ADVANCING, target_at=NOW + DAY, created_at=NOW + DAY),
    )
    here, world = await stored(sessions, a_customer(test_clock_id=clock.id), a_customer())
    fields = "id name status frozenAt targetAt version createdAt updatedAt customers { totalCount nodes { id } }"

    data = await api(
        f"""query ($id: ID!) {{ testClock(id: $id) {{ {fields} }}
          node(id: $id) {{ __typename ... on TestClock {{ {fields} }} }} testClocks {{ totalCount nodes {{ id }} }}
          advancing: testClocks(filter: {{status: [ADVANCING]}}) {{ nodes {{ id status name targetAt }} }} }}""",
        id=str(clock.id),
    )

    assert data["testClock"] == {
        "id": str(clock.id),
        "name": "A year of Pro",
        "status": "READY",
        "frozenAt": "2026-01-31T12:00:00Z",
        "targetAt": None,
        "version": 1,
        "createdAt": "2026-01-31T12:00:00Z",
        "updatedAt": "2026-01-31T12:00:00Z",
        "customers": {"totalCount": 1, "nodes": [id_of(here)]},
    }
    assert data["node"] == {"__typename": "TestClock", **data["testClock"]}
    assert data["testClocks"] == {"totalCount": 2, "nodes": [id_of(clock), id_of(advancing)]}
    assert data["advancing"]["nodes"] == [
        {"id": str(advancing.id), "status": "ADVANCING", "name": None, "targetAt": "2026-02-01T12:00:00Z"}
    ]
    query = "query ($id: ID!) { customer(id: $id) { testClock { id } } }"
    assert (await api(query, id=str(here.id)))["customer"] == {"testClock": id_of(clock)}
    assert (await api(query, id=str(world.id)))["customer"] == {"testClock": None}


@pytest.fixture
async def two_times(sessions: Sessions) -> tuple[models.TestClock, models.Plan, list[Any], list[Any]]:
    """A test clock, a plan, and two lists of customer, subscription and invoice: one in real time, one on the clock."""
    clock, plan = await stored(sessions, a_test_clock(), a_plan())
    made = []
    for test_clock_id in (None, clock.id):
        customer = await stored(sessions, a_customer(currency="EUR", test_clock_id=test_clock_id))
        subscription = await stored(sessions, a_subscription(customer, plan))
        invoice = await stored(
            sessions,
            an_invoice(customer, 1, kind=values.InvoiceKind.PRORATION, subscription_id=subscription.id),
        )
        made.append([customer, subscription, invoice])
    return clock, plan, made[0], made[1]


async def test_lists_leave_out_what_lives_in_the_time_of_a_test_clock(
    api: Api, two_times: tuple[models.TestClock, models.Plan, list[Any], list[Any]]
) -> None:
    clock, _, (customer, subscription, invoice), (_, other_subscription, other_invoice) = two_times
    listed = "{ totalCount nodes { id } }"

    data = await api(
        f"""{{ customers {listed} subscriptions {listed} invoices {listed}
          paid: invoices(filter: {{status: [PAID]}}) {listed}
          plans {{ nodes {{ subscriptions {listed} }} }} }}"""
    )

    assert data == {
        "customers": {"totalCount": 1, "nodes": [id_of(customer)]},
        "subscriptions": {"totalCount": 1, "nodes": [id_of(subscription)]},
        "invoices": {"totalCount": 1, "nodes": [id_of(invoice)]},
        "paid": {"totalCount": 0, "nodes": []},
        "plans": {"nodes": [{"subscriptions": {"totalCount": 1, "nodes": [id_of(subscription)]}}]},
    }
    data = await api(
        f"""query ($id: ID!) {{ testClock(id: $id) {{ customers {{ nodes {{
          subscription {{ id testClock {{ id }} invoices {listed} }} subscriptions {listed}
          invoices {{ totalCount nodes {{ id testClock {{ id }} }} }} }} }} }} }}""",
        id=str(clock.id),
    )
    assert data["testClock"]["customers"]["nodes"] == [
        {
            "subscription": {
                "id": str(other_subscription.id),
                "testClock": id_of(clock),
                "invoices": {"totalCount": 1, "nodes": [id_of(other_invoice)]},
            },
            "subscriptions": {"totalCount": 1, "nodes": [id_of(other_subscription)]},
            "invoices": {"totalCount": 1, "nodes": [{"id": str(other_invoice.id), "testClock": id_of(clock)}]},
        }
    ]


async def test_lists_show_it_where_the_filter_names_the_test_clock_or_whose_it_is(
    api: Api, two_times: tuple[models.TestClock, models.Plan, list[Any], list[Any]]
) -> None:
    clock, plan, _, (customer, subscription, invoice) = two_times
    listed = "{ totalCount nodes { id } }"

    async def found(root: str, **conditions: Any) -> Any:
        type_ = f"{root[0].upper()}{root[1:-1]}Filter"
        return (await api(f"query ($filter: {type_}) {{ {root}(filter: $filter) {listed} }}", filter=conditions))[root]

    of_clock = {"testClockId": str(clock.id)}
    of_customer = {"customerId": str(customer.id)}
    for root, row, conditions in (
        ("customers", customer, of_clock),
        ("subscriptions", subscription, of_clock),
        ("subscriptions", subscription, of_customer),
        ("subscriptions", subscription, of_customer | of_clock),
        ("invoices", invoice, of_clock),
        ("invoices", invoice, of_customer),
        ("invoices", invoice, {"subscriptionId": str(subscription.id)}),
        ("invoices", invoice, of_clock | {"status": ["OPEN"]}),
    ):
        assert await found(root, **conditions) == {"totalCount": 1, "nodes": [id_of(row)]}, (root, conditions)
    for root in ("customers", "subscriptions", "invoices"):
        assert await found(root, testClockId="garbage") == {"totalCount": 0, "nodes": []}
        assert (await found(root, testClockId=None))["totalCount"] == 1
    query = f"""query ($id: ID!, $filter: SubscriptionFilter) {{ plan(id: $id) {{
      subscriptions(filter: $filter) {listed} }} }}"""
    for conditions in (of_clock, of_customer):
        data = await api(query, id=str(plan.id), filter=conditions)
        assert data["plan"]["subscriptions"] == {"totalCount": 1, "nodes": [id_of(subscription)]}


async def test_a_clock_is_read_together_with_those_that_live_in_its_time(
    api: Api, database: Database, sessions: Sessions
) -> None:
    clock = await stored(sessions, a_test_clock())
    await stored(sessions, *(a_customer(test_clock_id=clock.id) for _ in range(5)))

    with counted_statements(database) as statements:
        data = await api("{ testClocks { nodes { customers { nodes { testClock { frozenAt } } } } } }")

    assert len(statements) == 2, statements.texts
    [found] = data["testClocks"]["nodes"]
    assert found["customers"]["nodes"] == [{"testClock": {"frozenAt": "2026-01-31T12:00:00Z"}}] * 5


async def test_runs_are_read_newest_first(api: Api, sessions: Sessions) -> None:
    rows = await stored(
        sessions,
        *(
            models.BillingRun(
                id=new_id(),
                trigger=trigger,
                as_of=NOW + days * DAY,
                created_at=NOW + days * DAY,
                finished_at=finished_at,
                renewed=4,
                failed=1,
                invoices=5,
                past_due=2,
                milliseconds=None if finished_at is None else 1000,
            )
            for days, trigger, finished_at in (
                (0, values.RunTrigger.SERVER, NOW + timedelta(seconds=1)),
                (1, values.RunTrigger.COMMAND, None),
                (2, values.RunTrigger.SERVER, None),
            )
        ),
    )
    query = """query ($first: Int, $after: String, $filter: BillingRunFilter, $orderBy: BillingRunOrder) {
      billingRuns(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
        nodes { id trigger asOf startedAt finishedAt renewed failed invoices pastDue milliseconds }
        pageInfo { hasNextPage endCursor } totalCount } }"""

    async def runs(**arguments: Any) -> Any:
        return (await api(query, **arguments))["billingRuns"]

    one = await runs(first=2)
    two = await runs(first=2, after=one["pageInfo"]["endCursor"])
    assert [node["id"] for node in one["nodes"] + two["nodes"]] == [str(row.id) for row in reversed(rows)]
    assert (one["pageInfo"]["hasNextPage"], two["pageInfo"]["hasNextPage"], one["totalCount"]) == (True, False, 3)
    assert two["nodes"] == [
        {
            "id": str(rows[0].id),
            "trigger": "SERVER",
            "asOf": "2026-01-31T12:00:00Z",
            "startedAt": "2026-01-31T12:00:00Z",
            "finishedAt": "2026-01-31T12:00:01Z",
            "renewed": 4,
            "failed": 1,
            "invoices": 5,
            "pastDue": 2,
            "milliseconds": 1000,
        }
    ]
    assert (one["nodes"][0]["finishedAt"], one["nodes"][0]["milliseconds"]) == (None, None)
    newest = await runs(orderBy={"field": "STARTED_AT"})
    oldest = await runs(orderBy={"direction": "ASC"})
    assert newest["nodes"] == oldest["nodes"][::-1] == one["nodes"] + two["nodes"]
    assert [node["id"] for node in (await runs(filter={"trigger": ["COMMAND"]}))["nodes"]] == [str(rows[1].id)]
    since = {"startedAt": {"from": "2026-02-01T12:00:00Z"}}
    assert (await runs(filter=since))["totalCount"] == 2


@pytest.mark.parametrize("key", ["garbage", "01930000-0000-7000-8000-000000000000"])
async def test_what_does_not_exist_is_null(api: Api, key: str) -> None:
    data = await api("query ($id: ID!) { payment(id: $id) { id } testClock(id: $id) { id } }", id=key)

    assert data == {"payment": None, "testClock": None}


async def test_edges_to_one_row_that_read_different_parts_of_it(api: Api) -> None:
    await api.a_subscription(await api.a_customer(), await api.a_plan())

    by_alias = await api(
        """{ invoices { nodes {
          a: subscription { id status }
          b: subscription { quantity upcomingInvoices(count: 1) { amountCents } }
        } } }"""
    )
    by_edges = await api(
        """{ invoices {
          nodes { subscription { id status } }
          edges { node { subscription { quantity pendingChange { quantity } } } }
        } }"""
    )

    [node] = by_alias["invoices"]["nodes"]
    assert node["a"]["status"] == "ACTIVE"
    assert node["b"] == {"quantity": 1, "upcomingInvoices": [{"amountCents": 2900}]}
    assert by_edges["invoices"]["edges"] == [{"node": {"subscription": {"quantity": 1, "pendingChange": None}}}]
