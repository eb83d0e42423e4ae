"""Lines from before revision 0008 have no change id. Their credits and charges are matched by period and instant."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from billing.changes import ChangeMode, ChangeRequest
from billing.ids import CustomerId, InvoiceId, PlanId, SubscriptionId
from billing.subscribing import SubscriptionRequest
from db.database import Database, single_connection
from services.customers import create_customer
from services.invoices import void_invoice
from services.plans import create_plan
from services.subscriptions import change_subscription, create_subscription
from tests.migrations.test_schema import alembic

JUNE = datetime(2025, 6, 1, 9, 30, tzinfo=UTC)
MIDDLE = JUNE + timedelta(days=15)

LINES = """
    SELECT kind, amount_cents, change_id FROM invoice_lines
    UNION ALL
    SELECT kind, amount_cents, change_id FROM pending_lines
    ORDER BY 2, 1
"""


async def change_with_a_later_credit(database: Database) -> UUID:
    """Creates a change whose charge is invoiced at once and whose credit is pending. Returns the id of the invoice."""
    async with database.sessions.begin() as session:
        plans = []
        for code, cents in (("pro", 3000), ("team", 6000)):
            made = await create_plan(session, code=code, name=code, amount_cents=cents, currency="EUR", now=JUNE)
            assert made.plan_id is not None
            plans.append(PlanId(made.plan_id))
        customer = await create_customer(session, name="Ada", email="ada@example.com", now=JUNE)
        assert customer.customer_id is not None
        begun = await create_subscription(
            session, SubscriptionRequest(plans[0]), customer_id=CustomerId(customer.customer_id), now=JUNE
        )
        assert begun.subscription_id is not None
        request = ChangeRequest(plans[1], mode=ChangeMode.CHARGE_NOW_CREDIT_LATER)
        changed = await change_subscription(
            session, request, subscription_id=SubscriptionId(begun.subscription_id), now=MIDDLE
        )
        assert changed.invoice_id is not None
        return changed.invoice_id


async def lines(url: str) -> list[tuple[str, int, UUID | None]]:
    async with single_connection(url) as connection:
        return [(kind, cents, change_id) for kind, cents, change_id in await connection.execute(text(LINES))]


async def test_a_void_charge_takes_a_credit_of_before_along(empty_database_url: str) -> None:
    alembic(empty_database_url, "upgrade", "head")
    database = Database(empty_database_url)
    try:
        invoice_id = await change_with_a_later_credit(database)
    finally:
        await database.close()
    written = await lines(empty_database_url)
    alembic(empty_database_url, "downgrade", "0007")
    alembic(empty_database_url, "upgrade", "head")
    kept = await lines(empty_database_url)
    database = Database(empty_database_url)
    try:
        async with database.sessions.begin() as session:
            await void_invoice(session, invoice_id=InvoiceId(invoice_id), now=MIDDLE)
    finally:
        await database.close()

    change_id = written[0][2]
    assert change_id is not None
    assert written == [
        ("PRORATION_CREDIT", -1500, change_id),
        ("PRORATION_CHARGE", 3000, change_id),
        ("RECURRING", 3000, None),
    ]
    assert [(kind, cents) for kind, cents, _ in kept] == [(kind, cents) for kind, cents, _ in written]
    assert {change for _, _, change in kept} == {None}
    assert [cents for _, cents, _ in await lines(empty_database_url)] == [3000, 3000]
