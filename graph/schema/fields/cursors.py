"""Cursors: positions in a list, encoded as opaque strings."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import orjson

from billing.limits import MAX_CENTS
from db.queries.pages import PageRequest, Position
from graph.schema.fields.errors import bad_user_input
from graph.schema.fields.scalars import NO_ID, is_storable, parse_id, serialize_datetime

MAX_CURSOR = 4000


def encode_cursor(list_name: str, request: PageRequest, position: Position) -> str:
    """Encodes a position, together with the list and the order that it belongs to."""
    value, tie = position
    plain = serialize_datetime(cast("datetime | str", value)) if request.order_by in INSTANTS else value
    document = [list_name, request.order_by, request.descending, plain, str(tie)]
    return urlsafe_b64encode(orjson.dumps(document)).decode().rstrip("=")


def decode_cursor(list_name: str, request: PageRequest, cursor: str, argument: str) -> Position:
    """Decodes a cursor of `encode_cursor`.

    Raises a `BAD_USER_INPUT` error if `cursor` is not a cursor of this list and order.
    """
    bad = bad_user_input(f"`{argument}` is not a cursor for this list and order.")
    try:
        if len(cursor) > MAX_CURSOR:
            raise bad
        document = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        *ordering, plain, tie = document
    except (Base64Error, ValueError, TypeError, RecursionError):
        raise bad from None
    if ordering != [list_name, request.order_by, request.descending] or not isinstance(tie, str):
        raise bad
    value, tie_value = cursor_value(request.order_by, plain), cursor_tie(request.then_by, tie)
    if value is None or tie_value is None:
        raise bad
    return value, tie_value


def cursor_tie(column: str, text: str) -> UUID | int | None:
    """Returns the cursor's tiebreaker for rows with equal values, or None if it is invalid."""
    if column == "position":
        return int(text) if re.fullmatch("[0-9]{1,18}", text) else None
    key = parse_id(text)
    return None if key == NO_ID else key


INSTANTS = frozenset({"created_at", "due_at", "period_start", "received_at"})


def cursor_value(column: str, plain: object) -> str | int | datetime | None:
    """Returns the cursor's value for the column that the list is sorted by, or None if it is invalid."""
    if column in INSTANTS:
        try:
            instant = datetime.fromisoformat(plain) if isinstance(plain, str) else None
        except ValueError:
            return None
        return instant if instant is not None and instant.tzinfo is UTC else None
    if column == "amount_cents":
        return plain if type(plain) is int and abs(plain) <= MAX_CENTS else None
    if column == "xid":
        return plain if type(plain) is int and 0 <= plain < 2**64 else None
    return plain if isinstance(plain, str) and is_storable(plain) else None
