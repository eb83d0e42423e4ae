"""What all mutations share: one input, one payload, refusals as `userErrors`."""

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Annotated, Any, Protocol, TypeVar, get_type_hints

import strawberry

from billing.errors import BillingError
from billing.validation import UNCHANGED, Unchanged
from billing.words import ApiKeyScope, CustomerPermission
from graph.schema.fields.context import Info
from graph.schema.fields.errors import UserError

Input = TypeVar("Input")
Result = TypeVar("Result", bound="Payload")
Given = TypeVar("Given")
Given_co = TypeVar("Given_co", covariant=True)


class Some(Protocol[Given_co]):
    """A field of an input that was not left out."""

    @property
    def value(self) -> Given_co: ...


class Payload(Protocol):
    """What every payload has beside its objects, which are null where the mutation was refused."""

    def __init__(self, *, user_errors: list[UserError]) -> None: ...


def user_errors_field() -> Any:
    return strawberry.field(
        default_factory=list,
        description="Why the mutation was refused: nothing was stored then, and all else here is null. Else empty.",
    )


def idempotency_key_field() -> Any:
    return strawberry.field(
        default=None,
        description=(
            "A text of your own, 1 to 255 characters, that makes a retry safe: sent again with the same key and input "
            "within a day, by the same API key, the mutation is not done again and answers with what it made the first "
            "time."
        ),
    )


Resolver = Callable[[Any, Info, Input], Awaitable[Result]]


def mutation(
    description: str, *, scope: ApiKeyScope = ApiKeyScope.WRITE, permission: CustomerPermission | None = None
) -> Callable[[Resolver[Input, Result]], Any]:
    """A root field that changes something, and answers with its payload.

    It needs an API key of this scope, or a customer session with this permission; none may without.
    """

    def allow(info: Info) -> None:
        info.context.access.require(scope, permission)

    return partial(answered, strawberry.mutation, description, allow)


def preview(description: str) -> Callable[[Resolver[Input, Result]], Any]:
    """A root field that says what a mutation would do, and answers with its payload. Whoever may read may ask."""
    return partial(answered, strawberry.field, description, lambda _info: None)


def answered(
    declare: Callable[..., Any], description: str, allow: Callable[[Info], None], resolver: Resolver[Input, Result]
) -> Any:
    """A root field that takes one input and answers with its payload, with its `userErrors` where billing refuses."""
    hints = get_type_hints(resolver)
    described = strawberry.argument(description=hints["input"].__strawberry_definition__.description)
    resolver.__annotations__["input"] = Annotated[hints["input"], described]

    @wraps(resolver)
    async def resolve(self: Any, info: Info, input: Input) -> Result:
        allow(info)
        try:
            return await resolver(self, info, input)
        except BillingError as refusal:
            payload: Result = hints["return"](user_errors=[UserError.of(refusal, hints["input"])])
            return payload

    return declare(resolver=resolve, description=description)


def given(value: "Some[Given] | None") -> Given | Unchanged:
    """The value of a field of an update: what was given, null too, or `UNCHANGED` where it was left out."""
    return UNCHANGED if value is None else value.value
