"""Updating and archiving objects, canceling subscriptions and undoing a cancellation."""

import asyncio

import pytest
from sqlalchemy import select, text

from db.access.transactions import Sessions
from db.models import Customer, Subscription
from tests.support import Api, TestClock, count, refusal

pytestmark = pytest.mark.usefixtures("events_name_changes")

CUSTOMER = "name email externalId taxId address { city } metadata { key value } version updatedAt createdAt"


async def test_an_update_changes_what_is_given_and_nothing_else(api: Api, clock: TestClock) -> None:
    metadata = [{"key": "tier", "value": "gold"}]
    customer_id = await api.a_customer(
        name="Ada", email="ada@example.com", externalId="1", taxId="T", address={"city": "London"}, metadata=metadata
    )
    clock.forward(days=1)

    renamed = await api.mutate("updateCustomer", f"customer {{ {CUSTOMER} }}", id=customer_id, name="Countess")
    cleared = await api.mutate(
        "updateCustomer", f"customer {{ {CUSTOMER} }}", id=customer_id, externalId=None, address=None, metadata=[]
    )

    kept = {"email": "ada@example.com", "taxId": "T", "createdAt": "2026-01-31T12:00:00Z"}
    changed = {"name": "Countess", "updatedAt": "2026-02-01T12:00:00Z"}
    before = {"externalId": "1", "address": {"city": "London"}, "metadata": metadata, "version": 2}
    after: dict[str, object] = {"externalId": None, "address": None, "metadata": [], "version": 3}
    assert renamed["customer"] == kept | changed | before
    assert cleared["customer"] == kept | changed | after


async def test_an_update_that_changes_nothing_is_no_change(api: Api, clock: TestClock) -> None:
    customer_id = await api.a_customer(name="Ada")
    clock.forward(days=1)

    same = await api.mutate("updateCustomer", "customer { version updatedAt }", id=customer_id, name="Ada")

    assert same["customer"] == {"version": 1, "updatedAt": "2026-01-31T12:00:00Z"}


async def test_null_is_refused_where_something_must_be_and_clears_what_may_be_none(api: Api) -> None:
    customer_id = await api.a_customer(name="Ada", metadata=[{"key": "tier", "value": "gold"}])
    plan_id = await api.a_plan(name="Pro")

    nameless = await api.mutate("updateCustomer", "customer { id }", id=customer_id, name=None)
    unreachable = await api.mutate("updateCustomer", "customer { id }", id=customer_id, email=None)
    unnamed = await api.mutate("updatePlan", "plan { id }", id=plan_id, name=None)
    bare = await api.mutate("updateCustomer", "customer { name metadata { key } }", id=customer_id, metadata=None)

    assert refusal(nameless) == refusal(unnamed) == ("INVALID_INPUT", ["input", "name"])
    assert refusal(unreachable) == ("EMAIL_INVALID", ["input", "email"])
    assert bare["customer"] == {"name": "Ada", "metadata": []}


async def test_mutations_of_one_document_run_in_order_and_stand_alone(api: Api) -> None:
    data = await api(
        """mutation {
          first: createCustomer(input: {name: "A", email: "same@example.com"}) { ...made }
          second: createCustomer(input: {name: "B", email: "SAME@example.com"}) { ...made }
          third: createCustomer(input: {name: "C", email: "other@example.com"}) { ...made }
        }
        fragment made on CreateCustomerPayload { customer { name } userErrors { code } }"""
    )

    assert data == {
        "first": {"customer": {"name": "A"}, "userErrors": []},
        "second": {"customer": None, "userErrors": [{"code": "EMAIL_TAKEN"}]},
        "third": {"customer": {"name": "C"}, "userErrors": []},
    }


async def test_a_refused_update_changes_nothing(api: Api) -> None:
    await api.a_customer(email="taken@example.com")
    customer_id = await api.a_customer(name="Ada")

    payload = await api.mutate(
        "updateCustomer", "customer { id }", id=customer_id, name="Changed", email="TAKEN@example.com"
    )

    assert refusal(payload) == ("EMAIL_TAKEN", ["input", "email"])
    data = await api("query ($id: ID!) { customer(id: $id) { name version } }", id=customer_id)
    assert data["customer"] == {"name": "Ada", "version": 1}


async def test_an_update_that_expects_an_older_version_is_refused(api: Api) -> None:
    customer_id = await api.a_customer(name="Ada", email="ada@example.com")
    read = "customer { name version }"

    first = await api.mutate("updateCustomer", read, id=customer_id, expectedVersion=1, name="Countess")
    second = await api.mutate("updateCustomer", read, id=customer_id, expectedVersion=1, name="Lady")
    unchecked = await api.mutate("updateCustomer", read, id=customer_id, expectedVersion=None, taxId="T")

    assert first["customer"] == {"name": "Countess", "version": 2}
    assert refusal(second) == ("VERSION_CONFLICT", ["input", "expectedVersion"])
    assert unchecked["customer"] == {"name": "Countess", "version": 3}


async def test_a_plan_is_renamed_but_never_repriced(api: Api) -> None:
    plan_id = await api.a_plan(description="All of it")

    payload = await api.mutate(
        "updatePlan", "plan { name description amountCents version }", id=plan_id, name="Pro+", description=None
    )
    repriced = await api.post(
        "mutation ($input: UpdatePlanInput!) { updatePlan(input: $input) { plan { id } } }",
        input={"id": plan_id, "amountCents": 1},
    )

    assert payload["plan"] == {"name": "Pro+", "description": None, "amountCents": 2900, "version": 2}
    assert "errors" in repriced.json()


async def test_archiving_is_undone_by_unarchiving_and_never_silently_repeated(api: Api) -> None:
    for noun, thing in (("Customer", await api.a_customer()), ("Plan", await api.a_plan())):
        selection, code = f"{noun.lower()} {{ archivedAt version }}", noun.upper()

        not_archived = await api.mutate(f"unarchive{noun}", selection, id=thing)
        archived = await api.mutate(f"archive{noun}", selection, id=thing)
        again = await api.mutate(f"archive{noun}", selection, id=thing)
        back = await api.mutate(f"unarchive{noun}", selection, id=thing)

        assert refusal(not_archived) == (f"{code}_NOT_ARCHIVED", ["input", "id"])
        assert archived[noun.lower()] == {"archivedAt": "2026-01-31T12:00:00Z", "version": 2}
        assert refusal(again) == (f"{code}_ARCHIVED", ["input", "id"])
        assert back[noun.lower()] == {"archivedAt": None, "version": 3}


async def test_a_customer_with_a_live_subscription_is_not_archived(api: Api) -> None:
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id)

    refused = await api.mutate("archiveCustomer", "customer { id }", id=customer_id)
    await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=False)
    archived = await api.mutate("archiveCustomer", "customer { archivedAt }", id=customer_id)

    assert refusal(refused) == ("CUSTOMER_HAS_LIVE_SUBSCRIPTION", ["input", "id"])
    assert archived["userErrors"] == []


CANCELLATION = "subscription { status cancelAtPeriodEnd canceledAt endedAt nextBillingAt version }"


async def test_a_cancellation_at_the_periods_end_can_be_undone_until_then(api: Api, clock: TestClock) -> None:
    subscription_id = await api.a_subscription()
    end = "2026-03-02T12:00:00Z"

    clock.forward(days=1)
    scheduled = await api.mutate("cancelSubscription", CANCELLATION, id=subscription_id)
    twice = await api.mutate("cancelSubscription", CANCELLATION, id=subscription_id)
    undone = await api.mutate("undoSubscriptionCancellation", CANCELLATION, id=subscription_id)
    nothing_left = await api.mutate("undoSubscriptionCancellation", CANCELLATION, id=subscription_id)
    await api.mutate("cancelSubscription", CANCELLATION, id=subscription_id)
    clock.forward(days=29)
    too_late = await api.mutate("undoSubscriptionCancellation", CANCELLATION, id=subscription_id)

    live = {"status": "ACTIVE", "endedAt": None, "nextBillingAt": end}
    asked = {"cancelAtPeriodEnd": True, "canceledAt": "2026-02-01T12:00:00Z", "version": 2}
    assert scheduled["subscription"] == live | asked
    assert refusal(twice) == ("CANCELLATION_ALREADY_SCHEDULED", ["input", "id"])
    assert undone["subscription"] == live | {"cancelAtPeriodEnd": False, "canceledAt": None, "version": 3}
    assert refusal(nothing_left) == ("CANCELLATION_NOT_SCHEDULED", ["input", "id"])
    assert refusal(too_late) == ("SUBSCRIPTION_CANCELED", ["input", "id"])


async def test_a_cancellation_at_once_is_final_and_leaves_the_invoice_owed(api: Api, clock: TestClock) -> None:
    subscription_id = await api.a_subscription()
    clock.forward(days=1)

    canceled = await api.mutate("cancelSubscription", CANCELLATION, id=subscription_id, atPeriodEnd=False)
    again = await api.mutate("cancelSubscription", CANCELLATION, id=subscription_id, atPeriodEnd=False)
    undo = await api.mutate("undoSubscriptionCancellation", CANCELLATION, id=subscription_id)

    at = "2026-02-01T12:00:00Z"
    assert canceled["subscription"] == {
        "status": "CANCELED",
        "cancelAtPeriodEnd": False,
        "canceledAt": at,
        "endedAt": at,
        "nextBillingAt": None,
        "version": 2,
    }
    assert refusal(again) == refusal(undo) == ("SUBSCRIPTION_CANCELED", ["input", "id"])
    data = await api("{ invoices { nodes { status amountDueCents } } }")
    assert data["invoices"]["nodes"] == [{"status": "OPEN", "amountDueCents": 2900}]


async def test_archiving_a_customer_and_subscribing_it_at_once_leaves_one_of_the_two(
    api: Api, sessions: Sessions
) -> None:
    plan_id = await api.a_plan()
    for _ in range(20):
        customer_id = await api.a_customer()

        archived, subscribed = await asyncio.gather(
            api.mutate("archiveCustomer", "customer { id }", id=customer_id),
            api.mutate("createSubscription", "subscription { id }", customerId=customer_id, planId=plan_id),
        )

        assert sorted(len(payload["userErrors"]) for payload in (archived, subscribed)) == [0, 1]
    async with sessions() as session:
        both = select(Customer.id).join(Subscription, Subscription.customer_id == Customer.id)
        assert (await session.scalars(both.where(Customer.archived_at.is_not(None)))).all() == []


async def test_ten_renames_at_once_are_all_counted(api: Api) -> None:
    customer_id = await api.a_customer()

    await asyncio.gather(
        *(api.mutate("updateCustomer", "customer { id }", id=customer_id, name=f"Ada {n}") for n in range(10))
    )

    data = await api("query ($id: ID!) { customer(id: $id) { version } }", id=customer_id)
    assert data["customer"] == {"version": 11}


async def test_a_transaction_that_fails_late_stores_nothing_at_all(api: Api, sessions: Sessions) -> None:
    """The invoice's line is written last. If that fails, the subscription is not stored either."""
    customer_id, plan_id = await api.a_customer(), await api.a_plan(name="Cursed")
    async with sessions.begin() as session:
        await session.execute(text("ALTER TABLE invoice_lines ADD CONSTRAINT no_curse CHECK (description <> 'Cursed')"))

    answer = await api.post(
        "mutation ($input: CreateSubscriptionInput!) { createSubscription(input: $input) { invoice { id } } }",
        input={"customerId": customer_id, "planId": plan_id},
    )

    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "Cursed" not in answer.text
    assert await count(sessions, Subscription) == 0
    data = await api("query ($id: ID!) { customer(id: $id) { currency version } }", id=customer_id)
    assert data["customer"] == {"currency": None, "version": 1}
