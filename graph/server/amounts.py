"""Formulas for the size of a document whose values depend on the variables of a request."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph.schema.fields.paging import DEFAULT_PAGE, MAX_PAGE

FREE_VALUES = 20
"""Number of argument values of a field that do not count."""

MAX_AMOUNT = 10**9
"""Maximum of all counts. Larger counts are cut to this number."""


class GivenVariables:
    """The variables of a request. Each is counted once, however many fields use it.

    A variable of a scalar type counts as one value: if it holds others, it is rejected later. Counting stops beyond
    `most` values.
    """

    def __init__(self, variables: Mapping[str, Any], scalars: Collection[str], most: int) -> None:
        self.variables = variables
        self._scalars = scalars
        self._most = most
        self._counts: dict[str, int] = {}

    @property
    def counted(self) -> int:
        """Number of values counted so far."""
        return sum(self._counts.values())

    def values(self, name: str) -> int:
        """Returns the number of values of a variable, including nested ones."""
        found = self._counts.get(name)
        if found is None:
            value = None if name in self._scalars else self.variables.get(name)
            found = self._counts[name] = values_in(value, self._most)
        return found


def values_in(value: object, most: int) -> int:
    """Returns the number of values in a value, including itself, or some number above `most`."""
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
    """Maximum number of items that a field returns: the largest of `number` and the values of `variables`.
    `default` if neither is set. Numbers in variables count as at most `most`.
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
        """The page size without variables."""
        return self.default if self.number is None else self.number


def page_of(value: object, most: int) -> int | None:
    """Returns the number of items that a page argument requests. None if it is not set, `most` if it is invalid."""
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
            # Other types are rejected later.
            return most


@dataclass(frozen=True, slots=True)
class ValueCount:
    """Number of values of a variable beyond the free ones, including nested values."""

    variable: str

    def of(self, given: GivenVariables) -> int:
        return max(0, given.values(self.variable) - FREE_VALUES)


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """A count as a formula: `fixed` plus, for each part, its page size or value count times its nodes."""

    fixed: int = 0
    parts: tuple[tuple[PageSize | ValueCount, "Nodes"], ...] = ()

    def total(self, given: GivenVariables) -> int:
        """Returns the count for the variables of a request."""
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
    """Returns `nodes` multiplied by the page size."""
    if page is None or nodes is NONE:
        return nodes
    if not page.variables and not nodes.parts:
        return Nodes(min(MAX_AMOUNT, page.fixed * nodes.fixed))
    return Nodes(0, ((page, nodes),))
