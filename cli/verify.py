"""Checks the invariants of a database."""

import sys
from pathlib import Path

from cli.database import database_at
from cli.errors import CommandError
from services.verify import AcknowledgedLineError, snapshot, verify, verify_acknowledged


async def verify_database(url: str, acknowledged: Path | None) -> bool:
    """Prints the result of each invariant. Returns True if all hold."""
    try:
        async with database_at(url, pool_size=1) as database, snapshot(database) as session:
            checks = await verify(session)
            if acknowledged is not None:
                with acknowledged.open(encoding="utf-8") as lines:
                    checks.insert(0, await verify_acknowledged(session, lines))
    except (AcknowledgedLineError, UnicodeDecodeError) as error:
        raise CommandError(f"{acknowledged}: {error}") from None
    for check in checks:
        sys.stdout.write(check.line() + "\n")
    return all(check.holds for check in checks)
