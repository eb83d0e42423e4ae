"""Errors for clients: user errors in payloads, and top-level errors with codes."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from enum import Enum
from typing import cast

import strawberry
from graphql import GraphQLError
from strawberry.utils.str_converters import to_camel_case

from billing.errors import BILLING_ERRORS, BillingError
from db.models.kinds import KINDS
from graph.error_codes import ErrorCode
from graph.observability.exchange import current


def codes_of(refusals: Iterable[type[BillingError]]) -> type[Enum]:
    """Creates the GraphQL enum of the error codes."""
    values = {
        each.code: strawberry.enum_value(
            each.code, description=each.description, deprecation_reason=each.deprecation_reason
        )
        for each in refusals
    }
    # mypy takes this call for a lookup of a member.
    made = cast("type[Enum]", Enum("UserErrorCode", values))
    return strawberry.enum(made, description="The reason why a mutation was rejected.")


UserErrorCode = codes_of(BILLING_ERRORS)


@strawberry.type(
    description=(
        "An error in a mutation's input or in the state of its objects, which the client can fix. Nothing was stored."
    )
)
class UserError:
    code: str = strawberry.field(graphql_type=UserErrorCode, description="The error code, for programs.")
    message: str = strawberry.field(description="The error message, for people: one sentence in English.")
    field: list[str] | None = strawberry.field(
        description=(
            'The path of the input field that caused the error, such as `["input", "email"]`. Null if no single'
            " field did."
        )
    )

    @classmethod
    def of(cls, refusal: BillingError, input_type: type) -> "UserError":
        """Converts an error to a user error whose `field` is a path in the mutation's input.

        If the error names a field such as `customer_id` and the input has no such field, the path is the input's `id`.
        """
        current().refusals.append(refusal.code)
        path = None
        if refusal.field:
            outermost, *inner = refusal.field
            names = {each.name for each in fields(input_type)}
            name = "id" if outermost in OWN_IDS and outermost not in names else outermost
            assert name in names, (input_type, refusal.field)
            path = ["input", *map(to_camel_case, (name, *inner))]
        return cls(code=refusal.code, message=str(refusal), field=path)


OWN_IDS = {*(kind.id_name for kind in KINDS), "api_key_id"}
"""Names in errors for the id of the changed object, which inputs call `id`."""


def list_too_slow(name: str, seconds: float, filters: Sequence[str], order: str | None) -> GraphQLError:
    """Returns a top-level error for a list that took too long because no index fits its filter and order."""
    said = [f"the filter {', '.join(f'`{each}`' for each in filters)}"] if filters else []
    said += [f"the order `{order}`"] if order else []
    message = (
        f"`{name}` with {' and '.join(said) or 'no filter'} took longer than {seconds:g} s. Use a narrower filter."
    )
    return GraphQLError(message, extensions={"code": ErrorCode.TIMEOUT})


def bad_user_input(message: str) -> GraphQLError:
    """Returns a top-level error for a value that is invalid for its type, or for the list that it is used with."""
    return GraphQLError(message, extensions={"code": ErrorCode.BAD_USER_INPUT})
