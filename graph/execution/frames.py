"""Frames: all objects of one type for one selection of a document, and the place of each object in the response."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from graphql.pyutils import Path

from graph.execution.errors import Place
from graph.execution.plan import Field, Selection

ROOT = Place()


class Spread:
    """The values of one field of all objects of a frame. Lists are flattened: the items of all lists are in one list.

    `items` are the values to complete next; None stands for null. `lists` holds the lists of each nesting level before
    they were flattened, outermost level first. `together` is True if all values were awaited with a single await.
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
        """Flattens one level of lists: replaces `items`, which are lists, by their items."""
        self.lists.append(self.items)
        self.items = [item for items in self.items if items is not None for item in items]
        self._waits.append({})

    def waited(self, index: int) -> None:
        """Counts one await for an item, of the item itself or of its type."""
        waits = self._waits[-1]
        waits[index] = waits.get(index, 0) + 1

    def fold(self, items: list[Any]) -> list[Any]:
        """Returns one value per object of the frame: the completed `items`, nested in lists again."""
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
        """Returns the place of an item in the response."""
        for lists in self.lists[len(self._starts) :]:
            self._starts.append([0, *accumulate(len(each or ()) for each in lists)])
        indices: list[int] = []
        waits = self._waits[-1].get(index, 0) + self.together
        for starts, waited in zip(reversed(self._starts), reversed(self._waits[:-1]), strict=True):
            # Several lists can start at the same index: all but the last of them are empty.
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
    """Objects of one type: their Python objects (`sources`) and the result for each of them (`results`).

    The sources are the items of a spread with the indices `picked`, or all of its items if `picked` is None. The root
    of an operation has no spread. `waiting` holds leaf values that must be awaited before they can be completed.
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
        """Returns the place of an object in the response."""
        if self.spread is None:
            return ROOT
        return self.spread.place(index if self.picked is None else self.picked[index])

    def path_of(self, field: Field) -> Path:
        """Returns the path of a field, without list indices, because they differ from object to object."""
        return Path(self.path, field.key, field.parent_type.name)
