"""Mutations that wait for a lock for as long as a test wants."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from string import ascii_lowercase

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.database import Database, single_connection
from tests.faults.processes import Server
from tests.support import PATIENCE_SECONDS

WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'billing' AND wait_event_type = 'Lock'
"""


async def renamed(server: Server, *customers: str) -> httpx.Response:
    """Sends one mutation that renames the customers one after the other. Returns the response."""
    selection = "{ customer { name } userErrors { code } }"
    updates = " ".join(
        f'{ascii_lowercase[place]}: updateCustomer(input: {{id: "{customer}", name: "Grace Hopper"}}) {selection}'
        for place, customer in enumerate(customers)
    )
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        return await client.post(f"{server.url}/graphql", json={"query": f"mutation {{ {updates} }}"})


@asynccontextmanager
async def lock(url: str, *customers: str) -> AsyncIterator[AsyncConnection]:
    """Locks the customers for the duration of the block. Yields the connection that holds the locks."""
    async with single_connection(url) as connection:
        await connection.execute(
            text("SELECT FROM customers WHERE id = ANY (CAST(:ids AS uuid[])) FOR UPDATE"), {"ids": list(customers)}
        )
        yield connection


async def are_waiting(database: Database, expected: int) -> bool:
    """Returns True if exactly `expected` statements of servers wait for a lock."""
    async with database.sessions() as session:
        return bool(await session.scalar(text(WAITING)) == expected)
