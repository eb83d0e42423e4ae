"""Page sizes and sort directions of lists."""

from enum import Enum

import strawberry

from graph.schema.fields.errors import bad_user_input
from graph.settings import Limits

DEFAULT_PAGE = 20

MAX_PAGE = Limits().page
"""Default of the maximum page size, in items. The schema descriptions state this value."""

PAGE_ARGUMENTS = ("first", "last", "count", "ids")

PAGE_BY_DEFAULT = "page_by_default"
"""Key in a field's `extensions`: its default page size, if it is not `DEFAULT_PAGE`."""


def checked_limit(name: str, asked: int | None, limits: Limits, *, by_default: int = DEFAULT_PAGE) -> int:
    """Returns the maximum number of items to return: `asked`, or the default if it is None.

    Raises a `BAD_USER_INPUT` error that names the argument `name` if `asked` is negative or above the limit.
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
