"""The command that fills a database with demo data."""

from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cli.database import command_line, database_at
from cli.errors import CommandError
from db.models import Customer, Invoice, Payment, Plan, Subscription
from services.demo import fill as demo
from services.demo.terms import PLANS, has_terms


async def fill(
    url: str,
    *,
    customers: int,
    as_of: datetime,
    console: Console,
    data_dir: Path | None = None,
    is_served: bool = False,
    plain: bool = False,
) -> None:
    """Adds demo data to the database at `url`. Raises `CommandError` if it has demo data.

    `plain` leaves out taxes and discounts. `is_served` says that a server is running.
    """
    async with database_at(url, pool_size=1) as database, database.sessions.begin() as session:
        if await session.scalar(select(exists().where(Plan.code.in_(code for code, *_ in PLANS)))):
            raise CommandError("This database already has the demo data, or a plan with the same code as a demo plan.")
        if not plain and await has_terms(session):
            raise CommandError("This database already has a seller or coupons: use --plain, which adds neither.")
        with Progress(console=console) as progress:
            task = progress.add_task("Customers", total=customers)
            await demo.fill(
                session,
                customers=customers,
                as_of=as_of,
                plain=plain,
                on_customers=lambda number: progress.advance(task, number),
            )
        said = await summary(session)
    console.print(f"Demo data   {said}")
    start = "Open" if is_served else f"`{command_line('serve', data_dir)}`, then open"
    console.print(f"Next        {start} the dashboard, which shows them")
    console.print(f"            `{command_line('verify', data_dir)}` checks that each period is billed once")


async def summary(session: AsyncSession) -> str:
    """Returns the row counts as text."""
    models = (Customer, Plan, Subscription, Invoice, Payment)
    counts = [await session.scalar(select(func.count()).select_from(model)) for model in models]
    words = ("customers", "plans", "subscriptions", "invoices", "payments")
    return ", ".join(f"{count} {word}" for count, word in zip(counts, words, strict=True))
