"""The worker that delivers webhooks. Any number of processes may run it side by side."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from billing.ids import WebhookEndpointId
from billing.webhooks import Answer
from db.access.scope import Scope
from db.database import Database
from db.driver.errors import is_unavailable
from services.webhooks import STOP_SECONDS
from services.webhooks.deliveries import (
    Attempt,
    Claimed,
    endpoints_with_work,
    record_and_claim,
    release,
)
from services.webhooks.sending import CONNECTIONS, Sender

logger = logging.getLogger("billing.webhooks")

POLL_SECONDS = 0.5
"""Time between two looks for work, in seconds."""
GATHER_SECONDS = 0.01
"""Time for which results are collected before they are recorded together, in seconds."""
WEBHOOKS_ACTOR = "webhooks"
"""Actor of events that deliveries cause, such as `WEBHOOK_ENDPOINT_DISABLED`."""
SCOPE = Scope(WEBHOOKS_ACTOR)


async def deliver_forever(
    database: Database,
    clock: Callable[[], datetime],
    sender: Sender,
    *,
    on_attempt: Callable[[Answer], object] = lambda _answer: None,
) -> None:
    """Delivers webhooks until cancelled, then waits for the attempts in progress. Errors are logged.

    Each endpoint has a task of its own, so that none waits for another.
    """
    tasks: dict[WebhookEndpointId, asyncio.Task[None]] = {}
    stopping = asyncio.Event()
    try:
        while True:
            for endpoint_id in await found_work(database, clock):
                task = tasks.get(endpoint_id)
                if task is None or task.done():
                    delivering = Delivering(database, clock, sender, endpoint_id, stopping, on_attempt)
                    tasks[endpoint_id] = asyncio.create_task(delivering.run())
            await asyncio.sleep(POLL_SECONDS)
    finally:
        stopping.set()
        running = [task for task in tasks.values() if not task.done()]
        if running:
            _, late = await asyncio.wait(running, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def found_work(database: Database, clock: Callable[[], datetime]) -> list[WebhookEndpointId]:
    try:
        async with database.sessions(SCOPE) as session:
            return await endpoints_with_work(session, now_of(clock))
    except Exception as error:
        if is_unavailable(error):
            logger.warning("webhooks are delayed, the database is unavailable: %s", error)
        else:
            logger.exception("cannot look for webhooks to deliver")
        return []


def now_of(clock: Callable[[], datetime]) -> datetime:
    return clock().replace(microsecond=0)


class Delivering:
    """Makes the deliveries of one endpoint until there is nothing to do."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        sender: Sender,
        endpoint_id: WebhookEndpointId,
        stopping: asyncio.Event,
        on_attempt: Callable[[Answer], object],
    ) -> None:
        self._database, self._clock, self._sender = database, clock, sender
        self._endpoint_id, self._stopping, self._on_attempt = endpoint_id, stopping, on_attempt
        self._sending: dict[asyncio.Task[Answer], Claimed] = {}
        self._done: list[Attempt] = []
        self._has_more = False

    async def run(self) -> None:
        try:
            while await self._next():
                if self._sending:
                    await self._gather()
        except Exception as error:
            if is_unavailable(error):
                logger.warning("webhooks are delayed, the database is unavailable: %s", error)
            else:
                logger.exception("delivering webhooks failed", extra={"facts": {"endpoint": str(self._endpoint_id)}})
        finally:
            await self._give_back()

    async def _next(self) -> bool:
        """Records what is done and claims more. Returns False if nothing is left to do or to wait for."""
        most = 0 if self._stopping.is_set() else CONNECTIONS - len(self._sending)
        if not self._done and not most:
            return bool(self._sending)
        done, self._done = self._done, []
        work = await self._database.change(
            # The time is taken in the transaction: waiting for a connection must not shorten the claims.
            lambda session: record_and_claim(session, self._endpoint_id, done, most=most, now=now_of(self._clock)),
            scope=SCOPE,
            repeatable=True,
        )
        self._has_more = work.has_more
        for each in work.claimed:
            assert work.endpoint is not None, "it has deliveries"
            sending = self._sender.send(work.endpoint.url, work.endpoint.secrets, each, self._clock())
            self._sending[asyncio.create_task(sending)] = each
        return bool(self._sending) or work.has_more

    async def _gather(self) -> None:
        """Waits until an attempt has ended, and collects those that end at about the same time."""
        # Does not wait for slow attempts while there is more of the feed to read.
        await asyncio.wait(self._sending, timeout=0 if self._has_more else None, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(GATHER_SECONDS)
        for task in [task for task in self._sending if task.done()]:
            error = task.exception()
            if error is not None:
                logger.error("sending a webhook failed", exc_info=error)
            answer = task.result() if error is None else Answer(error="The request failed.")
            self._done.append(Attempt(self._sending.pop(task), answer))
            self._on_attempt(answer)

    async def _give_back(self) -> None:
        """Gives deliveries back whose attempt did not end. Those whose result is not recorded are attempted again."""
        unfinished = list(self._sending.values())
        for task in self._sending:
            task.cancel()
        if unfinished:
            try:
                await self._database.change(partial(release, deliveries=unfinished), scope=SCOPE, repeatable=True)
            except Exception as error:  # noqa: BLE001 - the claims expire
                logger.warning("deliveries of webhooks wait until their claims expire: %s", error)
