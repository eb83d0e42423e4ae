"""Conditions on lists of values, as one array parameter, so that the SQL text does not depend on the length."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, any_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute


def among(column: InstrumentedAttribute[Any] | ColumnElement[Any], values: Sequence[object]) -> ColumnElement[bool]:
    """Returns the condition `column = ANY (:values)`."""
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type)))
