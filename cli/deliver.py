"""The command that delivers webhooks, without serving the API."""

import asyncio
import signal
import sys
from datetime import UTC, datetime

from rich.console import Console

from cli.database import database_at
from cli.logs import configure_logs
from cli.settings import read_configuration
from services.webhooks.sending import Sender
from services.webhooks.worker import deliver_forever


async def deliver_until_stopped(url: str, *, console: Console) -> None:
    """Delivers webhooks until SIGTERM or Ctrl-C, and then finishes the attempts in progress."""
    configure_logs(sys.stdout)
    task = asyncio.current_task()
    assert task is not None, "this is a coroutine"
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    configuration = read_configuration()
    try:
        async with (
            database_at(url, pool_size=configuration.pool_size) as database,
            Sender(private_targets=configuration.webhook_private_targets) as sender,
        ):
            console.print("Delivering webhooks. Stop with Ctrl-C.")
            await deliver_forever(database, lambda: datetime.now(UTC), sender)
    except asyncio.CancelledError:
        console.print("Stopped.")
