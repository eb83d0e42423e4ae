"""Filling a database with demo data."""

import random
from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.errors import DatabaseNotEmpty, InvalidInput
from billing.ids import NewId
from billing.limits import MAX_DEMO_CUSTOMERS
from db.models import Coupon, Customer, Plan, Seller, TaxRate
from services.demo.accounts import demo_customer, store_made
from services.demo.terms import demo_plans, store_terms

SEED = 4217
CUSTOMERS_AT_ONCE = 100


async def create_demo_data(session: AsyncSession, *, customers: int, now: datetime) -> None:
    """Fills an empty database. Raises `InvalidInput` for the number of customers, and `DatabaseNotEmpty`."""
    if not 1 <= customers <= MAX_DEMO_CUSTOMERS:
        raise InvalidInput(f"Demo data must have 1 to {MAX_DEMO_CUSTOMERS} customers.", "customers")
    refusal = DatabaseNotEmpty("This database is not empty: demo data is only for a new one.")
    kinds = (Customer, Plan, Seller, TaxRate, Coupon)
    if await session.scalar(select(or_(*(exists().select_from(kind) for kind in kinds)))):
        raise refusal
    try:
        await fill(session, customers=customers, as_of=now)
    except IntegrityError:
        # Somebody else is filling it at the same time.
        raise refusal from None


async def fill(
    session: AsyncSession,
    *,
    customers: int,
    as_of: datetime,
    plain: bool = False,
    on_customers: Callable[[int], object] = lambda _number: None,
) -> None:
    """Adds demo customers with their terms, so that nothing is due yet at `as_of`.

    The data, including all ids, depends only on `customers`, `as_of` and `plain`: with `plain`, there are no taxes and
    no discounts. `on_customers` receives the number of customers of each chunk.
    """
    draw = random.Random(SEED)  # noqa: S311 - the data must be reproducible
    make_id = id_maker(draw, as_of)
    terms = await store_terms(session, demo_plans(as_of, make_id), as_of, make_id, plain=plain)
    for numbers in chunks(customers):
        await store_made(session, [demo_customer(number, terms, draw, make_id, as_of) for number in numbers])
        on_customers(len(numbers))


def chunks(customers: int) -> Iterator[range]:
    return (range(start, min(start + CUSTOMERS_AT_ONCE, customers)) for start in range(0, customers, CUSTOMERS_AT_ONCE))


def id_maker(draw: random.Random, as_of: datetime) -> NewId:
    """Returns a source of reproducible UUIDv7s, with consecutive milliseconds that start a day before `as_of`."""
    count = 0

    def make_id() -> UUID:
        nonlocal count
        count += 1
        milliseconds = int(as_of.timestamp() * 1000) - 86_400_000 + count
        chance = draw.getrandbits(74)
        bits = (milliseconds << 80) | (7 << 76) | ((chance >> 62) << 64) | (0b10 << 62) | (chance & (2**62 - 1))
        return UUID(int=bits)

    return make_id
