"""What makes no sense is refused with a code and a field of its own, over HTTP 200, and nothing at all is stored."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from billing.words import RunTrigger
from db.access.transactions import Sessions
from db.database import Database
from db.models import Base
from services.runs import Report, run_renewals
from tests.support import NOW, Api, TestClock, day, refusal

LARGEST = 2**53 - 1
NOBODY = "01930000-0000-7000-8000-000000000000"

PAYLOADS = {
    "createCustomer": "customer { id }",
    "updateCustomer": "customer { id }",
    "archiveCustomer": "customer { id }",
    "unarchiveCustomer": "customer { id }",
    "createPlan": "plan { id }",
    "updatePlan": "plan { id }",
    "archivePlan": "plan { id }",
    "unarchivePlan": "plan { id }",
    "createSubscription": "subscription { id } invoice { id }",
    "changeSubscription": "subscription { id } invoice { id }",
    "withdrawSubscriptionChange": "subscription { id }",
    "cancelSubscription": "subscription { id } invoice { id }",
    "undoSubscriptionCancellation": "subscription { id }",
    "createInvoice": "invoice { id }",
    "addInvoiceLine": "invoice { id }",
    "deleteDraftInvoice": "deletedInvoiceId",
    "finalizeInvoice": "invoice { id }",
    "voidInvoice": "invoice { id }",
    "reissueInvoice": "invoice { id }",
    "markInvoiceUncollectible": "invoice { id }",
    "recordPayment": "payment { id } customer { id }",
    "createTestClock": "testClock { id }",
    "advanceTestClock": "testClock { id }",
}
"""All that each mutation answers with, beside its `userErrors`."""

WITHOUT_KEY = {
    *("updateCustomer", "archiveCustomer", "unarchiveCustomer", "updatePlan", "archivePlan", "unarchivePlan"),
    *("withdrawSubscriptionChange", "undoSubscriptionCancellation", "deleteDraftInvoice"),
}
"""Mutations that take no idempotency key."""


async def everything(sessions: Sessions) -> dict[str, list[str]]:
    """All rows of all tables, as text."""
    tables = sorted(Base.metadata.tables)
    selects = (f"SELECT '{table}', ARRAY(SELECT {table}::text FROM {table} ORDER BY 1)" for table in tables)
    async with sessions() as session:
        found = await session.execute(text(" UNION ALL ".join(selects)))
    return {row[0]: row[1] for row in found}


async def is_refused(
    api: Api, sessions: Sessions, name: str, fields: dict[str, Any], code: str, field: list[str] | None
) -> None:
    """Asserts that the mutation is refused so, and that nothing is stored, not even its idempotency key."""
    before = await everything(sessions)
    if name not in WITHOUT_KEY:
        fields = {"idempotencyKey": "once", **fields}

    payload = await api.mutate(name, PAYLOADS[name], **fields)

    assert refusal(payload) == (code, field), (name, fields)
    assert {key: value for key, value in payload.items() if value is not None} == {
        "userErrors": payload["userErrors"]
    }, (name, fields)
    assert await everything(sessions) == before, (name, fields)


async def made(api: Api, name: str, /, **fields: Any) -> str:
    """The id of what a mutation has made or changed, the last thing that it answers with."""
    payload = await api.mutate(name, PAYLOADS[name], **fields)
    assert payload["userErrors"] == [], payload
    *_, thing = (value for key, value in payload.items() if key != "userErrors")
    return str(thing["id"])


async def an_invoice(api: Api, customer_id: str, *cents: int) -> str:
    """The id of a draft."""
    lines = [{"description": "Setup", "unitAmountCents": amount} for amount in cents]
    return await made(api, "createInvoice", customerId=customer_id, currency="EUR", lines=lines)


async def test_a_plan(api: Api, sessions: Sessions) -> None:
    plan_id = await api.a_plan()

    new = {"code": "pro", "name": "Pro", "amountCents": 2900, "currency": "EUR"}
    for fields, code, field in (
        ({"amountCents": -1}, "AMOUNT_NEGATIVE", "amountCents"),
        ({"currency": "EURO"}, "CURRENCY_UNKNOWN", "currency"),
        ({"netDays": -1}, "INVALID_INPUT", "netDays"),
        ({"netDays": 366}, "INVALID_INPUT", "netDays"),
        ({"trialDays": -1}, "INVALID_INPUT", "trialDays"),
        ({"trialDays": 731}, "INVALID_INPUT", "trialDays"),
        ({"intervalCount": 3661}, "INVALID_INPUT", "intervalCount"),
        ({"description": "x" * 2001}, "INVALID_INPUT", "description"),
        ({"idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
        ({"idempotencyKey": "x" * 256}, "INVALID_INPUT", "idempotencyKey"),
    ):
        await is_refused(api, sessions, "createPlan", new | fields, code, ["input", field])
    for fields, field in (
        ({"netDays": -1}, "netDays"),
        ({"netDays": 366}, "netDays"),
        ({"trialDays": -1}, "trialDays"),
        ({"trialDays": 731}, "trialDays"),
        ({"name": " "}, "name"),
        ({"description": "x" * 2001}, "description"),
    ):
        change = {"id": plan_id, "name": "Other"} | fields
        await is_refused(api, sessions, "updatePlan", change, "INVALID_INPUT", ["input", field])


async def test_a_customer(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()

    new = {"name": "Ada", "email": "ada@example.com"}
    for fields, code, field in (
        ({"netDays": -1}, "INVALID_INPUT", "netDays"),
        ({"netDays": 366}, "INVALID_INPUT", "netDays"),
        ({"name": "x" * 256}, "INVALID_INPUT", "name"),
        ({"testClockId": NOBODY}, "TEST_CLOCK_NOT_FOUND", "testClockId"),
        ({"testClockId": "garbage"}, "TEST_CLOCK_NOT_FOUND", "testClockId"),
        ({"idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
    ):
        await is_refused(api, sessions, "createCustomer", new | fields, code, ["input", field])
    for net_days in (-1, 366):
        change = {"id": customer_id, "name": "Other", "netDays": net_days}
        await is_refused(api, sessions, "updateCustomer", change, "INVALID_INPUT", ["input", "netDays"])


async def test_a_new_subscription(api: Api, sessions: Sessions) -> None:
    plan_id, largest, dollars = (
        await api.a_plan(),
        await api.a_plan(amountCents=LARGEST),
        await api.a_plan(currency="USD"),
    )
    archived_plan = await made(api, "archivePlan", id=await api.a_plan())
    archived_customer = await made(api, "archiveCustomer", id=await api.a_customer())
    customer_id = await api.a_customer()
    await an_invoice(api, customer_id)

    new = {"customerId": customer_id, "planId": plan_id}
    for fields, code, field in (
        ({"customerId": NOBODY}, "CUSTOMER_NOT_FOUND", "customerId"),
        ({"customerId": plan_id}, "CUSTOMER_NOT_FOUND", "customerId"),
        ({"customerId": archived_customer}, "CUSTOMER_ARCHIVED", "customerId"),
        ({"planId": NOBODY}, "PLAN_NOT_FOUND", "planId"),
        ({"planId": archived_plan}, "PLAN_ARCHIVED", "planId"),
        ({"planId": dollars}, "CURRENCY_MISMATCH", "planId"),
        ({"quantity": 0}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"quantity": -1}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"quantity": 1_000_000_001}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"planId": largest, "quantity": 2}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"planId": largest, "quantity": 2, "trialDays": 7}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"planId": largest, "quantity": 2, "startAt": day(7)}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"startAt": f"{NOW - timedelta(seconds=1):%FT%TZ}"}, "START_IN_THE_PAST", "startAt"),
        ({"startAt": day(3661)}, "INVALID_INPUT", "startAt"),
        ({"startAt": "9998-12-31T23:59:59Z"}, "INVALID_INPUT", "startAt"),
        ({"trialDays": -1}, "TRIAL_INVALID", "trialDays"),
        ({"trialDays": 731}, "TRIAL_INVALID", "trialDays"),
        ({"trialEnd": day(0)}, "TRIAL_INVALID", "trialEnd"),
        ({"trialEnd": day(731)}, "TRIAL_INVALID", "trialEnd"),
        ({"startAt": day(7), "trialEnd": day(7)}, "TRIAL_INVALID", "trialEnd"),
        ({"trialDays": 7, "trialEnd": day(7)}, "TRIAL_INVALID", "trialEnd"),
        ({"trialDays": 0, "trialEnd": day(7)}, "TRIAL_INVALID", "trialEnd"),
        ({"metadata": [{"key": "", "value": ""}]}, "INVALID_INPUT", "metadata"),
        ({"idempotencyKey": "x" * 256}, "INVALID_INPUT", "idempotencyKey"),
    ):
        await is_refused(api, sessions, "createSubscription", new | fields, code, ["input", field])


async def test_a_change_of_a_subscription(api: Api, sessions: Sessions, clock: TestClock) -> None:
    subscription_id = await api.a_subscription()
    largest, dollars = await api.a_plan(amountCents=LARGEST), await api.a_plan(currency="USD")
    yearly = await api.a_plan(interval="YEAR")
    archived = await made(api, "archivePlan", id=await api.a_plan())
    clock.forward(days=31)
    await made(api, "changeSubscription", id=subscription_id, quantity=2)
    clock.forward(days=10)

    change = {"id": subscription_id, "quantity": 3}
    for fields, code, field in (
        ({"id": NOBODY}, "SUBSCRIPTION_NOT_FOUND", "id"),
        ({"planId": NOBODY}, "PLAN_NOT_FOUND", "planId"),
        ({"planId": archived}, "PLAN_ARCHIVED", "planId"),
        ({"planId": dollars}, "CURRENCY_MISMATCH", "planId"),
        ({"quantity": 0}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"quantity": 1_000_000_001}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"planId": largest}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"planId": largest, "mode": "PERIOD_END"}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"planId": largest, "quantity": 1, "mode": "NEXT_INVOICE"}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"planId": yearly, "mode": "NONE"}, "CHANGE_MODE_NOT_ALLOWED", "mode"),
        ({"asOf": day(29)}, "AS_OF_OUT_OF_RANGE", "asOf"),
        ({"asOf": day(30)}, "AS_OF_OUT_OF_RANGE", "asOf"),
        ({"asOf": day(30.9)}, "AS_OF_OUT_OF_RANGE", "asOf"),
        ({"asOf": f"{clock.now + timedelta(seconds=1):%FT%TZ}"}, "AS_OF_OUT_OF_RANGE", "asOf"),
        ({"asOf": day(60)}, "AS_OF_OUT_OF_RANGE", "asOf"),
        ({"asOf": day(31), "quantity": 2}, "SUBSCRIPTION_UNCHANGED", None),
    ):
        where = None if field is None else ["input", field]
        await is_refused(api, sessions, "changeSubscription", change | fields, code, where)


LINES = (
    ({"unitAmountCents": 0}, "AMOUNT_NOT_POSITIVE", "unitAmountCents"),
    ({"unitAmountCents": -1}, "AMOUNT_NOT_POSITIVE", "unitAmountCents"),
    ({"quantity": 0}, "QUANTITY_OUT_OF_RANGE", "quantity"),
    ({"quantity": -1}, "QUANTITY_OUT_OF_RANGE", "quantity"),
    ({"quantity": 1_000_000_001}, "QUANTITY_OUT_OF_RANGE", "quantity"),
    ({"description": ""}, "INVALID_INPUT", "description"),
    ({"description": " \n"}, "INVALID_INPUT", "description"),
    ({"description": "x" * 501}, "INVALID_INPUT", "description"),
    ({"unitAmountCents": LARGEST, "quantity": 2}, "AMOUNT_TOO_LARGE", "unitAmountCents"),
    # With the 100 that are on the invoice already.
    ({"unitAmountCents": LARGEST - 99}, "AMOUNT_TOO_LARGE", "unitAmountCents"),
)


async def test_an_invoice(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    archived = await made(api, "archiveCustomer", id=await api.a_customer())
    line = {"description": "Setup", "unitAmountCents": 100}
    draft = await an_invoice(api, customer_id, 100)

    new = {"customerId": customer_id, "currency": "EUR", "lines": [line]}
    for fields, code, field in (
        ({"customerId": NOBODY}, "CUSTOMER_NOT_FOUND", "customerId"),
        ({"customerId": archived}, "CUSTOMER_ARCHIVED", "customerId"),
        ({"currency": "USD"}, "CURRENCY_MISMATCH", "currency"),
        ({"currency": "eur"}, "CURRENCY_UNKNOWN", "currency"),
        ({"netDays": -1}, "INVALID_INPUT", "netDays"),
        ({"netDays": 366}, "INVALID_INPUT", "netDays"),
        ({"lines": [line] * 101}, "TOO_MANY_LINES", "lines"),
        ({"idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
    ):
        await is_refused(api, sessions, "createInvoice", new | fields, code, ["input", field])
    for fields, code, field in LINES:
        lines, where = [line, line | fields], ["input", "lines", "1", field]
        await is_refused(api, sessions, "createInvoice", new | {"lines": lines}, code, where)
        await is_refused(api, sessions, "addInvoiceLine", {"invoiceId": draft} | line | fields, code, ["input", field])


async def test_a_payment(api: Api, sessions: Sessions) -> None:
    customer_id, stranger = await api.a_customer(), await api.a_customer()
    draft = await an_invoice(api, customer_id, 1000)
    paid, unpaid, void, other = [
        await made(api, "finalizeInvoice", id=await an_invoice(api, customer_id, 1000)) for _ in range(4)
    ]
    foreign = await made(api, "finalizeInvoice", id=await an_invoice(api, stranger, 1000))
    payment = {"customerId": customer_id, "amountCents": 1000, "currency": "EUR"}
    await made(api, "recordPayment", **payment, allocations=[{"invoiceId": paid}])
    await made(api, "voidInvoice", id=void)

    for fields, code, field in (
        ({"customerId": NOBODY}, "CUSTOMER_NOT_FOUND", "customerId"),
        ({"amountCents": 0}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"amountCents": -1}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"currency": "USD"}, "CURRENCY_MISMATCH", "currency"),
        ({"currency": "XXX"}, "CURRENCY_UNKNOWN", "currency"),
        ({"amountCents": 2001}, "OVERPAYMENT", "amountCents"),
        ({"amountCents": LARGEST}, "OVERPAYMENT", "amountCents"),
        ({"receivedAt": f"{NOW + timedelta(seconds=1):%FT%TZ}"}, "INVALID_INPUT", "receivedAt"),
        ({"reference": "x" * 256}, "INVALID_INPUT", "reference"),
        ({"idempotencyKey": "x" * 256}, "INVALID_INPUT", "idempotencyKey"),
        ({"allocations": []}, "OVERPAYMENT", "amountCents"),
        ({"allocations": [{"invoiceId": draft}]}, "INVOICE_DRAFT", "allocations"),
        ({"allocations": [{"invoiceId": paid}]}, "INVOICE_PAID", "allocations"),
        ({"allocations": [{"invoiceId": unpaid}, {"invoiceId": void}]}, "INVOICE_VOID", "allocations"),
        ({"allocations": [{"invoiceId": NOBODY}]}, "INVOICE_NOT_FOUND", "allocations"),
        ({"allocations": [{"invoiceId": "garbage"}]}, "INVOICE_NOT_FOUND", "allocations"),
        ({"allocations": [{"invoiceId": foreign}]}, "INVOICE_NOT_FOUND", "allocations"),
        ({"allocations": [{"invoiceId": unpaid, "amountCents": 0}]}, "AMOUNT_NOT_POSITIVE", "allocations"),
        ({"allocations": [{"invoiceId": unpaid, "amountCents": -1}]}, "AMOUNT_NOT_POSITIVE", "allocations"),
        ({"allocations": [{"invoiceId": unpaid, "amountCents": 1001}]}, "OVERPAYMENT", "allocations"),
        ({"allocations": [{"invoiceId": unpaid}] * 2}, "ALLOCATION_INVALID", "allocations"),
        (
            {"allocations": [{"invoiceId": unpaid}, {"invoiceId": other, "amountCents": 1}]},
            "ALLOCATION_INVALID",
            "allocations",
        ),
        ({"allocations": [{"invoiceId": unpaid}] * 101}, "ALLOCATION_INVALID", "allocations"),
    ):
        await is_refused(api, sessions, "recordPayment", payment | fields, code, ["input", field])


async def test_a_test_clock(api: Api, sessions: Sessions) -> None:
    clock_id = await made(api, "createTestClock", frozenAt=day(10))

    for fields, field in (
        ({"name": "x" * 256}, "name"),
        ({"frozenAt": "1900-01-01T00:00:00Z"}, "frozenAt"),
        ({"frozenAt": "9998-12-31T23:59:59Z"}, "frozenAt"),
        ({"idempotencyKey": ""}, "idempotencyKey"),
    ):
        await is_refused(api, sessions, "createTestClock", fields, "INVALID_INPUT", ["input", field])
    for fields, code, field in (
        ({"id": NOBODY}, "TEST_CLOCK_NOT_FOUND", "id"),
        ({"to": day(10)}, "TEST_CLOCK_BACKWARDS", "to"),
        ({"to": day(9)}, "TEST_CLOCK_BACKWARDS", "to"),
        ({"to": "9998-12-31T23:59:59Z"}, "INVALID_INPUT", "to"),
    ):
        advance = {"id": clock_id, "to": day(11)} | fields
        await is_refused(api, sessions, "advanceTestClock", advance, code, ["input", field])


@pytest.mark.parametrize("unknown", [NOBODY, "garbage", "", "00000000-0000-0000-0000-000000000000"])
async def test_an_unknown_id(api: Api, sessions: Sessions, unknown: str) -> None:
    line = {"description": "Setup", "unitAmountCents": 1}
    extra: dict[str, dict[str, Any]] = {"changeSubscription": {"quantity": 2}, "advanceTestClock": {"to": day(1)}}
    for noun, names in {
        "CUSTOMER": ("updateCustomer", "archiveCustomer", "unarchiveCustomer"),
        "PLAN": ("updatePlan", "archivePlan", "unarchivePlan"),
        "SUBSCRIPTION": (
            *("changeSubscription", "withdrawSubscriptionChange"),
            *("cancelSubscription", "undoSubscriptionCancellation"),
        ),
        "INVOICE": (
            *("deleteDraftInvoice", "finalizeInvoice", "voidInvoice", "reissueInvoice"),
            "markInvoiceUncollectible",
        ),
        "TEST_CLOCK": ("advanceTestClock",),
    }.items():
        for name in names:
            fields = {"id": unknown} | extra.get(name, {})
            await is_refused(api, sessions, name, fields, f"{noun}_NOT_FOUND", ["input", "id"])
    await is_refused(
        api, sessions, "addInvoiceLine", {"invoiceId": unknown} | line, "INVOICE_NOT_FOUND", ["input", "invoiceId"]
    )


async def test_an_idempotency_key_that_came_with_another_input(api: Api, sessions: Sessions) -> None:
    await made(api, "createCustomer", name="Ada", email="ada@example.com", idempotencyKey="once")

    reused = ("IDEMPOTENCY_KEY_REUSED", ["input", "idempotencyKey"])
    await is_refused(api, sessions, "createCustomer", {"name": "Eve", "email": "eve@example.com"}, *reused)
    await is_refused(api, sessions, "createTestClock", {}, *reused)


async def test_what_does_not_fit_its_type_is_no_refusal_but_an_error_of_the_request(
    api: Api, sessions: Sessions
) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    subscription_id = await api.a_subscription(plan_id=plan_id)
    draft, clock_id = await an_invoice(api, customer_id, 100), await made(api, "createTestClock")
    before = await everything(sessions)

    subscription = {"customerId": customer_id, "planId": plan_id}
    payment = {"customerId": customer_id, "amountCents": 1, "currency": "EUR", "allowOverpayment": True}
    line = {"invoiceId": draft, "description": "Setup", "unitAmountCents": 1}
    for name, fields in (
        ("createSubscription", subscription | {"startAt": "2026-02-01T00:00:00"}),
        ("createSubscription", subscription | {"trialEnd": "2026-02-01T00:00:00"}),
        ("createSubscription", subscription | {"trialEnd": "2026-02-01"}),
        ("createSubscription", subscription | {"quantity": 2**31}),
        ("createSubscription", subscription | {"quantity": 1.5}),
        ("createSubscription", subscription | {"trialDays": "7"}),
        ("changeSubscription", {"id": subscription_id, "quantity": 2, "asOf": "2026-01-31T12:00:00"}),
        ("changeSubscription", {"id": subscription_id, "quantity": 2, "mode": "SOMETIME"}),
        ("recordPayment", payment | {"receivedAt": "2026-01-01T00:00"}),
        ("recordPayment", payment | {"amountCents": LARGEST + 1}),
        ("recordPayment", payment | {"amountCents": 0.5}),
        ("recordPayment", payment | {"amountCents": "100"}),
        ("addInvoiceLine", line | {"unitAmountCents": LARGEST + 1}),
        ("addInvoiceLine", line | {"unitAmountCents": -LARGEST - 1}),
        ("createPlan", {"code": "pro", "name": "Pro", "amountCents": LARGEST + 1, "currency": "EUR"}),
        ("createTestClock", {"frozenAt": "2026-02-01T00:00:00"}),
        ("advanceTestClock", {"id": clock_id, "to": "2026-02-01 00:00:00"}),
        ("advanceTestClock", {"id": clock_id, "to": "2026-02-30T00:00:00Z"}),
    ):
        input_type = f"{name[0].upper()}{name[1:]}Input"
        answer = await api.post(
            f"mutation ($input: {input_type}!) {{ {name}(input: $input) {{ userErrors {{ code }} }} }}", input=fields
        )
        document = answer.json()
        assert (answer.status_code, document.get("data")) == (200, None), (name, fields)
        assert [error["extensions"]["code"] for error in document["errors"]] == ["BAD_USER_INPUT"], (name, fields)
    assert await everything(sessions) == before


async def test_a_change_whose_invoice_would_be_too_large(api: Api, sessions: Sessions, clock: TestClock) -> None:
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000))
    await changed(api, subscription_id, planId=await api.a_plan(amountCents=2**52), mode="NEXT_INVOICE")
    clock.forward(days=15)

    # Half of 2^52 waits, and a whole year comes on top.
    yearly = await api.a_plan(amountCents=LARGEST, interval="YEAR")
    change = {"id": subscription_id, "planId": yearly, "mode": "IMMEDIATE"}
    await is_refused(api, sessions, "changeSubscription", change, "AMOUNT_TOO_LARGE", ["input", "quantity"])


async def changed(api: Api, subscription_id: str, **fields: Any) -> None:
    payload = await api.mutate("changeSubscription", "subscription { id }", id=subscription_id, **fields)
    assert payload["userErrors"] == [], payload


async def test_a_balance_that_would_be_too_large(api: Api, sessions: Sessions, clock: TestClock) -> None:
    customer_id = await api.a_customer()
    payment = {"customerId": customer_id, "currency": "EUR", "allowOverpayment": True}
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000), quantity=2)
    await made(api, "recordPayment", **payment, amountCents=6000 + 500)
    invoice_id = await made(api, "finalizeInvoice", id=await an_invoice(api, customer_id, 1000))
    await made(api, "recordPayment", **payment, amountCents=LARGEST, allocations=[])
    clock.forward(days=10)

    cancellation = {"id": subscription_id, "atPeriodEnd": False, "settlement": "CREDIT"}
    downgrade = {"id": subscription_id, "quantity": 1, "mode": "IMMEDIATE"}
    for name, fields, field in (
        ("recordPayment", payment | {"amountCents": 1, "allocations": []}, ["input", "amountCents"]),
        ("voidInvoice", {"id": invoice_id}, None),
        ("cancelSubscription", cancellation, None),
        ("changeSubscription", downgrade, ["input", "quantity"]),
    ):
        await is_refused(api, sessions, name, fields, "AMOUNT_TOO_LARGE", field)


async def a_subscription_that_cannot_renew(api: Api) -> str:
    """One whose next invoice gives money back to a customer whose balance is full."""
    customer_id = await api.a_customer()
    payment = {"customerId": customer_id, "currency": "EUR", "allowOverpayment": True}
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000), quantity=2)
    await changed(api, subscription_id, planId=await api.a_plan(amountCents=1), mode="NEXT_INVOICE")
    await made(api, "recordPayment", **payment, amountCents=6000)
    await made(api, "recordPayment", **payment, amountCents=LARGEST)
    return subscription_id


async def test_a_renewal_that_would_be_too_large(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    subscription_id = await a_subscription_that_cannot_renew(api)
    clock.forward(days=30)

    steps: dict[str, dict[str, Any]] = {
        "changeSubscription": {"quantity": 3},
        "withdrawSubscriptionChange": {},
        "cancelSubscription": {"atPeriodEnd": False},
        "undoSubscriptionCancellation": {},
    }
    for name, fields in steps.items():
        await is_refused(api, sessions, name, {"id": subscription_id} | fields, "AMOUNT_TOO_LARGE", None)
    report = await run_renewals(database, as_of=clock.now, now=clock.now, trigger=RunTrigger.SERVER)
    late = {"id": subscription_id, "quantity": 3}
    await is_refused(api, sessions, "changeSubscription", late, "RENEWAL_DUE", ["input", "id"])

    assert report == Report(failed=1)
    data = await api("query ($id: ID!) { subscription(id: $id) { billingHold { reason } } }", id=subscription_id)
    assert data["subscription"]["billingHold"]["reason"].startswith("AMOUNT_TOO_LARGE: ")
