"""Lists: cursor pagination, filters, orders, and lookups by unique fields."""

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLEnumType, GraphQLError, GraphQLInputObjectType, GraphQLObjectType, get_named_type

from billing.limits import MAX_CENTS
from db.database import Database
from db.models import Base
from db.models.types import stored_type
from db.queries.pages import PageRequest
from graph.schema.fields.cursors import decode_cursor, encode_cursor
from graph.schema.fields.edges import EDGE
from graph.schema.root import core_schema
from tests.support import NOW, Api, TestClock, day, run

ANY_ID = UUID(int=1)

PAGE = """
    query ($first: Int, $after: String, $last: Int, $before: String, $orderBy: CustomerOrder) {
      customers(first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy) {
        nodes { name }
        edges { cursor node { name } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        totalCount
      }
    }
"""


def cursor(*document: Any) -> str:
    """Returns a cursor with arbitrary contents."""
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode()


@pytest.fixture
async def seven_customers(api: Api, clock: TestClock) -> list[str]:
    """Customers A to G. C and D were created in the same second."""
    names = list("ABCDEFG")
    for name in names:
        await api.a_customer(name=name, email=f"{name}@example.com")
        if name != "C":
            clock.forward(seconds=1)
    return names


async def page(api: Api, **arguments: Any) -> Any:
    return (await api(PAGE, **arguments))["customers"]


def names(connection: Any) -> str:
    assert connection["nodes"] == [edge["node"] for edge in connection["edges"]]
    return "".join(node["name"] for node in connection["nodes"])


async def test_a_list_is_walked_forwards(api: Api, seven_customers: list[str]) -> None:
    one = await page(api, first=3)
    two = await page(api, first=3, after=one["pageInfo"]["endCursor"])
    three = await page(api, first=3, after=two["pageInfo"]["endCursor"])

    assert [names(one), names(two), names(three)] == ["ABC", "DEF", "G"]
    assert [found["pageInfo"]["hasNextPage"] for found in (one, two, three)] == [True, True, False]
    assert [found["pageInfo"]["hasPreviousPage"] for found in (one, two, three)] == [False, True, True]
    assert {found["totalCount"] for found in (one, two, three)} == {7}


async def test_a_list_is_walked_backwards(api: Api, seven_customers: list[str]) -> None:
    one = await page(api, last=3)
    two = await page(api, last=3, before=one["pageInfo"]["startCursor"])
    three = await page(api, last=3, before=two["pageInfo"]["startCursor"])

    assert [names(one), names(two), names(three)] == ["EFG", "BCD", "A"]
    assert [found["pageInfo"]["hasPreviousPage"] for found in (one, two, three)] == [True, True, False]
    assert [found["pageInfo"]["hasNextPage"] for found in (one, two, three)] == [False, True, True]


async def test_a_new_row_shifts_no_page(api: Api, seven_customers: list[str], clock: TestClock) -> None:
    one = await page(api, first=3)
    clock.now = NOW - timedelta(days=1)
    await api.a_customer(name="0")

    two = await page(api, first=3, after=one["pageInfo"]["endCursor"])

    assert names(two) == "DEF"


@pytest.mark.parametrize("field", ["CREATED_AT", "NAME", "EMAIL"])
async def test_each_order_walks_every_row_once_both_ways(api: Api, seven_customers: list[str], field: str) -> None:
    for direction, expected in (("ASC", "ABCDEFG"), ("DESC", "GFEDCBA")):
        order = {"field": field, "direction": direction}
        forwards, backwards = "", ""
        found = await page(api, first=2, orderBy=order)
        forwards += names(found)
        while found["pageInfo"]["hasNextPage"]:
            found = await page(api, first=2, after=found["pageInfo"]["endCursor"], orderBy=order)
            forwards += names(found)
        found = await page(api, last=2, orderBy=order)
        backwards = names(found) + backwards
        while found["pageInfo"]["hasPreviousPage"]:
            found = await page(api, last=2, before=found["pageInfo"]["startCursor"], orderBy=order)
            backwards = names(found) + backwards
        assert (forwards, backwards) == (expected, expected)


async def test_customers_of_one_name_are_each_walked_once(api: Api) -> None:
    ids = [await api.a_customer(name="Ada") for _ in range(5)]
    query = """query ($after: String) { customers(first: 2, after: $after, orderBy: {field: NAME, direction: DESC}) {
        nodes { id } pageInfo { hasNextPage endCursor } } }"""

    walked, cursor, more = [], None, True
    while more:
        found = (await api(query, after=cursor))["customers"]
        walked += [node["id"] for node in found["nodes"]]
        cursor, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]

    assert walked == sorted(ids, reverse=True)


async def test_the_longest_name_makes_a_cursor_that_is_taken_back(api: Api) -> None:
    await api.a_customer(name="\U0001f4b8" * 255)
    found = await page(api, first=1, orderBy={"field": "NAME"})

    assert names(await page(api, after=found["pageInfo"]["endCursor"], orderBy={"field": "NAME"})) == ""


async def test_texts_are_ordered_by_code_point(api: Api) -> None:
    for name in ("b", "B", "é", "a", "Z"):
        await api.a_customer(name=name)

    assert names(await page(api, orderBy={"field": "NAME"})) == "BZabé"


async def test_between_two_cursors(api: Api, seven_customers: list[str]) -> None:
    found = await page(api, first=7)
    cursors = [edge["cursor"] for edge in found["edges"]]

    assert names(await page(api, after=cursors[1], before=cursors[5])) == "CDE"
    assert names(await page(api, first=2, after=cursors[1], before=cursors[5])) == "CD"
    assert names(await page(api, last=2, after=cursors[1], before=cursors[5])) == "DE"
    assert names(await page(api, first=0)) == ""


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": -1},
        {"first": 101},
        {"last": 101},
        {"first": 1, "last": 1},
        {"after": ""},
        {"after": "garbage"},
        {"after": "é"},
        {"before": "W10"},
        {"after": "x" * 5000},
        {"after": encode_cursor("plans", PageRequest(1), (NOW, ANY_ID))},
        {"after": encode_cursor("customers", PageRequest(1, order_by="name"), ("A", ANY_ID))},
        {"after": encode_cursor("customers", PageRequest(1, descending=True), (NOW, ANY_ID))},
        {"after": cursor("customers", "created_at", False, "text", str(ANY_ID))},
        {"after": cursor("customers", "created_at", False, "2026-01-31T12:00:00", str(ANY_ID))},
    ],
)
async def test_a_page_that_makes_no_sense_is_bad_user_input(api: Api, arguments: dict[str, Any]) -> None:
    answer = await api.post(PAGE, **arguments)

    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert error["path"] == ["customers"]


def orders() -> set[tuple[str, str]]:
    """Returns the table and column of each order in the schema, except for events: see `tests.graph.test_events`."""
    found = set()
    types = (type_ for type_ in core_schema.type_map.values() if isinstance(type_, GraphQLObjectType))
    for field in (field for type_ in types for field in type_.fields.values() if "orderBy" in field.args):
        listing = field.extensions["strawberry-definition"].metadata[EDGE]
        order = get_named_type(field.args["orderBy"].type)
        assert isinstance(order, GraphQLInputObjectType)
        words = get_named_type(order.fields["field"].type)
        assert isinstance(words, GraphQLEnumType)
        found |= {(listing.model.__tablename__, each.value) for each in words.values.values()}
    return found - {("events", "xid")}


OTHERS = {("subscriptions", "canceled_at"), ("invoices", "paid_at"), ("subscriptions", "quantity")}
"""Columns that are not orders in the schema but that lists can be sorted by."""

POSITIONS: dict[type, tuple[Any, list[Any]]] = {
    datetime: (NOW, ["garbage", "2026-01-31T12:00:00", "2026-01-31T13:00:00+01:00", "", 7, None]),
    int: (MAX_CENTS, ["garbage", "7", 1.5, True, MAX_CENTS + 1, None]),
    str: ("garbage", [7, None, ["garbage"]]),
}
"""Valid value of a cursor, and invalid ones, by the type of the column."""


@pytest.mark.parametrize(("list_name", "column"), sorted(orders() | OTHERS))
def test_a_cursor_holds_a_value_of_the_column_that_the_list_is_ordered_by(list_name: str, column: str) -> None:
    right, wrong = POSITIONS[stored_type(Base.metadata.tables[list_name].c[column].type).python_type]
    request = PageRequest(1, order_by=column)

    sent = encode_cursor(list_name, request, (right, ANY_ID))
    assert decode_cursor(list_name, request, sent, "after") == (right, ANY_ID)
    for value in wrong:
        with pytest.raises(GraphQLError, match="not a cursor for this list"):
            decode_cursor(list_name, request, cursor(list_name, column, False, value, str(ANY_ID)), "after")


async def test_a_cursor_cannot_carry_what_the_database_cannot_keep(api: Api) -> None:
    for value in ("a\0b", "a\ud800b"):
        document = ["customers", "name", False, value, "01930000-0000-7000-8000-000000000000"]
        cursor = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
        answer = await api.post(PAGE, after=cursor, orderBy={"field": "NAME"})

        assert answer.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_customers_are_filtered(api: Api, clock: TestClock) -> None:
    old = await api.a_customer(name="old")
    clock.forward(days=1)
    await api.a_subscription(await api.a_customer(name="euro"), await api.a_plan(currency="EUR"))
    await api.mutate("archiveCustomer", "customer { id }", id=old)
    query = "query ($filter: CustomerFilter) { customers(filter: $filter) { totalCount nodes { name } } }"

    async def found(**conditions: Any) -> list[str]:
        connection = (await api(query, filter=conditions))["customers"]
        assert connection["totalCount"] == len(connection["nodes"])
        return [node["name"] for node in connection["nodes"]]

    assert await found() == ["old", "euro"]
    assert await found(archived=True) == ["old"]
    assert await found(archived=False) == ["euro"]
    assert await found(archived=None) == ["old", "euro"]
    assert await found(currency="EUR") == ["euro"]
    assert await found(currency="USD") == []
    assert await found(createdAt={"until": "2026-02-01T12:00:00Z"}) == ["old"]
    assert await found(createdAt={"from": "2026-02-01T13:00:00+01:00"}) == ["euro"]


async def names_of_customers(api: Api, **conditions: Any) -> str:
    """Returns the initials of the customers that a filter finds, after checking the counts."""
    query = """query ($filter: CustomerFilter) { customers(filter: $filter) {
      totalCount count { value } nodes { name } } }"""
    connection = (await api(query, filter=conditions))["customers"]
    assert connection["totalCount"] == connection["count"]["value"] == len(connection["nodes"])
    return "".join(node["name"][0] for node in connection["nodes"])


async def test_customers_are_filtered_by_their_live_subscription(
    api: Api, database: Database, clock: TestClock
) -> None:
    ids = {name: await api.a_customer(name=name) for name in ("Active", "Canceled", "Future", "None", "Past", "Trial")}
    pro, tryout = await api.a_plan(), await api.a_plan(trialDays=40)
    subscriptions = {name: await api.a_subscription(ids[name], pro) for name in ("Active", "Canceled", "Past")}
    await api.a_subscription(ids["Future"], pro, startAt=day(50))
    await api.a_subscription(ids["Trial"], tryout)
    canceled = await api.mutate(
        "cancelSubscription", "userErrors { code }", id=subscriptions["Canceled"], atPeriodEnd=False
    )
    assert canceled["userErrors"] == []
    for name in ("Active", "Canceled"):
        await api.mutate("recordPayment", "payment { id }", customerId=ids[name], amountCents=2900, currency="EUR")
    # The first invoice of "Past" is due after 14 days.
    clock.forward(days=20)
    await run(database, clock)

    assert await names_of_customers(api, subscriptionStatus=["ACTIVE"]) == "A"
    assert await names_of_customers(api, subscriptionStatus=["PAST_DUE", "PENDING"]) == "FP"
    assert await names_of_customers(api, subscriptionStatus=["TRIALING"]) == "T"
    assert await names_of_customers(api, subscriptionStatus=["CANCELED"]) == ""
    assert await names_of_customers(api, subscriptionStatus=[]) == ""
    assert await names_of_customers(api, pastDue=True) == "P"
    assert await names_of_customers(api, pastDue=False) == "ACFNT"
    assert await names_of_customers(api, pastDue=None) == "ACFNPT"
    assert await names_of_customers(api, planId=pro) == "AFP"
    assert await names_of_customers(api, planId=tryout) == "T"
    assert await names_of_customers(api, planId=str(ANY_ID)) == ""
    assert await names_of_customers(api, planId="pro") == ""
    assert await names_of_customers(api, planId=pro, subscriptionStatus=["ACTIVE", "TRIALING"]) == "A"
    assert await names_of_customers(api, planId=pro, pastDue=False) == "AF"
    assert await names_of_customers(api, pastDue=True, subscriptionStatus=["ACTIVE", "PAST_DUE"]) == "P"
    assert await names_of_customers(api, pastDue=False, subscriptionStatus=["ACTIVE", "PAST_DUE"]) == "A"
    assert await names_of_customers(api, pastDue=True, subscriptionStatus=["ACTIVE"]) == ""


async def test_customers_are_found_by_what_their_subscription_has_become(
    api: Api, database: Database, clock: TestClock
) -> None:
    customer_id, pro, team = await api.a_customer(name="Ada"), await api.a_plan(), await api.a_plan(trialDays=5)
    subscription_id = await api.a_subscription(customer_id, team)
    assert await names_of_customers(api, subscriptionStatus=["TRIALING"], planId=team) == "A"

    await api.mutate("changeSubscription", "userErrors { code }", id=subscription_id, planId=pro, mode="PERIOD_END")
    assert await names_of_customers(api, planId=pro) == ""
    clock.forward(days=5)
    await run(database, clock)
    assert await names_of_customers(api, subscriptionStatus=["ACTIVE"], planId=pro) == "A"
    clock.forward(days=20)
    await run(database, clock)
    assert await names_of_customers(api, pastDue=True, planId=pro) == "A"
    await api.mutate("recordPayment", "payment { id }", customerId=customer_id, amountCents=2900, currency="EUR")
    assert await names_of_customers(api, pastDue=True) == ""
    assert await names_of_customers(api, subscriptionStatus=["ACTIVE"]) == "A"
    await api.mutate("cancelSubscription", "userErrors { code }", id=subscription_id)
    assert await names_of_customers(api, subscriptionStatus=["ACTIVE"]) == "A"
    clock.forward(days=30)
    await run(database, clock)
    assert await names_of_customers(api, planId=pro) == ""
    await api.a_subscription(customer_id, team, trialDays=0)
    assert await names_of_customers(api, subscriptionStatus=["ACTIVE"], planId=team) == "A"
    found = await api("query ($id: ID!) { customer(id: $id) { version } }", id=customer_id)
    # The copies that the filters read are not a change of the customer: only its currency was.
    assert found["customer"]["version"] == 2


async def test_customers_with_a_balance(api: Api) -> None:
    for name, amount in (("Ada", 1), ("Bob", 0), ("Cyd", 500)):
        customer_id = await api.a_customer(name=name)
        if amount:
            payment = {"customerId": customer_id, "amountCents": amount, "currency": "EUR", "allowOverpayment": True}
            assert (await api.mutate("recordPayment", "payment { id }", **payment))["userErrors"] == []

    assert await names_of_customers(api, hasBalance=True) == "AC"
    assert await names_of_customers(api, hasBalance=False) == "B"
    assert await names_of_customers(api, hasBalance=True, currency="USD") == ""
    assert await names_of_customers(api, hasBalance=None) == "ABC"


async def test_customers_on_a_test_clock_are_filtered_too(api: Api) -> None:
    clock_id = (await api.mutate("createTestClock", "testClock { id }"))["testClock"]["id"]
    plan_id = await api.a_plan()
    for name in ("Ada", "Bob"):
        customer_id = await api.a_customer(name=name, testClockId=clock_id)
        if name == "Ada":
            await api.a_subscription(customer_id, plan_id)

    assert await names_of_customers(api, planId=plan_id) == ""
    assert await names_of_customers(api, planId=plan_id, testClockId=clock_id) == "A"
    assert await names_of_customers(api, subscriptionStatus=["ACTIVE"], testClockId=clock_id) == "A"
    assert await names_of_customers(api, pastDue=False, testClockId=clock_id) == "AB"
    assert await names_of_customers(api, hasBalance=False, testClockId=clock_id) == "AB"


async def test_subscriptions_are_filtered_by_their_dates(api: Api, clock: TestClock) -> None:
    monthly, tryout = await api.a_plan(), await api.a_plan(trialDays=10)
    names = {
        await api.a_subscription(plan_id=monthly): "active",
        await api.a_subscription(plan_id=tryout): "trial",
        await api.a_subscription(plan_id=monthly, startAt=day(40)): "pending",
        (canceled := await api.a_subscription(plan_id=monthly)): "canceled",
        (leaving := await api.a_subscription(plan_id=monthly)): "leaving",
    }
    clock.forward(days=2)
    await api.mutate("cancelSubscription", "userErrors { code }", id=canceled, atPeriodEnd=False)
    clock.forward(days=1)
    await api.mutate("cancelSubscription", "userErrors { code }", id=leaving)
    query = """query ($filter: SubscriptionFilter) { subscriptions(filter: $filter) {
      totalCount nodes { id } } }"""

    async def found(**conditions: Any) -> list[str]:
        connection = (await api(query, filter=conditions))["subscriptions"]
        assert connection["totalCount"] == len(connection["nodes"])
        return [names[node["id"]] for node in connection["nodes"]]

    assert await found(currentPeriodEnd={}) == ["active", "trial", "pending", "canceled", "leaving"]
    assert await found(currentPeriodEnd={"from": day(30), "until": day(31)}) == ["active", "canceled", "leaving"]
    assert await found(currentPeriodEnd={"from": day(30)}, status=["ACTIVE"]) == ["active", "leaving"]
    assert await found(currentPeriodEnd={"until": day(30)}) == ["trial"]
    assert await found(currentPeriodEnd={"from": day(10), "until": day(10)}) == []
    assert await found(currentPeriodEnd={"until": day(30)}, planId=monthly) == []
    assert await found(currentPeriodEnd={"until": day(30)}, planId=tryout) == ["trial"]
    assert await found(canceledAt={"until": day(99)}) == ["canceled", "leaving"]
    assert await found(canceledAt={"from": day(2), "until": day(3)}) == ["canceled"]
    assert await found(canceledAt={"from": day(2)}, status=["ACTIVE", "CANCELED"]) == ["canceled", "leaving"]
    assert await found(trialEnd={"from": day(10)}) == ["trial"]
    assert await found(trialEnd={"from": day(11)}) == []
    assert await found(trialEnd={"from": day(10)}, currentPeriodEnd={"until": day(11)}) == ["trial"]


@pytest.mark.parametrize(
    "condition",
    ['subscriptionStatus: ["ACTIVE"]', "subscriptionStatus: [GONE]", "pastDue: 1", 'hasBalance: "true"'],
)
async def test_a_filter_of_customers_that_makes_no_sense_is_refused(api: Api, condition: str) -> None:
    answer = await api.post(f"{{ customers(filter: {{{condition}}}) {{ nodes {{ id }} }} }}")

    assert "errors" in answer.json()
    assert answer.json().get("data") is None


@pytest.mark.parametrize("code", ["eur", "EURO", "", "XAU"])
@pytest.mark.parametrize("field", ["customers", "invoices", "plans"])
async def test_a_filter_by_what_is_no_currency_is_refused(api: Api, field: str, code: str) -> None:
    answer = await api.post(f'{{ {field}(filter: {{currency: "{code}"}}) {{ nodes {{ id }} }} }}')

    [error] = answer.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    hint = ": codes are upper case, such as 'EUR'" if code == "eur" else ""
    assert error["message"] == f"{code!r} is not an ISO 4217 currency code{hint}."


async def test_invoices_of_one_customer(api: Api) -> None:
    customer_id, other_id, plan_id = await api.a_customer(), await api.a_customer(), await api.a_plan(amountCents=7)
    subscription_id = await api.a_subscription(customer_id, plan_id)
    await api.a_subscription(other_id, await api.a_plan(amountCents=0))
    query = "query ($filter: InvoiceFilter) { invoices(filter: $filter) { totalCount nodes { amountCents } } }"

    async def found(**conditions: Any) -> list[int]:
        connection = (await api(query, filter=conditions))["invoices"]
        return [node["amountCents"] for node in connection["nodes"]]

    assert await found(customerId=customer_id) == [7]
    assert await found(subscriptionId=subscription_id) == [7]
    assert await found(status=["OPEN"]) == [7]
    assert await found(status=["PAID", "OPEN"]) == [7, 0]
    assert await found(status=[]) == []
    assert await found(kind=["ONE_OFF"]) == []
    assert await found(currency="EUR") == [7, 0]
    assert await found(customerId="garbage") == []
    assert await found(customerId=plan_id) == []
    assert await found(issuedAt={"from": "2026-01-31T12:00:01Z"}) == []
    assert await found(dueAt={"from": "2026-02-14T12:00:00Z", "until": "2026-02-14T12:00:01Z"}) == [7, 0]


async def test_invoices_are_ordered_by_amount(api: Api) -> None:
    for amount in (300, 100, 200):
        await api.a_subscription(plan_id=await api.a_plan(amountCents=amount))
    query = """
        query ($direction: OrderDirection!, $after: String) {
          invoices(first: 2, after: $after, orderBy: {field: AMOUNT, direction: $direction}) {
            nodes { amountCents } pageInfo { endCursor }
          }
        }
    """

    for direction, expected in (("ASC", [100, 200, 300]), ("DESC", [300, 200, 100])):
        one = (await api(query, direction=direction))["invoices"]
        two = (await api(query, direction=direction, after=one["pageInfo"]["endCursor"]))["invoices"]
        assert [node["amountCents"] for node in one["nodes"] + two["nodes"]] == expected


async def test_each_parent_has_a_page_of_its_own(api: Api) -> None:
    plan_id = await api.a_plan()
    for subscriptions in (3, 0, 1):
        customer_id = await api.a_customer(name=str(subscriptions))
        for _ in range(subscriptions):
            subscription_id = await api.a_subscription(customer_id, plan_id)
            await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=False)

    data = await api(
        """{ customers { nodes { name
          one: subscriptions(first: 2) { nodes { id } pageInfo { hasNextPage } totalCount }
          live: subscriptions(filter: {status: [ACTIVE]}) { totalCount }
          back: subscriptions(last: 1) { nodes { id } pageInfo { hasPreviousPage } }
        } } }"""
    )

    assert {
        node["name"]: (
            len(node["one"]["nodes"]),
            node["one"]["pageInfo"]["hasNextPage"],
            node["one"]["totalCount"],
            node["live"]["totalCount"],
            len(node["back"]["nodes"]),
            node["back"]["pageInfo"]["hasPreviousPage"],
        )
        for node in data["customers"]["nodes"]
    } == {"3": (2, True, 3, 0, 1, True), "0": (0, False, 0, 0, 0, False), "1": (1, False, 1, 0, 1, False)}


async def test_lookups_find_by_every_key(api: Api) -> None:
    customer_id = await api.a_customer(email="José@example.com", externalId="crm-1")
    plan_id = await api.a_plan(code="pro")
    subscription_id = await api.a_subscription(customer_id, plan_id)

    data = await api(
        """query ($customer: ID!, $plan: ID!, $subscription: ID!) {
          customer(id: $customer) { id }
          customerByEmail(email: "JOSE\u0301@EXAMPLE.COM") { id }
          customerByExternalId(externalId: "crm-1") { id }
          plan(id: $plan) { id }
          planByCode(code: "pro") { id }
          subscription(id: $subscription) { id latestInvoice { id } }
          node(id: $subscription) { id ... on Subscription { status } }
        }""",
        customer=customer_id.upper(),
        plan=plan_id,
        subscription=subscription_id,
    )
    invoice_id = data["subscription"].pop("latestInvoice")["id"]

    customer, plan = {"id": customer_id}, {"id": plan_id}
    assert data == {
        "customer": customer,
        "customerByEmail": customer,
        "customerByExternalId": customer,
        "plan": plan,
        "planByCode": plan,
        "subscription": {"id": subscription_id},
        "node": {"id": subscription_id, "status": "ACTIVE"},
    }
    assert (await api("query ($id: ID!) { invoice(id: $id) { id } }", id=invoice_id))["invoice"] == {"id": invoice_id}


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        "garbage",
        "%",
        "\x01\x1b[31m\x7f\u202e",
        "01930000-0000-7000-8000-000000000000",
        "00000000-0000-0000-0000-000000000000",
        "é" * 5000,
        "x" * 10_000,
    ],
)
async def test_what_does_not_exist_is_null(api: Api, key: str) -> None:
    data = await api(
        """query ($id: ID!, $key: String!) {
          node(id: $id) { id } nodes(ids: [$id]) { id } customer(id: $id) { id } plan(id: $id) { id }
          subscription(id: $id) { id } invoice(id: $id) { id }
          customerByEmail(email: $key) { id } customerByExternalId(externalId: $key) { id }
          planByCode(code: $key) { id } invoiceByNumber(number: $key) { id } paymentByReference(reference: $key) { id }
        }""",
        id=key,
        key=key,
    )

    assert data.pop("nodes") == [None]
    assert set(data.values()) == {None}


async def test_more_nodes_than_a_page_are_refused(api: Api) -> None:
    answer = await api.post("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=["x"] * 101)

    assert answer.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
