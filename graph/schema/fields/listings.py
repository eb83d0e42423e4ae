"""Sources of connections: they read pages and counts for many parents at once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Protocol, cast

from strawberry.utils.str_converters import to_camel_case

from db.access.reads import ListTooSlow, Reads
from db.queries.columns import Columns
from db.queries.conditions import Condition
from db.queries.counts import count, counts_by
from db.queries.pages import Page, PageRequest, page, pages_by
from graph.execution import Field, ResolveMany
from graph.schema.fields.context import Context, Info, RawInfo
from graph.schema.fields.cursors import encode_cursor
from graph.schema.fields.edges import columns_read
from graph.schema.fields.errors import list_too_slow
from graph.schema.fields.paging import OrderDirection


class Filter(Protocol):
    """An input that filters a list."""

    def conditions(self) -> tuple[Condition, ...]: ...


class Order(Protocol):
    """An input that sorts a list. The value of `field` is a column name."""

    field: Any
    direction: OrderDirection


WHOLE = 0
"""Loader key of a list without a parent row."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Batched read of one page per parent. Without `parent`, the list contains all rows and there is only one page."""

    model: type[Any]
    parent: str | None
    request: PageRequest
    columns: Columns

    async def __call__(self, reads: Reads, keys: Sequence[Any]) -> list[Page]:
        if self.parent is None:
            return [await page(reads, self.model, self.request, self.columns)]
        return await pages_by(reads, self.model, self.parent, keys, self.request, self.columns)


@dataclass(frozen=True, slots=True)
class ListCounts:
    """Batched read of the length of one list per parent. Without `parent`, there is only the list of all rows.

    With a `limit`, counting stops at `limit` + 1 rows.
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
    """The source of a `Connection` and of its `PageInfo`: one page of rows.

    Cursors are encoded only when they are read. Their columns are part of the page only if cursors are selected.
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
    """Returns True if the selections on a connection contain cursors."""
    pages, edges = field.below("pageInfo") or (), field.below("edges") or ()
    return any(
        each.name in ("cursor", "startCursor", "endCursor")
        for selection in (*pages, *edges)
        for each in selection.fields
    )


HIDDEN_FROM_SESSIONS = frozenset({"custom_metadata"})
"""Columns that customer sessions see as empty."""


def for_session(request: PageRequest) -> PageRequest:
    """Returns the request of a customer session: a condition on a column that it sees as empty matches no row."""
    if any(condition.column in HIDDEN_FROM_SESSIONS for condition in request.conditions):
        return replace(request, conditions=(Condition("id", "in", ()),))
    return request


class Count(Protocol):
    def __call__(self, limit: int | None) -> Awaitable[int]: ...


@dataclass(frozen=True, slots=True)
class RequestedList:
    """A list as the client requested it, for the error message if the list takes too long."""

    name: str
    filter: Filter | None
    order_by: Order | None
    query: str | None

    def error(self, error: Exception) -> Exception:
        """Converts `ListTooSlow` to an error for the client. Returns other errors unchanged."""
        if not isinstance(error, ListTooSlow):
            return error
        names = [] if self.filter is None else [each.name for each in fields(cast("Any", self.filter))]
        used = [to_camel_case(name) for name in names if getattr(self.filter, name) is not None]
        used += ["query"] if self.query else []
        order = None if self.order_by is None else self.order_by.field.name
        return list_too_slow(self.name, error.seconds, used, order)

    async def answer(self, count: Count, limit: int | None) -> int:
        try:
            return await count(limit)
        except ListTooSlow as error:
            raise self.error(error) from error


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of rows of `model`: all rows, or those whose column `parent` contains the id of the source row.

    `request_of` creates a page request from the limits and the field's arguments, and raises a `BAD_USER_INPUT` error
    if they are invalid. A listing is stored in the field's metadata, under `EDGE`.
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
        """Starts to load the list for each source row. With `cursors`, also reads the columns that cursors need."""
        keys = [WHOLE] if self.parent is None else [source.id for source in sources]
        request = self.request_of(context.settings.limits, **arguments)
        if context.access.customer_id is not None:
            request = for_session(request)
        if cursors and columns is not None:
            columns = columns | {request.order_by, request.then_by}
        asked = RequestedList(self.name, arguments.get("filter"), arguments.get("order_by"), arguments.get("query"))
        pages = context.loaders.load_all(Pages(self.model, self.parent, request, columns), keys)
        return self.listed(pages, keys, context, request, asked)

    async def listed(
        self,
        pages: Awaitable[list[Any]],
        keys: Sequence[Any],
        context: Context,
        request: PageRequest,
        asked: "RequestedList",
    ) -> list[Any]:
        """Awaits the pages and returns a `Listed` for each of them, or the error of a page that could not be read."""

        def counted(key: Any, limit: int | None) -> Awaitable[int]:
            return context.loaders.load(ListCounts(self.model, self.parent, request.conditions, limit), key)

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
        """Returns the list for one row, for an executor that resolves each field of each object separately."""
        [found] = await self.load([source], info.context, arguments, None, cursors=True)
        if isinstance(found, Exception):
            raise found
        return cast("Listed", found)
