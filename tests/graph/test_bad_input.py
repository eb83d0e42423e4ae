"""Invalid input is rejected over HTTP 200 with a specific code and field, and nothing is stored."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from billing.enums import RunTrigger
from billing.limits import (
    MAX_ALLOCATIONS,
    MAX_CENTS,
    MAX_EMAIL,
    MAX_EXTERNAL_ID,
    MAX_IDEMPOTENCY_KEY,
    MAX_INTERVAL_COUNT,
    MAX_LINE_DESCRIPTION,
    MAX_LINES,
    MAX_MEMO,
    MAX_METADATA_KEY,
    MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE,
    MAX_NAME,
    MAX_NET_DAYS,
    MAX_PAYMENT_AGE,
    MAX_PLAN_CODE,
    MAX_PLAN_DESCRIPTION,
    MAX_PO_NUMBER,
    MAX_QUANTITY,
    MAX_REASON,
    MAX_REFERENCE,
    MAX_START_DAYS,
    MAX_TAX_ID,
    MAX_TRIAL_DAYS,
    START_GRACE,
)
from db.access.transactions import Sessions
from db.database import Database
from db.embedded import EmbeddedPostgres
from db.models import Base
from graph.server.app import create_app
from services.runs import Report, run_renewals
from tests.conftest import new_database
from tests.support import NOW, Api, TestClock, day, patient, refusal

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
    "updateInvoice": "invoice { id }",
    "addInvoiceLine": "invoice { id }",
    "deleteDraftInvoice": "deletedInvoiceId",
    "finalizeInvoice": "invoice { id }",
    "voidInvoice": "invoice { id }",
    "reissueInvoice": "invoice { id }",
    "markInvoiceUncollectible": "invoice { id }",
    "recordPayment": "payment { id } customer { id }",
    "updatePayment": "payment { id }",
    "reversePayment": "customer { id } payment { id }",
    "recordRefund": "customer { id } creditNote { id } payment { id }",
    "adjustBalance": "customer { id }",
    "createCreditNote": "invoice { id } customer { id } creditNote { id }",
    "voidCreditNote": "invoice { id } customer { id } creditNote { id }",
    "createTestClock": "testClock { id }",
    "advanceTestClock": "testClock { id }",
}
"""Selection of all fields of each mutation's payload except `userErrors`."""

WITHOUT_KEY = {
    *("updateCustomer", "archiveCustomer", "unarchiveCustomer", "updatePlan", "archivePlan", "unarchivePlan"),
    *("withdrawSubscriptionChange", "undoSubscriptionCancellation", "deleteDraftInvoice"),
    *("updateInvoice", "updatePayment"),
}
"""Mutations without an idempotency key."""


async def everything(sessions: Sessions) -> dict[str, list[str]]:
    """Returns all rows of all tables as text."""
    tables = sorted(Base.metadata.tables)
    selects = (f"SELECT '{table}', ARRAY(SELECT {table}::text FROM {table} ORDER BY 1)" for table in tables)
    async with sessions() as session:
        found = await session.execute(text(" UNION ALL ".join(selects)))
    return {row[0]: row[1] for row in found}


async def is_refused(
    api: Api, sessions: Sessions, name: str, fields: dict[str, Any], code: str, field: list[str] | None
) -> None:
    """Asserts that the mutation is rejected with this code and field and stores nothing, not even its idempotency
    key.
    """
    before = await everything(sessions)
    if name not in WITHOUT_KEY:
        fields = {"idempotencyKey": "once", **fields}

    payload = await api.mutate(name, PAYLOADS[name], **fields)

    assert refusal(payload) == (code, field)
    assert {key: value for key, value in payload.items() if value is not None} == {"userErrors": payload["userErrors"]}
    assert await everything(sessions) == before


async def made(api: Api, name: str, /, **fields: Any) -> str:
    """Runs a mutation that must succeed. Returns the id of the last object in its payload."""
    payload = await api.mutate(name, PAYLOADS[name], **fields)
    assert payload["userErrors"] == [], payload
    *_, thing = (value for key, value in payload.items() if key != "userErrors")
    return str(thing["id"])


async def an_invoice(api: Api, customer_id: str, *cents: int) -> str:
    """Creates a draft with a line for each amount. Returns its id."""
    lines = [{"description": "Setup", "unitAmountCents": amount} for amount in cents]
    return await made(api, "createInvoice", customerId=customer_id, currency="EUR", lines=lines)


async def changed(api: Api, subscription_id: str, **fields: Any) -> None:
    payload = await api.mutate("changeSubscription", "subscription { id }", id=subscription_id, **fields)
    assert payload["userErrors"] == [], payload


@dataclass(frozen=True, slots=True)
class The:
    """Placeholder for the id of an arranged object."""

    name: str

    def __repr__(self) -> str:
        return self.name


def filled_in(value: Any, ids: Mapping[str, str]) -> Any:
    """Returns `value` with ids in place of its `The` placeholders."""
    match value:
        case The():
            return ids[value.name]
        case dict():
            return {key: filled_in(each, ids) for key, each in value.items()}
        case list():
            return [filled_in(each, ids) for each in value]
    return value


Arrange = Callable[[Api, TestClock], Awaitable[dict[str, str]]]
"""Arranges objects and returns their ids by name."""


@dataclass(frozen=True, slots=True)
class World:
    """Database with arranged objects. Rejected mutations do not change it, so many cases can share it."""

    api: Api
    sessions: Sessions
    ids: dict[str, str]


Arranged = Callable[[Arrange], Awaitable[World]]


@pytest.fixture(scope="module")
async def arranged(server: EmbeddedPostgres, template: str) -> AsyncIterator[Arranged]:
    """Factory of worlds. Each arrangement is made once, for the first test that uses it."""
    worlds: dict[Arrange, World] = {}
    async with AsyncExitStack() as stack:

        async def arranged(arrange: Arrange) -> World:
            if arrange not in worlds:
                clock = TestClock()
                database = Database(await stack.enter_async_context(new_database(server, template)))
                stack.push_async_callback(database.close)
                transport = httpx.ASGITransport(create_app(database, settings=patient(), clock=clock))
                client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
                api = Api(await stack.enter_async_context(client))
                worlds[arrange] = World(api, database.sessions, await arrange(api, clock))
            return worlds[arrange]

        yield arranged


async def nothing(_api: Api, _clock: TestClock) -> dict[str, str]:
    return {}


def brief(value: object) -> str:
    """Returns a short form of `value` for the name of a test case."""
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:20]}…{said[-20:]} ({len(said)})"


@dataclass(frozen=True, slots=True)
class Case:
    """Mutation that is rejected with a code and an input field. `field` is a path separated by dots."""

    mutation: str
    fields: dict[str, Any]
    code: str
    field: str | None
    after: Arrange = nothing

    async def is_refused(self, arranged: Arranged) -> None:
        world = await arranged(self.after)
        path = None if self.field is None else ["input", *self.field.split(".")]
        await is_refused(world.api, world.sessions, self.mutation, filled_in(self.fields, world.ids), self.code, path)


Wrong = tuple[dict[str, Any], str, str | None]
"""Invalid fields, and the code and field of the user error."""


def cases(mutation: str, usual: dict[str, Any], *wrong: Wrong) -> dict[str, Case]:
    """Returns a case for each invalid input, by name. Its other fields have their usual values."""
    found = {
        " ".join([mutation, *(f"{name}={brief(value)}" for name, value in fields.items())]): Case(
            mutation, usual | fields, code, field
        )
        for fields, code, field in wrong
    }
    assert len(found) == len(wrong), "each has a name of its own"
    return found


def refused(*named: dict[str, Case], after: Arrange = nothing) -> pytest.MarkDecorator:
    """Parametrizes a test with the cases. All of them share one world."""
    found = [pytest.param(replace(case, after=after), id=name) for each in named for name, case in each.items()]
    return pytest.mark.parametrize("case", found)


async def a_plan_there(api: Api, _clock: TestClock) -> dict[str, str]:
    return {"plan": await api.a_plan()}


@refused(
    cases(
        "createPlan",
        {"code": "pro", "name": "Pro", "amountCents": 2900, "currency": "EUR"},
        ({"amountCents": -1}, "AMOUNT_NEGATIVE", "amountCents"),
        ({"code": "x" * (MAX_PLAN_CODE + 1)}, "INVALID_INPUT", "code"),
        ({"name": "x" * (MAX_NAME + 1)}, "INVALID_INPUT", "name"),
        ({"currency": "EURO"}, "CURRENCY_UNKNOWN", "currency"),
        ({"netDays": -1}, "INVALID_INPUT", "netDays"),
        ({"netDays": MAX_NET_DAYS + 1}, "INVALID_INPUT", "netDays"),
        ({"trialDays": -1}, "INVALID_INPUT", "trialDays"),
        ({"trialDays": MAX_TRIAL_DAYS + 1}, "INVALID_INPUT", "trialDays"),
        *(
            ({"interval": interval, "intervalCount": most + 1}, "INVALID_INPUT", "intervalCount")
            for interval, most in MAX_INTERVAL_COUNT.items()
        ),
        ({"description": "x" * (MAX_PLAN_DESCRIPTION + 1)}, "INVALID_INPUT", "description"),
        ({"idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
        ({"idempotencyKey": "x" * (MAX_IDEMPOTENCY_KEY + 1)}, "INVALID_INPUT", "idempotencyKey"),
    ),
    cases(
        "updatePlan",
        {"id": The("plan"), "name": "Other"},
        ({"netDays": -1}, "INVALID_INPUT", "netDays"),
        ({"netDays": MAX_NET_DAYS + 1}, "INVALID_INPUT", "netDays"),
        ({"trialDays": -1}, "INVALID_INPUT", "trialDays"),
        ({"trialDays": MAX_TRIAL_DAYS + 1}, "INVALID_INPUT", "trialDays"),
        ({"name": " "}, "INVALID_INPUT", "name"),
        ({"description": "x" * (MAX_PLAN_DESCRIPTION + 1)}, "INVALID_INPUT", "description"),
    ),
    after=a_plan_there,
)
async def test_a_plan(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def a_customer_there(api: Api, _clock: TestClock) -> dict[str, str]:
    return {"customer": await api.a_customer()}


@refused(
    cases(
        "createCustomer",
        {"name": "Ada", "email": "ada@example.com"},
        ({"netDays": -1}, "INVALID_INPUT", "netDays"),
        ({"netDays": MAX_NET_DAYS + 1}, "INVALID_INPUT", "netDays"),
        ({"name": "x" * (MAX_NAME + 1)}, "INVALID_INPUT", "name"),
        ({"email": f"ada@{'x' * MAX_EMAIL}.com"}, "EMAIL_INVALID", "email"),
        ({"externalId": "x" * (MAX_EXTERNAL_ID + 1)}, "INVALID_INPUT", "externalId"),
        ({"taxId": "x" * (MAX_TAX_ID + 1)}, "INVALID_INPUT", "taxId"),
        ({"poNumber": "x" * (MAX_PO_NUMBER + 1)}, "INVALID_INPUT", "poNumber"),
        ({"poNumber": "two\nlines"}, "INVALID_INPUT", "poNumber"),
        ({"poNumber": "a\x7fb"}, "INVALID_INPUT", "poNumber"),
        ({"invoiceMemo": "x" * (MAX_MEMO + 1)}, "INVALID_INPUT", "invoiceMemo"),
        ({"invoiceMemo": "a\x1bb"}, "INVALID_INPUT", "invoiceMemo"),
        ({"testClockId": NOBODY}, "TEST_CLOCK_NOT_FOUND", "testClockId"),
        ({"testClockId": "garbage"}, "TEST_CLOCK_NOT_FOUND", "testClockId"),
        ({"idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
    ),
    cases(
        "updateCustomer",
        {"id": The("customer"), "name": "Other"},
        ({"netDays": -1}, "INVALID_INPUT", "netDays"),
        ({"netDays": MAX_NET_DAYS + 1}, "INVALID_INPUT", "netDays"),
        ({"poNumber": "x" * (MAX_PO_NUMBER + 1)}, "INVALID_INPUT", "poNumber"),
        ({"poNumber": "a\tb"}, "INVALID_INPUT", "poNumber"),
        ({"invoiceMemo": "x" * (MAX_MEMO + 1)}, "INVALID_INPUT", "invoiceMemo"),
        ({"invoiceMemo": "a\x85b"}, "INVALID_INPUT", "invoiceMemo"),
        ({"metadata": [{"key": "a", "value": "1"}] * 2}, "INVALID_INPUT", "metadata"),
    ),
    after=a_customer_there,
)
async def test_a_customer(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def a_customer_of_euros(api: Api, _clock: TestClock) -> dict[str, str]:
    customer_id = await api.a_customer()
    await an_invoice(api, customer_id)
    return {
        "customer": customer_id,
        "archived customer": await made(api, "archiveCustomer", id=await api.a_customer()),
        "plan": await api.a_plan(),
        "largest": await api.a_plan(amountCents=MAX_CENTS),
        "dollars": await api.a_plan(currency="USD"),
        "archived plan": await made(api, "archivePlan", id=await api.a_plan()),
    }


@refused(
    cases(
        "createSubscription",
        {"customerId": The("customer"), "planId": The("plan")},
        ({"customerId": NOBODY}, "CUSTOMER_NOT_FOUND", "customerId"),
        ({"customerId": The("plan")}, "CUSTOMER_NOT_FOUND", "customerId"),
        ({"customerId": The("archived customer")}, "CUSTOMER_ARCHIVED", "customerId"),
        ({"planId": NOBODY}, "PLAN_NOT_FOUND", "planId"),
        ({"planId": The("archived plan")}, "PLAN_ARCHIVED", "planId"),
        ({"planId": The("dollars")}, "CURRENCY_MISMATCH", "planId"),
        ({"quantity": 0}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"quantity": -1}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"quantity": MAX_QUANTITY + 1}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"planId": The("largest"), "quantity": 2}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"planId": The("largest"), "quantity": 2, "trialDays": 7}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"planId": The("largest"), "quantity": 2, "startAt": day(7)}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"startAt": f"{NOW - START_GRACE - timedelta(seconds=1):%FT%TZ}"}, "START_IN_THE_PAST", "startAt"),
        ({"startAt": day(MAX_START_DAYS + 1)}, "INVALID_INPUT", "startAt"),
        ({"startAt": "9998-12-31T23:59:59Z"}, "INVALID_INPUT", "startAt"),
        ({"trialDays": -1}, "TRIAL_INVALID", "trialDays"),
        ({"trialDays": MAX_TRIAL_DAYS + 1}, "TRIAL_INVALID", "trialDays"),
        ({"trialEnd": day(0)}, "TRIAL_INVALID", "trialEnd"),
        ({"trialEnd": day(MAX_TRIAL_DAYS + 1)}, "TRIAL_INVALID", "trialEnd"),
        ({"startAt": day(7), "trialEnd": day(7)}, "TRIAL_INVALID", "trialEnd"),
        ({"trialDays": 7, "trialEnd": day(7)}, "TRIAL_INVALID", "trialEnd"),
        ({"trialDays": 0, "trialEnd": day(7)}, "TRIAL_INVALID", "trialEnd"),
        ({"metadata": [{"key": "", "value": ""}]}, "INVALID_INPUT", "metadata"),
        ({"idempotencyKey": "x" * (MAX_IDEMPOTENCY_KEY + 1)}, "INVALID_INPUT", "idempotencyKey"),
    ),
    after=a_customer_of_euros,
)
async def test_a_new_subscription(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def a_subscription_in_its_second_period(api: Api, clock: TestClock) -> dict[str, str]:
    """Creates a subscription that is changed on day 31. It is now day 41. Returns its id and those of other plans."""
    subscription_id = await api.a_subscription()
    plans = {
        "largest": await api.a_plan(amountCents=MAX_CENTS),
        "dollars": await api.a_plan(currency="USD"),
        "yearly": await api.a_plan(interval="YEAR"),
        "archived": await made(api, "archivePlan", id=await api.a_plan()),
    }
    clock.forward(days=31)
    await made(api, "changeSubscription", id=subscription_id, quantity=2)
    clock.forward(days=10)
    return {"subscription": subscription_id, **plans}


@refused(
    cases(
        "changeSubscription",
        {"id": The("subscription"), "quantity": 3},
        ({"id": NOBODY}, "SUBSCRIPTION_NOT_FOUND", "id"),
        ({"planId": NOBODY}, "PLAN_NOT_FOUND", "planId"),
        ({"planId": The("archived")}, "PLAN_ARCHIVED", "planId"),
        ({"planId": The("dollars")}, "CURRENCY_MISMATCH", "planId"),
        ({"quantity": 0}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"quantity": MAX_QUANTITY + 1}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"planId": The("largest")}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"planId": The("largest"), "mode": "PERIOD_END"}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"planId": The("largest"), "quantity": 1, "mode": "NEXT_INVOICE"}, "AMOUNT_TOO_LARGE", "quantity"),
        ({"planId": The("yearly"), "mode": "NONE"}, "CHANGE_MODE_NOT_ALLOWED", "mode"),
        ({"asOf": day(29)}, "AS_OF_OUT_OF_RANGE", "asOf"),
        ({"asOf": day(30)}, "AS_OF_OUT_OF_RANGE", "asOf"),
        ({"asOf": day(30.9)}, "AS_OF_OUT_OF_RANGE", "asOf"),
        ({"asOf": f"{NOW + timedelta(days=41, seconds=1):%FT%TZ}"}, "AS_OF_OUT_OF_RANGE", "asOf"),
        ({"asOf": day(60)}, "AS_OF_OUT_OF_RANGE", "asOf"),
        ({"asOf": day(31), "quantity": 2}, "SUBSCRIPTION_UNCHANGED", None),
    ),
    after=a_subscription_in_its_second_period,
)
async def test_a_change_of_a_subscription(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


LINE = {"description": "Setup", "unitAmountCents": 100}
LINES: tuple[Wrong, ...] = (
    ({"quantity": 0}, "QUANTITY_OUT_OF_RANGE", "quantity"),
    ({"quantity": -1}, "QUANTITY_OUT_OF_RANGE", "quantity"),
    ({"quantity": MAX_QUANTITY + 1}, "QUANTITY_OUT_OF_RANGE", "quantity"),
    ({"description": ""}, "INVALID_INPUT", "description"),
    ({"description": " \n"}, "INVALID_INPUT", "description"),
    ({"description": "x" * (MAX_LINE_DESCRIPTION + 1)}, "INVALID_INPUT", "description"),
    ({"unitAmountCents": MAX_CENTS, "quantity": 2}, "AMOUNT_TOO_LARGE", "unitAmountCents"),
    ({"unitAmountCents": -MAX_CENTS, "quantity": 2}, "AMOUNT_TOO_LARGE", "unitAmountCents"),
    # The draft has a line over 100 already.
    ({"unitAmountCents": MAX_CENTS - 99}, "AMOUNT_TOO_LARGE", "unitAmountCents"),
)


async def a_draft(api: Api, _clock: TestClock) -> dict[str, str]:
    customer_id = await api.a_customer()
    return {
        "customer": customer_id,
        "archived": await made(api, "archiveCustomer", id=await api.a_customer()),
        "draft": await an_invoice(api, customer_id, 100),
    }


METADATA: list[Wrong] = [
    ({"metadata": [{"key": "a", "value": "1"}] * 2}, "INVALID_INPUT", "metadata"),
    ({"metadata": [{"key": "", "value": "1"}]}, "INVALID_INPUT", "metadata"),
    ({"metadata": [{"key": "k" * (MAX_METADATA_KEY + 1), "value": "1"}]}, "INVALID_INPUT", "metadata"),
    ({"metadata": [{"key": "a", "value": "v" * (MAX_METADATA_VALUE + 1)}]}, "INVALID_INPUT", "metadata"),
    ({"metadata": [{"key": str(n), "value": ""} for n in range(MAX_METADATA_PAIRS + 1)]}, "INVALID_INPUT", "metadata"),
]
DESCRIPTIONS: list[Wrong] = [
    *METADATA,
    ({"netDays": -1}, "INVALID_INPUT", "netDays"),
    ({"netDays": MAX_NET_DAYS + 1}, "INVALID_INPUT", "netDays"),
    ({"poNumber": "x" * (MAX_PO_NUMBER + 1)}, "INVALID_INPUT", "poNumber"),
    ({"poNumber": "x\ny"}, "INVALID_INPUT", "poNumber"),
    ({"poNumber": "x\x7fy"}, "INVALID_INPUT", "poNumber"),
    ({"memo": "x" * (MAX_MEMO + 1)}, "INVALID_INPUT", "memo"),
    ({"memo": "x\ry"}, "INVALID_INPUT", "memo"),
    ({"memo": "x\x08y"}, "INVALID_INPUT", "memo"),
]


@refused(
    cases(
        "createInvoice",
        {"customerId": The("customer"), "currency": "EUR", "lines": [LINE]},
        ({"customerId": NOBODY}, "CUSTOMER_NOT_FOUND", "customerId"),
        ({"customerId": The("archived")}, "CUSTOMER_ARCHIVED", "customerId"),
        ({"currency": "USD"}, "CURRENCY_MISMATCH", "currency"),
        ({"currency": "eur"}, "CURRENCY_UNKNOWN", "currency"),
        *DESCRIPTIONS,
        ({"lines": [LINE] * (MAX_LINES + 1)}, "TOO_MANY_LINES", "lines"),
        ({"idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
        *(({"lines": [LINE, LINE | fields]}, code, f"lines.1.{field}") for fields, code, field in LINES),
    ),
    cases("addInvoiceLine", {"invoiceId": The("draft")} | LINE, *LINES),
    cases(
        "updateInvoice",
        {"id": The("draft"), "memo": "Thank you"},
        ({"id": NOBODY}, "INVOICE_NOT_FOUND", "id"),
        ({"id": "garbage"}, "INVOICE_NOT_FOUND", "id"),
        *DESCRIPTIONS,
    ),
    after=a_draft,
)
async def test_an_invoice(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def invoices_in_all_states(api: Api, _clock: TestClock) -> dict[str, str]:
    customer_id, stranger = await api.a_customer(), await api.a_customer()
    draft = await an_invoice(api, customer_id, 1000)
    paid, unpaid, void, other = [
        await made(api, "finalizeInvoice", id=await an_invoice(api, customer_id, 1000)) for _ in range(4)
    ]
    foreign = await made(api, "finalizeInvoice", id=await an_invoice(api, stranger, 1000))
    payment = {"customerId": customer_id, "amountCents": 1000, "currency": "EUR"}
    selection = "customer { id } payment { id }"
    recorded = await api.mutate("recordPayment", selection, **payment, allocations=[{"invoiceId": paid}])
    await made(api, "voidInvoice", id=void)
    return {
        "payment": recorded["payment"]["id"],
        "customer": customer_id,
        "draft": draft,
        "paid": paid,
        "unpaid": unpaid,
        "void": void,
        "other": other,
        "foreign": foreign,
    }


@refused(
    cases(
        "updatePayment",
        {"id": The("payment")},
        ({"id": NOBODY}, "PAYMENT_NOT_FOUND", "id"),
        ({"id": The("paid")}, "PAYMENT_NOT_FOUND", "id"),
        *METADATA,
    ),
    cases(
        "recordPayment",
        {"customerId": The("customer"), "amountCents": 1000, "currency": "EUR"},
        *METADATA,
        ({"customerId": NOBODY}, "CUSTOMER_NOT_FOUND", "customerId"),
        ({"amountCents": 0}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"amountCents": -1}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"currency": "USD"}, "CURRENCY_MISMATCH", "currency"),
        ({"currency": "XXX"}, "CURRENCY_UNKNOWN", "currency"),
        ({"amountCents": 2001}, "OVERPAYMENT", "amountCents"),
        ({"amountCents": MAX_CENTS}, "OVERPAYMENT", "amountCents"),
        ({"receivedAt": f"{NOW + timedelta(seconds=1):%FT%TZ}"}, "INVALID_INPUT", "receivedAt"),
        ({"receivedAt": f"{NOW - MAX_PAYMENT_AGE - timedelta(seconds=1):%FT%TZ}"}, "INVALID_INPUT", "receivedAt"),
        ({"reference": "x" * (MAX_REFERENCE + 1)}, "INVALID_INPUT", "reference"),
        ({"idempotencyKey": "x" * (MAX_IDEMPOTENCY_KEY + 1)}, "INVALID_INPUT", "idempotencyKey"),
        ({"allocations": []}, "OVERPAYMENT", "amountCents"),
        ({"allocations": [{"invoiceId": The("draft")}]}, "INVOICE_DRAFT", "allocations.0.invoiceId"),
        ({"allocations": [{"invoiceId": The("paid")}]}, "INVOICE_PAID", "allocations.0.invoiceId"),
        (
            {"allocations": [{"invoiceId": The("unpaid")}, {"invoiceId": The("void")}]},
            "INVOICE_VOID",
            "allocations.1.invoiceId",
        ),
        ({"allocations": [{"invoiceId": NOBODY}]}, "INVOICE_NOT_FOUND", "allocations.0.invoiceId"),
        ({"allocations": [{"invoiceId": "garbage"}]}, "INVOICE_NOT_FOUND", "allocations.0.invoiceId"),
        ({"allocations": [{"invoiceId": The("foreign")}]}, "INVOICE_NOT_FOUND", "allocations.0.invoiceId"),
        (
            {"allocations": [{"invoiceId": The("unpaid"), "amountCents": 0}]},
            "AMOUNT_NOT_POSITIVE",
            "allocations.0.amountCents",
        ),
        (
            {"allocations": [{"invoiceId": The("unpaid"), "amountCents": -1}]},
            "AMOUNT_NOT_POSITIVE",
            "allocations.0.amountCents",
        ),
        (
            {"allocations": [{"invoiceId": The("unpaid"), "amountCents": 1001}]},
            "OVERPAYMENT",
            "allocations.0.amountCents",
        ),
        ({"allocations": [{"invoiceId": The("unpaid")}] * 2}, "ALLOCATION_INVALID", "allocations.1.invoiceId"),
        (
            {"allocations": [{"invoiceId": The("unpaid")}, {"invoiceId": The("other"), "amountCents": 1}]},
            "ALLOCATION_INVALID",
            "allocations",
        ),
        ({"allocations": [{"invoiceId": The("unpaid")}] * (MAX_ALLOCATIONS + 1)}, "ALLOCATION_INVALID", "allocations"),
    ),
    after=invoices_in_all_states,
)
async def test_a_payment(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def a_clock_there(api: Api, _clock: TestClock) -> dict[str, str]:
    return {"clock": await made(api, "createTestClock", frozenAt=day(10))}


@refused(
    cases(
        "createTestClock",
        {},
        ({"name": "x" * (MAX_NAME + 1)}, "INVALID_INPUT", "name"),
        ({"frozenAt": "1900-01-01T00:00:00Z"}, "INVALID_INPUT", "frozenAt"),
        ({"frozenAt": "9998-12-31T23:59:59Z"}, "INVALID_INPUT", "frozenAt"),
        ({"idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
    ),
    cases(
        "advanceTestClock",
        {"id": The("clock"), "to": day(11)},
        ({"id": NOBODY}, "TEST_CLOCK_NOT_FOUND", "id"),
        ({"to": day(10)}, "TEST_CLOCK_BACKWARDS", "to"),
        ({"to": day(9)}, "TEST_CLOCK_BACKWARDS", "to"),
        ({"to": "9998-12-31T23:59:59Z"}, "INVALID_INPUT", "to"),
    ),
    after=a_clock_there,
)
async def test_a_test_clock(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def a_payment(api: Api, customer_id: str, cents: int) -> str:
    """Records a payment and returns its id."""
    payment = {"customerId": customer_id, "amountCents": cents, "currency": "EUR", "allowOverpayment": True}
    payload = await api.mutate("recordPayment", "payment { id }", **payment)
    return str(payload["payment"]["id"])


async def much_to_correct(api: Api, _clock: TestClock) -> dict[str, str]:
    """Arranges invoices of one customer in all states, with payments and credit notes, and those of another one.

    The paid invoice is of 3000, of which 2000 are credited, 1500 of them to be refunded.
    """
    customer_id, other_id, rich_id = [await api.a_customer() for _ in range(3)]
    found = {"customer": customer_id, "draft": await an_invoice(api, customer_id, 1000)}
    for name, cents in (("paid", (3000,)), ("void", (1000,)), ("open", (1000, 2000, -500))):
        found[name] = await made(api, "finalizeInvoice", id=await an_invoice(api, customer_id, *cents))
        if name == "paid":
            found["payment"] = await a_payment(api, customer_id, 3000)
    await made(api, "voidInvoice", id=found["void"])
    credit = {"invoiceId": found["paid"], "reason": "Too much"}
    void_note = await made(api, "createCreditNote", **credit, amountCents=1, distribution={"outsideCents": 1})
    found["void note"] = await made(api, "voidCreditNote", id=void_note)
    distribution = {"refundCents": 1500, "outsideCents": 500}
    found["note"] = await made(api, "createCreditNote", **credit, amountCents=2000, distribution=distribution)
    found["other invoice"] = await made(api, "finalizeInvoice", id=await an_invoice(api, other_id, 5000))
    found["reversed"] = await a_payment(api, other_id, 5000)
    other = {"invoiceId": found["other invoice"], "reason": "Too much", "distribution": {"refundCents": 5000}}
    found["other note"] = await made(api, "createCreditNote", **other, whole=True)
    await made(api, "reversePayment", id=found["reversed"], reason="Returned")
    found["rich"] = rich_id
    await a_payment(api, rich_id, 1)
    query = "query ($id: ID!) { invoice(id: $id) { lines { id } } }"
    for name in ("open", "paid", "other invoice"):
        lines = (await api(query, id=found[name]))["invoice"]["lines"]
        found |= {f"line {n} of {name}": line["id"] for n, line in enumerate(lines, start=1)}
    return found


BAD_REASONS: tuple[Wrong, ...] = (
    ({"reason": ""}, "INVALID_INPUT", "reason"),
    ({"reason": " \n"}, "INVALID_INPUT", "reason"),
    ({"reason": "x" * (MAX_REASON + 1)}, "INVALID_INPUT", "reason"),
)
BAD_KEYS: tuple[Wrong, ...] = (
    ({"idempotencyKey": ""}, "INVALID_INPUT", "idempotencyKey"),
    ({"idempotencyKey": "x" * (MAX_IDEMPOTENCY_KEY + 1)}, "INVALID_INPUT", "idempotencyKey"),
)


def of_lines(*lines: tuple[str, int], **fields: Any) -> dict[str, Any]:
    """Returns input that credits these lines, named by their place in the world or else by an id."""
    named = [{"lineId": The(line) if line.startswith("line ") else line, "amountCents": cents} for line, cents in lines]
    return {"amountCents": None, "lines": named, **fields}


@refused(
    cases(
        "createCreditNote",
        {"invoiceId": The("open"), "amountCents": 1, "reason": "Too much"},
        *BAD_REASONS,
        *BAD_KEYS,
        ({"memo": "x" * (MAX_MEMO + 1)}, "INVALID_INPUT", "memo"),
        ({"memo": "a\x1bb"}, "INVALID_INPUT", "memo"),
        ({"invoiceId": The("draft")}, "INVOICE_DRAFT", "invoiceId"),
        ({"invoiceId": The("void")}, "INVOICE_VOID", "invoiceId"),
        ({"invoiceId": The("payment")}, "INVOICE_NOT_FOUND", "invoiceId"),
        ({"amountCents": None}, "INVALID_INPUT", "lines"),
        ({"amountCents": None, "lines": []}, "INVALID_INPUT", "lines"),
        ({"whole": True}, "INVALID_INPUT", "lines"),
        (of_lines(("line 1 of open", 1), amountCents=1), "INVALID_INPUT", "lines"),
        (of_lines(("line 1 of open", 1), whole=True), "INVALID_INPUT", "lines"),
        ({"amountCents": 0}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"amountCents": -1}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"amountCents": -MAX_CENTS}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"amountCents": 2501}, "CREDIT_EXCEEDS_INVOICE", "amountCents"),
        ({"amountCents": MAX_CENTS}, "CREDIT_EXCEEDS_INVOICE", "amountCents"),
        (of_lines(("line 1 of open", 1000), ("line 2 of open", 1501)), "CREDIT_EXCEEDS_INVOICE", "lines"),
        (of_lines(("line 1 of open", 0)), "AMOUNT_NOT_POSITIVE", "lines.0.amountCents"),
        (of_lines(("line 2 of open", 1), ("line 1 of open", -1)), "AMOUNT_NOT_POSITIVE", "lines.1.amountCents"),
        (of_lines(("line 1 of open", 1001)), "CREDIT_EXCEEDS_LINE", "lines.0.amountCents"),
        (of_lines(("line 1 of open", 1), ("line 2 of open", MAX_CENTS)), "CREDIT_EXCEEDS_LINE", "lines.1.amountCents"),
        (of_lines(("line 3 of open", 1)), "CREDIT_EXCEEDS_LINE", "lines.0.amountCents"),
        (of_lines(("line 1 of open", 1), ("line 1 of open", 1)), "INVALID_INPUT", "lines.1.lineId"),
        (of_lines(("line 1 of paid", 1)), "INVALID_INPUT", "lines.0.lineId"),
        (of_lines(("line 1 of other invoice", 1)), "INVALID_INPUT", "lines.0.lineId"),
        *((of_lines((unknown, 1)), "INVALID_INPUT", "lines.0.lineId") for unknown in (NOBODY, "garbage", "")),
        (of_lines(*[("line 1 of open", 1)] * (MAX_LINES + 1)), "INVALID_INPUT", "lines"),
        ({"distribution": {"refundCents": 1}}, "DISTRIBUTION_INVALID", "distribution"),
        ({"distribution": {"outsideCents": 1}}, "DISTRIBUTION_INVALID", "distribution"),
        ({"distribution": {"balanceCents": 1}}, "DISTRIBUTION_INVALID", "distribution"),
        ({"distribution": {"refundCents": -1, "outsideCents": 1}}, "DISTRIBUTION_INVALID", "distribution"),
        ({"distribution": {"refundCents": -1, "balanceCents": 1}}, "DISTRIBUTION_INVALID", "distribution"),
        ({"distribution": {"refundCents": MAX_CENTS}}, "DISTRIBUTION_INVALID", "distribution"),
    ),
    cases(
        "createCreditNote",
        {"invoiceId": The("paid"), "amountCents": 1000, "reason": "Too much"},
        ({"amountCents": 1001}, "CREDIT_EXCEEDS_INVOICE", "amountCents"),
        (of_lines(("line 1 of paid", 1001)), "CREDIT_EXCEEDS_LINE", "lines.0.amountCents"),
        ({"distribution": {"refundCents": 1001}}, "DISTRIBUTION_INVALID", "distribution"),
        ({"distribution": {"refundCents": 500, "outsideCents": 501}}, "DISTRIBUTION_INVALID", "distribution"),
        ({"distribution": {"refundCents": 500, "balanceCents": 499}}, "DISTRIBUTION_INVALID", "distribution"),
        ({"distribution": {"refundCents": 500, "balanceCents": 501}}, "DISTRIBUTION_INVALID", "distribution"),
        ({"distribution": {"balanceCents": 0}}, "DISTRIBUTION_INVALID", "distribution"),
        ({"distribution": {"refundCents": 2000, "balanceCents": -1000}}, "DISTRIBUTION_INVALID", "distribution"),
        (
            {"distribution": {"refundCents": MAX_CENTS, "balanceCents": MAX_CENTS, "outsideCents": MAX_CENTS}},
            "DISTRIBUTION_INVALID",
            "distribution",
        ),
    ),
    cases(
        "createCreditNote",
        {"invoiceId": The("other invoice"), "reason": "Too much"},
        ({"whole": True}, "CREDIT_EXCEEDS_INVOICE", "whole"),
        ({"amountCents": 1}, "CREDIT_EXCEEDS_INVOICE", "amountCents"),
        (of_lines(("line 1 of other invoice", 1)), "CREDIT_EXCEEDS_LINE", "lines.0.amountCents"),
    ),
    cases("voidCreditNote", {}, ({"id": The("void note")}, "CREDIT_NOTE_VOID", "id")),
    cases(
        "reversePayment",
        {"id": The("payment"), "reason": "Returned"},
        *BAD_REASONS,
        *BAD_KEYS,
        ({"id": The("open")}, "PAYMENT_NOT_FOUND", "id"),
        ({"amountCents": 0}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"amountCents": -1}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"amountCents": 3001}, "REVERSAL_EXCEEDS_PAYMENT", "amountCents"),
        ({"amountCents": MAX_CENTS}, "REVERSAL_EXCEEDS_PAYMENT", "amountCents"),
        ({"id": The("reversed")}, "REVERSAL_EXCEEDS_PAYMENT", "amountCents"),
        ({"id": The("reversed"), "amountCents": 1}, "REVERSAL_EXCEEDS_PAYMENT", "amountCents"),
    ),
    cases(
        "recordRefund",
        {"paymentId": The("payment"), "amountCents": 1},
        *BAD_KEYS,
        ({}, "BALANCE_TOO_LOW", "amountCents"),
        ({"amountCents": 0}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"amountCents": -1}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"amountCents": 3001}, "REFUND_EXCEEDS_PAYMENT", "amountCents"),
        ({"amountCents": MAX_CENTS}, "REFUND_EXCEEDS_PAYMENT", "amountCents"),
        ({"paymentId": The("reversed")}, "REFUND_EXCEEDS_PAYMENT", "amountCents"),
        ({"reference": "x" * (MAX_REFERENCE + 1)}, "INVALID_INPUT", "reference"),
        ({"creditNoteId": The("note"), "amountCents": 1501}, "REFUND_EXCEEDS_CREDIT_NOTE", "amountCents"),
        ({"creditNoteId": The("note"), "amountCents": 0}, "AMOUNT_NOT_POSITIVE", "amountCents"),
        ({"creditNoteId": The("void note")}, "CREDIT_NOTE_VOID", "creditNoteId"),
        ({"creditNoteId": The("other note")}, "CREDIT_NOTE_NOT_FOUND", "creditNoteId"),
        *(({"creditNoteId": unknown}, "CREDIT_NOTE_NOT_FOUND", "creditNoteId") for unknown in (NOBODY, "garbage", "")),
    ),
    cases(
        "adjustBalance",
        {"customerId": The("rich"), "amountCents": 1, "currency": "EUR", "reason": "Sorry"},
        *BAD_REASONS,
        *BAD_KEYS,
        ({"amountCents": 0}, "INVALID_INPUT", "amountCents"),
        ({"amountCents": -2}, "BALANCE_TOO_LOW", "amountCents"),
        ({"amountCents": -MAX_CENTS}, "BALANCE_TOO_LOW", "amountCents"),
        ({"amountCents": MAX_CENTS}, "AMOUNT_TOO_LARGE", "amountCents"),
        ({"currency": "USD"}, "CURRENCY_MISMATCH", "currency"),
        ({"currency": "EURO"}, "CURRENCY_UNKNOWN", "currency"),
    ),
    after=much_to_correct,
)
async def test_a_correction(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


UNKNOWN = (NOBODY, "garbage", "", "00000000-0000-0000-0000-000000000000")
BY_ID: dict[str, tuple[str, dict[str, Any]]] = {
    "updateCustomer": ("CUSTOMER", {}),
    "archiveCustomer": ("CUSTOMER", {}),
    "unarchiveCustomer": ("CUSTOMER", {}),
    "updatePlan": ("PLAN", {}),
    "archivePlan": ("PLAN", {}),
    "unarchivePlan": ("PLAN", {}),
    "changeSubscription": ("SUBSCRIPTION", {"quantity": 2}),
    "withdrawSubscriptionChange": ("SUBSCRIPTION", {}),
    "cancelSubscription": ("SUBSCRIPTION", {}),
    "undoSubscriptionCancellation": ("SUBSCRIPTION", {}),
    "deleteDraftInvoice": ("INVOICE", {}),
    "finalizeInvoice": ("INVOICE", {}),
    "voidInvoice": ("INVOICE", {}),
    "reissueInvoice": ("INVOICE", {}),
    "markInvoiceUncollectible": ("INVOICE", {}),
    "reversePayment": ("PAYMENT", {"reason": "Returned"}),
    "voidCreditNote": ("CREDIT_NOTE", {}),
    "advanceTestClock": ("TEST_CLOCK", {"to": day(1)}),
}
"""Mutations that take an id: the type of object in the error code, and their other required fields."""


@refused(
    *(
        cases(name, fields, *(({"id": unknown}, f"{noun}_NOT_FOUND", "id") for unknown in UNKNOWN))
        for name, (noun, fields) in BY_ID.items()
    ),
    cases("addInvoiceLine", LINE, *(({"invoiceId": unknown}, "INVOICE_NOT_FOUND", "invoiceId") for unknown in UNKNOWN)),
    cases(
        "createCreditNote",
        {"reason": "Too much", "whole": True},
        *(({"invoiceId": unknown}, "INVOICE_NOT_FOUND", "invoiceId") for unknown in UNKNOWN),
    ),
    cases(
        "recordRefund",
        {"amountCents": 1},
        *(({"paymentId": unknown}, "PAYMENT_NOT_FOUND", "paymentId") for unknown in UNKNOWN),
    ),
    cases(
        "adjustBalance",
        {"amountCents": 1, "currency": "EUR", "reason": "Sorry"},
        *(({"customerId": unknown}, "CUSTOMER_NOT_FOUND", "customerId") for unknown in UNKNOWN),
    ),
)
async def test_an_unknown_id(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def a_key_that_was_used(api: Api, _clock: TestClock) -> dict[str, str]:
    await made(api, "createCustomer", name="Ada", email="ada@example.com", idempotencyKey="once")
    return {}


@refused(
    cases(
        "createCustomer",
        {},
        ({"name": "Eve", "email": "eve@example.com"}, "IDEMPOTENCY_KEY_REUSED", "idempotencyKey"),
    ),
    cases("createTestClock", {}, ({}, "IDEMPOTENCY_KEY_REUSED", "idempotencyKey")),
    after=a_key_that_was_used,
)
async def test_an_idempotency_key_that_came_with_another_input(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def one_of_each(api: Api, _clock: TestClock) -> dict[str, str]:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    return {
        "customer": customer_id,
        "plan": plan_id,
        "subscription": await api.a_subscription(plan_id=plan_id),
        "draft": await an_invoice(api, customer_id, 100),
        "clock": await made(api, "createTestClock"),
    }


SUBSCRIPTION = {"customerId": The("customer"), "planId": The("plan")}
CHANGE = {"id": The("subscription"), "quantity": 2}
PAYMENT = {"customerId": The("customer"), "amountCents": 1, "currency": "EUR", "allowOverpayment": True}


@pytest.mark.parametrize(
    ("name", "usual", "wrong"),
    [
        ("createSubscription", SUBSCRIPTION, {"startAt": "2026-02-01T00:00:00"}),
        ("createSubscription", SUBSCRIPTION, {"trialEnd": "2026-02-01T00:00:00"}),
        ("createSubscription", SUBSCRIPTION, {"trialEnd": "2026-02-01"}),
        ("createSubscription", SUBSCRIPTION, {"quantity": 2**31}),
        ("createSubscription", SUBSCRIPTION, {"quantity": 1.5}),
        ("createSubscription", SUBSCRIPTION, {"trialDays": "7"}),
        ("changeSubscription", CHANGE, {"asOf": "2026-01-31T12:00:00"}),
        ("changeSubscription", CHANGE, {"mode": "SOMETIME"}),
        ("recordPayment", PAYMENT, {"receivedAt": "2026-01-01T00:00"}),
        ("recordPayment", PAYMENT, {"amountCents": MAX_CENTS + 1}),
        ("recordPayment", PAYMENT, {"amountCents": 0.5}),
        ("recordPayment", PAYMENT, {"amountCents": "100"}),
        ("addInvoiceLine", LINE | {"invoiceId": The("draft")}, {"unitAmountCents": MAX_CENTS + 1}),
        ("addInvoiceLine", LINE | {"invoiceId": The("draft")}, {"unitAmountCents": -MAX_CENTS - 1}),
        ("createPlan", {"code": "pro", "name": "Pro", "currency": "EUR"}, {"amountCents": MAX_CENTS + 1}),
        ("createTestClock", {}, {"frozenAt": "2026-02-01T00:00:00"}),
        ("advanceTestClock", {"id": The("clock")}, {"to": "2026-02-01 00:00:00"}),
        ("advanceTestClock", {"id": The("clock")}, {"to": "2026-02-30T00:00:00Z"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "".join(f"{each}={value[each]}" for each in value),
)
async def test_what_does_not_fit_its_type_is_no_refusal_but_an_error_of_the_request(
    arranged: Arranged, name: str, usual: dict[str, Any], wrong: dict[str, Any]
) -> None:
    world = await arranged(one_of_each)
    before = await everything(world.sessions)

    input_type = f"{name[0].upper()}{name[1:]}Input"
    answer = await world.api.post(
        f"mutation ($input: {input_type}!) {{ {name}(input: $input) {{ userErrors {{ code }} }} }}",
        input=filled_in(usual | wrong, world.ids),
    )

    document = answer.json()
    assert (answer.status_code, document.get("data")) == (200, None)
    assert [error["extensions"]["code"] for error in document["errors"]] == ["BAD_USER_INPUT"]
    assert await everything(world.sessions) == before


async def half_of_2_to_the_52_that_waits(api: Api, clock: TestClock) -> dict[str, str]:
    """Leaves a pending charge of 2^52 cents, half of which a change now credits. A yearly charge on top is too
    large.
    """
    subscription_id = await api.a_subscription(plan_id=await api.a_plan(amountCents=3000))
    await changed(api, subscription_id, planId=await api.a_plan(amountCents=2**52), mode="NEXT_INVOICE")
    clock.forward(days=15)
    return {"subscription": subscription_id, "yearly": await api.a_plan(amountCents=MAX_CENTS, interval="YEAR")}


@refused(
    cases(
        "changeSubscription",
        {"id": The("subscription"), "planId": The("yearly")},
        ({"mode": "IMMEDIATE"}, "AMOUNT_TOO_LARGE", "quantity"),
    ),
    after=half_of_2_to_the_52_that_waits,
)
async def test_a_change_whose_invoice_would_be_too_large(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def a_full_balance(api: Api, clock: TestClock) -> dict[str, str]:
    customer_id = await api.a_customer()
    payment = {"customerId": customer_id, "currency": "EUR", "allowOverpayment": True}
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000), quantity=2)
    await made(api, "recordPayment", **payment, amountCents=6000 + 500)
    invoice_id = await made(api, "finalizeInvoice", id=await an_invoice(api, customer_id, 1000))
    # The balance is not applied to an uncollectible invoice.
    await made(api, "markInvoiceUncollectible", id=invoice_id)
    await made(api, "recordPayment", **payment, amountCents=MAX_CENTS, allocations=[])
    clock.forward(days=10)
    found = await api("query ($id: ID!) { subscription(id: $id) { latestInvoice { id } } }", id=subscription_id)
    paid = found["subscription"]["latestInvoice"]["id"]
    return {"customer": customer_id, "subscription": subscription_id, "invoice": invoice_id, "paid": paid}


@refused(
    cases("recordPayment", PAYMENT, ({"allocations": []}, "AMOUNT_TOO_LARGE", "amountCents")),
    cases("voidInvoice", {}, ({"id": The("invoice")}, "AMOUNT_TOO_LARGE", None)),
    cases("createCreditNote", {"invoiceId": The("paid"), "reason": "No"}, ({"whole": True}, "AMOUNT_TOO_LARGE", None)),
    cases(
        "adjustBalance",
        {"customerId": The("customer"), "currency": "EUR", "reason": "Sorry"},
        ({"amountCents": 1}, "AMOUNT_TOO_LARGE", "amountCents"),
    ),
    cases(
        "cancelSubscription",
        {"id": The("subscription"), "atPeriodEnd": False},
        ({"settlement": "CREDIT"}, "AMOUNT_TOO_LARGE", None),
    ),
    cases(
        "changeSubscription",
        {"id": The("subscription"), "mode": "IMMEDIATE"},
        ({"quantity": 1}, "AMOUNT_TOO_LARGE", "quantity"),
    ),
    after=a_full_balance,
)
async def test_a_balance_that_would_be_too_large(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def a_subscription_that_cannot_renew(api: Api) -> str:
    """Returns a subscription whose next invoice has a credit, while the customer's balance is at its maximum."""
    customer_id = await api.a_customer()
    payment = {"customerId": customer_id, "currency": "EUR", "allowOverpayment": True}
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=3000), quantity=2)
    await changed(api, subscription_id, planId=await api.a_plan(amountCents=1), mode="NEXT_INVOICE")
    await made(api, "recordPayment", **payment, amountCents=6000)
    await made(api, "recordPayment", **payment, amountCents=MAX_CENTS)
    return subscription_id


async def a_renewal_that_would_be_too_large(api: Api, clock: TestClock) -> dict[str, str]:
    subscription_id = await a_subscription_that_cannot_renew(api)
    clock.forward(days=30)
    return {"subscription": subscription_id}


@refused(
    cases("changeSubscription", {"id": The("subscription")}, ({"quantity": 3}, "AMOUNT_TOO_LARGE", None)),
    cases("withdrawSubscriptionChange", {}, ({"id": The("subscription")}, "AMOUNT_TOO_LARGE", None)),
    cases("cancelSubscription", {"id": The("subscription")}, ({"atPeriodEnd": False}, "AMOUNT_TOO_LARGE", None)),
    cases("undoSubscriptionCancellation", {}, ({"id": The("subscription")}, "AMOUNT_TOO_LARGE", None)),
    after=a_renewal_that_would_be_too_large,
)
async def test_a_renewal_that_would_be_too_large_is_done_by_no_mutation(arranged: Arranged, case: Case) -> None:
    await case.is_refused(arranged)


async def test_a_renewal_that_would_be_too_large(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    subscription_id = await a_subscription_that_cannot_renew(api)
    clock.forward(days=30)

    report = await run_renewals(database, as_of=clock.now, now=clock.now, trigger=RunTrigger.SERVER)

    assert report == Report(failed=1)
    late = {"id": subscription_id, "quantity": 3}
    await is_refused(api, sessions, "changeSubscription", late, "RENEWAL_DUE", ["input", "id"])
    data = await api("query ($id: ID!) { subscription(id: $id) { billingHold { reason } } }", id=subscription_id)
    assert data["subscription"]["billingHold"]["reason"].startswith("AMOUNT_TOO_LARGE: ")


@pytest.mark.parametrize(
    ("document", "variables", "errors"),
    [
        ("{ customers { nodes { " + " ".join(f"nam{n}" for n in range(30)) + " } } }", {}, 21),
        ("{ customers { nodes { " + " ".join(f"... on Custome{n} {{ id }}" for n in range(9)) + " } } }", {}, 9),
        (
            "{ " + " ".join(f"a{n}: invoices(filter: {{status: OPE{n}}}) {{ totalCount }}" for n in range(20)) + " }",
            {},
            20,
        ),
        (
            "query ($words: [InvoiceStatus!]) { invoices(filter: {status: $words}) { totalCount } }",
            {"words": [f"OPE{n}" for n in range(60)]},
            51,
        ),
        (
            "query ($words: [InvoiceStatus!]) { invoices(filter: {status: $words}) { totalCount } }",
            {"words": ["OPE", "PAI"]},
            2,
        ),
    ],
    ids=["fields", "types", "words", "words in a variable", "two words in a variable"],
)
async def test_the_first_errors_say_what_was_perhaps_meant(
    api: Api, document: str, variables: dict[str, Any], errors: int
) -> None:
    """Suggestions are expensive: each takes as long as about a hundred errors, so only the first errors have them."""
    said = [error["message"] for error in (await api.post(document, **variables)).json()["errors"]]

    assert len(said) == errors
    assert len(set(said)) == errors
    assert ["Did you mean" in message for message in said] == [n < 3 for n in range(errors)]
