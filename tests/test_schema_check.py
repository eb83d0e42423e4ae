"""`scripts/check-schema`: its findings in a single schema, and in one that released clients depend on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.node import PROJECT, installed_packages
from tests.support import PATIENCE_SECONDS

SCHEMA = '''
schema {
  query: Query
}

"""All reads."""
type Query {
  """The invoice with this id."""
  invoice(
    """The invoice's id."""
    id: ID!
  ): Invoice

  """All invoices."""
  invoices(
    """How many from the start: 0 to 100."""
    first: Int

    """Only those after this cursor."""
    after: String
  ): InvoiceConnection!

  """The number of invoices."""
  count: Int @deprecated(reason: "It takes long. Gone from 2027-01-31 on.")
}

"""What a customer owes."""
type Invoice {
  """The invoice's id."""
  id: ID!

  """The total, in minor units."""
  amountCents: Cents!

  """When it is to be paid; null for a draft."""
  dueAt: String
}

"""One page of a list."""
type InvoiceConnection {
  """The invoices with their cursors."""
  edges: [InvoiceEdge!]!

  """Where the page stands in its list."""
  pageInfo: PageInfo!
}

"""An invoice and its place in the list."""
type InvoiceEdge {
  """The invoice."""
  node: Invoice!

  """Its place."""
  cursor: String!
}

"""Where a page stands."""
type PageInfo {
  """Whether more follow."""
  hasNextPage: Boolean!

  """Whether more precede."""
  hasPreviousPage: Boolean!

  """Cursor of the page's first item."""
  startCursor: String

  """Cursor of the page's last item."""
  endCursor: String
}

"""Whole minor units of a currency."""
scalar Cents @specifiedBy(url: "https://www.rfc-editor.org/rfc/rfc8259#section-6")
'''


class Checkout:
    """Git repository that contains a `schema.graphql`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "schema.graphql"
        self.git("init", "--quiet")
        self.write(SCHEMA)

    def git(self, *arguments: str) -> None:
        name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(("git", *name, *arguments), cwd=self.folder, check=True, capture_output=True)

    def write(self, schema: str) -> None:
        self.file.write_text(schema, encoding="utf-8")

    def release(self, tag: str) -> None:
        self.git("add", "schema.graphql")
        self.git("commit", "--quiet", "--allow-empty", "--message", tag)
        self.git("tag", tag)

    def change(self, old: str, new: str) -> None:
        schema = self.file.read_text(encoding="utf-8")
        assert schema.count(old) == 1, old
        self.write(schema.replace(old, new))

    def check(self, **environment: str) -> tuple[int, list[str]]:
        """Runs the check. Returns its exit code and the lines of its stderr."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        ended = subprocess.run(
            (PROJECT / "scripts" / "check-schema", self.file),
            env={**os.environ, "PATH": path, "NO_COLOR": "1", **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert ended.stdout == ""
        return ended.returncode, ended.stderr.splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    installed_packages()
    return Checkout(tmp_path)


NOTHING_RELEASED = "No release is tagged here: there is nothing to compare schema.graphql with."


def test_before_the_first_release_nothing_can_break(checkout: Checkout) -> None:
    checkout.git("commit", "--quiet", "--allow-empty", "--message", "Begin")
    checkout.git("tag", "other")

    assert checkout.check() == (0, [NOTHING_RELEASED])


def test_a_file_outside_any_repository_is_linted_all_the_same(checkout: Checkout) -> None:
    checkout.folder.joinpath(".git").rename(checkout.folder / "git")

    assert checkout.check() == (0, [NOTHING_RELEASED])


def test_what_breaks_clients_of_the_release_fails_and_is_listed(checkout: Checkout) -> None:
    checkout.release("v1.0.0")
    checkout.change("  amountCents: Cents!\n", "  amountCents: Cents\n")
    checkout.change("    id: ID!\n  ): Invoice\n", "    number: ID!\n  ): Invoice\n")
    checkout.change('\n  """When it is to be paid; null for a draft."""\n  dueAt: String\n', "")

    status, said = checkout.check()

    assert status == 1
    assert sorted(line.split(": ")[1] for line in said[:-1]) == [
        "Invoice.amountCents",
        "Invoice.dueAt",
        "Query.invoice.id",
        "Query.invoice.number",
    ]
    assert all(line.startswith("  breaking: ") for line in said[:-1])
    assert said[-1] == "error: schema.graphql breaks clients of v1.0.0."


def test_an_added_field_breaks_nobody(checkout: Checkout) -> None:
    checkout.release("v1.0.0")
    checkout.change("  dueAt: String\n", '  dueAt: String\n\n  """When it was paid."""\n  paidAt: String\n')

    assert checkout.check() == (0, [])


def test_what_the_release_called_deprecated_may_go(checkout: Checkout) -> None:
    checkout.release("v1.0.0")
    schema = checkout.file.read_text(encoding="utf-8")
    checkout.write(re.sub(r'\n  """The number of invoices."""\n  count: .*\n', "", schema))

    assert checkout.check() == (
        0,
        ["  worth a look: Query.count: Field 'count' (deprecated) was removed from object type 'Query'"],
    )


def test_the_newest_release_counts_by_number_and_a_candidate_comes_before_it(checkout: Checkout) -> None:
    checkout.release("v1.9.0")
    checkout.release("v1.10.0-rc1")
    checkout.change("  dueAt: String\n", '  dueAt: String\n\n  """When it was paid."""\n  paidAt: String\n')
    checkout.release("v1.10.0")
    checkout.write(SCHEMA)

    assert checkout.check() == (
        1,
        [
            "  breaking: Invoice.paidAt: Field 'paidAt' was removed from object type 'Invoice'",
            "error: schema.graphql breaks clients of v1.10.0.",
        ],
    )


def test_a_schema_that_leaves_something_unsaid_fails(checkout: Checkout) -> None:
    checkout.change('  """When it is to be paid; null for a draft."""\n', "")
    checkout.change(', in minor units."""', '."""')
    checkout.change(" Gone from 2027-01-31 on.", "")
    checkout.change(' @specifiedBy(url: "https://www.rfc-editor.org/rfc/rfc8259#section-6")', "")
    checkout.change("  hasNextPage: Boolean!\n", "  hasNextPage: Boolean\n")

    status, said = checkout.check()

    assert status == 1
    found = [re.fullmatch(r" +\d+:\d+ +error +(.+?) {2,}(\S+)", line) for line in said]
    assert [(match[2].removeprefix("@graphql-eslint/"), match[1]) for match in found if match] == [
        ("no-restricted-syntax", "A deprecation must state the earliest day of removal, such as 2027-01-31"),
        (
            "no-restricted-syntax",
            "The description of an amount must state minor units, and the currency if none is next to it",
        ),
        ("require-description", 'Description is required for field "dueAt" in type "Invoice"'),
        ("relay-page-info", "Field `hasNextPage` must return non-null Boolean"),
        ("no-restricted-syntax", "A scalar must name the standard of its values with @specifiedBy"),
    ]
    assert said[-1] == "error: schema.graphql violates the rules in scripts/schema.eslint.mjs."


def test_without_nodejs_a_developer_goes_on_and_ci_does_not(checkout: Checkout, tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    # Through a symbolic link, Python would not find the packages of the environment.
    python = commands / "python"
    python.write_text(f'#!/usr/bin/env bash\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    for name in ("bash", "dirname", "env", "realpath"):
        commands.joinpath(name).symlink_to(shutil.which(name) or name)
    path = str(commands)

    assert checkout.check(PATH=path, CI="") == (
        0,
        ["schema.graphql was not linted: Node.js, npm or a package registry is missing."],
    )
    assert checkout.check(PATH=path, CI="true")[0] == 1
