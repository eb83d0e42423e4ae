"""Frames: all objects of one type at one place of a document, and where each of them stands in the answer."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from graphql.pyutils import Path

from graph.execution.errors import Place
from graph.execution.plan import Field, Selection

ROOT = Place()


class Spread:
    """The values of a field of all objects of a frame; where they are lists, their items side by side.

    `items` are what is completed next, None where null stands. `lists` are the lists that were laid open for them, the
    outermost first. `together` says that all values were awaited as one.
    """

    __slots__ = ("_starts", "_waits", "field", "frame", "items", "lists", "together")

    def __init__(self, frame: "Frame", field: Field, items: list[Any]) -> None:
        self.frame = frame
        self.field = field
        self.items = items
        self.lists: list[list[Sequence[Any] | None]] = []
        self.together = False
        self._starts: list[list[int]] = []
        self._waits: list[dict[int, int]] = [{}]

    def lay_open(self) -> None:
        """Takes the items of the lists that `items` are."""
        self.lists.append(self.items)
        self.items = [item for items in self.items if items is not None for item in items]
        self._waits.append({})

    def waited(self, index: int) -> None:
        """Notes that an item was awaited, or what it takes to complete it."""
        waits = self._waits[-1]
        waits[index] = waits.get(index, 0) + 1

    def fold(self, items: list[Any]) -> list[Any]:
        """A value for each object of the frame: what `items` have become, in lists again."""
        for lists in reversed(self.lists):
            folded: list[Any] = []
            start = 0
            for each in lists:
                if each is None:
                    folded.append(None)
                else:
                    end = start + len(each)
                    folded.append(items[start:end])
                    start = end
            items = folded
        return items

    def place(self, index: int) -> Place:
        """Where an item stands."""
        for lists in self.lists[len(self._starts) :]:
            self._starts.append([0, *accumulate(len(each or ()) for each in lists)])
        indices: list[int] = []
        waits = self._waits[-1].get(index, 0) + self.together
        for starts, waited in zip(reversed(self._starts), reversed(self._waits[:-1]), strict=True):
            # The last of those that start there: the ones before it are empty.
            owner = bisect_right(starts, index) - 1
            indices.append(index - starts[owner])
            index = owner
            waits += waited.get(index, 0)
        indices.reverse()
        field, place = self.field, self.frame.place(index)
        return Place(
            (*place.path, field.key, *indices),
            (*place.order, field.position, *indices),
            (*place.nullable, *field.nullable[: len(indices) + 1]),
            place.waits + waits,
        )


class Frame:
    """Objects of one type: what they are made from, and what becomes of them.

    They are the items `picked` of a spread, all where that is None; the root of an operation is of none. `waiting` are
    values of leaves that must be awaited first.
    """

    __slots__ = ("path", "picked", "results", "selection", "sources", "spread", "waiting")

    def __init__(
        self,
        selection: Selection,
        sources: list[Any],
        *,
        spread: Spread | None = None,
        picked: list[int] | None = None,
    ) -> None:
        self.selection = selection
        self.sources = sources
        self.spread = spread
        self.picked = picked
        self.path: Path | None = None if spread is None else spread.frame.path_of(spread.field)
        self.results: list[dict[str, Any]] = []
        self.waiting: list[Spread] = []

    def place(self, index: int) -> Place:
        """Where an object stands."""
        if self.spread is None:
            return ROOT
        return self.spread.place(index if self.picked is None else self.picked[index])

    def path_of(self, field: Field) -> Path:
        """Where a field stands, without the indices of lists: those are of one object."""
        return Path(self.path, field.key, field.parent_type.name)
