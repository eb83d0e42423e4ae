"""Searches for documents within all limits that take long to parse, measure, validate and plan.

Also includes variables that take long to count.

    ./dev expensive --seconds 300 --seed 1

The search mutates documents that were expensive, and reports the worst in units of `bench.machine.reference_ms`. The
maximum allowed is 1.0, on a machine that does nothing else.
"""

import argparse
import gc
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from random import Random
from time import monotonic, process_time
from typing import Any

from bench.machine import reference_ms
from graph.schema.root import core_schema
from graph.server.query_documents import QueryDocument, QueryDocuments
from graph.settings import Limits

EDGES = {
    "Customer": ("subscription", "subscriptions { nodes", "invoices { nodes", "latestInvoice"),
    "Subscription": ("customer", "plan", "latestInvoice", "invoices { nodes"),
    "Invoice": ("customer", "subscription", "replaces", "replacedBy", "lines"),
    "InvoiceLine": ("invoice", "plan"),
    "Plan": ("subscriptions { nodes",),
}
LEADS_TO = {
    "subscription": "Subscription",
    "subscriptions { nodes": "Subscription",
    "invoices { nodes": "Invoice",
    "latestInvoice": "Invoice",
    "customer": "Customer",
    "plan": "Plan",
    "replaces": "Invoice",
    "replacedBy": "Invoice",
    "lines": "InvoiceLine",
    "invoice": "Invoice",
}
LEAVES = {
    "id": "id",
    "__typename": "__typename",
    "an alias": "a{n}: id",
    "a list of words": "invoices(filter: {{status: [{values}]}}) {{ totalCount }}",
    "a list in a variable": "invoices(filter: {{status: $words}}) {{ totalCount }}",
    "a list for a number": "invoices(first: $number) {{ totalCount }}",
    "a condition": "id @include(if: true)",
    "a field that there is not": "nothing{n}",
}
VARIABLES = {"words": "[InvoiceStatus!]", "number": "Int"}
SPREADS = ("side by side", "in a chain", "all that follow", "the next twice", "not at all")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Description of a document: fragments, spread in some way, each with `copies` of a path of fields that ends in
    leaves.
    """

    fragments: int = 4
    spread: str = SPREADS[0]
    copies: int = 4
    turns: tuple[int, ...] = (0, 1)
    leaf: str = "id"
    leaves: int = 1
    values: int = 1
    branches: int = 1
    operations: int = 1
    inline: int = 0
    variable: int = 1

    @property
    def variables(self) -> dict[str, Any]:
        """Values of the document's variables: lists of `variable` items each."""
        return {"words": [0] * self.variable, "number": [0] * self.variable}

    def text(self) -> str:
        """Returns the document."""
        body = " ".join(self._path("Customer", 0) for _ in range(self.copies))
        fragments = " ".join(
            f"fragment F{n} on Customer {{ {body} {self._spreads(n)} }}" for n in range(self.fragments)
        )
        first = " ".join(f"...F{n}" for n in range(self.fragments)) if self.spread == SPREADS[0] else "...F0"
        selection = f"customer(id: 1) {{ {first if self.fragments else body} }}"
        declared = [f"${name}: {type_}" for name, type_ in VARIABLES.items() if f"${name}" in body]
        variables = f"({', '.join(declared)})" if declared else ""
        operations = [f"query Q{n}{variables} {{ {selection} }}" for n in range(self.operations)]
        return " ".join([*operations, fragments])

    def _spreads(self, n: int) -> str:
        following = range(n + 1, self.fragments)
        if not following or self.spread in (SPREADS[0], SPREADS[4]):
            return ""
        if self.spread == SPREADS[2]:
            return " ".join(f"...F{m}" for m in following)
        return f"...F{n + 1} " * (2 if self.spread == SPREADS[3] else 1)

    def _path(self, type_: str, level: int) -> str:
        if level == len(self.turns):
            leaf = LEAVES[self.leaf if type_ == "Customer" or "invoices" not in LEAVES[self.leaf] else "id"]
            return " ".join(leaf.format(n=n, values="OPEN " * self.values) for n in range(self.leaves))
        edge = EDGES[type_][self.turns[level] % len(EDGES[type_])]
        inner = " ".join(self._path(LEADS_TO[edge], level + 1) for _ in range(self.branches))
        return "... { " * self.inline + f"{edge} {{ {inner} }}" + " }" * edge.count("{") + " }" * self.inline

    def changed(self, random: Random) -> "Recipe":
        """Returns a recipe that is slightly different."""
        name = random.choice([each.name for each in fields(self)])
        value = getattr(self, name)
        if name == "spread":
            return replace(self, spread=random.choice(SPREADS))
        if name == "leaf":
            return replace(self, leaf=random.choice(list(LEAVES)))
        if name == "turns":
            turns = [*value, random.randrange(5)] if random.random() < 0.5 else [*value[1:]]
            random.shuffle(turns)
            return replace(self, turns=tuple(turns[:9]))
        grown = round(value * random.choice((0.5, 0.8, 1.25, 2))) + random.choice((-1, 0, 1))
        least, most = {"inline": (0, 5), "fragments": (0, 300), "branches": (1, 4), "variable": (1, 120_000)}.get(
            name, (1, 400)
        )
        return replace(self, **{name: min(most, max(least, grown))})


START = (
    Recipe(),
    Recipe(fragments=8, copies=30),
    Recipe(fragments=200, copies=1, turns=()),
    Recipe(fragments=40, spread="all that follow", copies=1, turns=()),
    Recipe(fragments=1, copies=1, turns=(0, 0, 0), branches=4),
    Recipe(fragments=1, copies=15, turns=(), leaf="a list of words", values=100),
    Recipe(fragments=0, copies=90, turns=(), leaf="a list in a variable", variable=120_000),
    Recipe(fragments=0, copies=110, turns=(), leaf="a list for a number", variable=120_000),
    Recipe(fragments=0, copies=240, turns=()),
    Recipe(fragments=1, operations=70, copies=10),
    Recipe(fragments=1, copies=300, turns=(), leaf="a field that there is not"),
)
"""Known kinds of expensive documents, from which the search starts."""


def read(text: str, variables: Mapping[str, Any] = {}) -> QueryDocument:
    """Does all the work that precedes the execution of a document. For several operations, uses the first one."""
    document = QueryDocuments(core_schema, Limits()).of(text)
    for operation in [*document.operations.values()][:1]:
        assert document.plans is not None
        document.cost(operation, variables, Limits())
        document.plans.prepare(operation)
    return document


def seconds_of(recipe: Recipe) -> float:
    """Returns the processor time in seconds that a document takes."""
    text, variables = recipe.text(), recipe.variables
    before = process_time()
    read(text, variables)
    return process_time() - before


def calls_of(recipe: Recipe) -> int:
    """Returns the number of function calls while reading a document. It is the same on all machines."""
    text, variables, count = recipe.text(), recipe.variables, 0

    def note(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        read(text, variables)
    finally:
        sys.setprofile(None)
    return count


def candidates(random: Random, best: list[tuple[float, Recipe]]) -> Iterator[Recipe]:
    """Yields the known documents, then endless variations of the best so far. The consumer extends `best`."""
    yield from START
    while True:
        recipe = random.choice(best)[1]
        for _ in range(random.choice((1, 1, 2, 4))):
            recipe = recipe.changed(random)
        if len(recipe.text()) <= Limits().characters:
            yield recipe


def keep(best: list[tuple[float, Recipe]], cost: float, recipe: Recipe, kept: int = 12) -> None:
    """Adds a document to the best ones. Keeps at most `kept` of them."""
    if all(recipe != other for _, other in best):
        best.append((cost, recipe))
        best.sort(key=lambda found: -found[0])
        del best[kept:]


def main() -> None:
    arguments = argparse.ArgumentParser(description="Search for documents that take long to read.")
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    read("{ __typename }")
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 10)
    best: list[tuple[float, Recipe]] = []
    deadline, tried = monotonic() + options.seconds, 0
    for recipe in candidates(Random(options.seed), best):
        keep(best, seconds_of(recipe), recipe)
        tried += 1
        if monotonic() > deadline and tried >= len(START):
            break
    sys.stdout.write(f"{tried} documents; the reference takes {reference_ms():.0f} ms\n")
    for _, recipe in best[:5]:
        # Minimum of several runs, because other processes on the machine can slow down single ones.
        cost = min(seconds_of(recipe) for _ in range(5)) * 1000
        reference = reference_ms()
        document = read(recipe.text(), recipe.variables)
        said = document.errors[0].message if document.errors else "taken"
        figures = f"{cost / reference:5.2f} references, {cost:.0f} ms, {document.rows} rows"
        sys.stdout.write(f"{figures}: {recipe} ({said})\n")


if __name__ == "__main__":
    main()
