"""A database that is unavailable for a while: each request fails within two seconds, and the server stays healthy and
recovers as soon as the database does.
"""

import asyncio

from sqlalchemy import text

from db.database import single_connection
from tests.faults.database.asking import (
    READ,
    Asking,
    assert_nothing_lost,
    assert_well_but_not_ready,
)
from tests.faults.database.postgres import TERMINATE_OTHERS, Postgres


async def test_a_database_that_is_gone(there: Asking, postgres: Postgres) -> None:
    postgres.stop()

    there.assert_unavailable([await there.ask(READ), await there.create()])
    there.assert_unavailable(await there.crowd())
    await assert_well_but_not_ready(there)

    postgres.start()

    await there.crowd_is_served()
    assert await there.status("/ready") == 200
    assert_nothing_lost(there, postgres)


async def test_a_restart_that_nobody_saw(there: Asking, postgres: Postgres) -> None:
    postgres.stop()
    postgres.start()

    await there.crowd_is_served()
    assert_nothing_lost(there, postgres)


async def test_a_database_that_does_not_answer(there: Asking, postgres: Postgres) -> None:
    async with single_connection(postgres.url) as connection:
        # In the other order, a renewal run could open a new connection in between.
        postgres.stand_still()
        await connection.execute(text(TERMINATE_OTHERS))

    there.assert_unavailable(await there.crowd())
    there.assert_unavailable([await there.create(), await there.ask(READ)])
    await assert_well_but_not_ready(there)

    postgres.go_on()
    await asyncio.to_thread(there.served.until, "/ready")

    await there.crowd_is_served()
    assert_nothing_lost(there, postgres)


async def test_a_database_that_is_starting_up(there: Asking, postgres: Postgres) -> None:
    postgres.stop()
    postgres.start_up_for_ever()

    there.assert_unavailable([await there.ask(READ), await there.create()])
    there.assert_unavailable(await there.crowd())
    await assert_well_but_not_ready(there)

    postgres.stop()
    postgres.start()

    await there.crowd_is_served()
    assert_nothing_lost(there, postgres)
