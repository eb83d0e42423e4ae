"""Prints the effective settings without secrets."""

import json
import os
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.environment import find
from cli.settings import Configuration, read_configuration


def print_configuration(*, as_json: bool) -> None:
    """Prints all settings: a table on a terminal, `VARIABLE=value` lines otherwise, or a JSON object.

    Raises `CommandError` and `DatabaseUrlError` for invalid settings.
    """
    read_configuration()
    found = find(Configuration, os.environ, {}).values()
    if as_json:
        members = {each.setting.variable: {"value": each.shown(), "source": each.source} for each in found}
        sys.stdout.write(json.dumps(members, indent=2) + "\n")
    elif not sys.stdout.isatty():
        sys.stdout.writelines(f"{each.setting.variable}={each.shown()}\n" for each in found)
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("setting", "value", "from"):
            table.add_column(heading, overflow="fold")
        for each in found:
            style = "dim" if each.source == "default" else ""
            table.add_row(*map(Text, (each.setting.variable, each.shown(), each.source)), style=style)
        Console().print(table)
