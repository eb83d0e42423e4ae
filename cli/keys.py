"""API keys by command: for the first one, which no request can make."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from rich.console import Console

from billing.errors import BillingError
from billing.ids import ApiKeyId
from billing.words import ApiKeyScope
from cli.database import database_at, typed
from cli.errors import CommandError
from services.api_keys import api_keys, create_api_key, has_api_keys, revoke_api_key


def present() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def create_key(url: str, *, name: str, scope: ApiKeyScope, console: Console) -> None:
    """Makes a key, and prints its token alone on the standard output."""
    try:
        async with database_at(url, pool_size=1) as database, database.sessions.begin() as session:
            issued = await create_api_key(session, name=name, scope=scope, now=present())
    except BillingError as refusal:
        raise CommandError(str(refusal)) from None
    console.print(f"API key     {issued.key.id}, scope {scope.value}. Its token is not shown again:")
    sys.stdout.write(f"{issued.token}\n")


async def list_keys(url: str) -> None:
    """Prints a line for each key: id, scope, name, when it was made, last used and revoked."""
    async with database_at(url, pool_size=1) as database, database.sessions() as session:
        for key in await api_keys(session):
            used = f"used {key.last_used_at:%FT%H:%MZ}" if key.last_used_at else "never used"
            ended = f", revoked {key.revoked_at:%FT%TZ}" if key.revoked_at else ""
            sys.stdout.write(f"{key.id}  {key.scope.value:5}  {key.created_at:%FT%TZ}  {used}{ended}  {key.name}\n")


async def revoke_key(url: str, key_id: str, *, console: Console) -> None:
    """Ends a key."""
    try:
        found = ApiKeyId(UUID(key_id))
    except ValueError:
        raise CommandError(f"{key_id!r} is no id of an API key: see `{typed('keys list')}`.") from None
    try:
        async with database_at(url, pool_size=1) as database, database.sessions.begin() as session:
            await revoke_api_key(session, api_key_id=found, now=present())
    except BillingError as refusal:
        raise CommandError(str(refusal)) from None
    console.print(f"Revoked     {found}: servers refuse it within five seconds.")


async def require_keys(url: str, data_dir: Path | None = None) -> None:
    """Raises `CommandError` where nobody could send a request. `data_dir` is what the server's option says."""
    async with database_at(url, pool_size=1) as database, database.sessions() as session:
        found = await has_api_keys(session)
    if not found:
        raise CommandError(
            "Each request needs an API key here, and there is none yet. Make one with"
            f" `{typed('keys create --name admin --scope admin', data_dir)}`,"
            " or say BILLING_AUTH=off where only you can reach this address."
        )
