"""Migrations of discounts: existing rows stay correct, an older server can write at the same time, and a downgrade is
rejected while there are coupons that the older server would ignore.
"""

from db.database import Database
from tests.graph.test_credit_notes import an_invoice_of
from tests.graph.test_discounts import a_coupon, invoices_of, off, subscribed
from tests.graph.test_older_servers import as_an_older_server
from tests.migrations.downgrades import all_rows, assert_refused_until_removed, with_new_columns
from tests.migrations.test_schema import alembic
from tests.migrations.test_upgrade import violated
from tests.support import Api, TestClock, run

BEFORE = "0037"
"""The revision of the last version without discounts."""

TABLES = ("invoices", "invoice_lines", "pending_lines", "customers", "subscriptions", "events")


async def waiting_change(api: Api, subscription_id: str) -> None:
    fields = {"id": subscription_id, "quantity": 2, "mode": "NEXT_INVOICE"}
    assert (await api.mutate("changeSubscription", "invoice { id }", **fields))["userErrors"] == []


async def test_rows_that_exist_keep_their_values_and_were_never_discounted(
    api: Api, database: Database, database_url: str
) -> None:
    customer_id = await api.a_customer()
    await an_invoice_of(api, customer_id, 1500)
    await waiting_change(api, await api.a_subscription(customer_id))
    await database.close()
    alembic(database_url, "downgrade", BEFORE)
    before = await all_rows(database_url, TABLES)

    alembic(database_url, "upgrade", "head")

    new = {
        "invoices": {"discounts": None},
        "pending_lines": {"period_seconds": None},
        "subscriptions": {"mrr_cents": None, "counted_status": None},
    }
    assert await all_rows(database_url, TABLES) == with_new_columns(before, new)
    assert len(before["pending_lines"]) == 2
    assert await violated(database_url) == []


async def test_a_pending_charge_of_an_older_server_gets_the_whole_amount(
    api: Api, clock: TestClock, database: Database
) -> None:
    code = (await a_coupon(api, amountOffCents=600, currency="EUR"))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=3000), code)
    clock.forward(days=15)
    await waiting_change(api, made["subscription"]["id"])
    await as_an_older_server(database.sessions, "UPDATE pending_lines SET period_seconds = NULL")
    clock.forward(days=15)
    await run(database, clock)

    renewal = (await invoices_of(api, made["subscription"]["id"]))[-1]
    assert off(renewal) == [0, 600, 600]


async def test_a_downgrade_is_rejected_while_discounts_exist(api: Api, database: Database, database_url: str) -> None:
    code = (await a_coupon(api, percentOff="10"))["code"]
    await subscribed(api, await api.a_plan(amountCents=3000), code)
    await database.close()
    undone = (
        "UPDATE invoices SET discounts = NULL, discount_cents = 0, subtotal_cents = 3000, amount_cents = 3000,"
        " amount_due_cents = 3000"
    )

    await assert_refused_until_removed(
        database_url,
        [
            ("0040", "There are events of types that revision 0040", "DELETE FROM events"),
            ("0038", "There are invoices with discounts", undone),
            ("0037", "There are coupons", "DELETE FROM discounts"),
            ("0037", "There are coupons", "DELETE FROM coupons"),
        ],
        BEFORE,
    )
