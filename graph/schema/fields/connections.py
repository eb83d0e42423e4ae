"""Connections: lists by page, after Relay's cursor connections (https://relay.dev/graphql/connections.htm)."""

from dataclasses import replace
from enum import Enum
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from db.models import Base
from db.models.base import table_of
from db.queries.counts import COUNTED_FOR_A_ROW
from db.queries.pages import Condition, PageRequest
from graph.schema.fields.context import Info
from graph.schema.fields.cursors import decode_cursor
from graph.schema.fields.edges import EDGE
from graph.schema.fields.errors import bad_user_input
from graph.schema.fields.listings import Filter, Listing, Order
from graph.schema.fields.paging import DEFAULT_PAGE, MAX_PAGE, OrderDirection, checked_limit
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
