"""The errors of one execution."""

from graphql import Undefined

from graph.execution.errors import Failure
from graph.execution.frames import Spread

MAX_FAILURES = 1_000
"""Maximum number of errors per execution. With more, the execution is aborted and `data` is null."""


class TooManyFailures(BaseException):
    """Aborts an execution with more than `MAX_FAILURES` errors.

    A `BaseException`, so that no `except Exception` on the way catches it.
    """


class Failures:
    """The errors of one execution, in the order in which they were found. Raises `TooManyFailures`."""

    def __init__(self) -> None:
        self.all: list[Failure] = []

    def note(self, failure: Failure) -> None:
        self.all.append(failure)
        if len(self.all) > MAX_FAILURES:
            raise TooManyFailures

    def fail(self, spread: Spread, index: int, cause: Exception) -> None:
        """Replaces an item by None and records its error."""
        spread.items[index] = None
        self.note(Failure(spread.place(index), cause, spread.field.nodes))

    def nulled(self, spread: Spread, *, nullable: bool) -> None:
        """Replaces errors by None and records them. Also records nulls in a non-nullable position as errors."""
        field, items = spread.field, spread.items
        for index, item in enumerate(items):
            if isinstance(item, Exception):
                self.fail(spread, index, item)
            elif item is None or item is Undefined:
                items[index] = None
                if not nullable:
                    message = f"Cannot return null for non-nullable field {field.parent_type}.{field.name}."
                    self.fail(spread, index, TypeError(message))
