"""Demo data: plausible customers with months of invoices, the same ones each time.

The rules are the server's own: periods and invoices come from the planner and are stored by the writer.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from rich.console import Console
from rich.progress import Progress
from sqlalchemy import bindparam, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.customers import PREFIX_LENGTH, PREFIX_LETTERS
from billing.ids import NewId
from billing.periods import nth_boundary, period_index
from billing.plans import billing_interval
from billing.renewals import Renewal, plan_renewal
from billing.subscriptions import new_subscription
from billing.writer import store_renewals
from cli.errors import CommandError
from db.database import Database
from db.models import Customer, Invoice, Plan, Subscription
from db.models.base import changed, table_of
from db.values import Address, CustomerId, InvoiceStatus, PlanId, PlanInterval, SubscriptionId, SubscriptionStatus

SEED = 4217
CHUNK = 100
OLDEST_DAYS = 540
PAYS_AFTER = timedelta(days=3)

PAY = (
    update(table_of(Invoice))
    .where(Invoice.id == bindparam("key"), Invoice.customer_id == bindparam("owner"))
    .values(
        status=InvoiceStatus.PAID,
        amount_due_cents=0,
        paid_at=bindparam("at"),
        updated_at=bindparam("at"),
        version=2,
    )
)

PLANS = (
    ("free", "Free", 0, "EUR", PlanInterval.DAY, 30),
    ("starter-monthly", "Starter", 900, "EUR", PlanInterval.MONTH, 1),
    ("pro-30-days", "Pro", 2900, "EUR", PlanInterval.DAY, 30),
    ("pro-yearly", "Pro, yearly", 29000, "EUR", PlanInterval.YEAR, 1),
    ("team-monthly", "Team", 7900, "USD", PlanInterval.MONTH, 1),
    ("weekly-digest", "Weekly digest", 250, "USD", PlanInterval.WEEK, 1),
    ("tokyo-monthly", "東京プラン", 1200, "JPY", PlanInterval.MONTH, 1),
    ("enterprise-quarterly", "Enterprise", 149_900, "USD", PlanInterval.MONTH, 3),
)
FIRST_NAMES = (
    *("Ada", "Alan", "Barbara", "Chandra", "Dorothy", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "José"),
    *("Katherine", "Leslie", "Margaret", "Niklaus", "Olga", "Peter", "Quinn", "Radia", "Søren", "Tim", "Ursula"),
    *("Vera", "Wei", "Xiao", "Yukihiro", "Zoë"),
)
LAST_NAMES = (
    *("Ångström", "Backus", "Curie", "Dijkstra", "Euler", "Fourier", "García", "Hopper", "Ivanova", "Johnson"),
    *("Knuth", "Lovelace", "Müller", "Noether", "Okafor", "Perlman", "Quine", "Ramanujan", "Shannon", "Turing"),
    *("Ueda", "Voss", "Wirth", "Xu", "Yang", "Zuse"),
)
CITIES = (
    ("Berlin", "10115", "DE"),
    ("Lyon", "69001", "FR"),
    ("Kraków", "31-001", "PL"),
    ("Austin", "78701", "US"),
    ("Osaka", "530-0001", "JP"),
    ("Lagos", "100001", "NG"),
)


@dataclass(frozen=True, slots=True)
class DemoCustomer:
    """A customer, the live subscription and what was billed for it until now."""

    customer: Customer
    subscription: Subscription | None
    renewals: tuple[Renewal, ...]
    pays_late: bool = False


async def fill(url: str, *, customers: int, as_of: datetime, console: Console) -> None:
    """Fills the database at `url`; nothing is due yet at `as_of`. Raises `CommandError` when it has demo data already.

    The data depends on `customers` and `as_of` alone, its ids too.
    """
    database = Database(url, pool_size=1)
    draw = random.Random(SEED)  # noqa: S311 - the data is to be the same each time
    make_id = id_maker(draw, as_of)
    try:
        async with database.writes.begin() as session:
            if await session.scalar(select(exists().where(Plan.code.in_(code for code, *_ in PLANS)))):
                raise CommandError("This database has the demo data already, or a plan with the code of a demo plan.")
            plans = demo_plans(as_of, make_id)
            await session.execute(insert(Plan), [values(plan) for plan in plans])
            with Progress(console=console) as progress:
                task = progress.add_task("Customers", total=customers)
                for numbers in chunks(customers):
                    made = [demo_customer(number, plans, draw, make_id, as_of) for number in numbers]
                    await store(session, made, make_id, as_of)
                    progress.advance(task, len(made))
    finally:
        await database.close()


async def store(session: AsyncSession, made: list[DemoCustomer], make_id: NewId, as_of: datetime) -> None:
    await session.execute(insert(Customer), [values(each.customer) for each in made])
    subscriptions = [values(each.subscription) for each in made if each.subscription]
    if subscriptions:
        await session.execute(insert(Subscription), subscriptions)
    invoices = await store_renewals(session, [renewal for each in made for renewal in each.renewals], make_id=make_id)
    late = {each.customer.id for each in made if each.pays_late}
    payments = [
        {"key": invoice["id"], "owner": invoice["customer_id"], "at": invoice["issued_at"] + PAYS_AFTER}
        for invoice in invoices
        if invoice["status"] is InvoiceStatus.OPEN
        and invoice["issued_at"] + PAYS_AFTER <= as_of
        and invoice["customer_id"] not in late
    ]
    if payments:
        await session.execute(PAY, payments)


def chunks(customers: int) -> Iterator[range]:
    return (range(start, min(start + CHUNK, customers)) for start in range(0, customers, CHUNK))


def values(row: Customer | Plan | Subscription) -> dict[str, object]:
    """What an INSERT of `row` says: the value of each of its columns."""
    return {name: getattr(row, name) for name in row.__mapper__.column_attrs.keys()}  # noqa: SIM118


def id_maker(draw: random.Random, as_of: datetime) -> NewId:
    """UUIDv7s that are the same each time: consecutive ones of the milliseconds before `as_of`."""
    count = 0

    def make_id() -> UUID:
        nonlocal count
        count += 1
        milliseconds = int(as_of.timestamp() * 1000) - 86_400_000 + count
        chance = draw.getrandbits(74)
        bits = (milliseconds << 80) | (7 << 76) | ((chance >> 62) << 64) | (0b10 << 62) | (chance & (2**62 - 1))
        return UUID(int=bits)

    return make_id


def demo_plans(as_of: datetime, make_id: NewId) -> list[Plan]:
    created_at = as_of - timedelta(days=OLDEST_DAYS + 1)
    return [
        Plan(
            id=PlanId(make_id()),
            code=code,
            name=name,
            description=None,
            amount_cents=amount_cents,
            currency=currency,
            interval=interval,
            interval_count=interval_count,
            custom_metadata={},
            archived_at=None,
            version=1,
            created_at=created_at,
            updated_at=created_at,
        )
        for code, name, amount_cents, currency, interval, interval_count in PLANS
    ]


def demo_customer(number: int, plans: list[Plan], draw: random.Random, make_id: NewId, as_of: datetime) -> DemoCustomer:
    first, last = draw.choice(FIRST_NAMES), draw.choice(LAST_NAMES)
    city, postal_code, country = draw.choice(CITIES)
    plan = draw.choice(plans)
    subscribed = draw.random() < 0.9
    started_at = as_of - timedelta(seconds=draw.randrange(3600, OLDEST_DAYS * 86_400))
    customer = Customer(
        id=CustomerId(make_id()),
        name=f"{first} {last}",
        email=f"customer-{number + 1}@demo.example.com",
        email_key=f"customer-{number + 1}@demo.example.com",
        external_id=f"demo-{number + 1}",
        address=Address(
            line1=f"{draw.randrange(1, 200)} {last} Street", postal_code=postal_code, city=city, country=country
        ),
        tax_id=None,
        currency=plan.currency if subscribed else None,
        invoice_prefix="".join(draw.choices(PREFIX_LETTERS, k=PREFIX_LENGTH)),
        last_invoice_number=0,
        custom_metadata={"source": draw.choice(("web", "sales", "partner"))},
        archived_at=None,
        version=1,
        created_at=started_at,
        updated_at=started_at,
    )
    if not subscribed:
        if draw.random() < 0.5:
            customer.archived_at = as_of
            changed(customer, as_of)
        return DemoCustomer(customer, None, ())
    quantity = draw.choice((1, 1, 1, 2, 5, 12))
    subscription, renewals = demo_subscription(customer, plan, quantity, make_id, as_of)
    cancel_some(subscription, draw, as_of)
    return DemoCustomer(customer, subscription, renewals, pays_late=draw.random() < 0.06)


def cancel_some(subscription: Subscription, draw: random.Random, as_of: datetime) -> None:
    """Cancels one subscription in ten at `as_of`, and one in twenty at the end of its period."""
    chance = draw.random()
    if chance > 0.15:
        return
    subscription.canceled_at = as_of
    if chance > 0.1:
        subscription.cancel_at_period_end = True
    else:
        subscription.status = SubscriptionStatus.CANCELED
        subscription.ended_at = as_of
        subscription.next_billing_at = None
    changed(subscription, as_of)


def demo_subscription(
    customer: Customer, plan: Plan, quantity: int, make_id: NewId, as_of: datetime
) -> tuple[Subscription, tuple[Renewal, ...]]:
    """The customer's subscription since the day they came, billed period by period, each on its first second."""
    started_at = customer.created_at
    subscription_id = SubscriptionId(make_id())
    interval = billing_interval(plan.interval, plan.interval_count)
    state = replace(new_subscription(customer, plan, quantity, started_at), subscription_id=subscription_id)
    renewals = []
    for ordinal in range(period_index(started_at, interval, as_of) + 1):
        start = nth_boundary(started_at, interval, ordinal)
        due = replace(state, next_ordinal=ordinal, next_start=start, last_invoice_number=ordinal)
        renewals.append(plan_renewal(due, as_of=start))
    period = renewals[-1].current_period
    subscription = Subscription(
        id=subscription_id,
        customer_id=customer.id,
        plan_id=plan.id,
        quantity=quantity,
        status=SubscriptionStatus.ACTIVE,
        anchor_at=started_at,
        anchor_ordinal=0,
        started_at=started_at,
        current_period_start=period.start,
        current_period_end=period.end,
        next_billing_at=period.end,
        cancel_at_period_end=False,
        canceled_at=None,
        ended_at=None,
        custom_metadata={},
        version=1,
        created_at=started_at,
        updated_at=started_at,
    )
    return subscription, tuple(renewals)
