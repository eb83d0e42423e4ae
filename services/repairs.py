"""Repairs of what servers from before migration 0005 write, or leave out, while they serve beside this one.

Remove it once no such server can run any more, after a migration that does again what 0006 does.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.ids import CustomerId, SubscriptionId
from billing.validation import email_key_or_none
from billing.words import EventType
from db.database import Database
from db.driver.errors import violated_constraint
from db.models import Customer
from db.models.base import table_of
from db.queries.fills import CHANGES_OF_ONE, fill_changed_periods, fill_changed_trials, newest

logger = logging.getLogger("billing.repairs")

EVENTS_LOOKED_AT = 2000
"""Maximum number of events of a type that a repair looks at: the newest ones."""

CHANGED_PERIODS = text(fill_changed_periods(CHANGES_OF_ONE))
CHANGED_TRIALS = text(fill_changed_trials(newest(EVENTS_LOOKED_AT, EventType.SUBSCRIPTION_CHANGED)))
BEYOND_ASCII = text(
    f"""
    SELECT id, email, email_key
    FROM customers
    WHERE email ~ '[^[:ascii:]]' AND id IN (
        SELECT object_id FROM {newest(EVENTS_LOOKED_AT, EventType.CUSTOMER_CREATED)} AS created
        UNION ALL
        SELECT object_id FROM {newest(EVENTS_LOOKED_AT, EventType.CUSTOMER_UPDATED)} AS updated
    )
    ORDER BY id
    """  # noqa: S608
)


async def repair(database: Database) -> None:
    """Adds trials that recent changes began, renews the keys of recent e-mail addresses, and logs how many."""

    async def fill(session: AsyncSession) -> tuple[int, Sequence[Row[*tuple[Any, ...]]]]:
        connection = await session.connection()
        trials = await connection.execute(CHANGED_TRIALS)
        return trials.rowcount, (await connection.execute(BEYOND_ASCII)).all()

    trials, addresses = await database.change(fill, repeatable=True)
    keys = 0
    for row in addresses:
        key = email_key_or_none(row.email)
        if key is not None and key != row.email_key:
            keys += await renew_key(database, row.id, row.email_key, key)
    if trials or keys:
        logger.info("repaired data written by an older server", extra={"facts": {"trials": trials, "keys": keys}})


async def repair_periods(session: AsyncSession, subscription_id: SubscriptionId) -> None:
    """Fills in when the periods of a subscription were changed: to be called before that decides something."""
    await session.execute(CHANGED_PERIODS, {"subscription_id": subscription_id})


async def renew_key(database: Database, customer_id: CustomerId, before: str, key: str) -> bool:
    """Gives a customer another key; False, and a warning in the log, if another customer has it."""
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
    """Logs a warning, once in the life of the process: a repair finds the same customer at each tick."""
    logger.warning("customer %s has the same e-mail address as another customer: change one of them", customer_id)
