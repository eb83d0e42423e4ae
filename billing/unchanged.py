"""The value of an input that was left out of an update: neither a new value nor null."""

from enum import Enum
from typing import Final


class Unchanged(Enum):
    UNCHANGED = "UNCHANGED"


UNCHANGED: Final = Unchanged.UNCHANGED
