"""New keys: UUIDv7 (RFC 9562), made in the program, so that rows can refer to each other before they are stored."""

from collections.abc import Callable
from uuid import UUID

from uuid_utils.compat import uuid7

NewId = Callable[[], UUID]


def new_id() -> UUID:
    """A fresh UUIDv7: later ones sort after earlier ones."""
    return uuid7()
