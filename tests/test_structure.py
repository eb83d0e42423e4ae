"""Structure of the tree: no circular imports, a correct map in docs/architecture.md, no text that names a lost file."""

import ast
import importlib
import io
import re
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import typer

from cli.main import app
from db.models import Base

ROOT = Path(__file__).parents[1]
LAYERS = ("cli", "graph", "services", "db", "billing")
PRODUCT = {
    path.relative_to(ROOT): ast.parse(path.read_text()) for layer in LAYERS for path in (ROOT / layer).rglob("*.py")
}
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def file_of(module: str) -> Path | None:
    """Returns the file of a product module, or None for a module of a library."""
    path = Path(*module.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each in PRODUCT), None)


def imported_files(tree: ast.AST) -> Iterator[Path]:
    """Yields the files that a module imports at import time or within functions, except imports for types only."""
    for node in ast.iter_child_nodes(tree):
        modules: list[str] = []
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for other in node.orelse:
                yield from imported_files(ast.Module([other], []))
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            within = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [each if file_of(each) else str(node.module) for each in within]
        else:
            yield from imported_files(node)
        yield from filter(None, map(file_of, modules))


def circle(imports: dict[Path, set[Path]]) -> str:
    """Returns the nodes of a cycle in a graph as text, or an empty string if there is no cycle."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as found:
        # `CycleError` lists each node before the one that depends on it.
        return " → ".join(map(str, reversed(found.args[1])))
    return ""


IMPORTS = {path: set(imported_files(tree)) for path, tree in PRODUCT.items()}


def test_no_file_imports_itself_by_way_of_others() -> None:
    assert Path("db/queries/locks.py") in IMPORTS[Path("services/accounts/open.py")]
    assert circle(IMPORTS) == ""


def test_no_folder_imports_itself_by_way_of_others() -> None:
    folders: dict[Path, set[Path]] = {}
    for path, imported in IMPORTS.items():
        folders.setdefault(path.parent, set()).update({each.parent for each in imported} - {path.parent})

    assert Path("db/queries") in folders[Path("services/accounts")]
    assert circle(folders) == ""


def constants_of(tree: ast.Module) -> Iterator[str]:
    """Yields the names of a module's constants."""
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


def test_a_limit_of_billing_is_declared_once() -> None:
    """Rules, table CHECKs and API descriptions all take their limits from `billing/limits.py`."""
    declared = [
        f"{path}: {name}"
        for path, tree in PRODUCT.items()
        if path.parts[0] in ("billing", "services") and path != Path("billing/limits.py")
        for name in constants_of(tree)
        if name.startswith(("MAX_", "MIN_"))
    ]

    assert declared == []


def test_no_two_constants_of_the_domain_have_one_name() -> None:
    modules: dict[str, list[str]] = {}
    for path, tree in PRODUCT.items():
        if path.parts[0] in ("billing", "services"):
            for name in filter(str.isupper, constants_of(tree)):
                modules.setdefault(name, []).append(str(path))

    assert "MAX_LINES" in modules
    assert {name: paths for name, paths in modules.items() if len(paths) > 1} == {}


def test_tables_take_their_limits_from_billing() -> None:
    typed = Counter(
        number
        for path, tree in PRODUCT.items()
        if path.is_relative_to("db/models")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | str)
        for number in re.findall(r"(?<![\w.])\d{2,}(?![\w-])", str(node.value))
    )

    # Size of a SHA-256 in bytes, and a fill factor.
    assert typed == {"32": 2, "85": 1}


PROSE = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "docs/**/*.md", "bench/*.md", "bench/**/*.py", "scripts/*.py", "alembic/**/*.py")
    for path in ROOT.glob(pattern)
) + sorted(PRODUCT)

FOLDERS = "|".join((*LAYERS, "alembic", "bench", "docs", "examples", "scripts", "tests", "web"))
NAMED_PATH = re.compile(rf"(?<![\w/.-])(?:{FOLDERS})/[\w./-]*\w|(?<=`)(?:{FOLDERS})/(?=`)")
NAMED_FILE = re.compile(r"(?<![\w/.-])\w+\.py\b")
NAMED_MODULE = re.compile(rf"(?<=`)(?:{'|'.join(LAYERS)})(?:\.\w+)+(?=`)")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
PLACEHOLDER = re.compile(r"\b[A-Z]+(\.\w+)?$")
"""Last part of `bench/results/FILE`."""

NO_MODULES = {"billing.internal", "billing.ts"}
"""Dotted names that are not modules: a host, and a file of a client."""

FILES = {path.name for folder in ("alembic", "bench", "scripts", "tests") for path in (ROOT / folder).rglob("*.py")}
FILES |= {path.name for path in PRODUCT}


def texts_of(path: Path) -> Iterator[str]:
    """Yields the prose of a file: all of a document, or the docstrings and comments of code."""
    source = (ROOT / path).read_text()
    if path.suffix != ".py":
        yield source
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value
    yield from (
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    )


def is_module(name: str) -> bool:
    """Returns True if a dotted name is a product module or an attribute of one."""
    module, _, attribute = name.rpartition(".")
    if file_of(name):
        return True
    return file_of(module) is not None and hasattr(importlib.import_module(module), attribute)


NAMED_PART = re.compile(r"(?<=`)(\w+)\.([a-z][a-z0-9_]*)(?=`|\()")
"""`Class.attribute`, `module.function(…)`, `table.column`, or what an instance is called for its class."""

SUFFIXES = {"graphql", "json", "lock", "md", "mjs", "py", "sql", "toml", "ts"}


def parts_of_classes() -> dict[str, set[str]]:
    """The names of what the classes of the product have, with what they inherit from each other."""
    classes = [node for tree in PRODUCT.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    own: dict[str, set[str]] = {}
    bases: dict[str, set[str]] = {}
    for each in classes:
        bases.setdefault(each.name, set()).update(base.id for base in each.bases if isinstance(base, ast.Name))
        parts = own.setdefault(each.name, set())
        for node in ast.walk(each):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    parts.add(node.name)
                case ast.Name(id=name, ctx=ast.Store()):
                    parts.add(name)
                case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                    parts.add(name)
    return {name: parts.union(*(own.get(base, set()) for base in bases[name])) for name, parts in own.items()}


def parts_of_modules() -> dict[str, set[str]]:
    """The names of what the modules of the product have at their top, by the last part of their own name."""
    modules: dict[str, set[str]] = {}
    for path, tree in PRODUCT.items():
        names = {
            node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        }
        modules.setdefault(path.stem, set()).update(names, constants_of(tree))
    return modules


PARTS: dict[str, set[str]] = {}
for known in (
    parts_of_classes(),
    {name.lower(): parts for name, parts in parts_of_classes().items()},
    parts_of_modules(),
    {table.name: {*table.c.keys()} for table in Base.metadata.tables.values()},
):
    for name, parts in known.items():
        PARTS.setdefault(name, set()).update(parts)


def parts_not_there(text: str) -> Iterator[str]:
    """Names in a text of attributes or functions that do not exist."""
    for owner, part in NAMED_PART.findall(text):
        if owner in PARTS and part not in PARTS[owner] | SUFFIXES:
            yield f"{owner}.{part}"


def not_there(path: Path) -> Iterator[str]:
    """Yields the paths, files and modules that a file mentions but that do not exist."""
    text = "\n".join(texts_of(path))
    for name in NAMED_PATH.findall(text):
        if not (ROOT / name).exists() and not PLACEHOLDER.search(name):
            yield name
    yield from (name for name in NAMED_FILE.findall(text) if name not in FILES)
    yield from parts_not_there(text)
    yield from (name for name in NAMED_MODULE.findall(text) if name not in NO_MODULES and not is_module(name))
    if path.suffix == ".md":
        yield from (link for link in LINK.findall(text) if not (ROOT / path.parent / link).exists())


def test_each_file_and_module_that_a_text_names_is_there() -> None:
    assert Path("docs/decisions/README.md") in PROSE
    missing = [f"{path}: {name}" for path in PROSE for name in not_there(path)]
    assert missing == [], "\n".join(missing)


def test_the_map_has_each_folder_from_the_top_layer_down() -> None:
    rows = dict(re.findall(r"^\| `(\w+)/` \| (.+) \|$", ARCHITECTURE, re.MULTILINE))
    [contract] = [
        each["layers"]
        for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
        if each["name"].startswith("Imports go down")
    ]
    ignored = (ROOT / ".gitignore").read_text().split()
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."}

    assert list(rows)[:5] == contract == list(LAYERS)
    assert rows.keys() == folders - {pattern.strip("/") for pattern in ignored}
    assert " → ".join(LAYERS) in ARCHITECTURE


def test_the_map_names_the_commands() -> None:
    [named] = re.findall(r"^\| `cli/` \| The command `billing`: (.+)\. \|$", ARCHITECTURE, re.MULTILINE)
    command = typer.main.get_command(app)

    assert isinstance(command, typer.core.TyperGroup)
    assert set(named.split(", ")) == command.commands.keys()
