"""A query runs one SQL statement per relation, whatever the number of rows, and none for a relation that is joined."""

import re
from collections.abc import Iterator

import pytest
from graphql import GraphQLNamedType, GraphQLObjectType, get_named_type
from rich.console import Console
from sqlalchemy import text

from cli.demo import fill
from db import models
from db.database import Database
from db.queries.columns import referred_model
from graph.execution import ATTRIBUTE, BATCH, READS
from graph.schema.fields.edges import RowEdge
from graph.schema.root import schema
from tests.support import NOW, Api, counted_statements, events_settle

CLOCK = "01930000-0000-7000-8000-000000000000"
RATE = "01930000-0000-7000-8000-000000000001"
COUPON = "01930000-0000-7000-8000-000000000003"
SELLER = "01930000-0000-7000-8000-000000000002"

ROOTS = {
    "customers": f'first: 4, filter: {{testClockId: "{CLOCK}"}}',
    "plans": "first: 4, orderBy: {field: CODE, direction: DESC}",
    "subscriptions": f'first: 4, filter: {{testClockId: "{CLOCK}"}}',
    "invoices": f'first: 12, filter: {{testClockId: "{CLOCK}"}}',
    "payments": f'first: 12, filter: {{testClockId: "{CLOCK}"}}',
    "creditNotes": f'first: 12, filter: {{testClockId: "{CLOCK}"}}',
    "events": "first: 4, filter: {objectType: SUBSCRIPTION}",
    "testClocks": "first: 4",
    "billingRuns": "first: 4",
    "taxRates": "first: 4",
    "coupons": "first: 4",
}
"""Root lists, with arguments that select rows with relations to follow."""

PARTS = ("AppliedTax", "AppliedDiscount", "TaxId", "TaxRegistration", "BankAccount", "CashRounding")

STATEMENTS = {
    **dict.fromkeys((*("Address", "BillTo", "MetadataEntry", "PendingChange", "InvoicePreviewLine"), *PARTS), 0),
    "InvoicePreview": 5,
}
"""Number of statements for a relation to each of these types, if it is not one.

Values that are parts of a row take none. An invoice preview reads the account, its unpaid invoices, discounts,
the rules of taxes, and pending lines.
"""

# Rows that give every relation something to follow, half of them on a test clock. Billing rules are ignored.
MORE = f"""
INSERT INTO test_clocks (id, name, status, frozen_at, version, created_at, updated_at)
VALUES ('{CLOCK}', NULL, 'READY', now(), 1, now(), now());

UPDATE customers SET test_clock_id = '{CLOCK}' WHERE email_key ~ '[02468]@';

UPDATE subscriptions SET test_clock_id = customers.test_clock_id, pending_plan_id = plan_id, pending_quantity = 2,
  pending_since = now()
FROM customers WHERE customers.id = customer_id;

UPDATE invoices SET test_clock_id = customers.test_clock_id FROM customers WHERE customers.id = customer_id;

UPDATE invoices SET replaces_id = one.id FROM invoices AS one
WHERE one.customer_id = invoices.customer_id AND one.sequence = invoices.sequence - 1;

INSERT INTO invoice_lines (id, customer_id, invoice_id, position, kind, description, quantity, unit_amount_cents,
  amount_cents, reverses_line_id)
SELECT gen_random_uuid(), customer_id, invoice_id, 100, 'PRORATION_CREDIT', 'Credit', 1, 1, -1, id FROM invoice_lines
WHERE position = 1;

INSERT INTO pending_lines (id, customer_id, subscription_id, kind, description, plan_id, quantity, unit_amount_cents,
  amount_cents, period_start, period_end, reverses_line_id, created_at)
SELECT gen_random_uuid(), customer_id, subscription_id, 'ONE_OFF', 'Waits', plan_id, 1, 1, 1, now(), now(), line.id,
  now()
FROM (
  SELECT DISTINCT ON (subscription_id) subscription_id, invoice_lines.* FROM invoice_lines
  JOIN invoices USING (customer_id) WHERE subscription_id IS NOT NULL AND plan_id IS NOT NULL
) AS line;

INSERT INTO billing_holds (subscription_id, customer_id, reason, attempts, since, retry_at)
SELECT id, customer_id, 'Why not', 1, now(), now() FROM subscriptions;

INSERT INTO payments (id, customer_id, amount_cents, overpayment_cents, currency, method, received_at, test_clock_id,
  created_at)
SELECT id, customer_id, 7, 1, currency, 'CARD', now(), test_clock_id, now() FROM invoices;

INSERT INTO allocations (id, customer_id, invoice_id, kind, amount_cents, payment_id, created_at)
SELECT gen_random_uuid(), customer_id, id, 'PAYMENT', 6, id, now() FROM invoices;

INSERT INTO allocations (id, customer_id, invoice_id, kind, amount_cents, source_invoice_id, created_at)
SELECT gen_random_uuid(), customer_id, replaces_id, 'CREDIT', 1, id, now() FROM invoices WHERE replaces_id IS NOT NULL;

INSERT INTO ledger_entries (id, customer_id, sequence, kind, amount_cents, balance_after_cents, currency, payment_id,
  created_at)
SELECT gen_random_uuid(), customer_id, 1000 + 2 * sequence, 'OVERPAYMENT', 1, 1, currency, id, now() FROM invoices;

INSERT INTO ledger_entries (id, customer_id, sequence, kind, amount_cents, balance_after_cents, currency, invoice_id,
  created_at)
SELECT gen_random_uuid(), customer_id, 1001 + 2 * sequence, 'APPLIED', -1, 0, currency, id, now() FROM invoices;

INSERT INTO credit_notes (id, customer_id, invoice_id, status, sequence, number, currency, amount_cents, applied_cents,
  restored_cents, balance_cents, refund_cents, outside_cents, refunded_cents, reason, bill_to, issued_at, test_clock_id,
  version, created_at, updated_at)
SELECT id, customer_id, id, 'ISSUED', 1000 + sequence, 'C-' || sequence, currency, 3, 1, 0, 1, 1, 0, 1, 'Too much',
  bill_to, now(), test_clock_id, 1, now(), now()
FROM invoices WHERE sequence IS NOT NULL;

INSERT INTO credit_note_lines (id, customer_id, credit_note_id, invoice_line_id, position, description, amount_cents)
SELECT DISTINCT ON (invoice_id) gen_random_uuid(), customer_id, invoice_id, id, 1, 'Credit', 3 FROM invoice_lines
WHERE invoice_id IN (SELECT id FROM credit_notes) ORDER BY invoice_id, position;

INSERT INTO reversals (id, customer_id, payment_id, amount_cents, reason, created_at)
SELECT gen_random_uuid(), customer_id, id, 1, 'Returned', now() FROM payments;

INSERT INTO refunds (id, customer_id, payment_id, credit_note_id, amount_cents, created_at)
SELECT gen_random_uuid(), customer_id, id, id, 1, now() FROM credit_notes WHERE id IN (SELECT id FROM payments);

INSERT INTO allocations (id, customer_id, invoice_id, kind, amount_cents, credit_note_id, created_at)
SELECT gen_random_uuid(), customer_id, invoice_id, 'CREDIT_NOTE', 1, id, now() FROM credit_notes;

INSERT INTO ledger_entries (id, customer_id, sequence, kind, amount_cents, balance_after_cents, currency,
  credit_note_id, created_at)
SELECT gen_random_uuid(), customer_id, 100000 + sequence, 'CREDIT_NOTE', 1, 1, currency, id, now() FROM credit_notes;

INSERT INTO tax_rates (id, name, kind, category, percent, version, created_at, updated_at)
VALUES ('{RATE}', 'VAT', 'VAT', 'S', 19, 1, now(), now());

INSERT INTO sellers (id, revision, legal_name, home_country, tax_ids, time_zone, registrations, created_at)
VALUES ('{SELLER}', 2, 'Example GmbH', 'DE', '[]', 'UTC', '[{{"country": "DE", "region": null,
  "valid_from": "2020-01-01T00:00:00+00:00", "rate_ids": ["{RATE}"]}}]', now());

UPDATE invoices SET seller_id = '{SELLER}';

UPDATE plans SET tax = '{{"behavior": "EXCLUSIVE", "rate_ids": ["{RATE}"], "amounts": []}}';

UPDATE customers SET tax_profile = '{{"status": "TAXABLE", "exemption_reason": null, "ids": [],
  "rate_ids": ["{RATE}"]}}';

INSERT INTO coupons (id, code, name, percent_off, duration, plan_ids, redeemed, version, created_at, updated_at)
VALUES ('{COUPON}', 'A', 'Welcome', 15, 'FOREVER', (SELECT array_agg(id) FROM plans), 0, 1, now(), now());

INSERT INTO discounts (id, customer_id, subscription_id, coupon_id, name, percent_off, plan_ids, periods_used, version,
  created_at, updated_at)
SELECT DISTINCT ON (customer_id) id, customer_id, id, '{COUPON}', 'Welcome', 15, '{{}}', 0, 1, now(), now()
FROM subscriptions;

UPDATE invoices SET discounts = jsonb_build_array(jsonb_build_object('discount_id', discounts.id, 'name', 'Welcome',
  'amount_cents', 1, 'ordinals', '[0]'::jsonb)) FROM discounts WHERE discounts.customer_id = invoices.customer_id;

INSERT INTO billing_runs (id, trigger, as_of, created_at, renewed, failed, invoices, past_due)
VALUES (gen_random_uuid(), 'SERVER', now(), now(), 0, 0, 0, 0);
"""


@pytest.fixture
async def demo(database: Database, database_url: str) -> None:
    """Demo data with 120 customers."""
    await fill(database_url, customers=120, as_of=NOW, console=Console(quiet=True))


@pytest.fixture
async def all_there_is(demo: None, database: Database) -> None:
    """Demo data and rows for the relations that it lacks. All of their events are in the feed."""
    async with database.sessions.begin() as session:
        for statement in MORE.split(";\n"):
            await session.execute(text(statement))
    await events_settle(database)


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

        # Customers, subscriptions with their plans, invoices, and lines.
        assert len(statements) == 4, statements.texts
        assert len(data["customers"]["nodes"]) == first
    invoices = [
        invoice
        for customer in data["customers"]["nodes"]
        for subscription in customer["subscriptions"]["nodes"]
        for invoice in subscription["invoices"]["nodes"]
    ]
    assert all(invoice["lines"] for invoice in invoices)


def edges_of(type_: GraphQLObjectType) -> Iterator[tuple[str, GraphQLObjectType]]:
    """Yields the fields of a type that lead to an object type.

    Interfaces are left out: an event's `object` takes a statement for each type of object.
    """
    for name, field in type_.fields.items():
        target = get_named_type(field.type)
        if isinstance(target, GraphQLObjectType):
            yield name, target


def node_type_of(connection: GraphQLNamedType) -> GraphQLObjectType:
    assert isinstance(connection, GraphQLObjectType)
    node = get_named_type(connection.fields["nodes"].type)
    assert isinstance(node, GraphQLObjectType)
    return node


def is_read_together(type_: GraphQLObjectType, name: str) -> bool:
    """Returns True if a relation is joined to the row that it starts from."""
    edge, model = type_.fields[name].extensions.get(BATCH), getattr(models, type_.name, None)
    if not isinstance(edge, RowEdge) or edge.referred is None or model is None:
        return False
    return referred_model(model, edge.key) is edge.referred.model


def says_what_it_reads(type_: GraphQLObjectType, shape: str) -> bool:
    [name] = re.findall(r"^\w+", shape)
    return bool({ATTRIBUTE, READS} & type_.fields[name].extensions.keys())


def nested_shapes(
    type_: GraphQLObjectType, seen: tuple[str, ...] = (), *, together: bool = False
) -> Iterator[tuple[str, int]]:
    """Yields chains of relations from a type, as selections, with the number of statements that each may take.

    A row that is joined (`together`) does not join other rows. Includes all chains of two relations, and those of
    three that do not return to a type.
    """
    seen = (*seen, type_.name)
    for name, found in edges_of(type_):
        joined = not together and is_read_together(type_, name)
        if found.name.endswith("Connection"):
            own, field, inside, target = 1, f"{name}(first: 3)", "nodes { %s }", node_type_of(found)
            yield f"{field} {{ totalCount pageInfo {{ hasNextPage }} nodes {{ __typename }} }}", 2
        else:
            own, field, inside, target = 0 if joined else STATEMENTS.get(found.name, 1), name, "%s", found
            yield f"{field} {{ __typename }}", own
        if len(seen) == 1 or (len(seen) == 2 and target.name not in seen):
            for inner, statements in nested_shapes(target, seen, together=joined):
                # If it is unknown which columns the selection needs, the row is read in full by a separate statement.
                unknown = joined and not says_what_it_reads(target, inner)
                yield f"{field} {{ {inside % inner} }}", own + statements + unknown


def all_shapes() -> list[tuple[str, int]]:
    query = schema._schema.query_type
    assert query is not None
    lists = {name: target for name, target in edges_of(query) if target.name.endswith("Connection")}
    assert lists.keys() == ROOTS.keys()
    return [
        (f"{{ {root}({ROOTS[root]}) {{ nodes {{ {inner} }} }} }}", 1 + statements)
        for root, target in lists.items()
        for inner, statements in nested_shapes(node_type_of(target))
    ]


async def test_no_nested_shape_of_the_schema_runs_more_statements_than_edges(
    api: Api, database: Database, all_there_is: None
) -> None:
    shapes = all_shapes()
    assert len(shapes) > 500

    exact = 0
    for query, most in shapes:
        with counted_statements(database) as statements:
            await api(query)

        # Fewer if there are no rows to follow a relation from, or if it leads back to rows that were read already.
        assert 1 <= len(statements) <= most, (query, statements.texts)
        exact += len(statements) == most
    assert exact > 0.9 * len(shapes)


async def test_a_mutation_reads_its_payload_after_the_commit(api: Api, database: Database) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()

    with counted_statements(database) as statements:
        await api.mutate(
            "createSubscription",
            "subscription { plan { name } customer { name } } invoice { lines { id } }",
            customerId=customer_id,
            planId=plan_id,
        )

    last_write = max(
        n for n, statement in enumerate(statements.texts) if re.search(r"INSERT INTO|UPDATE \w+ SET", statement)
    )
    tables = [re.search(r"\nFROM (\w+)", statement) for statement in statements.texts[last_write + 1 :]]
    assert sorted(table[1] for table in tables if table) == ["invoice_lines", "invoices", "subscriptions"]


async def test_nodes_of_all_types_take_one_statement_for_the_types_and_one_for_each(
    api: Api, database: Database
) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    subscription_id = await api.a_subscription(customer_id, plan_id)
    invoice = (await api("{ invoices { nodes { id } } }"))["invoices"]["nodes"][0]
    paid = await api.mutate("recordPayment", "payment { id }", customerId=customer_id, amountCents=2900, currency="EUR")
    made = await api.mutate("createTestClock", "testClock { id }")
    nodes = [
        {"__typename": "Customer", "id": customer_id},
        {"__typename": "Plan", "id": plan_id},
        {"__typename": "Subscription", "id": subscription_id},
        {"__typename": "Invoice", **invoice},
        {"__typename": "Payment", **paid["payment"]},
        {"__typename": "TestClock", **made["testClock"]},
    ]
    ids = [*(node["id"] for node in nodes), "garbage", customer_id]

    with counted_statements(database) as statements:
        data = await api("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=ids)

    assert len(statements) == 7
    assert data["nodes"] == [*nodes, None, nodes[0]]
