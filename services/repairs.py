"""Repairs of data that servers from before migration 0005, 0020, 0021 or 0044 write or omit while they run beside this
one.

Delete each repair when no such server can run any more, after a migration that repeats migration 0006 or 0021, or the
filling of test clocks in 0020.
"""

import logging
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import EventType
from billing.ids import CustomerId, SubscriptionId
from billing.limits import RUN_CHUNK
from billing.validation import email_key_or_none
from db.database import Database
from db.driver.errors import violated_constraint
from db.models import Customer, Subscription
from db.models.base import table_of
from db.queries.arrays import among
from db.queries.fills import (
    CHANGES_OF_ONE,
    COPY_LIVE_SUBSCRIPTIONS,
    customers_with_other_copies,
    fill_changed_periods,
    fill_changed_trials,
    fill_test_clocks,
    newest,
)
from db.queries.locks import claim_subscriptions
from services.accounts.read import read_accounts
from services.accounts.write import store

logger = logging.getLogger("billing.repairs")

REPAIR_EVENTS = 2000
"""Maximum number of events of each type that a repair reads, newest first."""

CHANGED_PERIODS = text(fill_changed_periods(CHANGES_OF_ONE))
CHANGED_TRIALS = text(fill_changed_trials(newest(REPAIR_EVENTS, EventType.SUBSCRIPTION_CHANGED)))
RECENT_PAYMENTS = f"(SELECT object_id AS id, customer_id FROM {newest(REPAIR_EVENTS, EventType.PAYMENT_RECORDED)} AS e)"  # noqa: S608
TEST_CLOCKS = text(fill_test_clocks(RECENT_PAYMENTS))
BEYOND_ASCII = text(
    f"""
    SELECT id, email, email_key
    FROM customers
    WHERE email ~ '[^[:ascii:]]' AND id IN (
        SELECT object_id FROM {newest(REPAIR_EVENTS, EventType.CUSTOMER_CREATED)} AS created
        UNION ALL
        SELECT object_id FROM {newest(REPAIR_EVENTS, EventType.CUSTOMER_UPDATED)} AS updated
    )
    ORDER BY id
    """  # noqa: S608
)


WRITES_COPIES = (
    EventType.SUBSCRIPTION_CREATED,
    EventType.SUBSCRIPTION_STARTED,
    EventType.SUBSCRIPTION_TRIAL_ENDED,
    EventType.SUBSCRIPTION_CHANGED,
    EventType.SUBSCRIPTION_PAST_DUE,
    EventType.SUBSCRIPTION_RECOVERED,
    EventType.SUBSCRIPTION_CANCELED,
)
"""Events of changes to the status or the plan of a subscription, of which its customer has copies."""
OTHER_COPIES = text(customers_with_other_copies(WRITES_COPIES, REPAIR_EVENTS))
UNCOUNTED = (
    Subscription.counted_status.is_distinct_from(Subscription.status),
    Subscription.test_clock_id.is_(None),
)
COUNTING_SECONDS = 10
"""Approximate time limit for counting subscriptions in one tick. The first ticks after an upgrade count all."""

LOCK_CUSTOMERS = text("SELECT id FROM customers WHERE id = ANY (:ids) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED")
COPY = text(COPY_LIVE_SUBSCRIPTIONS.format(customers=":ids"))


async def repair(database: Database) -> None:
    """Inserts trials that recent changes started, sets the test clocks of recent payments, updates outdated
    `email_key`s and copies of live subscriptions, counts subscriptions in the figures, and logs the numbers.
    """

    async def fill(session: AsyncSession) -> tuple[int, int, Sequence[Row[*tuple[Any, ...]]]]:
        connection = await session.connection()
        trials = await connection.execute(CHANGED_TRIALS)
        payments = await connection.execute(TEST_CLOCKS)
        return trials.rowcount, payments.rowcount, (await connection.execute(BEYOND_ASCII)).all()

    trials, payments, addresses = await database.change(fill, repeatable=True)
    copies = await database.change(copy_live_subscriptions, repeatable=True)
    counted = await count_subscriptions(database)
    keys = 0
    for row in addresses:
        key = email_key_or_none(row.email)
        if key is not None and key != row.email_key:
            keys += await renew_key(database, row.id, row.email_key, key)
    if trials or payments or keys or copies or counted:
        facts = {"trials": trials, "payments": payments, "keys": keys, "copies": copies, "counted": counted}
        logger.info("repaired data written by an older server", extra={"facts": facts})


async def copy_live_subscriptions(session: AsyncSession) -> int:
    """Updates the copies of live subscriptions on customers with recent changes. Returns the number of customers.

    Leaves out customers whom others have locked: the next tick finds them again.
    """
    connection = await session.connection()
    wrong = (await connection.execute(OTHER_COPIES)).scalars().all()
    if not wrong:
        return 0
    # The update is a second statement, which sees what the transactions before have written.
    locked = (await connection.execute(LOCK_CUSTOMERS, {"ids": wrong})).scalars().all()
    return (await connection.execute(COPY, {"ids": locked})).rowcount


async def count_subscriptions(database: Database) -> int:
    """Stores the MRR movements of subscriptions that have none, or another status than they are counted as.

    Takes about `COUNTING_SECONDS` at most. Returns the number of subscriptions. Leaves out those that others have
    locked: the next tick finds them again.
    """
    deadline = time.monotonic() + COUNTING_SECONDS
    total = 0
    while counted := await database.change(count_chunk, repeatable=True):
        total += counted
        if time.monotonic() > deadline:
            break
    return total


async def count_chunk(session: AsyncSession) -> int:
    claimed = await claim_subscriptions(session, *UNCOUNTED, limit=RUN_CHUNK)
    if not claimed:
        return 0
    # All of a customer at once, because movements are in the order of time.
    owners = select(Subscription.customer_id).where(among(Subscription.id, claimed))
    theirs = await session.scalars(select(Subscription.id).where(Subscription.customer_id.in_(owners), *UNCOUNTED))
    accounts = await read_accounts(session, theirs.all())
    accounts.sort(key=lambda account: account.counted_changes[0].at)
    await store(session, accounts)
    return len(accounts)


async def repair_periods(session: AsyncSession, subscription_id: SubscriptionId) -> None:
    """Sets `changed_at` of a subscription's periods. Call it before a decision that depends on them."""
    await session.execute(CHANGED_PERIODS, {"subscription_id": subscription_id})


async def renew_key(database: Database, customer_id: CustomerId, before: str, key: str) -> bool:
    """Updates a customer's `email_key`. Returns False if it was changed meanwhile, or if another customer has the key.

    Logs a warning in the second case.
    """
    customers = table_of(Customer)
    theirs = (customers.c.id == customer_id, customers.c.email_key == before)
    renewed = update(customers).where(*theirs).values(email_key=key)
    try:
        await database.change(lambda session: session.execute(renewed), repeatable=True)
    except IntegrityError as error:
        if violated_constraint(error) != "uq_customers_email_key":
            raise
        warn_of_duplicate(customer_id)
        return False
    return True


@lru_cache(maxsize=10_000)
def warn_of_duplicate(customer_id: CustomerId) -> None:
    """Logs a warning, once per customer in the life of the process. Each tick finds the same customers again."""
    logger.warning("customer %s has the same e-mail address as another customer: change one of them", customer_id)
