"""Resolvers of the host names of endpoints, for aiohttp."""

import asyncio
import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from services.webhooks.lookups import addresses_of
from services.webhooks.targets import require_public

Family = socket.AddressFamily
Lookup = tuple[str, int, Family]


class SharedResolver(AbstractResolver):
    """Resolves names with the system's resolver. Connections that wait for the same name share one lookup."""

    def __init__(self) -> None:
        self._lookups: dict[Lookup, asyncio.Task[list[ResolveResult]]] = {}

    async def resolve(self, host: str, port: int = 0, family: Family = socket.AF_INET) -> list[ResolveResult]:
        lookup = (host, port, family)
        task = self._lookups.get(lookup)
        if task is None:
            task = self._lookups[lookup] = asyncio.create_task(resolved(*lookup))
            task.add_done_callback(lambda _done: self._lookups.pop(lookup))
        return await asyncio.shield(task)

    async def close(self) -> None:
        for task in self._lookups.values():
            task.cancel()


class PublicResolver(AbstractResolver):
    """Resolves names, and rejects those that lead to any address that is not public."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(self, host: str, port: int = 0, family: Family = socket.AF_INET) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        require_public(host, [each["host"] for each in found])
        return found

    async def close(self) -> None:
        await self._inner.close()


async def resolved(host: str, port: int, family: Family) -> list[ResolveResult]:
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in await addresses_of(host, port, family)
    ]
