"""The command `billing` and its subcommands. Each reports a user's mistake in one line and exits with 1."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer
from rich.console import Console
from rich.text import Text
from typer.models import OptionInfo

from billing.enums import ApiKeyScope
from billing.limits import RUN_CHUNK
from cli import __version__
from cli.environment import format_value, settings_of
from cli.output import CommandGroup
from cli.settings import Configuration, read_configuration

app = typer.Typer(
    help="A self-hosted subscription-billing server with a GraphQL API.",
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def option(name: str) -> OptionInfo:
    """Returns the option that overrides the setting `name`, with the setting's help text."""
    setting = next(each for each in settings_of(Configuration) if each.field == name)
    declared: OptionInfo = typer.Option(
        help=f"{setting.about} ({setting.variable}; default: {format_value(setting.default)})",
        min=setting.least,
        max=setting.most if setting.kind in (int, float) else None,
        show_default=False,
    )
    return declared


def print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"billing {__version__}\n")
        raise typer.Exit


@app.callback()
def begin(
    _version: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the command itself."""


DataDir = Annotated[Path | None, option("data_dir")]


@app.command()
def serve(
    host: Annotated[str | None, option("host")] = None,
    port: Annotated[int | None, option("port")] = None,
    data_dir: DataDir = None,
    workers: Annotated[int | None, option("workers")] = None,
    renew: Annotated[bool | None, option("renew")] = None,
    renew_every: Annotated[float | None, option("renew_every")] = None,
) -> None:
    """Migrate the database and serve the API."""
    from cli.database import migrate_and_report
    from cli.keys import require_keys
    from cli.serve import exit_on_sigterm, listen, serve_forever
    from db.location import running_server

    with one_line_errors(), ExitStack() as stack:
        configuration = read_configuration(
            host=host, port=port, data_dir=data_dir, workers=workers, renew=renew, renew_every=renew_every
        )
        if configuration.database_url is None:
            exit_on_sigterm()
        listening = stack.enter_context(listen(configuration.host, configuration.port))
        server = stack.enter_context(running_server(configuration.url(), configuration.data_dir))
        migrate_and_report(server, console=console)
        if configuration.auth:
            asyncio.run(require_keys(server.url, data_dir))
            console.print("API keys    required")
        else:
            console.print("API keys    not required: anyone who can reach this address has full access")
        serve_forever(server, listening, configuration, console=console)


ScopeName = Literal["read", "write", "admin"]
"""Names on the command line of the scopes that an API key can have, `KEY_SCOPES`."""


keys = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")


@keys.command(name="create")
def create_key_command(
    name: Annotated[str, typer.Option(help="Name of the key, such as its purpose.")],
    scope: Annotated[
        ScopeName, typer.Option(help="Access level of the key.", metavar=f"<{'|'.join(get_args(ScopeName))}>")
    ],
    data_dir: DataDir = None,
) -> None:
    """Create an API key. Prints its token, alone, on standard output; it is shown only once."""
    from cli.keys import create_key

    with migrated_database(data_dir) as url:
        asyncio.run(create_key(url, name=name, scope=ApiKeyScope(scope.upper()), console=console))


@keys.command(name="list")
def list_keys_command(data_dir: DataDir = None) -> None:
    """Print a line for each API key, oldest first."""
    from cli.keys import list_keys

    with migrated_database(data_dir) as url:
        asyncio.run(list_keys(url))


@keys.command(name="revoke")
def revoke_key_command(
    key_id: Annotated[str, typer.Argument(help="The key's id, as shown by `billing keys list`.")],
    data_dir: DataDir = None,
) -> None:
    """Revoke an API key permanently."""
    from cli.keys import revoke_key

    with migrated_database(data_dir) as url:
        asyncio.run(revoke_key(url, key_id, console=console))


@app.command(name="migrate")
def migrate_command(data_dir: DataDir = None) -> None:
    """Migrate the database to the newest schema."""
    with migrated_database(data_dir, make=True):
        pass


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
        int, typer.Option(min=1, max=1000, help="Maximum number of subscriptions to renew in one transaction.")
    ] = RUN_CHUNK,
    data_dir: DataDir = None,
) -> None:
    """Bill everything that is due, once. The server does this automatically; use the command in cron or to try it out.

    Exits with 1 when a subscription could not be billed.
    """
    import uvloop

    from cli.renew import renew_once

    with migrated_database(data_dir) as url:
        failed = uvloop.run(
            renew_once(url, as_of=as_of and as_of.replace(tzinfo=UTC), chunk_size=chunk, console=console)
        )
    if failed:
        raise typer.Exit(1)


@app.command(name="deliver")
def deliver_command(data_dir: DataDir = None) -> None:
    """Deliver webhooks until stopped. `billing serve` does this too, unless BILLING_DELIVER is off."""
    import uvloop

    from cli.deliver import deliver_until_stopped

    with migrated_database(data_dir) as url:
        uvloop.run(deliver_until_stopped(url, console=console))


@app.command(name="verify")
def verify_command(
    acknowledged: Annotated[
        Path | None,
        typer.Option(
            help=('A file of objects that must exist, one JSON object per line: {"type": …, "id": …, "version": …}.'),
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Check the live database: every period is billed once, and every cent is accounted for.

    Prints a line for each invariant. Exits with 1 when one is violated.
    """
    from cli.verify import verify_database

    with migrated_database(data_dir) as url:
        sound = asyncio.run(verify_database(url, acknowledged))
    if not sound:
        raise typer.Exit(1)


PostgresBin = Annotated[
    Path | None,
    typer.Option(help="Folder of PostgreSQL's client programs. [default: the bundled ones]", show_default=False),
]


@app.command(name="backup")
def backup_command(
    file: Annotated[Path, typer.Argument(help="The file to write. It must not exist yet.")],
    postgres_bin: PostgresBin = None,
    data_dir: DataDir = None,
) -> None:
    """Write a consistent snapshot of all data to a file. Servers can keep running."""
    from cli.backup import write_backup
    from cli.database import database_server, require_direct

    with one_line_errors(), database_server(data_dir, make=False) as server:
        require_direct(server)
        asyncio.run(write_backup(server.url, file, folder=postgres_bin, console=console))


@app.command(name="restore")
def restore_command(
    file: Annotated[Path, typer.Argument(help="A file that `billing backup` wrote.", exists=True, dir_okay=False)],
    postgres_bin: PostgresBin = None,
    data_dir: DataDir = None,
) -> None:
    """Restore a backup into an empty database, migrate it, and check it as `billing verify` does.

    Exits with 1 when an invariant is violated.
    """
    from cli.backup import restore_backup, whole_backup
    from cli.database import database_server, migrate_and_report, require_direct
    from cli.verify import verify_database

    with one_line_errors(), ExitStack() as stack:
        # Check the file first, before a database is created for it.
        backup = stack.enter_context(whole_backup(file, folder=postgres_bin, console=console))
        server = stack.enter_context(database_server(data_dir))
        require_direct(server)
        asyncio.run(restore_backup(server.url, backup, console=console))
        migrate_and_report(server, console=console)
        sound = asyncio.run(verify_database(server.url, None))
    if not sound:
        raise typer.Exit(1)


@app.command(name="recover")
def recover_command(data_dir: DataDir = None) -> None:
    """Prepare the database for use after PostgreSQL has recovered an earlier state of it, then migrate and check it.

    For a point-in-time recovery, and for a standby that was promoted without the last transactions of its primary. Stop
    all servers first. Exits with 1 when an invariant is violated.
    """
    from cli.backup import recover_database
    from cli.database import database_server, migrate_and_report, require_direct
    from cli.verify import verify_database

    with one_line_errors(), database_server(data_dir, make=False) as server:
        require_direct(server)
        asyncio.run(recover_database(server.url, console=console))
        migrate_and_report(server, console=console)
        sound = asyncio.run(verify_database(server.url, None))
    if not sound:
        raise typer.Exit(1)


@app.command(name="config")
def config_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Print the effective value of each setting and its source, without secrets."""
    from cli.config import print_configuration

    with one_line_errors():
        print_configuration(as_json=as_json)


@app.command()
def schema() -> None:
    """Print the GraphQL schema, as in schema.graphql."""
    from graph.schema.root import sdl

    sys.stdout.write(sdl())


@app.command()
def demo(
    customers: Annotated[int, typer.Option(min=1, max=1_000_000, help="Number of customers to add.")] = 1000,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="The day to generate the data for. [default: today]", show_default=False
        ),
    ] = None,
    data_dir: DataDir = None,
    *,
    plain: Annotated[bool, typer.Option("--plain", help="Omit taxes, coupons and discounts.")] = False,
) -> None:
    """Add plausible customers, plans, subscriptions and invoices to the database, once.

    The same number and day always produce the same data. Nothing is due yet at the start of that day (UTC).
    """
    from cli.database import database_server, migrate_and_report
    from cli.demo import fill

    day = as_of or datetime.now(UTC)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with one_line_errors(), database_server(data_dir) as server:
        migrate_and_report(server, console=console)
        # Another process that uses the embedded PostgreSQL is a server, except for short commands.
        is_served = server.embedded is not None and not server.embedded.owned
        filled = fill(
            server.url,
            customers=customers,
            as_of=midnight,
            console=console,
            data_dir=data_dir,
            is_served=is_served,
            plain=plain,
        )
        asyncio.run(filled)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Runs the block as a command. Turns errors that the user can fix into one line and exit code 1."""
    from cli.logs import configure_logs

    # Only the server logs to standard output: other commands print their output there for programs to read.
    configure_logs(sys.stderr, logging.WARNING)
    try:
        yield
    except Exception as error:
        from cli.failures import line_of

        if (line := line_of(error)) is None:
            raise
        console.print(Text.assemble(("error: ", "bold red"), line))
        raise typer.Exit(1) from None


@contextmanager
def migrated_database(data_dir: Path | None, *, make: bool = False) -> Iterator[str]:
    """Runs the block as a command, with the URL of the migrated database. Creates an embedded one only if `make`."""
    from cli.database import database_server, migrate_and_report

    with one_line_errors(), database_server(data_dir, make=make) as server:
        migrate_and_report(server, console=console)
        yield server.url


if __name__ == "__main__":
    app(prog_name="billing")
