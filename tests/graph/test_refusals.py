"""Each rejection has a specific code and field, and nothing is stored."""

import asyncio
from typing import Any

import pytest

from billing.limits import MAX_CENTS, MAX_PLAN_CODE
from db.access.transactions import Sessions
from db.models import BillingPeriod, Customer, Invoice, InvoiceLine, Plan, Subscription
from tests.support import Api, count, refusal

NOBODY = "01930000-0000-7000-8000-000000000000"
TOO_LONG = "x" * 10_000


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"name": ""}, "INVALID_INPUT", ["input", "name"]),
        ({"name": " \t\n"}, "INVALID_INPUT", ["input", "name"]),
        ({"name": TOO_LONG}, "INVALID_INPUT", ["input", "name"]),
        ({"email": "no address"}, "EMAIL_INVALID", ["input", "email"]),
        ({"email": "a@b@c.com"}, "EMAIL_INVALID", ["input", "email"]),
        ({"email": f"{TOO_LONG}@example.com"}, "EMAIL_INVALID", ["input", "email"]),
        ({"externalId": TOO_LONG}, "INVALID_INPUT", ["input", "externalId"]),
        ({"taxId": TOO_LONG}, "INVALID_INPUT", ["input", "taxId"]),
        ({"address": {"country": "XX"}}, "COUNTRY_UNKNOWN", ["input", "address", "country"]),
        ({"address": {"postalCode": TOO_LONG}}, "INVALID_INPUT", ["input", "address", "postalCode"]),
        ({"metadata": [{"key": "", "value": "1"}]}, "INVALID_INPUT", ["input", "metadata"]),
        ({"metadata": [{"key": "a", "value": TOO_LONG}]}, "INVALID_INPUT", ["input", "metadata"]),
        ({"metadata": [{"key": "a", "value": "1"}] * 2}, "INVALID_INPUT", ["input", "metadata"]),
        ({"metadata": [{"key": str(n), "value": ""} for n in range(51)]}, "INVALID_INPUT", ["input", "metadata"]),
    ],
)
async def test_a_customer_with_a_bad_field_is_refused(
    api: Api, sessions: Sessions, fields: dict[str, Any], code: str, field: list[str]
) -> None:
    payload = await api.mutate(
        "createCustomer", "customer { id }", **{"name": "Ada", "email": "ada@example.com"} | fields
    )

    assert payload["customer"] is None
    assert refusal(payload) == (code, field)
    assert await count(sessions, Customer) == 0


@pytest.mark.parametrize("other", ["ada@example.com", "ADA@EXAMPLE.COM", "  Ada@Example.com "])
async def test_an_email_is_unique_without_regard_to_case_and_unicode_form(
    api: Api, sessions: Sessions, other: str
) -> None:
    await api.a_customer(email="Ada@example.com")

    payload = await api.mutate("createCustomer", "customer { id }", name="Ada II", email=other)

    assert refusal(payload) == ("EMAIL_TAKEN", ["input", "email"])
    assert await count(sessions, Customer) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("gro\u00df@example.com", "gross@example.com"), ("o\ufb03ce@example.com", "office@example.com")],
    ids=["sharp s", "ligature"],
)
async def test_two_mailboxes_are_two(api: Api, one: str, other: str) -> None:
    found = [await api.a_customer(email=each) for each in (one, other)]

    for customer_id, email in zip(found, (one, other), strict=True):
        by_email = await api("query ($email: String!) { customerByEmail(email: $email) { id } }", email=email)
        assert by_email["customerByEmail"] == {"id": customer_id}


async def test_composed_and_decomposed_letters_make_the_same_email(api: Api) -> None:
    await api.a_customer(email="jos\u00e9@m\u00fcnchen.de")

    payload = await api.mutate("createCustomer", "customer { id }", name="José", email="JOSE\u0301@xn--mnchen-3ya.de")

    assert refusal(payload) == ("EMAIL_TAKEN", ["input", "email"])


async def test_an_external_id_is_unique(api: Api) -> None:
    await api.a_customer(externalId="crm-1")
    other = await api.a_customer(externalId="crm-2")

    created = await api.mutate("createCustomer", "customer { id }", name="B", email="b@example.com", externalId="crm-1")
    updated = await api.mutate("updateCustomer", "customer { id }", id=other, externalId="crm-1")

    assert refusal(created) == refusal(updated) == ("EXTERNAL_ID_TAKEN", ["input", "externalId"])


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"code": ""}, "INVALID_INPUT", ["input", "code"]),
        ({"code": "with space"}, "INVALID_INPUT", ["input", "code"]),
        ({"code": "x" * (MAX_PLAN_CODE + 1)}, "INVALID_INPUT", ["input", "code"]),
        ({"name": TOO_LONG}, "INVALID_INPUT", ["input", "name"]),
        ({"description": TOO_LONG}, "INVALID_INPUT", ["input", "description"]),
        ({"amountCents": -1}, "AMOUNT_NEGATIVE", ["input", "amountCents"]),
        ({"currency": "ABC"}, "CURRENCY_UNKNOWN", ["input", "currency"]),
        ({"currency": "eur"}, "CURRENCY_UNKNOWN", ["input", "currency"]),
        ({"currency": "XXX"}, "CURRENCY_UNKNOWN", ["input", "currency"]),
        ({"currency": "XAU"}, "CURRENCY_UNKNOWN", ["input", "currency"]),
        ({"currency": TOO_LONG}, "CURRENCY_UNKNOWN", ["input", "currency"]),
        ({"intervalCount": 0}, "INVALID_INPUT", ["input", "intervalCount"]),
        ({"intervalCount": -1}, "INVALID_INPUT", ["input", "intervalCount"]),
        ({"interval": "YEAR", "intervalCount": 11}, "INVALID_INPUT", ["input", "intervalCount"]),
    ],
)
async def test_a_plan_with_a_bad_field_is_refused(
    api: Api, sessions: Sessions, fields: dict[str, Any], code: str, field: list[str]
) -> None:
    plan = {"code": "pro", "name": "Pro", "amountCents": 2900, "currency": "EUR"} | fields

    payload = await api.mutate("createPlan", "plan { id }", **plan)

    assert payload["plan"] is None
    assert refusal(payload) == (code, field)
    assert await count(sessions, Plan) == 0


async def test_a_plans_code_is_unique(api: Api, sessions: Sessions) -> None:
    await api.a_plan(code="pro")

    payload = await api.mutate("createPlan", "plan { id }", code="pro", name="P", amountCents=1, currency="EUR")

    assert refusal(payload) == ("PLAN_CODE_TAKEN", ["input", "code"])
    assert await count(sessions, Plan) == 1


async def subscription_refused(api: Api, sessions: Sessions, **fields: Any) -> tuple[str, list[str] | None]:
    """Returns the code and field with which `createSubscription` is rejected. Asserts that nothing was stored."""
    stored = (Subscription, BillingPeriod, Invoice, InvoiceLine)
    before = await count(sessions, *stored)
    payload = await api.mutate("createSubscription", "subscription { id } invoice { id }", **fields)
    assert (payload["subscription"], payload["invoice"]) == (None, None)
    assert await count(sessions, *stored) == before
    return refusal(payload)


@pytest.mark.parametrize("unknown", [NOBODY, "", "garbage", "00000000-0000-0000-0000-000000000000", "{" + NOBODY + "}"])
async def test_a_subscription_needs_a_customer_and_a_plan(api: Api, sessions: Sessions, unknown: str) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()

    nobody = await subscription_refused(api, sessions, customerId=unknown, planId=plan_id)
    nothing = await subscription_refused(api, sessions, customerId=customer_id, planId=unknown)
    swapped = await subscription_refused(api, sessions, customerId=plan_id, planId=customer_id)

    assert nobody == swapped == ("CUSTOMER_NOT_FOUND", ["input", "customerId"])
    assert nothing == ("PLAN_NOT_FOUND", ["input", "planId"])


async def test_archived_customers_and_plans_take_no_subscription(api: Api, sessions: Sessions) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    archived_customer, archived_plan = await api.a_customer(), await api.a_plan()
    await api.mutate("archiveCustomer", "customer { archivedAt }", id=archived_customer)
    await api.mutate("archivePlan", "plan { archivedAt }", id=archived_plan)

    gone = await subscription_refused(api, sessions, customerId=archived_customer, planId=plan_id)
    closed = await subscription_refused(api, sessions, customerId=customer_id, planId=archived_plan)

    assert gone == ("CUSTOMER_ARCHIVED", ["input", "customerId"])
    assert closed == ("PLAN_ARCHIVED", ["input", "planId"])


@pytest.mark.parametrize("quantity", [0, -1, 1_000_000_001])
async def test_a_quantity_has_a_range(api: Api, sessions: Sessions, quantity: int) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()

    refused = await subscription_refused(api, sessions, customerId=customer_id, planId=plan_id, quantity=quantity)

    assert refused == ("QUANTITY_OUT_OF_RANGE", ["input", "quantity"])


async def test_price_times_quantity_has_a_limit(api: Api, sessions: Sessions) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan(amountCents=MAX_CENTS)

    refused = await subscription_refused(api, sessions, customerId=customer_id, planId=plan_id, quantity=2)
    accepted = await api.mutate(
        "createSubscription", "invoice { amountCents }", customerId=customer_id, planId=plan_id, quantity=1
    )

    assert refused == ("AMOUNT_TOO_LARGE", ["input", "quantity"])
    assert accepted["invoice"] == {"amountCents": MAX_CENTS}


async def test_a_customer_stays_with_the_first_currency(api: Api, sessions: Sessions) -> None:
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, await api.a_plan(currency="EUR"))
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=False)
    dollars = await api.a_plan(currency="USD")

    refused = await subscription_refused(api, sessions, customerId=customer_id, planId=dollars)

    assert refused == ("CURRENCY_MISMATCH", ["input", "planId"])


async def test_a_second_live_subscription_is_refused(api: Api, sessions: Sessions) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    await api.a_subscription(customer_id, plan_id)

    refused = await subscription_refused(api, sessions, customerId=customer_id, planId=plan_id)

    assert refused == ("CUSTOMER_ALREADY_SUBSCRIBED", ["input", "customerId"])


async def test_of_fifty_subscriptions_at_once_one_is_made(api: Api, sessions: Sessions) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()

    payloads = await asyncio.gather(
        *(
            api.mutate("createSubscription", "subscription { id }", customerId=customer_id, planId=plan_id)
            for _ in range(50)
        )
    )

    made = [payload for payload in payloads if not payload["userErrors"]]
    refused = [refusal(payload) for payload in payloads if payload["userErrors"]]
    assert len(made) == 1
    assert refused == [("CUSTOMER_ALREADY_SUBSCRIBED", ["input", "customerId"])] * 49
    for model in (Subscription, BillingPeriod, Invoice, InvoiceLine):
        assert await count(sessions, model) == 1


async def test_of_twenty_customers_with_one_email_at_once_one_is_made(api: Api, sessions: Sessions) -> None:
    payloads = await asyncio.gather(
        *(api.mutate("createCustomer", "customer { id }", name="Ada", email="ada@example.com") for _ in range(20))
    )

    assert sorted(len(payload["userErrors"]) for payload in payloads) == [0] + [1] * 19
    assert await count(sessions, Customer) == 1


@pytest.mark.parametrize("garbage", [NOBODY, "garbage"])
async def test_what_does_not_exist_cannot_be_changed(api: Api, garbage: str) -> None:
    refused = {
        name: refusal(await api.mutate(name, "__typename", id=garbage))
        for name in (
            *("updateCustomer", "archiveCustomer", "unarchiveCustomer", "updatePlan", "archivePlan", "unarchivePlan"),
            *("cancelSubscription", "undoSubscriptionCancellation"),
        )
    }

    customer, plan, subscription = (
        (f"{noun}_NOT_FOUND", ["input", "id"]) for noun in ("CUSTOMER", "PLAN", "SUBSCRIPTION")
    )
    assert refused == {
        "updateCustomer": customer,
        "archiveCustomer": customer,
        "unarchiveCustomer": customer,
        "updatePlan": plan,
        "archivePlan": plan,
        "unarchivePlan": plan,
        "cancelSubscription": subscription,
        "undoSubscriptionCancellation": subscription,
    }
