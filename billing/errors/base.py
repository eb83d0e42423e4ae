"""The base class of the errors, and the error for input that breaks a simple limit."""

from typing import ClassVar


class BillingError(Exception):
    """A rejected request. Nothing was stored.

    - `code` identifies the kind of error for programs.
    - `description` explains the code in one sentence in the API reference.
    - `deprecation_reason` is set if the code is no longer returned.
    - `field` is the path of the input at fault, outermost first, in the parameter names of the operation. Empty if no
      single input is at fault.
    """

    __test__ = False  # pytest must not collect `TestClockNotFound` and the like as test classes

    code: ClassVar[str]
    description: ClassVar[str]
    deprecation_reason: ClassVar[str | None] = None
    field: tuple[str, ...] = ()

    def __init__(self, message: str, *field: str) -> None:
        super().__init__(message)
        if field:
            self.field = field


class InvalidInput(BillingError):
    code = "INVALID_INPUT"
    description = "A value is empty, too long, out of range, or not allowed in this combination."
