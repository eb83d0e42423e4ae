"""Cursors: positions in a list, encoded as opaque strings."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

import orjson
from sqlalchemy import Integer
from sqlalchemy.types import TypeEngine

from billing.limits import MAX_CENTS
from db.models import Base
from db.models.types import Instant, TransactionId
from db.queries.pages import PageRequest, Position
from graph.schema.fields.errors import bad_user_input
from graph.schema.fields.scalars import NO_ID, is_storable, parse_id, serialize_datetime

MAX_CURSOR = 4000


def encode_cursor(list_name: str, request: PageRequest, position: Position) -> str:
    """Encodes a position, together with the list and the order that it belongs to."""
    value, tie = position
    is_instant = isinstance(type_of(list_name, request.order_by), Instant)
    plain = serialize_datetime(cast("datetime | str", value)) if is_instant else value
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
    value, tie_value = cursor_value(type_of(list_name, request.order_by), plain), cursor_tie(request.then_by, tie)
    if value is None or tie_value is None:
        raise bad
    return value, tie_value


def cursor_tie(column: str, text: str) -> UUID | int | None:
    """Returns the cursor's tiebreaker for rows with equal values, or None if it is invalid."""
    if column == "position":
        return int(text) if re.fullmatch("[0-9]{1,18}", text) else None
    key = parse_id(text)
    return None if key == NO_ID else key


@cache
def type_of(list_name: str, column: str) -> TypeEngine[Any]:
    """The type of a column of the table that a list is of."""
    return Base.metadata.tables[list_name].c[column].type


def cursor_value(type_: TypeEngine[Any], plain: object) -> str | int | datetime | None:
    """Returns the value of a column of this type in a cursor, or None if it is invalid."""
    if isinstance(type_, Instant):
        try:
            instant = datetime.fromisoformat(plain) if isinstance(plain, str) else None
        except ValueError:
            return None
        return instant if instant is not None and instant.tzinfo is UTC else None
    if isinstance(type_, Integer):
        return plain if type(plain) is int and abs(plain) <= MAX_CENTS else None
    if isinstance(type_, TransactionId):
        return plain if type(plain) is int and 0 <= plain < 2**64 else None
    return plain if isinstance(plain, str) and is_storable(plain) else None
