"""What all mutations share: one input, one payload, refusals as `userErrors`.

A new one is an input, a payload that declares its objects, and a resolver:

    @payload
    class ArchivePlanPayload(Payload):
        plan: Plan | None = made_plan("The plan as it is now.")

    @mutation("Closes a plan to new subscriptions.")
    async def archive_plan(self, info: Info, input: ArchivePlanInput) -> ArchivePlanPayload:
        made = await info.context.change(lambda session: plans.archive_plan(session, …))
        return ArchivePlanPayload(made=made)
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial, wraps
from typing import Annotated, Any, Protocol, TypeVar, dataclass_transform, get_type_hints

import strawberry
from strawberry.types import get_object_definition

from billing.errors import BillingError
from billing.limits import MAX_IDEMPOTENCY_KEY
from billing.validation import UNCHANGED, Unchanged
from billing.words import ApiKeyScope, CustomerPermission
from db.queries.lookups import (
    customers_by_id,
    invoices_by_id,
    payments_by_id,
    plans_by_id,
    subscriptions_by_id,
    test_clocks_by_id,
)
from graph.schema.fields.context import Info
from graph.schema.fields.edges import edge
from graph.schema.fields.errors import UserError
from services.idempotency import RETRY_WITHIN, Outcome

Input = TypeVar("Input")
Result = TypeVar("Result", bound="Payload")
Given = TypeVar("Given")
Given_co = TypeVar("Given_co", covariant=True)


class Some(Protocol[Given_co]):
    """A field of an input that was not left out."""

    @property
    def value(self) -> Given_co: ...


@strawberry.type
class Payload:
    """The part that all payloads share. Their objects are null where the mutation was refused."""

    made: strawberry.Private[Outcome] = Outcome()
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="Why the mutation was refused: nothing was stored then, and all else here is null. Else empty.",
    )


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def payload(declared: type[Result]) -> type[Result]:
    """Makes a class the payload of the mutation, or the preview, that it is named after."""
    name = declared.__name__.removesuffix("Payload")
    strawberry.type(declared, description=f"Answer of `{name[0].lower()}{name[1:]}`.")
    # The objects come first in the schema, as they do where a client asks for them.
    get_object_definition(declared, strict=True).fields.sort(key=lambda field: field.python_name == "user_errors")
    return declared


made_customer = partial(edge, customers_by_id, "made.customer_id")
made_plan = partial(edge, plans_by_id, "made.plan_id")
made_subscription = partial(edge, subscriptions_by_id, "made.subscription_id")
made_invoice = partial(edge, invoices_by_id, "made.invoice_id")
made_payment = partial(edge, payments_by_id, "made.payment_id")
made_test_clock = partial(edge, test_clocks_by_id, "made.test_clock_id")
"""Fields of a payload: the objects that the mutation has made or changed, as they are now."""


def idempotency_key_field(*, deprecation_reason: str | None = None) -> Any:
    return strawberry.field(
        default=None,
        description=(
            f"A text of your own, 1 to {MAX_IDEMPOTENCY_KEY} characters, that makes a retry safe: sent again with the "
            f"same key and input within {RETRY_WITHIN // timedelta(hours=1)} hours, by the same API key, the mutation "
            "is not done again and answers with what it made the first time."
        ),
        deprecation_reason=deprecation_reason,
    )


Resolver = Callable[[Any, Info, Input], Awaitable[Result]]


def mutation(
    description: str,
    *,
    scope: ApiKeyScope = ApiKeyScope.WRITE,
    permission: CustomerPermission | None = None,
    deprecation_reason: str | None = None,
) -> Callable[[Resolver[Input, Result]], Any]:
    """A root field that changes something, and answers with its payload.

    It needs an API key of this scope, or a customer session with this permission; none may without.
    """

    def allow(info: Info) -> None:
        info.context.access.require(scope, permission)

    declare = partial(strawberry.mutation, description=description, deprecation_reason=deprecation_reason)
    return partial(answered, declare, allow)


def preview(description: str, *, deprecation_reason: str | None = None) -> Callable[[Resolver[Input, Result]], Any]:
    """A root field that says what a mutation would do, and answers with its payload. Whoever may read may ask."""
    declare = partial(strawberry.field, description=description, deprecation_reason=deprecation_reason)
    return partial(answered, declare, lambda _info: None)


def answered(declare: Callable[..., Any], allow: Callable[[Info], None], resolver: Resolver[Input, Result]) -> Any:
    """A root field that takes one input and answers with its payload, with its `userErrors` where billing refuses."""
    hints = get_type_hints(resolver)
    described = strawberry.argument(description=get_object_definition(hints["input"], strict=True).description)
    resolver.__annotations__["input"] = Annotated[hints["input"], described]

    @wraps(resolver)
    async def resolve(self: Any, info: Info, input: Input) -> Result:
        allow(info)
        try:
            return await resolver(self, info, input)
        except BillingError as refusal:
            payload: Result = hints["return"](user_errors=[UserError.of(refusal, hints["input"])])
            return payload

    return declare(resolver=resolve)


def given(value: "Some[Given] | None") -> Given | Unchanged:
    """The value of a field of an update: what was given, null too, or `UNCHANGED` where it was left out."""
    return UNCHANGED if value is None else value.value
