"""The command `billing` and its subcommands. Each says in one line what a person did wrong, and exits with 1."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cli.errors import CommandError
from db.database import DatabaseUrlError, is_unavailable
from db.embedded import EmbeddedPostgresError
from db.migrations import UnknownRevisionError, migrate
from db.server import DatabaseServer, database_server


class Scope(Enum):
    """What an API key may do, as a person says it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


app = typer.Typer(
    help="A self-hosted subscription-billing server with a GraphQL API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="BILLING_DATA_DIR",
        help="Folder of the embedded PostgreSQL, used where DATABASE_URL is not set. [default: .billing]",
        show_default=False,
    ),
]


@app.command()
def serve(
    host: Annotated[str, typer.Option(envvar="BILLING_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="BILLING_PORT", min=0, max=65535, help="Port to listen on; 0 for any free one.")
    ] = 8000,
    data_dir: DataDir = None,
    workers: Annotated[
        int, typer.Option(envvar="BILLING_WORKERS", min=1, max=16, help="Number of server processes.")
    ] = 1,
    renew: Annotated[  # noqa: FBT002 - typer makes --renew and --no-renew of it
        bool, typer.Option(envvar="BILLING_RENEW", help="Bill what becomes due while serving.")
    ] = True,
    renew_every: Annotated[
        float, typer.Option(envvar="BILLING_RENEW_EVERY", min=0.1, max=3600, help="Seconds between two looks for it.")
    ] = 10,
) -> None:
    """Migrate the database and serve the API."""
    from cli.keys import require_keys
    from cli.serve import bind, serve_forever
    from cli.settings import LOCAL, is_local, read_settings

    with one_line_errors(), bind(host, port) as listening, database_server(data_dir) as server:
        os.environ[LOCAL] = "1" if is_local(host, embedded=server.embedded is not None) else "0"
        settings = read_settings()
        migrated(server)
        if settings.requires_key:
            asyncio.run(require_keys(server.url))
            console.print("API keys    needed: `billing keys create` makes one")
        else:
            console.print("API keys    not needed: whoever reaches this address may do everything")
        serve_forever(server, listening, workers=workers, renew_every=renew_every if renew else None, console=console)


keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@keys.command(name="create")
def create_key_command(
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[Scope, typer.Option(help="What it may do.")],
    data_dir: DataDir = None,
) -> None:
    """Make an API key, and print its token: once, and alone on the standard output."""
    from cli.keys import create_key
    from db.values import ApiKeyScope

    with one_line_errors(), database_server(data_dir) as server:
        migrated(server)
        asyncio.run(create_key(server.url, name=name, scope=ApiKeyScope[scope.name], console=console))


@keys.command(name="list")
def list_keys_command(data_dir: DataDir = None) -> None:
    """Print a line for each API key, oldest first."""
    from cli.keys import list_keys

    with one_line_errors(), database_server(data_dir) as server:
        migrated(server)
        asyncio.run(list_keys(server.url))


@keys.command(name="revoke")
def revoke_key_command(
    key_id: Annotated[str, typer.Argument(help="The key's id, as `billing keys list` has it.")],
    data_dir: DataDir = None,
) -> None:
    """End an API key for good."""
    from cli.keys import revoke_key

    with one_line_errors(), database_server(data_dir) as server:
        migrated(server)
        asyncio.run(revoke_key(server.url, key_id, console=console))


@app.command(name="migrate")
def migrate_command(data_dir: DataDir = None) -> None:
    """Bring the database to the newest schema."""
    with one_line_errors(), database_server(data_dir) as server:
        migrated(server)


@app.command(name="renew")
def renew_command(
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"],
            help="Bill what is due by this instant (UTC), which must not be in the future. [default: now]",
            show_default=False,
        ),
    ] = None,
    chunk: Annotated[
        int, typer.Option(min=1, max=1000, help="How many subscriptions are renewed in one transaction.")
    ] = 500,
    data_dir: DataDir = None,
) -> None:
    """Bill everything that is due, once, as the server does by itself: for cron, or to see what happens.

    Exits with 1 when a subscription could not be billed.
    """
    import uvloop

    from cli.renew import renew_once

    with one_line_errors(), database_server(data_dir) as server:
        migrated(server)
        failed = uvloop.run(
            renew_once(server.url, as_of=as_of and as_of.replace(tzinfo=UTC), chunk_size=chunk, console=console)
        )
    if failed:
        raise typer.Exit(1)


@app.command(name="verify")
def verify_command(
    acknowledged: Annotated[
        Path | None,
        typer.Option(
            help='A file of objects that must be there: a line {"type": …, "id": …, "version": …} for each.',
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Check on the live database that every period is billed once, and every cent accounted for.

    Prints a line for each invariant. Exits with 1 when one is violated.
    """
    from cli.verify import verify_database

    with one_line_errors(), database_server(data_dir) as server:
        migrated(server)
        sound = asyncio.run(verify_database(server.url, acknowledged))
    if not sound:
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the GraphQL schema, as schema.graphql has it."""
    from graph.schema import sdl

    sys.stdout.write(sdl())


@app.command()
def explain(
    query: Annotated[str, typer.Argument(help="A GraphQL document, or - to read one from standard input.")],
) -> None:
    """Say how an operation is executed: level by level, and what each field is resolved by."""
    from cli.explain import explain_document

    with one_line_errors():
        explain_document(sys.stdin.read() if query == "-" else query)


@app.command()
def demo(
    customers: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many customers to add.")] = 1000,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day that the data is of. [default: today]", show_default=False),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Add plausible customers, plans, subscriptions and invoices to the database, once.

    The same number and day give the same data. Nothing is due yet when that day (UTC) begins.
    """
    from cli.demo import fill

    day = as_of or datetime.now(UTC)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with one_line_errors(), database_server(data_dir) as server:
        migrated(server)
        asyncio.run(fill(server.url, customers=customers, as_of=midnight, console=console))


def migrated(server: DatabaseServer) -> None:
    """Migrates the database and says what was done."""
    before, head = asyncio.run(migrate(server.url))
    console.print(f"Database    {server}")
    done = "up to date" if before == head else f"migrated from {before or 'nothing'}"
    console.print(f"Schema      {head}, {done}")


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns what a person can mend into one line and exit code 1."""
    try:
        yield
    except (CommandError, DatabaseUrlError, EmbeddedPostgresError, UnknownRevisionError) as error:
        fail(str(error))
    except (OSError, SQLAlchemyError) as error:
        if is_unavailable(error):
            fail(f"The database does not answer: {first_line(error)}")
        if isinstance(error, DBAPIError):
            fail(f"The database refuses: {first_line(error)}")
        raise


def first_line(error: BaseException) -> str:
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(cause.__cause__ or cause).splitlines()[0] if str(cause) else type(cause).__name__


def fail(message: str) -> None:
    console.print(Text.assemble(("error: ", "bold red"), message))
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
