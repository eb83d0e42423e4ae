"""Connections: lists by page, after Relay's cursor connections (https://relay.dev/graphql/connections.htm)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from functools import partial
from typing import Annotated, Any, Generic, Protocol, TypeVar, cast

import strawberry
from strawberry.utils.str_converters import to_camel_case

from db.access.reads import ListTooSlow, Reads
from db.models import Base
from db.models.base import table_of
from db.queries.columns import Columns
from db.queries.counts import COUNTED_FOR_A_ROW, count, counts_by
from db.queries.pages import Condition, Page, PageRequest, page, pages_by
from graph.execution import Field, ResolveMany
from graph.schema.fields.context import Context, Info, RawInfo
from graph.schema.fields.cursors import decode_cursor, encode_cursor
from graph.schema.fields.edges import EDGE, columns_read
from graph.schema.fields.errors import bad_user_input, list_too_slow
from graph.schema.fields.paging import DEFAULT_PAGE, MAX_PAGE, checked_limit
from graph.settings import Limits

Item = TypeVar("Item")


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follow: ask for them `after` the `endCursor`.")
    has_previous_page: bool = strawberry.field(
        description="Whether more precede: ask for them `before` the `startCursor`."
    )
    start_cursor: str | None = strawberry.field(description="Cursor of the page's first item; null when it is empty.")
    end_cursor: str | None = strawberry.field(
        description=(
            "Cursor of the page's last item. When the page is empty, the `after` that was asked for, so that what is "
            "added later is found by asking on from here; null when there was none."
        )
    )


@strawberry.type(description="One item of a page and its place in the list.")
class Edge(Generic[Item]):
    node: Item = strawberry.field(description="The item.")
    cursor: str = strawberry.field(
        description="The item's place, for `after` and `before`. It is good for this list in this order only."
    )


DEFAULT_COUNT = 10_000
MAX_COUNT = 1_000_000
"""Maximum of items that `count` counts."""


@strawberry.enum(description="How exact a count is.")
class CountPrecision(Enum):
    EXACT = strawberry.enum_value("EXACT", description="There are as many as it says.")
    AT_LEAST = strawberry.enum_value("AT_LEAST", description="There are more than it says: it stopped at its limit.")


@strawberry.type(name="Count", description="How many items a list has, counted up to a limit.")
class ItemCount:
    value: int = strawberry.field(description="How many were counted: at most the limit.")
    precision: CountPrecision = strawberry.field(description="Whether there are more.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[Item]):
    edges: list[Edge[Item]] = strawberry.field(description="The items with their cursors.")
    nodes: list[Item] = strawberry.field(description="The items alone.")
    page_info: PageInfo = strawberry.field(description="Where the page stands in the list.")
    total_count: int | None = strawberry.field(
        description=(
            "How many items the whole list has. Counted only when it is asked for, and by a statement of its own: an "
            "item that is being added may be in the page and not in the count. Null only where counting failed. Costs "
            f"a row for each {COUNTED_FOR_A_ROW} items: `count` stops at a limit."
        )
    )

    @strawberry.field(description="How many items the whole list has, counted up to a limit.")
    async def count(
        self: Any,
        limit: Annotated[
            int,
            strawberry.argument(
                description=f"How many items to count at most: 1 to {MAX_COUNT}. Costs a row for each "
                f"{COUNTED_FOR_A_ROW} that are counted."
            ),
        ] = DEFAULT_COUNT,
    ) -> ItemCount:
        if not 1 <= limit <= MAX_COUNT:
            raise bad_user_input(f"`limit` must be between 1 and {MAX_COUNT}.")
        total = await self.total(limit)
        exact = total <= limit
        return ItemCount(value=min(total, limit), precision=CountPrecision.EXACT if exact else CountPrecision.AT_LEAST)


@strawberry.enum(description="Which way a list is ordered.")
class OrderDirection(Enum):
    ASC = strawberry.enum_value("ASC", description="Smallest, earliest or first in the alphabet first.")
    DESC = strawberry.enum_value("DESC", description="Largest, latest or last in the alphabet first.")


class Filter(Protocol):
    """An input that narrows a list."""

    def conditions(self) -> tuple[Condition, ...]: ...


class Order(Protocol):
    """An input that orders a list; the value of `field` is the column."""

    field: Any
    direction: OrderDirection


WHOLE = 0
"""The key of a list that is on no row."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The batched read of the pages of many parents; of the one page, where the list is of all rows."""

    model: type[Any]
    parent: str | None
    request: PageRequest
    columns: Columns

    async def __call__(self, reads: Reads, keys: Sequence[Any]) -> list[Page]:
        if self.parent is None:
            return [await page(reads, self.model, self.request, self.columns)]
        return await pages_by(reads, self.model, self.parent, keys, self.request, self.columns)


@dataclass(frozen=True, slots=True)
class Counts:
    """The batched read of how long the lists of many parents are; the one list, where it is of all rows. With a
    `limit`, no more rows than that and one are counted.
    """

    model: type[Any]
    parent: str | None
    conditions: tuple[Condition, ...]
    limit: int | None = None

    async def __call__(self, reads: Reads, keys: Sequence[Any]) -> list[int]:
        if self.parent is None:
            return [await count(reads, self.model, self.conditions, self.limit)]
        return await counts_by(reads, self.model, self.parent, keys, self.conditions, self.limit)


class Listed:
    """The source of a `Connection`, and of its `PageInfo`: a page as it was read. Cursors are made only where they are
    asked for, and the page was read with what they are made of.
    """

    __slots__ = ("_list_name", "_request", "has_more", "nodes", "total")

    def __init__(self, found: Page, request: PageRequest, list_name: str, total: "Count") -> None:
        self.nodes = found.rows
        self.has_more = found.has_more
        self.total = total
        self._request = request
        self._list_name = list_name

    @property
    def edges(self) -> "list[ListedEdge]":
        return [ListedEdge(row, self) for row in self.nodes]

    @property
    def page_info(self) -> "Listed":
        return self

    @property
    def total_count(self) -> Awaitable[int]:
        return self.total(None)

    @property
    def has_next_page(self) -> bool:
        return self._request.before is not None if self._request.backward else self.has_more

    @property
    def has_previous_page(self) -> bool:
        return self.has_more if self._request.backward else self._request.after is not None

    @property
    def start_cursor(self) -> str | None:
        return self.cursor(self.nodes[0]) if self.nodes else None

    @property
    def end_cursor(self) -> str | None:
        request = self._request
        if self.nodes:
            return self.cursor(self.nodes[-1])
        return None if request.after is None else encode_cursor(self._list_name, request, request.after)

    def cursor(self, row: Any) -> str:
        position = (getattr(row, self._request.order_by), getattr(row, self._request.then_by))
        return encode_cursor(self._list_name, self._request, position)


class ListedEdge:
    """The source of an `Edge`."""

    __slots__ = ("_listed", "node")

    def __init__(self, node: Any, listed: Listed) -> None:
        self.node = node
        self._listed = listed

    @property
    def cursor(self) -> str:
        return self._listed.cursor(self.node)


def asks_for_cursors(field: Field) -> bool:
    """Whether cursors are selected of a connection."""
    pages, edges = field.below("pageInfo") or (), field.below("edges") or ()
    return any(
        each.name in ("cursor", "startCursor", "endCursor")
        for selection in (*pages, *edges)
        for each in selection.fields
    )


class Count(Protocol):
    def __call__(self, limit: int | None) -> Awaitable[int]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for of a list, in the words of the client, who is told where it takes too long."""

    name: str
    filter: Filter | None
    order_by: Order | None

    def error(self, error: Exception) -> Exception:
        """The error, or what to say in its place."""
        if not isinstance(error, ListTooSlow):
            return error
        names = [] if self.filter is None else [each.name for each in fields(cast("Any", self.filter))]
        used = [to_camel_case(name) for name in names if getattr(self.filter, name) is not None]
        order = None if self.order_by is None else self.order_by.field.name
        return list_too_slow(self.name, error.seconds, used, order)

    async def answer(self, count: Count, limit: int | None) -> int:
        try:
            return await count(limit)
        except ListTooSlow as error:
            raise self.error(error) from error


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of the rows of `model`: of all of them, or of those whose column `parent` has the id of the row it is on.

    `request_of` makes a page request of the limits and the field's arguments, and raises a `BAD_USER_INPUT` error where
    they make no sense. Kept with the field under `EDGE`.
    """

    model: type[Any]
    parent: str | None
    request_of: Callable[..., PageRequest]

    @property
    def name(self) -> str:
        return to_camel_case(self.model.__tablename__)

    def __str__(self) -> str:
        return f"page of {self.model.__tablename__}" + (f" by {self.parent}" if self.parent else "")

    @property
    def reads(self) -> frozenset[str]:
        return frozenset() if self.parent is None else frozenset({"id"})

    def prepare(self, field: Field) -> ResolveMany:
        nodes, nodes_of_edges = field.below("nodes"), field.below("edges", "node")
        known = None if nodes is None or nodes_of_edges is None else [*nodes, *nodes_of_edges]
        columns, cursors = columns_read(self.model, known), asks_for_cursors(field)

        def resolve_many(sources: Sequence[Any], info: RawInfo, arguments: dict[str, Any]) -> Awaitable[Sequence[Any]]:
            return self.load(sources, info.context, arguments, columns, cursors=cursors)

        return resolve_many

    def load(
        self, sources: Sequence[Any], context: Context, arguments: dict[str, Any], columns: Columns, *, cursors: bool
    ) -> Awaitable[list[Any]]:
        """Asks for the list on each of many rows, with what its cursors are made of where they are asked for."""
        keys = [WHOLE] if self.parent is None else [source.id for source in sources]
        request = self.request_of(context.settings.limits, **arguments)
        if cursors and columns is not None:
            columns = columns | {request.order_by, request.then_by}
        asked = Asked(self.name, arguments.get("filter"), arguments.get("order_by"))
        pages = context.loaders.load_all(Pages(self.model, self.parent, request, columns), keys)
        return self.listed(pages, keys, context, request, asked)

    async def listed(
        self, pages: Awaitable[list[Any]], keys: Sequence[Any], context: Context, request: PageRequest, asked: "Asked"
    ) -> list[Any]:
        """The lists that the pages are of; the error of one that could not be read."""

        def counted(key: Any, limit: int | None) -> Awaitable[int]:
            return context.loaders.load(Counts(self.model, self.parent, request.conditions, limit), key)

        found = await pages
        if self.parent is not None:
            context.rows.give(sum(len(page.rows) for page in found if isinstance(page, Page)))
        return [
            Listed(page, request, self.model.__tablename__, partial(asked.answer, partial(counted, key)))
            if isinstance(page, Page)
            else asked.error(page)
            for page, key in zip(found, keys, strict=True)
        ]

    async def resolve(self, source: Any, info: Info, arguments: dict[str, Any]) -> Listed:
        """The list on one row, for an executor that asks for each by itself."""
        [found] = await self.load([source], info.context, arguments, None, cursors=True)
        if isinstance(found, Exception):
            raise found
        return cast("Listed", found)


def connection(
    model: type[Base],
    *,
    filter_by: type,
    order_by: type,
    description: str,
    parent: str | None = None,
    without_test_clocks: bool = False,
    newest_first: bool = False,
    deprecation_reason: str | None = None,
) -> Any:
    """A field that gives a list by page. Its arguments are the same everywhere; filter and order are the list's own.

    Where `without_test_clocks` is set, rows in the time of a test clock are in it only if the filter names the clock,
    or whose they are.
    """

    def request_of(
        limits: Limits,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        filter: Filter | None = None,
        order_by: Order | None = None,
    ) -> PageRequest:
        request = page_request(
            limits, list_name, first, after, last, before, filter, order_by, newest_first=newest_first
        )
        if columns[request.order_by].nullable:
            # Only what has a place in the order is in the list.
            request = replace(request, conditions=(*request.conditions, Condition(request.order_by, "is not null")))
        return outside_test_clocks(request) if without_test_clocks else request

    list_name, columns = model.__tablename__, table_of(model).c
    listing = Listing(model, parent, request_of)

    async def resolve(
        self: Any,
        info: Info,
        first: Annotated[
            int | None,
            strawberry.argument(
                description=f"How many items from the start, 0 to {MAX_PAGE}; {DEFAULT_PAGE} by default."
            ),
        ] = None,
        after: Annotated[str | None, strawberry.argument(description="Only items after this cursor.")] = None,
        last: Annotated[
            int | None, strawberry.argument(description=f"How many items from the end: 0 to {MAX_PAGE}.")
        ] = None,
        before: Annotated[str | None, strawberry.argument(description="Only items before this cursor.")] = None,
        filter: Any = None,
        order_by: Any = None,
    ) -> Any:
        arguments = {
            "first": first,
            "after": after,
            "last": last,
            "before": before,
            "filter": filter,
            "order_by": order_by,
        }
        return await listing.resolve(self, info, arguments)

    resolve.__annotations__["filter"] = Annotated[
        filter_by | None, strawberry.argument(description="Only items that meet all of these.")
    ]
    resolve.__annotations__["order_by"] = Annotated[
        order_by | None,
        strawberry.argument(description=f"In this order; by default {'newest' if newest_first else 'oldest'} first."),
    ]
    return strawberry.field(
        resolver=resolve,
        description=description,
        deprecation_reason=deprecation_reason,
        metadata={EDGE: listing},
    )


NAMING_TEST_CLOCKS = frozenset({"test_clock_id", "customer_id", "subscription_id"})
"""Columns that a filter names a test clock with, or what may be in its time."""


def outside_test_clocks(request: PageRequest) -> PageRequest:
    """The request, for rows in the time of no test clock, unless it says whose rows are wanted."""
    if any(condition.column in NAMING_TEST_CLOCKS for condition in request.conditions):
        return request
    return replace(request, conditions=(*request.conditions, Condition("test_clock_id", "is null")))


def page_request(
    limits: Limits,
    list_name: str,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
    filter: Filter | None,
    order_by: Order | None,
    *,
    newest_first: bool,
) -> PageRequest:
    """What the arguments of a connection ask for. Raises a `BAD_USER_INPUT` error where they make no sense."""
    if first is not None and last is not None:
        raise bad_user_input("Give `first` or `last`, not both.")
    name, asked = ("first", first) if last is None else ("last", last)
    request = PageRequest(
        limit=checked_limit(name, asked, limits),
        backward=last is not None,
        order_by=order_by.field.value if order_by else "created_at",
        descending=order_by.direction is OrderDirection.DESC if order_by else newest_first,
        conditions=filter.conditions() if filter else (),
    )
    if after is None and before is None:
        return request
    return replace(
        request,
        after=None if after is None else decode_cursor(list_name, request, after, "after"),
        before=None if before is None else decode_cursor(list_name, request, before, "before"),
    )
