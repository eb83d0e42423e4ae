"""How many items a list gives, and which way it is ordered."""

from enum import Enum

import strawberry

from graph.schema.fields.errors import bad_user_input
from graph.settings import Limits

DEFAULT_PAGE = 20

MAX_PAGE = Limits().page
"""Maximum of items on a page where no other is set: what the schema's descriptions say."""

PAGE_ARGUMENTS = ("first", "last", "count", "ids")

PAGE_BY_DEFAULT = "page_by_default"
"""Of a field that gives pages, in its `extensions`: how many items they have by default, where not `DEFAULT_PAGE`."""


def checked_limit(name: str, asked: int | None, limits: Limits, *, by_default: int = DEFAULT_PAGE) -> int:
    """Returns how many items to give at most, by the argument `name`. Raises a `BAD_USER_INPUT` error where it asks for
    more than the limits allow.
    """
    if asked is None:
        return min(by_default, limits.page)
    if not 0 <= asked <= limits.page:
        raise bad_user_input(f"`{name}` must be between 0 and {limits.page}.")
    return asked


@strawberry.enum(description="The direction of a sort order.")
class OrderDirection(Enum):
    ASC = strawberry.enum_value("ASC", description="Ascending: smallest, earliest or alphabetically first value first.")
    DESC = strawberry.enum_value("DESC", description="Descending: largest, latest or alphabetically last value first.")
