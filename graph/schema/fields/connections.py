"""Connections: paginated lists that follow Relay's specification (https://relay.dev/graphql/connections.htm)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from inspect import Signature, signature
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from db.models import Base
from db.models.base import table_of
from db.queries.conditions import Condition
from db.queries.counts import COUNTED_ROWS_PER_CHARGE
from db.queries.pages import PageRequest
from graph.schema.fields.context import Info
from graph.schema.fields.cursors import decode_cursor
from graph.schema.fields.edges import EDGE
from graph.schema.fields.errors import bad_user_input
from graph.schema.fields.listings import Filter, Listing, Order
from graph.schema.fields.paging import DEFAULT_PAGE, MAX_PAGE, OrderDirection, checked_limit
from graph.settings import Limits

Item = TypeVar("Item")


@strawberry.type(description="Information for paging.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="True if more items follow. Fetch them with `after: endCursor`.")
    has_previous_page: bool = strawberry.field(
        description="True if there are earlier items. Fetch them with `before: startCursor`."
    )
    start_cursor: str | None = strawberry.field(
        description="Cursor of the first item on the page. Null if the page is empty."
    )
    end_cursor: str | None = strawberry.field(
        description=(
            "Cursor of the last item on the page. If the page is empty, the `after` argument, so that you can"
            " continue from here and find items that are added later; null if there was no `after`."
        )
    )


@strawberry.type(description="An item on a page, with its cursor.")
class Edge(Generic[Item]):
    node: Item = strawberry.field(description="The item.")
    cursor: str = strawberry.field(
        description="The item's cursor, for `after` and `before`. It is valid only for this list and order."
    )


DEFAULT_COUNT = 10_000
MAX_COUNT = 1_000_000
"""Maximum number of items that `count` counts."""


@strawberry.enum(description="The precision of a count.")
class CountPrecision(Enum):
    EXACT = strawberry.enum_value("EXACT", description="The value is the exact count.")
    AT_LEAST = strawberry.enum_value(
        "AT_LEAST", description="Counting stopped at the limit: there are more items than the value."
    )


@strawberry.type(name="Count", description="The number of items in a list, counted up to a limit.")
class ItemCount:
    value: int = strawberry.field(description="The number of items counted, at most the limit.")
    precision: CountPrecision = strawberry.field(
        description="EXACT, or AT_LEAST if there are more items than the value."
    )


@strawberry.type(description="One page of a list.")
class Connection(Generic[Item]):
    edges: list[Edge[Item]] = strawberry.field(description="The items on the page, with their cursors.")
    nodes: list[Item] = strawberry.field(description="The items on the page, without cursors.")
    page_info: PageInfo = strawberry.field(description="Information for paging.")
    total_count: int | None = strawberry.field(
        description=(
            "The number of items in the whole list. It is counted only if it is requested, by a separate"
            " statement, so it may not match the page while items are being added. Null only if counting failed."
            f" Costs one row per {COUNTED_ROWS_PER_CHARGE} items; use `count` to stop at a limit."
        )
    )

    @strawberry.field(description="The number of items in the whole list, counted up to a limit.")
    async def count(
        self: Any,
        limit: Annotated[
            int,
            strawberry.argument(
                description=(
                    f"The maximum number of items to count, 1 to {MAX_COUNT}. Costs one row per"
                    f" {COUNTED_ROWS_PER_CHARGE} items counted."
                )
            ),
        ] = DEFAULT_COUNT,
    ) -> ItemCount:
        if not 1 <= limit <= MAX_COUNT:
            raise bad_user_input(f"`limit` must be between 1 and {MAX_COUNT}.")
        total = await self.total(limit)
        exact = total <= limit
        return ItemCount(value=min(total, limit), precision=CountPrecision.EXACT if exact else CountPrecision.AT_LEAST)


@dataclass(frozen=True, slots=True)
class Search:
    """The argument `query` of a list. `conditions` raises a `BAD_USER_INPUT` error if the text is invalid."""

    conditions: Callable[[str | None], tuple[Condition, ...]]
    description: str


def connection(
    model: type[Base],
    *,
    filter_by: type,
    order_by: type,
    description: str,
    parent: str | None = None,
    without_test_clocks: bool = False,
    newest_first: bool = False,
    search: Search | None = None,
    deprecation_reason: str | None = None,
) -> Any:
    """Declares a field that returns a paginated list.

    All connections have the same arguments; only the types of `filter` and `orderBy` differ. With a `search`, the list
    also has the argument `query`. With `without_test_clocks`, rows on a test clock are omitted unless the filter names
    the clock, the customer, the subscription or the invoice.
    """

    def request_of(
        limits: Limits,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
        filter: Filter | None = None,
        order_by: Order | None = None,
        query: str | None = None,
    ) -> PageRequest:
        request = page_request(
            limits, list_name, first, after, last, before, filter, order_by, newest_first=newest_first
        )
        if search is not None:
            request = replace(request, conditions=(*request.conditions, *search.conditions(query)))
        if columns[request.order_by].nullable:
            # Rows with null have no position in this order, so the list omits them.
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
                description=(
                    f"Number of items from the start of the list, 0 to {MAX_PAGE}. Defaults to {DEFAULT_PAGE}."
                )
            ),
        ] = None,
        after: Annotated[str | None, strawberry.argument(description="Only items after this cursor.")] = None,
        last: Annotated[
            int | None, strawberry.argument(description=f"Number of items from the end of the list, 0 to {MAX_PAGE}.")
        ] = None,
        before: Annotated[str | None, strawberry.argument(description="Only items before this cursor.")] = None,
        filter: Any = None,
        order_by: Any = None,
        query: Any = None,
    ) -> Any:
        arguments = {
            "first": first,
            "after": after,
            "last": last,
            "before": before,
            "filter": filter,
            "order_by": order_by,
            "query": query,
        }
        return await listing.resolve(self, info, arguments)

    resolve.__annotations__["filter"] = Annotated[
        filter_by | None, strawberry.argument(description="Only items that match all of these conditions.")
    ]
    resolve.__annotations__["order_by"] = Annotated[
        order_by | None,
        strawberry.argument(description=f"The sort order. Defaults to {'newest' if newest_first else 'oldest'} first."),
    ]
    if search is None:
        without_query = [each for each in signature(resolve).parameters.values() if each.name != "query"]
        resolve.__signature__ = Signature(without_query)  # type: ignore[attr-defined]
    else:
        resolve.__annotations__["query"] = Annotated[str | None, strawberry.argument(description=search.description)]
    return strawberry.field(
        resolver=resolve,
        description=description,
        deprecation_reason=deprecation_reason,
        metadata={EDGE: listing},
    )


NAMING_TEST_CLOCKS = frozenset({"test_clock_id", "customer_id", "subscription_id", "invoice_id"})
"""Columns whose conditions make a list include rows on a test clock."""


def outside_test_clocks(request: PageRequest) -> PageRequest:
    """Restricts the request to rows in real time, unless it has a condition on a column of `NAMING_TEST_CLOCKS`."""
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
    """Returns the page request for a connection's arguments. Raises a `BAD_USER_INPUT` error if they are invalid."""
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
