"""Numbers that depend on the variables of a request: formulas, which a document is measured as."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph.schema.fields.paging import DEFAULT_PAGE, MAX_PAGE

FREE_VALUES = 20
"""Number of values of a field's arguments that do not count."""

MAX_AMOUNT = 10**9
"""Counts stop here."""


class GivenVariables:
    """The variables of a request. Each is counted once, however many fields use it.

    A variable of a type that is a scalar counts as one value: what else it holds is refused later. Counting stops
    beyond `most` values.
    """

    def __init__(self, variables: Mapping[str, Any], scalars: Collection[str], most: int) -> None:
        self.variables = variables
        self._scalars = scalars
        self._most = most
        self._counts: dict[str, int] = {}

    @property
    def counted(self) -> int:
        """Number of values that were counted so far."""
        return sum(self._counts.values())

    def values(self, name: str) -> int:
        """Returns the number of values of a variable, those inside others too."""
        found = self._counts.get(name)
        if found is None:
            value = None if name in self._scalars else self.variables.get(name)
            found = self._counts[name] = values_in(value, self._most)
        return found


def values_in(value: object, most: int) -> int:
    """Returns the number of values in a value, itself included, or some number above `most`."""
    count, pending = 1, [value]
    while pending and count <= most:
        match pending.pop():
            case list() as items:
                count += len(items)
                pending.extend(items)
            case dict() as members:
                count += len(members)
                pending.extend(members.values())
    return count


@dataclass(frozen=True, slots=True)
class PageSize:
    """How many items a field gives at most: the largest of a number and what variables say, but no more than `most`;
    `default` without any.
    """

    number: int | None = None
    variables: tuple[str, ...] = ()
    default: int = DEFAULT_PAGE
    most: int = MAX_PAGE

    def of(self, given: GivenVariables) -> int:
        if not self.variables:
            return self.fixed
        said = (self.number, *(page_of(given.variables.get(name), self.most) for name in self.variables))
        return max((number for number in said if number is not None), default=self.default)

    @property
    def fixed(self) -> int:
        """The number without variables."""
        return self.default if self.number is None else self.number


def page_of(value: object, most: int) -> int | None:
    """How many items the value of a page argument asks for, of `most` that there can be; None where it says nothing."""
    match value:
        case None:
            return None
        case bool():
            return most
        case int() as number:
            return max(0, min(number, most))
        case list() as items:
            return len(items)
        case _:
            # It is none of these: whatever it is, it is refused later.
            return most


@dataclass(frozen=True, slots=True)
class ValueCount:
    """How many values a variable holds beyond those that are free, those inside others too."""

    variable: str

    def of(self, given: GivenVariables) -> int:
        return max(0, given.values(self.variable) - FREE_VALUES)


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """A number as a formula: `fixed`, and for each page, or each value of a variable, so many times what is there."""

    fixed: int = 0
    parts: tuple[tuple[PageSize | ValueCount, "Nodes"], ...] = ()

    def total(self, given: GivenVariables) -> int:
        """The number, with the variables of a request."""
        return self._total(given, {})

    def _total(self, given: GivenVariables, known: dict[int, int]) -> int:
        found = known.get(id(self))
        if found is None:
            found = self.fixed
            for page, nodes in self.parts:
                found += page.of(given) * nodes._total(given, known)  # noqa: SLF001
            known[id(self)] = found = min(found, MAX_AMOUNT)
        return found


ONCE = PageSize(number=1)
NONE = Nodes()
ONE = Nodes(1)


def sum_of(terms: Sequence[Nodes]) -> Nodes:
    parts = tuple((ONCE, term) for term in terms if term.parts)
    fixed = min(MAX_AMOUNT, sum(term.fixed for term in terms if not term.parts))
    return Nodes(fixed, parts) if fixed or parts else NONE


def repeated(nodes: Nodes, page: PageSize | None) -> Nodes:
    """So many times what is on a page."""
    if page is None or nodes is NONE:
        return nodes
    if not page.variables and not nodes.parts:
        return Nodes(min(MAX_AMOUNT, page.fixed * nodes.fixed))
    return Nodes(0, ((page, nodes),))
