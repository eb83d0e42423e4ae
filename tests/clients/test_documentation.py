"""Tests that the code in `docs/clients.md` is exactly the code that the tests run."""

import json
import re
import textwrap
from collections.abc import Sequence
from datetime import timedelta

import pytest

from billing.limits import MAX_SESSION_SECONDS, with_thousands
from db.queries.served import MAX_SORTED_ROWS
from graph.error_codes import ErrorCode
from graph.execution.failures import MAX_FAILURES
from graph.server.query_documents import CHARACTERS_PER_ROW, PLANNED_FIELDS_PER_ROW, VALUES_PER_ROW
from graph.settings import Limits
from services.idempotency import RETRY_WITHIN
from tests.clients.node import HERE, PROJECT
from tests.growth.lists import ALWAYS, WITH_ORDER, WITH_STATUS

TEXT = PROJECT.joinpath("docs", "clients.md").read_text(encoding="utf-8")

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A block of code: its language and its content."""

LINK = re.compile(r"\]\(\.\./(tests/clients/[^)]+\.\w+)\)")
"""A link to a source file: its path."""


def test_each_block_of_code_is_a_part_of_the_source_that_was_named_last() -> None:
    blocks = [found for found in BLOCK.finditer(TEXT) if found[1] != "console"]

    assert len(blocks) == 18
    for block in blocks:
        source = LINK.findall(TEXT[: block.start()])[-1]
        whole = PROJECT.joinpath(source).read_text(encoding="utf-8")
        part = block[2]
        assert f"\n{part}" in f"\n{whole}", f"{source} has no such lines:\n{textwrap.indent(part, '  ')}"
        if part.startswith(("{", "[tool")):
            assert part == whole, f"{source} has more lines."


def test_the_packages_to_install_are_those_of_the_tests() -> None:
    npm = re.findall(r"^\$ npm install (?:--save-dev )?(.+)$", TEXT, re.MULTILINE)
    pip = re.findall(r"^\$ pip install (.+)$", TEXT, re.MULTILINE)
    locked = json.loads(HERE.joinpath("package.json").read_text(encoding="utf-8"))["devDependencies"]

    assert set(" ".join(npm).split()) <= locked.keys()
    assert " ".join(pip).split() == HERE.joinpath("python", "requirements.in").read_text(encoding="utf-8").split()


LIMITS = Limits()
NUMBERS = (
    f"Request `first`, at most {LIMITS.page},",
    f"Any other combination returns within {LIMITS.list_seconds:g} seconds",
    f"a range of more than {with_thousands(MAX_SORTED_ROWS)} rows",
    f"A retry within {RETRY_WITHIN // timedelta(hours=1)} hours",
    f"more than {with_thousands(MAX_FAILURES)} errors",
    f"can access one customer for at most {MAX_SESSION_SECONDS // 60} minutes",
    f"| nesting depth of an operation | {LIMITS.depth} levels |",
    f"| aliases, root fields, directives | {LIMITS.aliases}, {LIMITS.root_fields}, {LIMITS.directives} |",
    f"| {with_thousands(LIMITS.characters)} characters and {with_thousands(LIMITS.tokens)} tokens |",
    f"| objects that an operation could return if every page were full | {with_thousands(LIMITS.nodes)} |",
    f"| rows that an operation reads | {with_thousands(LIMITS.rows)} |",
    f"| duration of a query | {LIMITS.seconds:g} seconds |",
    f"one row per {CHARACTERS_PER_ROW} characters and per {PLANNED_FIELDS_PER_ROW} planned fields",
    f"each {VALUES_PER_ROW} values in variables or in large arguments, as one row",
)


@pytest.mark.parametrize("said", NUMBERS)
def test_limits_are_those_of_the_server(said: str) -> None:
    assert said in " ".join(TEXT.split())


def either(names: Sequence[str]) -> str:
    """Returns the names as a list in prose: `a`, `b` or `c`."""
    *others, last = [f"`{name}`" for name in names]
    return f"{', '.join(others)} or {last}" if others else last


def test_the_lists_that_are_fast_are_those_that_indexes_serve() -> None:
    lists = (
        "each filter alone, and each order alone",
        "`customers(query: …)` in any order, also with `archived`",
        f"`status` with {either(WITH_STATUS)}",
        *(f"{either(filters)} in the order `{order}`" for order, filters in WITH_ORDER.items()),
        (
            f"{either(ALWAYS)} with any filter and order; but for customers, `planId` only in the order `CREATED_AT`,"
            " and not with `currency`"
        ),
    )

    assert f"- {'; - '.join(lists)}." in " ".join(TEXT.split())


def test_the_codes_of_errors_are_those_that_the_server_sends() -> None:
    rows = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", TEXT, re.MULTILINE)

    assert re.findall(r"\w+", " ".join(rows)) == list(ErrorCode)
