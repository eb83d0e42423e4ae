"""Every part of the schema can be declared deprecated with a reason, and still works."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import strawberry
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_operation_ast,
    parse,
    validate,
)
from strawberry.schema import Schema
from strawberry.schema.config import StrawberryConfig

from billing.errors import BillingError
from billing.ids import CustomerId
from db import models
from db.access.scope import RowBudget
from db.database import Database
from db.queries.lookups import customers_by_id, live_subscriptions_by_customer
from graph.execution import QueryPlanCache, QueryPlans, execute
from graph.schema.declarations import declare
from graph.schema.fields.access import Access
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.context import Context, Info
from graph.schema.fields.edges import edge, lookup
from graph.schema.fields.errors import codes_of
from graph.schema.fields.payloads import (
    Payload,
    idempotency_key_field,
    made_customer,
    mutation,
    payload,
    preview,
)
from graph.schema.fields.scalars import SCALARS, parse_id
from graph.schema.root import drop_null_defaults
from graph.schema.types.common import MetadataEntry, describe, field, field_of, metadata_field
from graph.schema.types.customers import CustomerFilter, CustomerOrder
from graph.schema.types.events import Event, feed, feed_by
from graph.schema.types.invoices import InvoiceFilter, InvoiceOrder
from graph.schema.types.previews import InvoicePreview, upcoming_invoices_field
from graph.settings import Settings
from services import customers
from tests.support import NOW, Api, TestClock, events_settle

REASON = "Use another. It goes on 2027-01-01."


class Mood(StrEnum):
    GLAD = "GLAD"
    SAD = "SAD"


describe(Mood, "A mood.", deprecated={"SAD": REASON}, GLAD="Glad.", SAD="Sad.")


@strawberry.type(description="A subscription.")
class OldSubscription:
    id: strawberry.ID = field("The id.")
    upcoming_invoices: list[InvoicePreview] = upcoming_invoices_field(deprecation_reason=REASON)


@strawberry.type(description="An invoice.")
class OldInvoice:
    number: str | None = field("The number.")


@strawberry.type(description="A customer.")
class OldCustomer:
    name: str = field("The name.", deprecation_reason=REASON)
    came_at: datetime = field_of("created_at", "When it came.", deprecation_reason=REASON)
    metadata: list[MetadataEntry] = metadata_field(deprecation_reason=REASON)
    subscription: OldSubscription | None = edge(
        live_subscriptions_by_customer, "id", "The subscription.", deprecation_reason=REASON
    )
    invoices: Connection[OldInvoice] = connection(
        models.Invoice,
        parent="customer_id",
        filter_by=InvoiceFilter,
        order_by=InvoiceOrder,
        description="The invoices.",
        deprecation_reason=REASON,
    )
    events: Connection[Event] = feed_by("customer_id", "The events.", deprecation_reason=REASON)


@strawberry.input(description="A customer.")
class ArchiveOldInput:
    id: strawberry.ID = strawberry.field(description="The customer.")
    reason: str | None = strawberry.field(default=None, description="Why.", deprecation_reason=REASON)
    idempotency_key: str | None = idempotency_key_field(deprecation_reason=REASON)


@payload
class ArchiveOldPayload(Payload):
    customer: OldCustomer | None = made_customer("The customer.", deprecation_reason=REASON)
    id: strawberry.ID | None = strawberry.field(default=None, description="The id.", deprecation_reason=REASON)


def mood_of(
    of: Annotated[str | None, strawberry.argument(description="Whose.", deprecation_reason=REASON)] = None,
) -> Mood:
    return Mood.SAD


@strawberry.type(description="All reads.")
class Query:
    customer: OldCustomer | None = lookup(customers_by_id, "The customer.", deprecation_reason=REASON)
    customers: Connection[OldCustomer] = connection(
        models.Customer,
        filter_by=CustomerFilter,
        order_by=CustomerOrder,
        description="The customers.",
        deprecation_reason=REASON,
    )
    events: Connection[Event] = feed("The events.", deprecation_reason=REASON)

    @preview("What archiving would do.", deprecation_reason=REASON)
    async def preview_old(self, info: Info, input: ArchiveOldInput) -> ArchiveOldPayload:
        return ArchiveOldPayload(id=input.id)

    mood: Mood = strawberry.field(resolver=mood_of, description="A mood.")


@strawberry.type(description="All changes.")
class Mutation:
    @mutation("Archives.", deprecation_reason=REASON)
    async def archive_old(self, info: Info, input: ArchiveOldInput) -> ArchiveOldPayload:
        made = await info.context.once(
            input,
            lambda session: customers.archive_customer(
                session, customer_id=CustomerId(parse_id(input.id)), now=info.context.now()
            ),
        )
        return ArchiveOldPayload(made=made, id=input.id)


schema = Schema(query=Query, mutation=Mutation, config=StrawberryConfig(scalar_map=SCALARS))
core: GraphQLSchema = schema._schema
drop_null_defaults(core)
declare(schema)


def deprecated(read: GraphQLSchema) -> Iterator[tuple[str, str]]:
    """Yields the coordinate and the reason of each deprecated part of a schema."""
    for type_name, type_ in read.type_map.items():
        parts: dict[str, GraphQLField | GraphQLInputField | GraphQLEnumValue | GraphQLArgument] = {}
        match type_:
            case GraphQLObjectType():
                parts |= type_.fields
                for name, field_ in type_.fields.items():
                    parts |= {f"{name}({argument}:)": said for argument, said in field_.args.items()}
            case GraphQLInputObjectType():
                parts |= type_.fields
            case GraphQLEnumType():
                parts |= type_.values
        for name, part in parts.items():
            if part.deprecation_reason is not None:
                yield f"{type_name}.{name}", part.deprecation_reason


def test_what_is_deprecated_says_so_in_the_schema() -> None:
    assert dict(deprecated(build_schema(schema.as_str()))) == dict.fromkeys(
        [
            *("OldCustomer.name", "OldCustomer.cameAt", "OldCustomer.metadata", "OldCustomer.subscription"),
            *("OldCustomer.invoices", "OldCustomer.events", "OldSubscription.upcomingInvoices"),
            *("ArchiveOldInput.reason", "ArchiveOldInput.idempotencyKey"),
            *("ArchiveOldPayload.customer", "ArchiveOldPayload.id"),
            *("Query.customer", "Query.customers", "Query.events", "Query.previewOld", "Query.mood(of:)"),
            *("Mutation.archiveOld", "Mood.SAD"),
        ],
        REASON,
    )


def test_the_code_of_a_refusal_can_be_deprecated() -> None:
    class OldRefusal(BillingError):
        code = "OLD_REFUSAL"
        description = "Something is old."
        deprecation_reason = REASON

    @strawberry.type
    class OneCode:
        code: str = strawberry.field(graphql_type=codes_of([OldRefusal]))

    assert f'  OLD_REFUSAL @deprecated(reason: "{REASON}")' in Schema(query=OneCode).as_str().splitlines()


async def answered(database: Database, source: str, **variables: str) -> dict[str, Any]:
    """Executes a query on the schema above with this server's executor. Returns its data; errors fail the test."""
    document = parse(source)
    operation = get_operation_ast(document)
    assert operation is not None
    assert validate(core, document) == []
    context = Context(database, TestClock(), Settings(), Access(), RowBudget(1000))
    try:
        result = await execute(
            core, QueryPlans(core, document, QueryPlanCache()), operation, variables=variables, context=context
        )
    finally:
        await context.close()
    assert result.errors is None
    assert result.data is not None
    return result.data


async def test_what_is_deprecated_is_read_as_ever(api: Api, database: Database) -> None:
    customer_id = await api.a_customer(name="Ada", metadata=[{"key": "a", "value": "1"}])
    await api.a_subscription(customer_id)
    seen = """
      name cameAt metadata { value } subscription { upcomingInvoices { amountCents } }
      invoices { nodes { number } } events { nodes { type } }
    """

    await events_settle(database)
    found = await answered(
        database,
        f"""query ($id: ID!) {{
          customer(id: $id) {{ {seen} }}
          customers {{ nodes {{ {seen} }} }}
          events(first: 1) {{ nodes {{ type }} }}
          previewOld(input: {{id: $id, reason: "none"}}) {{ id }}
          mood(of: "Ada")
        }}""",
        id=customer_id,
    )

    [number] = [each["number"] for each in found["customer"]["invoices"]["nodes"]]
    assert number.endswith("-0001")
    assert found["customer"] == {
        "name": "Ada",
        "cameAt": f"{NOW:%FT%TZ}",
        "metadata": [{"value": "1"}],
        "subscription": {"upcomingInvoices": [{"amountCents": 2900}]},
        "invoices": {"nodes": [{"number": number}]},
        "events": {"nodes": found["customer"]["events"]["nodes"]},
    }
    assert {"type": "INVOICE_FINALIZED"} in found["customer"]["events"]["nodes"]
    assert found["customers"]["nodes"] == [found["customer"]]
    assert found["events"]["nodes"] == [{"type": "CUSTOMER_CREATED"}]
    assert found["previewOld"] == {"id": customer_id}
    assert found["mood"] == "SAD"


async def test_what_is_deprecated_is_done_as_ever(api: Api, database: Database) -> None:
    customer_id = await api.a_customer(name="Ada")

    done = await answered(
        database,
        """mutation ($id: ID!) {
          archiveOld(input: {id: $id, reason: "gone", idempotencyKey: "1"}) {
            id customer { name } userErrors { code }
          }
        }""",
        id=customer_id,
    )

    assert done == {"archiveOld": {"id": customer_id, "customer": {"name": "Ada"}, "userErrors": []}}
    data = await api("query ($id: ID!) { customer(id: $id) { archivedAt } }", id=customer_id)
    assert data["customer"] == {"archivedAt": f"{NOW:%FT%TZ}"}
