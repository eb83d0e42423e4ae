"""`billing demo`: creates the same data each time, valid by the server's own rules, with nothing due yet."""

import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import func, select, text

from billing.enums import InvoiceKind
from cli.demo import fill
from cli.errors import CommandError
from db.database import Database, single_connection
from db.models import Base, BillingPeriod, Customer, Event, Invoice, InvoiceLine, Payment, Subscription
from services.verify import snapshot, verify
from tests.cli.conftest import Serve, billing
from tests.support import Api, count

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
QUIET = Console(quiet=True)


async def fingerprints(url: str) -> dict[str, str]:
    """Returns a hash of all rows of each table."""
    async with single_connection(url) as connection:
        found = {}
        for table in Base.metadata.tables:
            # The position of an event in the feed depends on the database.
            content = f"SELECT to_jsonb(t) - '{{xid,position}}'::text[] AS row FROM {table} t"
            rows = await connection.scalar(
                text(f"SELECT md5(string_agg(row::text, ',' ORDER BY row::text)) FROM ({content}) AS rows")
            )
            found[table] = str(rows)
        return found


async def test_two_runs_make_the_same_data(database_url: str, empty_database_url: str) -> None:
    from db.migrations import migrate

    await migrate(empty_database_url)
    for url in (database_url, empty_database_url):
        await fill(url, customers=150, as_of=AS_OF, console=QUIET)

    one, two = await fingerprints(database_url), await fingerprints(empty_database_url)

    assert one == two
    empty = {table for table, rows in one.items() if rows == "None"}
    assert empty == {
        *("billing_holds", "billing_runs", "idempotency_keys", "pending_lines", "test_clocks"),
        *("api_keys", "rate_buckets", "refunds", "reversals", "daily_figures"),
        *("webhook_endpoints", "webhook_deliveries", "webhook_progress"),
    }


async def test_every_period_until_then_is_billed_and_none_is_due(database: Database, database_url: str) -> None:
    await fill(database_url, customers=200, as_of=AS_OF, console=QUIET)

    async with database.sessions() as session:
        due = select(func.count()).select_from(Subscription)
        assert await session.scalar(due.where(Subscription.next_billing_at <= AS_OF)) == 0
        assert await session.scalar(due.where(Subscription.current_period_start > AS_OF)) == 0
        numbered = select(func.count()).select_from(Customer).join(Invoice, Invoice.customer_id == Customer.id)
        periods = await count(database.sessions, BillingPeriod)
        changes = await session.scalar(numbered.where(Invoice.kind == InvoiceKind.PRORATION)) or 0
        assert await session.scalar(numbered) == periods + changes
        assert 3 < changes < 30
        gaps = (
            select(Customer.id)
            .outerjoin(Invoice, Invoice.customer_id == Customer.id)
            .group_by(Customer.id)
            .having(func.count(Invoice.id) != Customer.last_invoice_number)
        )
        assert (await session.scalars(gaps)).all() == []
        for model, column, words in (
            (Subscription, Subscription.status, {"PENDING", "TRIALING", "ACTIVE", "PAST_DUE", "CANCELED"}),
            (Invoice, Invoice.status, {"OPEN", "PAID", "VOID"}),
        ):
            assert set(await session.scalars(select(column).select_from(model).distinct())) == words
        owed = select(func.count()).select_from(Invoice).where(Invoice.amount_due_cents > 0)
        overdue = await session.scalar(owed.where(Invoice.due_at < AS_OF))
        assert 0 < (overdue or 0) < 0.2 * periods
    assert await count(database.sessions, Invoice) == periods + changes > 500
    assert await count(database.sessions, InvoiceLine) > periods + changes, "a change takes back and charges"


async def test_all_kinds_of_things_have_happened_and_all_invariants_hold(database: Database, database_url: str) -> None:
    await fill(database_url, customers=200, as_of=AS_OF, console=QUIET)

    async with snapshot(database) as session:
        checks = await verify(session)
        happened = {
            "credits": select(InvoiceLine.id).where(InvoiceLine.amount_cents < 0),
            "void": select(Invoice.id).where(Invoice.status == "VOID"),
            "balance": select(Customer.id).where(Customer.balance_cents > 0),
            "payment reference": select(Payment.id).where(Payment.reference.is_not(None)),
            "metadata": select(Subscription.id).where(Subscription.custom_metadata != {}),
            "change": select(Event.id).where(Event.type == "SUBSCRIPTION_CHANGED"),
        }
        found = {name: len((await session.scalars(query)).all()) for name, query in happened.items()}

    assert [check.line() for check in checks if not check.holds] == []
    assert {name for name, number in found.items() if number} == happened.keys()


async def test_demo_data_comes_once(api: Api, database: Database, database_url: str) -> None:
    await api.a_customer(email="mine@example.com")
    await fill(database_url, customers=3, as_of=AS_OF, console=QUIET)

    with pytest.raises(CommandError, match="already"):
        await fill(database_url, customers=3, as_of=AS_OF, console=QUIET)

    assert await count(database.sessions, Customer) == 4


async def test_plain_demo_data_leaves_a_seller_and_coupons_alone(
    api: Api, database: Database, database_url: str
) -> None:
    await api.mutate("updateSeller", "seller { id }", legalName="Example GmbH", homeCountry="DE")
    with pytest.raises(CommandError, match="--plain"):
        await fill(database_url, customers=1, as_of=AS_OF, console=QUIET)

    await fill(database_url, customers=3, as_of=AS_OF, console=QUIET, plain=True)

    found = await api("{ seller { legalName } coupons { totalCount } customers { totalCount } }")
    assert found == {
        "seller": {"legalName": "Example GmbH"},
        "coupons": {"totalCount": 0},
        "customers": {"totalCount": 3},
    }


async def test_it_ends_by_saying_what_there_is_and_what_comes_next(database_url: str) -> None:
    said = StringIO()

    await fill(database_url, customers=3, as_of=AS_OF, console=Console(file=said, width=200), data_dir=Path("my data"))

    *_, made, serve, verify = said.getvalue().splitlines()
    assert re.fullmatch(r"Demo data   3 customers, 8 plans, \d subscriptions, \d+ invoices, \d+ payments", made.strip())
    assert "`billing serve --data-dir 'my data'`" in serve
    assert "`billing verify --data-dir 'my data'`" in verify


def test_beside_a_running_server_it_only_says_to_open_the_playground(serve: Serve, data_dir: Path) -> None:
    serve("--data-dir", str(data_dir))

    done = billing("demo", "--customers", "3", "--data-dir", str(data_dir))

    assert "Next        Open the dashboard, which shows them\n" in done.stderr
