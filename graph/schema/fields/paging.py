"""How many items a list gives."""

from graph.schema.fields.errors import bad_user_input


def checked_limit(name: str, limit: int) -> int:
    if not 0 <= limit <= MAX_PAGE:
        raise bad_user_input(f"`{name}` must be between 0 and {MAX_PAGE}.")
    return limit


DEFAULT_PAGE = 20

MAX_PAGE = 100

PAGE_ARGUMENTS = ("first", "last", "count", "ids")

PAGE_BY_DEFAULT = "page_by_default"
"""Of a field that gives pages, in its `extensions`: how many items they have by default, where not `DEFAULT_PAGE`."""
