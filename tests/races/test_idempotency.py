"""Idempotency keys: a retry has no further effect, whoever sends it and whenever."""

import asyncio
import dataclasses
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from graphql import GraphQLInputObjectType, build_schema, get_named_type
from sqlalchemy import select, text

from billing.limits import MAX_IDEMPOTENCY_KEY, PRUNED_AT_ONCE
from db.access.transactions import Sessions
from db.database import Database
from db.models import Base, Customer, IdempotencyKey, Invoice, Payment, Subscription
from graph.schema.mutations.invoices import CreateInvoiceInput, InvoiceLineInput
from services.idempotency import KEYS_KEPT_FOR, RETRY_WITHIN, prune, request_text
from tests.races.fingerprints import assert_sound
from tests.support import NOW, Api, TestClock, count, refusal

SCHEMA = Path(__file__).parents[2] / "schema.graphql"
MADE = "subscription { id status version } invoice { id number status amountDueCents version }"
REUSED = ("IDEMPOTENCY_KEY_REUSED", ["input", "idempotencyKey"])

WITHOUT_A_KEY = {
    *("updateCustomer", "archiveCustomer", "unarchiveCustomer"),
    *("updatePlan", "archivePlan", "unarchivePlan"),
    *("withdrawSubscriptionChange", "undoSubscriptionCancellation", "deleteDraftInvoice"),
    *("updateInvoice", "updatePayment"),
    *("createApiKey", "revokeApiKey", "createCustomerSession"),
    *("updateSeller", "archiveTaxRate", "confirmTaxId"),
    *("archiveCoupon", "removeDiscount", "createDemoData"),
    *("createWebhookEndpoint", "updateWebhookEndpoint", "deleteWebhookEndpoint", "rotateWebhookSecret"),
    *("enableWebhookEndpoint", "disableWebhookEndpoint", "sendTestWebhook", "replayWebhooks"),
}
"""Mutations that do not bill or move money. A retry has the same result, is rejected, or creates another API key,
session, webhook endpoint or version of the seller.
"""

Fields = dict[str, Any]


async def a_new_subscription(api: Api) -> Fields:
    return {"customerId": await api.a_customer(), "planId": await api.a_plan()}


async def a_plan_for_more(api: Api) -> Fields:
    return {"id": await api.a_subscription(), "planId": await api.a_plan(amountCents=9900)}


async def a_cancellation(api: Api) -> Fields:
    return {"id": await api.a_subscription(), "atPeriodEnd": False, "settlement": "CREDIT"}


async def a_tax_rate(api: Api) -> Fields:
    seller = await api.mutate("updateSeller", "seller { id }", legalName="Example GmbH", homeCountry="DE")
    assert seller["userErrors"] == []
    return {"name": uuid4().hex, "kind": "VAT", "category": "S", "percent": "19"}


async def a_draft(api: Api) -> Fields:
    lines = [{"description": "Set-up", "unitAmountCents": 5000}]
    return {"customerId": await api.a_customer(), "currency": "EUR", "lines": lines}


async def the_id_of_a_draft(api: Api) -> str:
    payload = await api.mutate("createInvoice", "invoice { id }", **await a_draft(api))
    return str(payload["invoice"]["id"])


async def a_line(api: Api) -> Fields:
    return {"invoiceId": await the_id_of_a_draft(api), "description": "Support", "unitAmountCents": 700}


async def a_draft_to_finalize(api: Api) -> Fields:
    return {"id": await the_id_of_a_draft(api)}


async def an_open_invoice(api: Api) -> Fields:
    subscribed = await api.mutate("createSubscription", "invoice { id }", **await a_new_subscription(api))
    return {"id": subscribed["invoice"]["id"]}


async def a_void_invoice(api: Api) -> Fields:
    invoice = await an_open_invoice(api)
    await api.mutate("voidInvoice", "invoice { id }", **invoice)
    return invoice


async def a_payment(api: Api) -> Fields:
    customer_id = await api.a_customer()
    await api.a_subscription(customer_id)
    return {"customerId": customer_id, "amountCents": 3000, "currency": "EUR", "allowOverpayment": True}


async def a_reversal(api: Api) -> Fields:
    payload = await api.mutate("recordPayment", "payment { id }", **await a_payment(api))
    return {"id": payload["payment"]["id"], "amountCents": 1000, "reason": "Returned"}


async def a_refund(api: Api) -> Fields:
    payload = await api.mutate("recordPayment", "payment { id }", **await a_payment(api))
    return {"paymentId": payload["payment"]["id"], "amountCents": 60}


async def an_adjustment(api: Api) -> Fields:
    return {"customerId": await api.a_customer(), "amountCents": 500, "currency": "EUR", "reason": "Sorry"}


async def a_credit_note(api: Api) -> Fields:
    return {"invoiceId": (await an_open_invoice(api))["id"], "amountCents": 100, "reason": "Too much"}


async def a_credit_note_to_void(api: Api) -> Fields:
    payload = await api.mutate("createCreditNote", "creditNote { id }", **await a_credit_note(api))
    return {"id": payload["creditNote"]["id"]}


async def a_journey(api: Api) -> Fields:
    made = await api.mutate("createTestClock", "testClock { id }")
    await api.a_subscription(await api.a_customer(testClockId=made["testClock"]["id"]))
    return {"id": made["testClock"]["id"], "to": f"{NOW + timedelta(days=40):%FT%TZ}"}


async def a_customer(_api: Api) -> Fields:
    return {"name": "Ada", "email": f"{uuid4().hex}@example.com", "metadata": [{"key": "tier", "value": "gold"}]}


async def a_plan(_api: Api) -> Fields:
    return {"code": uuid4().hex, "name": "Pro", "amountCents": 2900, "currency": "EUR"}


async def a_coupon(_api: Api) -> Fields:
    return {"code": uuid4().hex, "name": "Welcome", "percentOff": "15", "maxRedemptions": 10}


async def a_redemption(api: Api) -> Fields:
    coupon = await api.mutate("createCoupon", "coupon { code }", **await a_coupon(api))
    return {"code": coupon["coupon"]["code"], "subscriptionId": await api.a_subscription()}


async def a_test_clock(_api: Api) -> Fields:
    return {"name": "June"}


async def a_start_to_move(api: Api) -> Fields:
    subscription_id = await api.a_subscription(startAt=f"{NOW + timedelta(days=3):%FT%TZ}")
    return {"id": subscription_id, "startAt": f"{NOW:%FT%TZ}", "metadata": [{"key": "tier", "value": "gold"}]}


async def a_trial_to_end(api: Api) -> Fields:
    return {"id": await api.a_subscription(trialDays=14), "trialEnd": f"{NOW + timedelta(days=3):%FT%TZ}"}


async def an_extension(api: Api) -> Fields:
    return {"id": await api.a_subscription(), "until": f"{NOW + timedelta(days=40):%FT%TZ}"}


async def an_anchor(api: Api) -> Fields:
    plan = await api.mutate("createPlan", "plan { id }", **await a_plan(api), interval="MONTH")
    subscription_id = await api.a_subscription(plan_id=plan["plan"]["id"])
    return {"id": subscription_id, "billingAnchor": {"dayOfMonth": 17}, "atPeriodEnd": False}


INVOICE = "invoice { id number status amountCents amountDueCents version lines { id amountCents } }"
WITH_A_KEY: dict[str, tuple[Callable[[Api], Awaitable[Fields]], str]] = {
    "createCustomer": (a_customer, "customer { id email version }"),
    "createPlan": (a_plan, "plan { id code version }"),
    "createSubscription": (a_new_subscription, f"subscription {{ id status version }} {INVOICE}"),
    "changeSubscription": (a_plan_for_more, f"subscription {{ id version plan {{ id }} }} {INVOICE}"),
    "cancelSubscription": (a_cancellation, f"subscription {{ id status version }} {INVOICE}"),
    "updateSubscription": (a_start_to_move, f"subscription {{ id version status metadata {{ value }} }} {INVOICE}"),
    "updateTrial": (a_trial_to_end, "subscription { id version trialEnd } invoice { id }"),
    "resetBillingAnchor": (an_anchor, f"subscription {{ id version anchorAt }} {INVOICE}"),
    "extendPeriod": (an_extension, "subscription { id version currentPeriodEnd }"),
    "createInvoice": (a_draft, INVOICE),
    "createTaxRate": (a_tax_rate, "taxRate { id name percent version }"),
    "createCoupon": (a_coupon, "coupon { id code version }"),
    "redeemCoupon": (a_redemption, "discount { id version }"),
    "addInvoiceLine": (a_line, INVOICE),
    "finalizeInvoice": (a_draft_to_finalize, INVOICE),
    "voidInvoice": (an_open_invoice, INVOICE),
    "reissueInvoice": (a_void_invoice, INVOICE),
    "markInvoiceUncollectible": (an_open_invoice, INVOICE),
    "recordPayment": (a_payment, "payment { id amountCents } customer { id version balanceCents }"),
    "reversePayment": (a_reversal, "payment { id version reversedCents } customer { id version balanceCents }"),
    "recordRefund": (a_refund, "payment { id version refundedCents } customer { id version balanceCents }"),
    "adjustBalance": (an_adjustment, "customer { id version balanceCents }"),
    "createCreditNote": (a_credit_note, f"creditNote {{ id number amountCents }} {INVOICE} customer {{ id version }}"),
    "voidCreditNote": (
        a_credit_note_to_void,
        f"creditNote {{ id version status }} {INVOICE} customer {{ id version }}",
    ),
    "createTestClock": (a_test_clock, "testClock { id frozenAt version }"),
    "advanceTestClock": (a_journey, "testClock { id status frozenAt version }"),
}
"""Every mutation with an idempotency key: a function that prepares its input, and the selection of its payload."""


def test_every_mutation_that_takes_a_key_is_tried_here() -> None:
    mutations = build_schema(SCHEMA.read_text()).mutation_type
    assert mutations is not None
    takes_a_key = {}
    for name, field in mutations.fields.items():
        input_type = get_named_type(field.args["input"].type)
        assert isinstance(input_type, GraphQLInputObjectType)
        takes_a_key[name] = "idempotencyKey" in input_type.fields

    assert {name for name, takes in takes_a_key.items() if takes} == set(WITH_A_KEY)
    assert {name for name, takes in takes_a_key.items() if not takes} == WITHOUT_A_KEY


@pytest.mark.parametrize("mutation", WITH_A_KEY)
async def test_a_retry_answers_the_same_and_does_nothing(
    api: Api, database: Database, clock: TestClock, mutation: str
) -> None:
    arrange, selection = WITH_A_KEY[mutation]
    fields = {**await arrange(api), "idempotencyKey": "order-1"}

    first = await api.mutate(mutation, selection, **fields)
    before = await contents(database)
    clock.forward(hours=47)
    again = await api.mutate(mutation, selection, **fields)

    assert first["userErrors"] == []
    assert again == first
    assert await contents(database) == before
    assert await count(database.sessions, IdempotencyKey) == 1


@pytest.mark.parametrize("mutation", ["createCustomer", "changeSubscription", "recordPayment", "advanceTestClock"])
async def test_a_key_with_another_input_is_refused_and_nothing_is_done(
    api: Api, database: Database, mutation: str
) -> None:
    arrange, selection = WITH_A_KEY[mutation]
    first = await api.mutate(mutation, selection, **await arrange(api), idempotencyKey="order-1")
    assert first["userErrors"] == []
    other = await arrange(api)
    before = await contents(database)

    reused = await api.mutate(mutation, selection, **other, idempotencyKey="order-1")

    assert refusal(reused) == REUSED
    assert {value for name, value in reused.items() if name != "userErrors"} == {None}
    assert await contents(database) == before


TEXTS: dict[str, tuple[Fields, str]] = {
    "createCustomer": (
        {
            "name": "Ada",
            "email": "ada@example.com",
            "address": {"city": "Berlin", "region": None},
            "netDays": 7,
            "metadata": [{"key": "tier", "value": "gold"}],
        },
        """["CreateCustomerInput",{"address":{"city":"Berlin"},"email":"ada@example.com",\
"metadata":[{"key":"tier","value":"gold"}],"name":"Ada","net_days":7}]""",
    ),
    "createPlan": (
        {"code": "pro", "name": "Pro", "amountCents": 2900, "currency": "EUR", "interval": "DAY", "trialDays": 0},
        """["CreatePlanInput",{"amount_cents":2900,"code":"pro","currency":"EUR","name":"Pro"}]""",
    ),
    "createTestClock": (
        {"name": None, "frozenAt": "2026-06-01T00:00:00Z"},
        """["CreateTestClockInput",{"frozen_at":"2026-06-01 00:00:00+00:00"}]""",
    ),
}
"""Requests and the canonical texts whose hashes are stored. While servers of two versions run, both must produce the
same text. Otherwise each rejects retries of requests that the other has accepted.
"""


@pytest.mark.parametrize("mutation", TEXTS)
async def test_what_is_stored_of_a_request_is_what_was_given_and_is_no_default(
    api: Api, sessions: Sessions, mutation: str
) -> None:
    fields, expected = TEXTS[mutation]

    payload = await api.mutate(mutation, "__typename", **fields, idempotencyKey="order-1")

    assert payload["userErrors"] == []
    async with sessions() as session:
        stored = await session.scalar(select(IdempotencyKey.request_hash))
    assert stored == hashlib.sha256(expected.encode()).digest()


def test_a_request_stays_the_same_when_a_later_version_adds_fields_to_its_input() -> None:
    later_line = dataclasses.make_dataclass(
        "InvoiceLineInput", [("tax_code", str | None, None)], bases=(InvoiceLineInput,), kw_only=True
    )
    tags: list[str] = dataclasses.field(default_factory=list)
    later = dataclasses.make_dataclass(
        "CreateInvoiceInput",
        [("memo", str | None, None), ("is_draft", bool, True), ("tags", list[str], tags)],
        bases=(CreateInvoiceInput,),
        kw_only=True,
    )

    def sent(input_type: Any, line_type: Any, **more: str) -> str:
        line = line_type(description="Set-up", unit_amount_cents=5000, **more)
        return request_text(input_type(customer_id="c", currency="EUR", lines=[line], idempotency_key="order-1"))

    before = sent(CreateInvoiceInput, InvoiceLineInput)
    assert before == sent(later, later_line) != sent(later, later_line, tax_code="A")
    assert before == (
        '["CreateInvoiceInput",{"currency":"EUR","customer_id":"c",'
        '"lines":[{"description":"Set-up","unit_amount_cents":5000}]}]'
    )


async def test_fifty_subscriptions_with_one_key_are_one(api: Api, database: Database) -> None:
    fields = await a_new_subscription(api)

    answers = await asyncio.gather(
        *(api.mutate("createSubscription", MADE, **fields, idempotencyKey="order-1") for _ in range(50))
    )

    assert answers[0]["userErrors"] == []
    assert answers[0]["subscription"]["status"] == "ACTIVE"
    assert all(answer == answers[0] for answer in answers)
    assert await count(database.sessions, Subscription) == await count(database.sessions, Invoice) == 1
    await assert_sound(database)


async def test_fifty_payments_with_one_key_are_one(api: Api, database: Database) -> None:
    fields = await a_payment(api)
    selection = "payment { id amountCents } customer { version balanceCents }"

    answers = await asyncio.gather(
        *(api.mutate("recordPayment", selection, **fields, idempotencyKey="wire-1") for _ in range(50))
    )

    assert answers[0]["userErrors"] == []
    assert answers[0]["customer"]["balanceCents"] == 100
    assert all(answer == answers[0] for answer in answers)
    assert await count(database.sessions, Payment) == 1
    await assert_sound(database)


async def test_of_two_inputs_with_one_key_at_once_one_is_done(api: Api, sessions: Sessions) -> None:
    inputs = [await a_new_subscription(api) for _ in range(2)]

    answers = await asyncio.gather(
        *(api.mutate("createSubscription", MADE, **inputs[n % 2], idempotencyKey="order-1") for n in range(20))
    )

    done = [answer for answer in answers if not answer["userErrors"]]
    refused = [answer for answer in answers if answer["userErrors"]]
    assert len(done) == len(refused) == 10
    assert all(answer == done[0] for answer in done)
    assert {refusal(answer)[0] for answer in refused} == {"IDEMPOTENCY_KEY_REUSED"}
    assert await count(sessions, Subscription) == 1


async def test_a_refusal_stores_no_key_and_the_key_can_be_used_again(api: Api, database: Database) -> None:
    fields = await a_new_subscription(api)
    await api.mutate("archivePlan", "plan { id }", id=fields["planId"])
    before = await contents(database)

    refused = await asyncio.gather(
        *(api.mutate("createSubscription", MADE, **fields, idempotencyKey="order-1") for _ in range(10))
    )

    assert {refusal(answer)[0] for answer in refused} == {"PLAN_ARCHIVED"}
    assert await contents(database) == before
    await api.mutate("unarchivePlan", "plan { id }", id=fields["planId"])
    accepted = await api.mutate("createSubscription", MADE, **fields, idempotencyKey="order-1")
    assert accepted["subscription"]["status"] == "ACTIVE"
    # The idempotency key is stored now. An input that spells out a default equals one that omits the field.
    again = await api.mutate("createSubscription", MADE, **fields, quantity=1, idempotencyKey="order-1")
    assert again == accepted


async def test_a_retry_shows_what_has_become_of_what_was_made(api: Api) -> None:
    fields = {**await a_new_subscription(api), "idempotencyKey": "order-1"}
    other = {**await a_new_subscription(api), "idempotencyKey": "order-2"}
    paid = (await api.mutate("createSubscription", MADE, **fields))["invoice"]
    void = (await api.mutate("createSubscription", MADE, **other))["invoice"]
    assert (paid["status"], void["status"]) == ("OPEN", "OPEN")

    await api.mutate(
        "recordPayment", "payment { id }", customerId=fields["customerId"], amountCents=2900, currency="EUR"
    )
    await api.mutate("voidInvoice", "invoice { id }", id=void["id"])

    again = await api.mutate("createSubscription", "invoice { id status customer { id } }", **fields)
    other_again = await api.mutate("createSubscription", "invoice { id status amountDueCents }", **other)
    assert again["invoice"] == {"id": paid["id"], "status": "PAID", "customer": {"id": fields["customerId"]}}
    assert other_again["invoice"] == {"id": void["id"], "status": "VOID", "amountDueCents": 0}


async def test_a_retry_says_nothing_of_a_draft_that_was_deleted(api: Api, sessions: Sessions) -> None:
    fields = {**await a_draft(api), "idempotencyKey": "order-1"}
    made = await api.mutate("createInvoice", "invoice { id }", **fields)
    await api.mutate("deleteDraftInvoice", "deletedInvoiceId", id=made["invoice"]["id"])

    again = await api.mutate("createInvoice", "invoice { id }", **fields)

    assert again == {"invoice": None, "userErrors": []}
    assert await count(sessions, Invoice) == 0


@pytest.mark.parametrize("key", ["", *(letter * (MAX_IDEMPOTENCY_KEY + 1) for letter in "xä")])
async def test_a_key_has_at_least_1_character_and_not_too_many(api: Api, sessions: Sessions, key: str) -> None:
    customer = await a_customer(api)

    refused = await api.mutate("createCustomer", "customer { id }", **customer, idempotencyKey=key)
    accepted = await api.mutate(
        "createCustomer", "customer { id }", **customer, idempotencyKey="🦉" * MAX_IDEMPOTENCY_KEY
    )

    assert refusal(refused) == ("INVALID_INPUT", ["input", "idempotencyKey"])
    assert accepted["userErrors"] == []
    assert await count(sessions, Customer, IdempotencyKey) == 2


async def test_another_mutation_with_the_same_input_is_another_request(api: Api, database: Database) -> None:
    draft = {**await a_draft_to_finalize(api), "idempotencyKey": "invoice-1"}
    finalized = await api.mutate("finalizeInvoice", "invoice { status }", **draft)
    before = await contents(database)

    void = await api.mutate("voidInvoice", "invoice { status }", **draft)
    given_up = await api.mutate("markInvoiceUncollectible", "invoice { status }", **draft)

    assert finalized["invoice"] == {"status": "OPEN"}
    assert refusal(void) == refusal(given_up) == REUSED
    assert await contents(database) == before


async def test_keys_are_kept_for_longer_than_a_retry_may_take(api: Api, sessions: Sessions, clock: TestClock) -> None:
    old, young = {**await a_draft(api), "idempotencyKey": "old"}, {**await a_draft(api), "idempotencyKey": "young"}
    first = await api.mutate("createInvoice", "invoice { id }", **old)
    clock.forward(seconds=1)
    second = await api.mutate("createInvoice", "invoice { id }", **young)

    assert await pruned(sessions, NOW + RETRY_WITHIN) == 0
    assert await pruned(sessions, NOW + KEYS_KEPT_FOR) == 0
    assert await pruned(sessions, NOW + KEYS_KEPT_FOR + timedelta(seconds=1)) == 1

    assert await api.mutate("createInvoice", "invoice { id }", **young) == second
    anew = await api.mutate("createInvoice", "invoice { id }", **old)
    assert anew["invoice"]["id"] != first["invoice"]["id"]
    assert await count(sessions, Invoice) == 3


async def test_so_many_keys_are_pruned_at_once(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO idempotency_keys (api_key, key, request_hash, result, created_at)"
                " SELECT 'local', number::text, sha256('x'), '{}', :at FROM generate_series(1, :many) AS number"
            ),
            {"at": NOW - timedelta(days=3), "many": PRUNED_AT_ONCE + 1},
        )

    assert [await pruned(sessions, NOW) for _ in range(3)] == [PRUNED_AT_ONCE, 1, 0]


async def pruned(sessions: Sessions, now: datetime) -> int:
    async with sessions.begin() as session:
        return await prune(session, now=now)


async def contents(database: Database) -> dict[str, str]:
    """Returns a hash of all rows, by table."""
    async with database.sessions() as session:
        return {
            table.name: await session.scalar(
                text(f"SELECT md5(string_agg(row::text, chr(10) ORDER BY row::text)) FROM {table.name} AS row")
            )
            for table in Base.metadata.sorted_tables
        }
