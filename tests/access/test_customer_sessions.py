"""Customer sessions see exactly one customer, through every argument and every relation of the schema."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
)
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from billing.enums import ApiKeyScope, CustomerPermission
from billing.ids import ApiKeyId, CustomerId, PlanId, new_id
from billing.limits import MAX_SESSION_SECONDS, MIN_SESSION_SECONDS
from db.access.scope import visible
from db.database import Database
from db.models import (
    Allocation,
    ApiKey,
    Base,
    BillingHold,
    BillingPeriod,
    CreditNoteLine,
    Event,
    IdempotencyKey,
    InvoiceLine,
    LedgerEntry,
    MrrMovement,
    PendingLine,
    Refund,
    Reversal,
    Trial,
)
from db.models.kinds import KINDS
from graph.schema.root import schema
from graph.settings import Settings
from services.api_keys import key_id_in
from services.customer_sessions import create_customer_session
from tests.access.conftest import Serving, a_key, a_session
from tests.faults.locks import are_waiting
from tests.faults.processes import until
from tests.graph.test_taxes import a_customer_in, a_rate, a_seller, registered
from tests.support import Api, TestClock, day, events_settle, refusal

SCHEMA: GraphQLSchema = schema._schema
KEYED = Settings(requires_key=True)
EVERYTHING = tuple(CustomerPermission)


async def a_life(api: Api, plan_id: str) -> dict[str, str]:
    """Creates a customer with one object of each type. Returns ids and other lookup values by name."""
    customer = await api.a_customer(externalId=uuid4().hex)
    subscription = await api.a_subscription(customer, plan_id)
    paid = await api.mutate(
        "recordPayment",
        "payment { id reference }",
        customerId=customer,
        amountCents=9000,
        currency="EUR",
        method="CARD",
        reference=uuid4().hex,
        allowOverpayment=True,
    )
    drafted = await api.mutate(
        "createInvoice",
        "invoice { id }",
        customerId=customer,
        currency="EUR",
        lines=[{"description": "Work", "quantity": 1, "unitAmountCents": 5}],
    )
    invoices = await api(
        "query ($id: ID!) { customer(id: $id) { email externalId invoices { nodes { id number } } } }", id=customer
    )
    invoice_id = invoices["customer"]["invoices"]["nodes"][0]["id"]
    distribution = {"refundCents": 20, "outsideCents": 80}
    noted = await api.mutate(
        "createCreditNote",
        "creditNote { id number lines { id } }",
        invoiceId=invoice_id,
        amountCents=100,
        distribution=distribution,
        reason="Too much",
    )
    refunded = await api.mutate(
        "recordRefund",
        "creditNote { refunds { id } }",
        paymentId=paid["payment"]["id"],
        amountCents=20,
        creditNoteId=noted["creditNote"]["id"],
    )
    return {
        "customer": customer,
        "subscription": subscription,
        "creditNote": noted["creditNote"]["id"],
        "creditNoteNumber": noted["creditNote"]["number"],
        "creditNoteLine": noted["creditNote"]["lines"][0]["id"],
        "refund": refunded["creditNote"]["refunds"][0]["id"],
        "payment": paid["payment"]["id"],
        "draft": drafted["invoice"]["id"],
        "invoice": invoice_id,
        "email": invoices["customer"]["email"],
        "externalId": invoices["customer"]["externalId"],
        "number": invoices["customer"]["invoices"]["nodes"][0]["number"],
        "reference": paid["payment"]["reference"],
    }


def selection_of(type_: GraphQLNamedType, depth: int) -> str:
    """Returns a selection of all fields of a type, `depth` relations deep."""
    if is_leaf_type(type_):
        return ""
    if isinstance(type_, GraphQLInterfaceType):
        return "{ __typename id }"
    assert isinstance(type_, GraphQLObjectType)
    wraps = type_.name.endswith(("Connection", "Edge"))
    fields = []
    for name, field in type_.fields.items():
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            fields.append(name)
        elif depth > 0 or wraps:
            fields.append(f"{name} {selection_of(inner, depth if wraps else depth - 1)}")
    return f"{{ __typename {' '.join(fields)} }}"


def selections_of(type_: GraphQLOutputType, depth: int) -> list[str]:
    """Like `selection_of`, but returns one selection per implementing type for an interface."""
    named = get_named_type(type_)
    if not isinstance(named, GraphQLInterfaceType):
        return [selection_of(named, depth)]
    return [
        f"{{ __typename id ... on {each.name} {selection_of(each, depth)} }}"
        for each in SCHEMA.get_possible_types(named)
    ]


def ids_in(answer: Any) -> set[str]:
    """Returns all strings in a response: anything that may be an id."""
    match answer:
        case dict():
            return set().union(*(ids_in(value) for value in answer.values()))
        case list():
            return set().union(*(ids_in(value) for value in answer))
        case str():
            return {answer}
        case _:
            return set()


def arguments_that_name_something() -> list[tuple[str, str, str, bool]]:
    """Returns the arguments of root queries that identify an object, and filters: field, argument, type, and True if
    the argument is a list.
    """
    assert SCHEMA.query_type is not None
    found = []
    for name, field in SCHEMA.query_type.fields.items():
        for argument, definition in field.args.items():
            named = get_named_type(definition.type)
            is_list = isinstance(get_nullable_type(definition.type), GraphQLList)
            if named.name in ("ID", "String") and argument not in ("after", "before"):
                found.append((name, argument, str(definition.type), is_list))
            if isinstance(named, GraphQLInputObjectType) and argument == "filter":
                found.extend(
                    (name, f"filter.{inner}", str(inner_definition.type), False)
                    for inner, inner_definition in named.fields.items()
                    if get_named_type(inner_definition.type).name in ("ID", "String")
                )
    return found


FOR_ADMINS = frozenset({"webhookEndpoint", "webhookDelivery"})
"""Fields that reject customer sessions, whatever their arguments: see `tests/webhooks/test_endpoints.py`."""


async def test_others_do_not_exist_for_any_argument_of_the_schema(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    plan_id = await api.a_plan()
    mine, other = await a_life(api, plan_id), await a_life(api, plan_id)
    token = await a_session(database, clock, CustomerId(UUID(mine["customer"])), *EVERYTHING)
    me = (await serving(KEYED))(token)
    found_arguments = [each for each in arguments_that_name_something() if each[0] not in FOR_ADMINS]
    found_mine = set()

    assert SCHEMA.query_type is not None

    async def ask(field: str, argument: str, type_: str, selection: str, value: object) -> Any:
        outer, _, inner = argument.partition(".")
        given = f"{outer}: {{{inner}: $v}}" if inner else f"{outer}: $v"
        answer = (await me.post(f"query ($v: {type_}) {{ {field}({given}) {selection} }}", v=value)).json()
        assert "errors" not in answer, (field, answer)
        return answer["data"]

    for field, argument, type_, is_list in found_arguments:
        for selection in selections_of(SCHEMA.query_type.fields[field].type, 1):
            asked = (field, argument, type_, selection)
            nobody = await ask(*asked, [str(new_id())] if is_list else str(new_id()))
            for name, value in other.items():
                assert await ask(*asked, [value] if is_list else value) == nobody, (field, argument, name)
            for value in mine.values():
                answer = await ask(*asked, [value] if is_list else value)
                assert not ids_in(answer) & {*other.values()}, (field, argument)
                if answer != nobody:
                    found_mine.add(field)

    assert {argument for _, argument, _, _ in found_arguments} >= {"id", "ids", "email", "filter.customerId"}
    # Without results, the test would prove nothing.
    assert found_mine >= {"node", "nodes", "customer", "customerByEmail", "subscription", "invoice", "payment"}
    assert found_mine >= {"invoiceByNumber", "paymentByReference", "payments", "creditNote", "creditNotes"}


async def test_others_do_not_exist_on_any_edge_of_the_schema(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    plan_id = await api.a_plan()
    mine, other = await a_life(api, plan_id), await a_life(api, plan_id)
    token = await a_session(database, clock, CustomerId(UUID(mine["customer"])), *EVERYTHING)
    me = (await serving(KEYED))(token)
    everything = await serving(KEYED)
    admin = everything((await a_key(database, clock, ApiKeyScope.ADMIN)).token)
    lists = (
        *("customers", "plans", "subscriptions", "invoices", "payments", "creditNotes", "events", "testClocks"),
        "billingRuns",
    )
    assert SCHEMA.query_type is not None

    for name in lists:
        document = f"{{ {name} {selections_of(SCHEMA.query_type.fields[name].type, 1)[0]} }}"
        seen, all_there_is = await me.post(document), await admin.post(document)
        assert not ids_in(seen.json()) & {*other.values()}, name
        if name in ("customers", "subscriptions", "invoices", "payments", "creditNotes"):
            assert ids_in(all_there_is.json()) & {*other.values()}, name
    counted = await me(
        "query ($plan: ID!) { customers { totalCount } subscriptions { totalCount } invoices { totalCount } "
        "plan(id: $plan) { subscriptions { totalCount nodes { id invoices { totalCount } } } } }",
        plan=plan_id,
    )

    assert counted == {
        "customers": {"totalCount": 1},
        "subscriptions": {"totalCount": 1},
        "invoices": {"totalCount": 1},
        "plan": {
            "subscriptions": {"totalCount": 1, "nodes": [{"id": mine["subscription"], "invoices": {"totalCount": 1}}]}
        },
    }


DRAFTS = """
query ($draft: ID!, $customer: ID!) {
  invoice(id: $draft) { id }
  node(id: $draft) { id }
  nodes(ids: [$draft]) { id }
  invoices { totalCount nodes { id } }
  drafts: invoices(filter: {status: [DRAFT]}) { totalCount }
  customer(id: $customer) { invoices { totalCount nodes { id } } events { nodes { type objectId object { id } } } }
  events(filter: {objectId: $draft}) { nodes { type } }
}
"""


class Unrelated(DeclarativeBase):
    """Base class for tables that do not belong to the product."""


class Note(Unrelated):
    """Table with a `customer_id` that is not registered as a kind of object."""

    __tablename__ = "notes"
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)


def is_hidden(model: type[DeclarativeBase]) -> bool:
    """Returns True if a customer session sees no row of the table."""
    criterion = visible(model, CustomerId(new_id()), ApiKeyId(new_id()))  # type: ignore[arg-type]
    return criterion is not None and str(criterion(model)) == "false"


def test_a_table_is_hidden_until_it_says_which_rows_a_customer_sees() -> None:
    shown = {mapper.class_ for mapper in Base.registry.mappers if not is_hidden(mapper.class_)}

    assert is_hidden(Note)
    assert shown == {kind.model for kind in KINDS} | {
        *(Allocation, BillingHold, BillingPeriod, CreditNoteLine, Event, IdempotencyKey, InvoiceLine, LedgerEntry),
        *(MrrMovement, PendingLine, Refund, Reversal, Trial),
    }


async def test_drafts_are_the_merchants_alone(serving: Serving, api: Api, database: Database, clock: TestClock) -> None:
    mine = await a_life(api, await api.a_plan())
    deleted = await api.mutate(
        "createInvoice",
        "invoice { id }",
        customerId=mine["customer"],
        currency="EUR",
        lines=[{"description": "Work", "quantity": 1, "unitAmountCents": 5}],
    )
    await api.mutate("deleteDraftInvoice", "deletedInvoiceId", id=deleted["invoice"]["id"])
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(mine["customer"]))))
    given = {"draft": mine["draft"], "customer": mine["customer"]}

    before = await me(DRAFTS, **given)
    await api.mutate("finalizeInvoice", "invoice { id }", id=mine["draft"])
    await events_settle(database)
    after = await me(DRAFTS, **given)

    assert (before["invoice"], before["node"], before["nodes"]) == (None, None, [None])
    assert before["invoices"] == {"totalCount": 1, "nodes": [{"id": mine["invoice"]}]}
    assert before["drafts"] == {"totalCount": 0}
    assert before["customer"]["invoices"] == before["invoices"]
    assert before["events"] == {"nodes": []}
    assert not ids_in(before["customer"]["events"]) & {mine["draft"], deleted["invoice"]["id"]}
    assert after["invoice"] == {"id": mine["draft"]}
    assert after["invoices"]["totalCount"] == 2
    assert [event["type"] for event in after["events"]["nodes"]] == [
        "INVOICE_FINALIZED",
        "INVOICE_PAID",
    ]
    assert deleted["invoice"]["id"] not in ids_in(after)


async def test_metadata_is_the_merchants_alone(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    metadata = [{"key": "margin", "value": "thin"}]
    plan = await api.a_plan(metadata=metadata)
    customer = await api.a_customer(metadata=metadata)
    await api.a_subscription(customer, plan, metadata=metadata)
    paid = {"amountCents": 2900, "currency": "EUR", "metadata": metadata}
    payment = await api.mutate("recordPayment", "payment { id }", customerId=customer, **paid)
    invoices = await api("query ($id: ID!) { customer(id: $id) { invoices { nodes { id } } } }", id=customer)
    [invoice] = invoices["customer"]["invoices"]["nodes"]
    await api.mutate("updateInvoice", "invoice { id }", id=invoice["id"], metadata=metadata)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer))))
    document = (
        "query ($id: ID!) { customer(id: $id) { metadata { key value } "
        "subscription { metadata { key value } plan { metadata { key value } } }"
        " invoices { nodes { metadata { key value } } } payments { nodes { metadata { key value } } } } }"
    )

    seen, there = await me(document, id=customer), await api(document, id=customer)

    shown: list[Any]
    for found, shown in ((seen, []), (there, metadata)):
        of_it: Any = {"metadata": shown}
        lists = {"invoices": {"nodes": [of_it]}, "payments": {"nodes": [of_it]}}
        assert found == {"customer": {**of_it, "subscription": {**of_it, "plan": of_it}, **lists}}

    await api.mutate("updatePayment", "payment { id }", id=payment["payment"]["id"], metadata=[])
    await events_settle(database)
    events = "query ($id: ID!) { customer(id: $id) { events { nodes { type } } } }"
    told, all_told = [
        {event["type"] for event in (await each(events, id=customer))["customer"]["events"]["nodes"]}
        for each in (me, api)
    ]
    assert all_told - told == {"INVOICE_UPDATED", "PAYMENT_UPDATED"}


async def test_a_filter_by_metadata_does_not_reveal_it(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    metadata = [{"key": "margin", "value": "thin"}]
    customer = await api.a_customer(metadata=metadata)
    subscription = await api.a_subscription(customer, metadata=metadata)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer))))
    document = """query ($id: ID!, $customers: CustomerFilter, $subscriptions: SubscriptionFilter) {
      customers(filter: $customers) { totalCount count { value } nodes { id } }
      subscriptions(filter: $subscriptions) { totalCount count { value } nodes { id } }
      customer(id: $id) { subscriptions(filter: $subscriptions) { totalCount count { value } nodes { id } } } }"""

    async def lists(api: Api, pairs: list[dict[str, str]]) -> list[Any]:
        answer = await api(document, id=customer, customers={"metadata": pairs}, subscriptions={"metadata": pairs})
        return [answer["customers"], answer["subscriptions"], answer["customer"]["subscriptions"]]

    nothing = {"totalCount": 0, "count": {"value": 0}, "nodes": []}
    ids = (customer, subscription, subscription)
    own = [{"totalCount": 1, "count": {"value": 1}, "nodes": [{"id": each}]} for each in ids]
    assert await lists(me, metadata) == 3 * [nothing]
    assert await lists(me, []) == await lists(api, metadata) == own


async def test_a_search_finds_only_the_customer_of_the_session(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    customer = await api.a_customer(name="Ada Lovelace")
    await api.a_customer(name="Ada Byron")
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer))))
    document = "query ($text: String) { customers(query: $text) { totalCount nodes { id } } }"

    assert await me(document, text="ada") == {"customers": {"totalCount": 1, "nodes": [{"id": customer}]}}
    assert await me(document, text="a") == {"customers": {"totalCount": 1, "nodes": [{"id": customer}]}}
    assert await me(document, text="byron") == {"customers": {"totalCount": 0, "nodes": []}}


async def test_events_do_not_say_that_metadata_changed(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    customer = await api.a_customer()
    metadata = [{"key": "margin", "value": "thin"}]
    await api.mutate("updateCustomer", "customer { id }", id=customer, name="Ada", metadata=metadata)
    await events_settle(database)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer))))
    document = "query ($id: ID!) { customer(id: $id) { events { nodes { changes } } } }"

    seen, there = await me(document, id=customer), await api(document, id=customer)

    assert [event["changes"] for event in seen["customer"]["events"]["nodes"]] == [[], ["name"]]
    assert [event["changes"] for event in there["customer"]["events"]["nodes"]] == [[], ["metadata", "name"]]


PLANS = """
query ($ids: [ID!]!, $secret: ID!, $code: String!) {
  plans { totalCount nodes { id } }
  nodes(ids: $ids) { id }
  plan(id: $secret) { id }
  node(id: $secret) { id }
  planByCode(code: $code) { id }
}
"""


async def test_plans_are_those_of_the_customer_and_those_that_the_session_offers(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    first, second, offered, later, secret = [await api.a_plan() for _ in range(5)]
    others = await api.a_plan(code="others")
    customer = await api.a_customer()
    subscription = await api.a_subscription(customer, first)
    await api.mutate("changeSubscription", "subscription { id }", id=subscription, planId=second, mode="IMMEDIATE")
    await api.mutate("changeSubscription", "subscription { id }", id=subscription, planId=later, mode="PERIOD_END")
    await api.a_subscription(plan_id=others)
    client = await serving(KEYED)
    # All sessions use one server, so cached statements of one session are reused for the next.
    sessions = [
        client(
            await a_session(database, clock, CustomerId(UUID(customer)), plan_ids=[PlanId(UUID(id_)) for id_ in ids])
        )
        for ids in ((offered,), (), (secret, offered))
    ]
    asked = [first, second, offered, later, secret, others]

    seen = [await me(PLANS, ids=asked, secret=secret, code="others") for me in sessions]

    own = {first, second, later}
    for found, plans in zip(seen, (own | {offered}, own, own | {secret, offered}), strict=True):
        assert {node["id"] for node in found["plans"]["nodes"]} == plans
        assert found["plans"]["totalCount"] == len(plans)
        assert found["nodes"] == [{"id": id_} if id_ in plans else None for id_ in asked]
        assert found["plan"] == found["node"] == ({"id": secret} if secret in plans else None)
        assert found["planByCode"] is None


async def rows(database: Database) -> dict[str, int]:
    """Returns the number of rows of each table, except for tables that any request may write to."""
    async with database.sessions() as session:
        return {
            name: await session.scalar(select(func.count()).select_from(table)) or 0
            for name, table in Base.metadata.tables.items()
            if name not in ("rate_buckets",)
        }


ALLOWED = {
    *("cancelSubscription", "undoSubscriptionCancellation", "changeSubscription", "withdrawSubscriptionChange"),
    "redeemCoupon",
}


async def test_all_other_mutations_are_forbidden(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    mine = await a_life(api, await api.a_plan())
    token = await a_session(database, clock, CustomerId(UUID(mine["customer"])), *EVERYTHING)
    me = (await serving(KEYED))(token)
    assert SCHEMA.mutation_type is not None
    before = await rows(database)
    codes = {}

    for name, field in SCHEMA.mutation_type.fields.items():
        input_type = get_named_type(field.args["input"].type)
        assert isinstance(input_type, GraphQLInputObjectType)
        document = f"mutation ($input: {input_type.name}!) {{ {name}(input: $input) {{ __typename }} }}"
        fields = {
            inner: sample(definition.type, mine)
            for inner, definition in input_type.fields.items()
            if "!" in str(definition.type)[-1]
        }
        answer = (await me.post(document, input=fields)).json()
        codes[name] = answer["errors"][0]["extensions"]["code"] if "errors" in answer else None

    assert {name for name, code in codes.items() if code != "FORBIDDEN"} == ALLOWED, codes
    assert {name: count for name, count in (await rows(database)).items() if name != "events"} == {
        name: count for name, count in before.items() if name != "events"
    }


VALUES = {
    "Int": 1,
    "Cents": 1,
    "Boolean": True,
    "DateTime": "2030-01-01T00:00:00Z",
    "Currency": "EUR",
    "String": "x",
    "Percent": "1",
}


def sample(type_: Any, mine: dict[str, str]) -> Any:
    """Returns a sample value of an input type."""
    named = get_named_type(type_)
    if isinstance(get_nullable_type(type_), GraphQLList):
        return [sample(named, mine)]
    if isinstance(named, GraphQLInputObjectType):
        return {name: sample(field.type, mine) for name, field in named.fields.items() if str(field.type).endswith("!")}
    if isinstance(named, GraphQLEnumType):
        return next(iter(named.values))
    return {"ID": mine["subscription"], **VALUES}[named.name]


async def test_a_customer_cancels_and_changes_what_is_the_own(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    plan_id, dearer = await api.a_plan(), await api.a_plan(amountCents=9900)
    mine, other = await a_life(api, plan_id), await a_life(api, plan_id)
    customer_id = CustomerId(UUID(mine["customer"]))
    client = await serving(KEYED)
    me = client(await a_session(database, clock, customer_id, *EVERYTHING, plan_ids=[PlanId(UUID(dearer))]))

    changed = await me.mutate(
        "changeSubscription",
        "subscription { plan { id } }",
        id=mine["subscription"],
        planId=dearer,
        idempotencyKey="once",
    )
    retried = await me.mutate(
        "changeSubscription",
        "subscription { plan { id } }",
        id=mine["subscription"],
        planId=dearer,
        idempotencyKey="once",
    )
    canceled = await me.mutate("cancelSubscription", "subscription { cancelAtPeriodEnd }", id=mine["subscription"])
    undone = await me.mutate("undoSubscriptionCancellation", "subscription { status }", id=mine["subscription"])
    of_another = [
        await me.mutate(name, "subscription { id }", id=subscription_id, **fields)
        for subscription_id in (other["subscription"], str(new_id()))
        for name, fields in (("cancelSubscription", {}), ("changeSubscription", {"planId": dearer}))
    ]
    previews = [
        await me(
            "query ($id: ID!, $plan: ID!) { previewSubscriptionChange(input: {id: $id, planId: $plan}) "
            "{ invoice { amountCents } userErrors { code } } }",
            id=subscription_id,
            plan=dearer,
        )
        for subscription_id in (other["subscription"], str(new_id()))
    ]

    assert changed["subscription"]["plan"]["id"] == dearer
    assert retried == changed
    assert canceled["subscription"]["cancelAtPeriodEnd"]
    assert undone["userErrors"] == []
    assert [refusal(payload)[0] for payload in of_another] == ["SUBSCRIPTION_NOT_FOUND"] * 4
    assert previews[0] == previews[1]
    async with database.sessions() as session:
        assert f"customer:{mine['customer']}" in set(await session.scalars(select(Event.actor)))


@pytest.mark.parametrize(
    ("permissions", "mutation", "fields"),
    [
        ((), "cancelSubscription", {}),
        ((CustomerPermission.CHANGE_SUBSCRIPTION,), "cancelSubscription", {}),
        ((CustomerPermission.CANCEL_SUBSCRIPTION,), "changeSubscription", {"quantity": 2}),
        (EVERYTHING, "cancelSubscription", {"settlement": "CREDIT", "atPeriodEnd": False}),
        (EVERYTHING, "cancelSubscription", {"settlement": "CREDIT", "at": "2026-02-03T12:00:00Z"}),
        (EVERYTHING, "updateSubscription", {"metadata": []}),
        (EVERYTHING, "updateTrial", {"endNow": True}),
        (EVERYTHING, "extendPeriod", {"until": "2026-12-01T00:00:00Z"}),
        (EVERYTHING, "changeSubscription", {"quantity": 2, "mode": "NONE"}),
        (EVERYTHING, "changeSubscription", {"planId": str(new_id())}),
        (EVERYTHING, "changeSubscription", {"quantity": 2, "asOf": "2026-01-31T12:00:00Z"}),
    ],
)
async def test_what_the_merchant_has_not_allowed_is_forbidden(
    serving: Serving,
    api: Api,
    database: Database,
    clock: TestClock,
    permissions: tuple[CustomerPermission, ...],
    mutation: str,
    fields: dict[str, Any],
) -> None:
    customer = await api.a_customer()
    subscription = await api.a_subscription(customer)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer)), *permissions))
    input_type = f"{mutation[0].upper()}{mutation[1:]}Input"

    answer = await me.post(
        f"mutation ($input: {input_type}!) {{ {mutation}(input: $input) {{ userErrors {{ code }} }} }}",
        input={"id": subscription, **fields},
    )

    assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize(
    "fields",
    [{"quantity": 2, "mode": "NONE"}, {"planId": str(new_id())}, {"quantity": 2, "asOf": "2026-01-31T12:00:00Z"}],
    ids=["mode", "plan", "as of"],
)
async def test_a_session_previews_no_change_that_it_may_not_make(
    serving: Serving, api: Api, database: Database, clock: TestClock, fields: dict[str, Any]
) -> None:
    customer = await api.a_customer()
    subscription = await api.a_subscription(customer)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer)), *EVERYTHING))

    change, preview = [
        (await me.post(document, input={"id": subscription, **fields})).json()["errors"][0]
        for document in (CHANGE, PREVIEW)
    ]

    assert preview["extensions"]["code"] == "FORBIDDEN"
    assert preview["message"] == change["message"]


CHANGE = "mutation ($input: ChangeSubscriptionInput!) { changeSubscription(input: $input) { userErrors { code } } }"
PREVIEW = """
    query ($input: PreviewSubscriptionChangeInput!) {
        previewSubscriptionChange(input: $input) { mode userErrors { code field } }
    }
"""


async def test_a_session_sees_no_price_of_a_plan_that_it_is_not_offered(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    customer, secret = await api.a_customer(), await api.a_plan(amountCents=123)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer)), *EVERYTHING))

    answer = await me.post(
        "query ($input: PreviewSubscriptionInput!)"
        " { previewSubscription(input: $input) { invoice { amountCents } userErrors { code } } }",
        input={"customerId": customer, "planId": secret},
    )

    assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_change_of_a_session_gives_nothing_back(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    """Changing from a paid year to a cheap two-year plan would credit most of the year to the balance."""
    yearly = await api.a_plan(amountCents=120_000, interval="YEAR", intervalCount=1)
    cheap = await api.a_plan(amountCents=400, interval="YEAR", intervalCount=2)
    customer = await api.a_customer()
    subscription = await api.a_subscription(customer, yearly)
    await api.mutate(
        "recordPayment", "payment { id }", customerId=customer, amountCents=120_000, currency="EUR", method="CARD"
    )
    token = await a_session(
        database, clock, CustomerId(UUID(customer)), *EVERYTHING, plan_ids=[PlanId(UUID(cheap))], seconds=3600
    )
    me = (await serving(KEYED))(token)
    clock.forward(minutes=30)

    previewed = await me(PREVIEW, input={"id": subscription, "planId": cheap})
    refused = await me.mutate("changeSubscription", "subscription { id }", id=subscription, planId=cheap)

    assert refusal(refused) == ("CREDIT_NOT_ALLOWED", None)
    assert previewed["previewSubscriptionChange"] == {
        "mode": None,
        "userErrors": [{"code": "CREDIT_NOT_ALLOWED", "field": None}],
    }
    assert await me("{ customers { nodes { balanceCents invoices { totalCount } } } }") == {
        "customers": {"nodes": [{"balanceCents": 0, "invoices": {"totalCount": 1}}]}
    }


async def test_a_session_ends_with_its_customer_and_by_who_made_it(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    client = await serving(KEYED)
    writer = client((await a_key(database, clock, ApiKeyScope.WRITE)).token)
    reader = await a_key(database, clock, ApiKeyScope.READ)
    archived, other = await api.a_customer(), await api.a_customer()
    tokens = [await a_session(database, clock, CustomerId(UUID(each))) for each in (archived, other)]
    before = [(await client(token).post("{ __typename }")).status_code for token in tokens]

    await api.mutate("archiveCustomer", "customer { id }", id=archived)
    ended = await writer.mutate("revokeApiKey", "apiKey { id }", id=str(key_id_in(tokens[1])))
    not_a_session = await writer.mutate("revokeApiKey", "apiKey { id }", id=str(reader.key.id))
    clock.forward(seconds=6)
    after = [(await client(token).post("{ __typename }")).status_code for token in tokens]

    assert (before, after) == ([200, 200], [401, 401])
    assert ended["userErrors"] == []
    assert refusal(not_a_session) == ("API_KEY_NOT_FOUND", ["input", "id"])


async def test_a_session_that_is_being_made_ends_with_its_customer(
    api: Api, database: Database, clock: TestClock
) -> None:
    customer = await api.a_customer()
    async with database.sessions.begin() as session:
        issued = await create_customer_session(
            session, customer_id=CustomerId(UUID(customer)), seconds=900, permissions=(), now=clock.now
        )
        archiving = asyncio.create_task(api.mutate("archiveCustomer", "customer { id }", id=customer))

        async def has_got_so_far() -> bool:
            return archiving.done() or await are_waiting(database, 1)

        await until(has_got_so_far, what="it waits for the customer, or is done")
    archived = await archiving

    async with database.sessions() as session:
        revoked_at = await session.scalar(select(ApiKey.revoked_at).where(ApiKey.id == issued.key.id))
    assert archived["userErrors"] == []
    assert revoked_at == clock.now


async def test_a_session_ends(serving: Serving, api: Api, database: Database, clock: TestClock) -> None:
    customer = await api.a_customer()
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer)), seconds=60))

    before = (await me.post("{ customers { totalCount } }")).status_code
    clock.forward(seconds=60)
    after = (await me.post("{ customers { totalCount } }")).status_code

    assert (before, after) == (200, 401)


@pytest.mark.parametrize("seconds", [MIN_SESSION_SECONDS - 1, MAX_SESSION_SECONDS + 1, 0, -1])
async def test_a_session_lasts_an_hour_at_most(api: Api, seconds: int) -> None:
    payload = await api.mutate("createCustomerSession", "token", customerId=await api.a_customer(), ttlSeconds=seconds)

    assert refusal(payload) == ("INVALID_INPUT", ["input", "ttlSeconds"])


async def test_a_session_is_for_a_customer_in_use(api: Api) -> None:
    archived = await api.a_customer()
    await api.mutate("archiveCustomer", "customer { id }", id=archived)

    refused = [
        refusal(await api.mutate("createCustomerSession", "token", customerId=customer))
        for customer in (archived, str(new_id()), "none")
    ]

    assert [code for code, _ in refused] == ["CUSTOMER_ARCHIVED", "CUSTOMER_NOT_FOUND", "CUSTOMER_NOT_FOUND"]


async def test_a_customer_of_a_test_clock_sees_its_clock_and_no_other(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    clocks = [(await api.mutate("createTestClock", "testClock { id }"))["testClock"]["id"] for _ in range(2)]
    customer = await api.a_customer(testClockId=clocks[0])
    await api.a_customer(testClockId=clocks[0])
    subscription = await api.a_subscription(customer)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer)), *EVERYTHING))

    seen = await me("{ testClocks { totalCount nodes { id customers { totalCount nodes { id } } } } }")
    canceled = await me.mutate("cancelSubscription", "subscription { cancelAtPeriodEnd }", id=subscription)

    assert seen["testClocks"] == {
        "totalCount": 1,
        "nodes": [{"id": clocks[0], "customers": {"totalCount": 1, "nodes": [{"id": customer}]}}],
    }
    assert canceled["userErrors"] == []


async def test_a_session_cancels_at_no_given_time(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    """Otherwise, a customer could cancel and undo again and again, and pay a yearly plan day by day."""
    customer = await api.a_customer()
    subscription = await api.a_subscription(customer)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer)), *EVERYTHING))

    for name, kind in (("cancelSubscription", "mutation"), ("previewCancellation", "query")):
        type_ = "CancelSubscriptionInput" if kind == "mutation" else "PreviewCancellationInput"
        document = f"{kind} ($input: {type_}!) {{ {name}(input: $input) {{ userErrors {{ code }} }} }}"
        answer = await me.post(document, input={"id": subscription, "at": day(9)})
        assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN", name


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("previewTrialUpdate", {"endNow": True}),
        ("previewPeriodExtension", {"until": "2030-01-01T00:00:00Z"}),
        ("previewBillingAnchorReset", {}),
        ("previewSubscriptionUpdate", {"startAt": "2030-01-01T00:00:00Z"}),
    ],
)
async def test_a_session_previews_nothing_that_it_can_never_do(
    serving: Serving, api: Api, database: Database, clock: TestClock, name: str, fields: dict[str, Any]
) -> None:
    customer = await api.a_customer()
    subscription = await api.a_subscription(customer)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(customer)), *EVERYTHING))
    type_ = f"{name[0].upper()}{name[1:]}Input"

    answer = await me.post(
        f"query ($input: {type_}!) {{ {name}(input: $input) {{ userErrors {{ code }} }} }}",
        input={"id": subscription, **fields},
    )

    assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_change_of_a_session_is_taxed_like_any_other(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "19")])
    customer = await a_customer_in(api, "DE")
    plan, dearer = await api.a_plan(amountCents=3000), await api.a_plan(amountCents=6000)
    subscription = await api.a_subscription(customer, plan)
    clock.forward(days=15)
    token = await a_session(database, clock, CustomerId(UUID(customer)), *EVERYTHING, plan_ids=[PlanId(UUID(dearer))])
    me = (await serving(KEYED))(token)
    change = {"id": subscription, "planId": dearer}
    shown = "subtotalCents taxCents amountCents"
    preview = f"""query ($input: PreviewSubscriptionChangeInput!) {{
        previewSubscriptionChange(input: $input) {{ invoice {{ {shown} }} }}
    }}"""

    previewed = await me(preview, input=change)
    changed = await me.mutate("changeSubscription", f"invoice {{ {shown} }}", **change)

    expected = {"subtotalCents": 1500, "taxCents": 285, "amountCents": 1785}
    assert previewed["previewSubscriptionChange"]["invoice"] == changed["invoice"] == expected
