"""Formats top-level errors for responses."""

import re
from typing import Any

from graphql import GraphQLError, GraphQLSyntaxError

from db.access.scope import RowBudgetExceeded
from db.driver.errors import is_overloaded, is_timeout, is_unavailable
from graph.error_codes import ErrorCode
from graph.observability.exchange import current

NOT_CHANGED = "The database is unavailable at the moment. Try again."

BUSY = "The server is busy: the request timed out in the queue. Try again in a moment."

MAYBE_CHANGED = (
    "The request was interrupted. Some or all of it may have been applied: retry it with its idempotency key, or"
    " check first."
)

DID_YOU_MEAN = re.compile(r" Did you mean .*\?$", re.DOTALL)

# Parts of graphql-core's messages about input values. They tell where the value begins.
PREFIX = r"((?:(?:Variable|Argument) '[^']+' has invalid (?:default )?value(?: at [.\w\[\]]+)?: )?"
ECHO_OF_INPUT = re.compile(
    PREFIX + r"Expected value of type .*?)(?:, but encountered error|, found:|(?<=\?) Found:)", re.DOTALL
)
ECHO_OF_LEAF = re.compile(
    PREFIX + r"(?:Enum '\w+'|\w+) cannot represent [\w -]*?value): .*?(\. Did you mean the enum value [\w', ]+\?)?",
    re.DOTALL,
)
ECHO_OF_ENUM_VALUE = re.compile(r"(Variable [^:]+: )Value '.*' (does not exist in '\w+' enum\..*)", re.DOTALL)
NOT_NONE = re.compile(r"(.* not to be )None\.")


def plain_message(message: str) -> str:
    """Returns a message of graphql-core without the input value that it repeats, and without Python's None.

    The value may be a whole input with personal data. Names in the document are kept.
    """
    if echo := ECHO_OF_INPUT.match(message):
        return echo[1] if echo[1].endswith("?") else f"{echo[1]}."
    if echo := ECHO_OF_LEAF.fullmatch(message):
        return f"{echo[1]}{echo[2] or '.'}"
    if echo := ECHO_OF_ENUM_VALUE.fullmatch(message):
        return f"{echo[1]}The value {echo[2]}"
    if echo := NOT_NONE.fullmatch(message):
        return f"{echo[1]}null."
    return message


def error_document(message: str, code: ErrorCode) -> dict[str, Any]:
    """Returns an error as it stands in a response."""
    return {"message": message, "extensions": {"code": code}}


def formatted(
    error: GraphQLError, *, suggestions: bool = True, before: bool = False, changed: bool = False
) -> dict[str, Any]:
    """Returns a top-level error for the response, with a code and without details that only the log may contain.

    Without `suggestions`, similar names are removed from the message. An error found `before` execution is a validation
    error unless it has another code. `changed`: the request has stored something, or may have.
    """
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    # A literal that cannot be read, such as an integer of 5000 digits, is the client's mistake.
    if cause is None or (error.path is None and isinstance(cause, ValueError | RecursionError)):
        sent: dict[str, Any] = {**error.formatted, "message": plain_message(error.message)}
        if not suggestions:
            sent["message"] = DID_YOU_MEAN.sub("", sent["message"])
        return {**sent, "extensions": {"code": code_of(error, before=before), **sent.get("extensions", {})}}

    if isinstance(cause, RowBudgetExceeded):
        message = f"This reads or returns more than {cause.limit} rows. Request less at a time."
        refused = GraphQLError(message, nodes=error.nodes, path=error.path)
        return {**refused.formatted, "extensions": {"code": ErrorCode.COST_LIMIT, "limit": cause.limit}}

    exchange = current()
    exchange.fails(cause)
    if is_timeout(cause):
        code, message = ErrorCode.TIMEOUT, "This took too long. Request less at a time."
    elif is_overloaded(cause):
        code, message = ErrorCode.OVERLOADED, MAYBE_CHANGED if changed else BUSY
    elif is_unavailable(cause):
        code, message = ErrorCode.UNAVAILABLE, MAYBE_CHANGED if changed else NOT_CHANGED
    else:
        code, message = ErrorCode.INTERNAL_SERVER_ERROR, "Internal server error."
    masked = GraphQLError(message, nodes=error.nodes, path=error.path)
    return {**masked.formatted, "extensions": {"code": code, "requestId": exchange.request_id}}


def code_of(error: GraphQLError, *, before: bool) -> ErrorCode:
    """Returns the code of an error that has none in its extensions."""
    if isinstance(error, GraphQLSyntaxError):
        return ErrorCode.GRAPHQL_PARSE_FAILED
    return ErrorCode.GRAPHQL_VALIDATION_FAILED if before else ErrorCode.BAD_USER_INPUT
