"""Connections of a pool, as the driver has them."""

from typing import cast

import asyncpg
from sqlalchemy import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

CONNECTION_LOST = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


async def give_back(taken: PoolProxiedConnection) -> None:
    """Lets others have the connection, unless it cannot be used any more."""
    if is_closed(taken) or driver_connection(taken).is_in_transaction():
        await drop(taken)
    else:
        taken.close()


async def drop(taken: PoolProxiedConnection) -> None:
    """Takes the connection out of its pool, which makes a new one when it is asked again."""
    if taken.dbapi_connection is not None:
        await greenlet_spawn(taken.invalidate)
    taken.close()


def driver_connection(taken: PoolProxiedConnection) -> asyncpg.Connection:
    return cast("asyncpg.Connection", taken.driver_connection)


def is_closed(taken: PoolProxiedConnection) -> bool:
    return taken.dbapi_connection is None or driver_connection(taken).is_closed()
