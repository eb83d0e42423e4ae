"""Generates functions that build the result objects of a selection from the columns of its fields.

This is the only place that generates Python source. A dict display with constant keys builds an object in a third of
the time of `dict(zip(names, values))`, and objects make up most of a large response. For `{ id number }` the source is

    lambda columns: [{'id': v0, 'number': v1} for v0, v1, in zip(*columns)]
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

MAX_MAKERS = 2_000

MakeObjects: TypeAlias = Callable[[Sequence[Iterable[Any]]], list[dict[str, Any]]]


def source_of(names: Sequence[str]) -> str:
    """Returns the source of a function that builds objects with these names from one column per name."""
    values = [f"v{number}" for number in range(len(names))]
    members = ", ".join(f"{name!r}: {value}" for name, value in zip(names, values, strict=True))
    return f"lambda columns: [{{{members}}} for {', '.join(values)}, in zip(*columns)]"


@lru_cache(maxsize=MAX_MAKERS)
def make_objects(names: tuple[str, ...]) -> MakeObjects:
    """Returns a function that builds objects with these names. `names` must not be empty."""
    # GraphQL names consist of ASCII letters, digits and underscores only, so they are safe to evaluate.
    assert all(name.isidentifier() and name.isascii() for name in names), names
    made: MakeObjects = eval(source_of(names), {"__builtins__": {}, "zip": zip})  # noqa: S307
    return made
