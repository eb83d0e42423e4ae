"""docs/private-interfaces.md lists each undocumented interface of a library that the product uses, as far as a program
can detect it.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("billing", "cli", "db", "graph", "services")
PAGE = (ROOT / "docs" / "private-interfaces.md").read_text(encoding="utf-8")
STRAWBERRYS = ("strawberry-definition", "__strawberry_definition__")
"""Names under which strawberry stores its own objects."""

DOCUMENTED = frozenset(
    [
        *("alembic.autogenerate.api", "alembic.config", "alembic.runtime.migration", "alembic.script"),
        *("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk.resources"),
        *("opentelemetry.sdk.trace", "opentelemetry.sdk.trace.export", "opentelemetry.trace"),
        *("prometheus_client.core", "prometheus_client.multiprocess", "prometheus_client.registry"),
        *("rich.console", "rich.progress", "rich.table", "rich.text"),
        *("sqlalchemy.dialects", "sqlalchemy.dialects.postgresql", "sqlalchemy.engine", "sqlalchemy.engine.interfaces"),
        *("sqlalchemy.exc", "sqlalchemy.ext.asyncio", "sqlalchemy.orm", "sqlalchemy.pool", "sqlalchemy.types"),
        *("starlette.applications", "starlette.datastructures", "starlette.middleware", "starlette.middleware.cors"),
        *("starlette.requests", "starlette.responses", "starlette.routing", "starlette.staticfiles", "starlette.types"),
        *("strawberry.schema.config", "strawberry.types", "structlog.typing", "uuid_utils.compat"),
    ]
)
"""Submodules that the documentation of their library covers. Any other submodule must be on the page."""

MADE_TO_BE_EXTENDED = frozenset(
    [
        *("graphql.ValidationRule", "graphql.Visitor", "prometheus_client.registry.Collector"),
        *("sqlalchemy.orm.DeclarativeBase", "sqlalchemy.orm.Session"),
        *("sqlalchemy.types.TypeDecorator", "sqlalchemy.types.UserDefinedType"),
    ]
)
"""Classes that the documentation of their library describes how to extend."""


@dataclass(frozen=True)
class Use:
    """Use of a library's name in a file."""

    file: str
    name: str


class Source:
    """File of the product, reduced to its uses of libraries."""

    def __init__(self, path: Path) -> None:
        self.file = str(path.relative_to(ROOT))
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.imported = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and node.module and is_library(node.module)
            for alias in node.names
        }
        self.imported |= {
            alias.asname or alias.name: alias.name
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if is_library(alias.name)
        }
        self.own = {
            name
            for node in ast.walk(self.tree)
            for name in (
                [node.name]
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                else [node.attr]
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value)
                else []
            )
        }

    def uses(self) -> Iterator[Use]:
        for node in ast.walk(self.tree):
            match node:
                case ast.ImportFrom(module=str(module)) if is_library(module) and is_inner(module):
                    yield from (Use(self.file, alias.name) for alias in node.names)
                case ast.Attribute(attr=name) if is_private(name) and name not in self.own:
                    yield Use(self.file, name)
                case ast.keyword(arg=str(name)) if is_private(name):
                    yield Use(self.file, name)
                case ast.Constant(value=str(text)) if text in STRAWBERRYS:
                    yield Use(self.file, text)
                case ast.Attribute(attr=name) if name in STRAWBERRYS:
                    yield Use(self.file, name)
                case ast.ClassDef():
                    yield from self.extended(node)

    def extended(self, node: ast.ClassDef) -> Iterator[Use]:
        """Yields the library class that a class extends, and each private name that it overrides."""
        bases = [self.library_class(base) for base in node.bases]
        for base in filter(None, bases):
            yield Use(self.file, base.rpartition(".")[2])
            for member in node.body:
                if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                    name = member.target.id
                    if is_private(name):
                        yield Use(self.file, name)

    def library_class(self, base: ast.expr) -> str | None:
        base = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name) and base.value.id in self.imported:
            found = f"{self.imported[base.value.id]}.{base.attr}"
        else:
            found = self.imported.get(base.id, "") if isinstance(base, ast.Name) else ""
        return None if not found or found in MADE_TO_BE_EXTENDED else found


def is_library(module: str) -> bool:
    return module.partition(".")[0] not in (*OURS, *sys.stdlib_module_names, "_typeshed")


def is_inner(module: str) -> bool:
    return "." in module and module not in DOCUMENTED


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


FILES = sorted(path for folder in (*OURS, "alembic") for path in (ROOT / folder).rglob("*.py"))


@cache
def all_uses() -> frozenset[Use]:
    return frozenset(use for path in FILES for use in Source(path).uses())


@dataclass(frozen=True)
class Row:
    """Row of the page: the names of an interface, the files that use it, and the full text."""

    names: frozenset[str]
    files: tuple[str, ...]
    text: str


def rows() -> list[Row]:
    found = []
    for line in PAGE.splitlines():
        if line.startswith("| ") and not line.startswith("| interface"):
            interface, files, _ = line.strip("| ").split(" | ")
            names = " ".join(re.findall(r"`([^`]+)`", interface))
            found.append(Row(frozenset(re.findall(r"[\w-]+", names)), tuple(re.findall(r"`([^`]+)`", files)), line))
    return found


ROWS = rows()


def test_what_is_used_is_on_the_page() -> None:
    missing = {
        f"{use.file}: {use.name}"
        for use in all_uses()
        if not any(use.file in row.files and use.name in row.names for row in ROWS)
    }
    assert missing == set()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.text[:50])
def test_a_row_names_files_that_use_it(row: Row) -> None:
    assert row.files
    for file in row.files:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert any(name in text for name in row.names if len(name) > 3), file
    for tested in re.findall(r"`(tests[\w/.]*)`", row.text):
        assert (ROOT / tested).exists(), tested


def test_each_exception_of_the_linter_for_private_names_is_seen() -> None:
    """The linter's exceptions are in the same files, plus two files that use private names of their own."""
    marked = {path for path in FILES if "noqa: SLF001" in path.read_text(encoding="utf-8")}
    own = {ROOT / "db" / "access" / "rows.py", ROOT / "graph" / "server" / "amounts.py"}

    assert {str(path.relative_to(ROOT)) for path in marked - own} <= {use.file for use in all_uses()}
    assert len(marked) > 5
    assert len(all_uses()) > 40
