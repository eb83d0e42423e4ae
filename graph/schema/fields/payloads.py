"""Common parts of all mutations: one input, one payload, and `userErrors` if the mutation is rejected.

A new mutation consists of an input, a payload that declares its objects, and a resolver:

    @payload
    class ArchivePlanPayload(Payload):
        plan: Plan | None = made_plan("The updated plan.")

    @mutation("Archives a plan, so that it accepts no new subscriptions.")
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

from billing.enums import ApiKeyScope, CustomerPermission
from billing.errors import BillingError
from billing.limits import MAX_IDEMPOTENCY_KEY
from billing.validation import UNCHANGED, Unchanged
from db.queries.lookups import (
    coupons_by_id,
    credit_notes_by_id,
    customers_by_id,
    discounts_by_id,
    invoices_by_id,
    payments_by_id,
    plans_by_id,
    sellers_by_id,
    subscriptions_by_id,
    tax_rates_by_id,
    test_clocks_by_id,
    webhook_endpoints_by_id,
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
    """An input field that was not omitted."""

    @property
    def value(self) -> Given_co: ...


@strawberry.type
class Payload:
    """Base class of all payloads. If the mutation is rejected, the objects of the payload are null."""

    made: strawberry.Private[Outcome] = Outcome()
    user_errors: list[UserError] = strawberry.field(
        default_factory=list,
        description=(
            "Empty on success. Otherwise why the mutation was rejected: nothing was stored and the other"
            " fields are null."
        ),
    )


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def payload(declared: type[Result]) -> type[Result]:
    """Declares a class as the payload of the mutation or preview that it is named after."""
    name = declared.__name__.removesuffix("Payload")
    strawberry.type(declared, description=f"Result of `{name[0].lower()}{name[1:]}`.")
    # The schema lists the objects first, as clients usually select them first.
    get_object_definition(declared, strict=True).fields.sort(key=lambda field: field.python_name == "user_errors")
    return declared


made_customer = partial(edge, customers_by_id, "made.customer_id")
made_plan = partial(edge, plans_by_id, "made.plan_id")
made_subscription = partial(edge, subscriptions_by_id, "made.subscription_id")
made_invoice = partial(edge, invoices_by_id, "made.invoice_id")
made_payment = partial(edge, payments_by_id, "made.payment_id")
made_credit_note = partial(edge, credit_notes_by_id, "made.credit_note_id")
made_seller = partial(edge, sellers_by_id, "made.seller_id")
made_tax_rate = partial(edge, tax_rates_by_id, "made.tax_rate_id")
made_coupon = partial(edge, coupons_by_id, "made.coupon_id")
made_discount = partial(edge, discounts_by_id, "made.discount_id")
made_test_clock = partial(edge, test_clocks_by_id, "made.test_clock_id")
made_webhook_endpoint = partial(edge, webhook_endpoints_by_id, "made.webhook_endpoint_id")
"""Payload fields for the objects that the mutation created or changed. They return the current state of the objects."""


def idempotency_key_field(*, deprecation_reason: str | None = None) -> Any:
    return strawberry.field(
        default=None,
        description=(
            f"A unique string of your choice, 1 to {MAX_IDEMPOTENCY_KEY} characters, that makes retries safe. If"
            f" the same API key sends the mutation again within {RETRY_WITHIN // timedelta(hours=1)} hours with the"
            " same key and input, it is not repeated and returns the objects of the first attempt in their current"
            " state."
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
    """Declares a mutation: a root field that changes something and returns its payload.

    It requires an API key with at least this scope, or a customer session with this permission. Without a `permission`,
    customer sessions are rejected.
    """

    def allow(info: Info) -> None:
        info.context.access.require(scope, permission)

    declare = partial(strawberry.mutation, description=description, deprecation_reason=deprecation_reason)
    return partial(operation_field, declare, allow)


def preview(
    description: str, *, for_sessions: bool = False, deprecation_reason: str | None = None
) -> Callable[[Resolver[Input, Result]], Any]:
    """Declares a preview: a root field that returns the effect of a mutation without storing anything.

    It is allowed for every caller that may read. `for_sessions` allows it for customer sessions too: give it if they
    can have the permission for the mutation.
    """
    declare = partial(strawberry.field, description=description, deprecation_reason=deprecation_reason)

    def allow(info: Info) -> None:
        if not for_sessions:
            info.context.access.require(ApiKeyScope.READ)

    return partial(operation_field, declare, allow)


def operation_field(
    declare: Callable[..., Any], allow: Callable[[Info], None], resolver: Resolver[Input, Result]
) -> Any:
    """Declares a root field with one input and one payload. A `BillingError` becomes an entry in `userErrors`."""
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
    """Returns the value of a field of an update, which may be None, or `UNCHANGED` if the field was omitted."""
    return UNCHANGED if value is None else value.value
