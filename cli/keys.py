"""Commands for API keys. The first key can only be created here, because every API request needs a key."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from rich.console import Console

from billing.enums import ApiKeyScope
from billing.errors import BillingError
from billing.ids import ApiKeyId
from cli.database import command_line, database_at
from cli.errors import CommandError
from services.api_keys import KEY_SEEN_FOR, api_keys, create_api_key, has_api_keys, revoke_api_key


def current_time() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def create_key(url: str, *, name: str, scope: ApiKeyScope, console: Console) -> None:
    """Creates a key and prints its token, alone, on standard output."""
    try:
        async with database_at(url, pool_size=1) as database, database.sessions.begin() as session:
            issued = await create_api_key(session, name=name, scope=scope, now=current_time())
    except BillingError as refusal:
        raise CommandError(str(refusal)) from None
    console.print(f"API key     {issued.key.id}, scope {scope.value}. Its token is not shown again:")
    sys.stdout.write(f"{issued.token}\n")


async def list_keys(url: str) -> None:
    """Prints a line for each key: id, scope, creation, last use, revocation and name."""
    async with database_at(url, pool_size=1) as database, database.sessions() as session:
        for key in await api_keys(session):
            used = f"used {key.last_used_at:%FT%H:%MZ}" if key.last_used_at else "never used"
            ended = f", revoked {key.revoked_at:%FT%TZ}" if key.revoked_at else ""
            sys.stdout.write(f"{key.id}  {key.scope.value:5}  {key.created_at:%FT%TZ}  {used}{ended}  {key.name}\n")


async def revoke_key(url: str, key_id: str, *, console: Console) -> None:
    """Revokes a key. Raises `CommandError` if it cannot be revoked."""
    try:
        found = ApiKeyId(UUID(key_id))
    except ValueError:
        raise CommandError(f"{key_id!r} is not an API key id: see `{command_line('keys list')}`.") from None
    try:
        async with database_at(url, pool_size=1) as database, database.sessions.begin() as session:
            await revoke_api_key(session, api_key_id=found, now=current_time())
    except BillingError as refusal:
        raise CommandError(str(refusal)) from None
    console.print(f"Revoked     {found}: all servers reject it within {KEY_SEEN_FOR.seconds} seconds.")


async def require_keys(url: str, data_dir: Path | None = None) -> None:
    """Raises `CommandError` if there is no API key yet. `data_dir` is the server's option, quoted in the message."""
    async with database_at(url, pool_size=1) as database, database.sessions() as session:
        found = await has_api_keys(session)
    if not found:
        raise CommandError(
            "This server requires an API key for every request, and none exists yet. Create one with"
            f" `{command_line('keys create --name admin --scope admin', data_dir)}`,"
            " or set BILLING_AUTH=off if only you can reach this address."
        )
