"""Migrations of corrections: existing rows stay correct, an older server can write at the same time, and a downgrade is
rejected while there are rows that the older server would not understand.
"""

from typing import Any

from db.database import Database
from tests.graph.test_credit_notes import an_invoice_of, balance, credit
from tests.graph.test_older_servers import as_an_older_server
from tests.graph.test_payments import due
from tests.graph.test_reversals import adjust, ledger, payment, read_payment, refund, reverse
from tests.migrations.downgrades import all_rows, assert_refused_until_removed, with_new_columns
from tests.migrations.test_schema import alembic
from tests.migrations.test_upgrade import violated
from tests.races.fingerprints import assert_sound
from tests.support import Api

BEFORE, LAST = "0022", "0029"
"""The revisions of the last version without corrections, and of the first one with all of them."""

TABLES = ("payments", "allocations", "ledger_entries", "events", "invoices", "invoice_lines", "customers")


async def test_rows_that_exist_keep_their_values_and_were_never_corrected(
    api: Api, database: Database, database_url: str
) -> None:
    url, customer_id = database_url, await api.a_customer()
    await payment(api, customer_id, 2000)
    await an_invoice_of(api, customer_id, 1500, 1500)
    await payment(api, customer_id, 1000)
    subscription_id = await api.a_subscription(customer_id)
    await api.mutate("cancelSubscription", "invoice { id }", id=subscription_id, atPeriodEnd=False, settlement="CREDIT")
    await database.close()
    alembic(url, "downgrade", BEFORE)
    before = await all_rows(url, TABLES)

    alembic(url, "upgrade", LAST)

    after = await all_rows(url, TABLES)
    assert {table: len(rows) for table, rows in after.items()} == {table: len(rows) for table, rows in before.items()}
    new: dict[str, dict[str, Any]] = {
        "payments": {"refunded_cents": 0, "reversed_cents": 0, "reversed_at": None},
        "allocations": {"credit_note_id": None},
        "ledger_entries": {"credit_note_id": None, "reason": None},
    }
    assert after == with_new_columns(before, new)
    assert len(before["payments"]) > 0
    alembic(url, "upgrade", "head")
    assert await violated(url) == []


async def test_what_an_older_server_records_is_corrected_like_the_rest(api: Api, database: Database) -> None:
    customer_id = await api.a_customer()
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    first = await payment(api, customer_id, 3500)
    # Only the columns that the older version knows, for another payment of 500 that becomes balance.
    await as_an_older_server(
        database.sessions,
        """
        WITH paid AS (
            INSERT INTO payments (id, customer_id, amount_cents, overpayment_cents, currency, method, reference,
              received_at, metadata, version, test_clock_id, created_at)
            SELECT gen_random_uuid(), customer_id, 500, 500, currency, method, reference, received_at, metadata,
              version, test_clock_id, created_at
            FROM payments
            RETURNING *
        ), entered AS (
            INSERT INTO ledger_entries (id, customer_id, sequence, kind, amount_cents, balance_after_cents, currency,
              invoice_id, payment_id, created_at)
            SELECT gen_random_uuid(), customer_id, 2, 'OVERPAYMENT', 500, 1000, currency, NULL, id, created_at
            FROM paid
            RETURNING *
        ), changed AS (
            UPDATE customers SET balance_cents = 1000, last_ledger_number = 2, version = version + 1
            RETURNING *
        )
        INSERT INTO events (id, type, object_type, object_id, customer_id, version, changes, actor, occurred_at,
          recorded_at)
        SELECT gen_random_uuid(), 'PAYMENT_RECORDED', 'PAYMENT', id, customer_id, 1, '{}', 'api', created_at, created_at
        FROM paid
        UNION ALL
        SELECT gen_random_uuid(), 'CUSTOMER_BALANCE_CHANGED', 'CUSTOMER', id, id, version,
          ARRAY['balance_cents'], 'api', updated_at, updated_at
        FROM changed
        """,
    )
    await assert_sound(database)
    query = "query ($id: ID!) { customer(id: $id) { payments { nodes { id refundedCents reversedCents updatedAt } } } }"
    nodes = (await api(query, id=customer_id))["customer"]["payments"]["nodes"]
    assert [(node["refundedCents"], node["reversedCents"]) for node in nodes] == [(0, 0)] * 2
    [second] = [node["id"] for node in nodes if node["id"] != first]

    await refund(api, second, 100)
    await reverse(api, second)
    await reverse(api, first)

    assert await read_payment(api, second, "refundedCents reversedCents version") == {
        "refundedCents": 100,
        "reversedCents": 400,
        "version": 3,
    }
    assert await due(api, invoice_id) == [("OPEN", 3000)]
    assert await balance(api, customer_id) == 0
    # Ids of the older server's rows are random here, so the order of the list is too.
    assert sorted(await ledger(api, customer_id)) == [
        ("OVERPAYMENT", 500, 500),
        ("OVERPAYMENT", 500, 1000),
        ("REFUND", -100, 900),
        ("REVERSAL", -500, 0),
        ("REVERSAL", -400, 500),
    ]
    await assert_sound(database)


async def test_a_downgrade_is_rejected_while_corrections_exist(api: Api, database: Database, database_url: str) -> None:
    customer_id = await api.a_customer()
    invoice_id = await an_invoice_of(api, customer_id, 3000)
    payment_id = await payment(api, customer_id, 1000)
    await credit(api, invoice_id, amountCents=2500, distribution={"refundCents": 500})
    await adjust(api, customer_id, 5)
    await reverse(api, payment_id, 300)
    await database.close()
    # For each revision that is undone: why this is refused, and how to remove the reason.
    reasons = [
        ("0026", "There are events of types that revision 0026", "DELETE FROM events"),
        ("0025", "There are ledger entries of corrections", "DELETE FROM ledger_entries"),
        ("0024", "There are allocations of credit notes or of reversed payments", "DELETE FROM allocations"),
        ("0023", "Payments were refunded or reversed", "UPDATE payments SET reversed_cents = 0, reversed_at = NULL"),
        ("0022", "There are credit_note_lines", "DELETE FROM credit_note_lines"),
        ("0022", "There are credit_notes", "DELETE FROM credit_notes"),
        ("0022", "There are reversals", "DELETE FROM reversals"),
    ]

    await assert_refused_until_removed(database_url, reasons, BEFORE)
