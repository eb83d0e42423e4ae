"""What all mutations share: one input, one payload, refusals as `userErrors`."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, Any, Protocol, TypeVar, get_type_hints

import strawberry

from billing.errors import BillingError
from billing.unchanged import UNCHANGED, Unchanged
from graph.context import Info
from graph.errors import UserError

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


def mutation(description: str) -> Callable[[Callable[[Any, Info, Input], Awaitable[Result]]], Any]:
    """A root field that answers with its payload, and with the payload's `userErrors` where billing refuses."""

    def declare(resolver: Callable[[Any, Info, Input], Awaitable[Result]]) -> Any:
        hints = get_type_hints(resolver)
        described = strawberry.argument(description=hints["input"].__strawberry_definition__.description)
        resolver.__annotations__["input"] = Annotated[hints["input"], described]

        @wraps(resolver)
        async def resolve(self: Any, info: Info, input: Input) -> Result:
            try:
                return await resolver(self, info, input)
            except BillingError as refusal:
                payload: Result = hints["return"](user_errors=[UserError.of(refusal, hints["input"])])
                return payload

        return strawberry.mutation(resolver=resolve, description=description)

    return declare


def given(value: "Some[Given] | None") -> Given | Unchanged:
    """The value of a field of an update: what was given, null too, or `UNCHANGED` where it was left out."""
    return UNCHANGED if value is None else value.value
