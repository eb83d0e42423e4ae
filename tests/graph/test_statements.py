"""A query runs one SQL statement for each edge named in it, whatever the number of rows."""

import re
from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLObjectType,
    GraphQLOutputType,
    get_named_type,
    is_leaf_type,
)
from rich.console import Console

from cli.demo import fill
from db.database import Database
from graph.schema import schema
from tests.support import NOW, Api, counted_statements

ROOTS = ("customers", "plans", "subscriptions", "invoices")


@pytest.fixture
async def demo(database: Database, database_url: str) -> None:
    """120 customers with all that belongs to them."""
    await fill(database_url, customers=120, as_of=NOW, console=Console(quiet=True))


async def test_the_nested_query_of_fifty_customers_is_one_statement_for_each_edge(
    api: Api, database: Database, demo: None
) -> None:
    query = """
        query ($first: Int!) { customers(first: $first) { nodes {
          id name subscriptions(first: 5) { nodes {
            id status plan { name } invoices(first: 12) { nodes { number lines { description amountCents } } }
          } }
        } } }
    """

    for first in (50, 20):
        with counted_statements(database) as statements:
            data = await api(query, first=first)

        # customers, subscriptions, plan, invoices, lines
        assert len(statements) == 5, statements.texts
        assert len(data["customers"]["nodes"]) == first
    invoices = [
        invoice
        for customer in data["customers"]["nodes"]
        for subscription in customer["subscriptions"]["nodes"]
        for invoice in subscription["invoices"]["nodes"]
    ]
    assert all(invoice["lines"] for invoice in invoices)


def edges_of(type_: GraphQLObjectType) -> Iterator[tuple[str, GraphQLOutputType]]:
    """The fields of a type that lead to other objects."""
    for name, field in type_.fields.items():
        if not is_leaf_type(get_named_type(field.type)):
            yield name, field.type


def nested_shapes(type_: GraphQLObjectType, depth: int) -> Iterator[tuple[str, int]]:
    """Every chain of edges from a type, as a selection, with the number of statements that it should take."""
    for name, field_type in edges_of(type_):
        target = get_named_type(field_type)
        assert isinstance(target, GraphQLObjectType), target
        is_edge = target.name in ("Customer", "Plan", "Subscription", "Invoice", "InvoiceLine")
        if target.name.endswith("Connection"):
            node = get_named_type(target.fields["nodes"].type)
            assert isinstance(node, GraphQLObjectType)
            yield f"{name}(first: 3) {{ totalCount pageInfo {{ hasNextPage }} nodes {{ __typename }} }}", 2
            if depth:
                for inner, statements in nested_shapes(node, depth - 1):
                    yield f"{name}(first: 3) {{ nodes {{ id {inner} }} }}", 1 + statements
        elif is_edge:
            yield f"{name} {{ id }}", 1
            if depth:
                for inner, statements in nested_shapes(target, depth - 1):
                    yield f"{name} {{ id {inner} }}", 1 + statements


def all_shapes() -> list[tuple[str, int]]:
    query = schema._schema.query_type
    assert query is not None
    shapes = []
    for root in ROOTS:
        connection = get_named_type(query.fields[root].type)
        assert isinstance(connection, GraphQLObjectType)
        node = get_named_type(connection.fields["nodes"].type)
        assert isinstance(node, GraphQLObjectType)
        shapes += [
            (f"{{ {root}(first: 7) {{ nodes {{ id {inner} }} }} }}", 1 + statements)
            for inner, statements in nested_shapes(node, 2)
        ]
    return shapes


async def test_no_nested_shape_of_the_schema_runs_more_statements_than_edges(
    api: Api, database: Database, demo: None
) -> None:
    shapes = all_shapes()
    assert len(shapes) > 120

    exact = 0
    for query, most in shapes:
        with counted_statements(database) as statements:
            await api(query)

        # Fewer where nothing was found to follow an edge from, as with a free plan that nobody has.
        assert 1 <= len(statements) <= most, (query, statements.texts)
        exact += len(statements) == most
    assert exact > 0.85 * len(shapes)


async def test_a_mutation_reads_its_payload_after_the_commit(api: Api, database: Database) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()

    with counted_statements(database) as statements:
        await api.mutate(
            "createSubscription",
            "subscription { plan { name } customer { name } } invoice { lines { id } }",
            customerId=customer_id,
            planId=plan_id,
        )

    writes = [n for n, text in enumerate(statements.texts) if re.match(r"INSERT|UPDATE", text)]
    reads = [n for n, text in enumerate(statements.texts) if "ANY" in text]
    assert len(reads) == 3
    assert max(writes) < min(reads)


async def test_nodes_of_all_types_take_one_statement_for_the_types_and_one_for_each(
    api: Api, database: Database
) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    subscription_id = await api.a_subscription(customer_id, plan_id)
    data = await api("{ invoices { nodes { id } } }")
    ids = [customer_id, plan_id, subscription_id, data["invoices"]["nodes"][0]["id"], "garbage", customer_id]

    with counted_statements(database) as statements:
        data = await api("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=ids)

    assert len(statements) == 5
    assert data["nodes"] == [
        {"__typename": "Customer", "id": customer_id},
        {"__typename": "Plan", "id": plan_id},
        {"__typename": "Subscription", "id": subscription_id},
        {"__typename": "Invoice", "id": ids[3]},
        None,
        {"__typename": "Customer", "id": customer_id},
    ]
