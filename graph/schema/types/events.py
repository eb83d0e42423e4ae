"""Events, and the feed of them."""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeAlias

import strawberry
from strawberry.utils.str_converters import to_camel_case

from billing.words import EventType, ObjectType
from db import models
from db.models.kinds import KINDS
from db.queries.lookups import by_id, customers_by_id
from db.queries.pages import Condition, PageRequest
from graph.execution import READS
from graph.schema.fields.context import Info
from graph.schema.fields.cursors import decode_cursor
from graph.schema.fields.edges import EDGE, edge
from graph.schema.fields.listings import Listing
from graph.schema.fields.paging import DEFAULT_PAGE, MAX_PAGE, PAGE_BY_DEFAULT, checked_limit
from graph.schema.types.common import Node, any_of, describe, equals, field, id_is
from graph.schema.types.lazy import LazyCustomer
from graph.settings import Limits

describe(
    ObjectType,
    "What an event is about.",
    name="EventObjectType",
    CUSTOMER="A customer.",
    PLAN="A plan.",
    SUBSCRIPTION="A subscription.",
    INVOICE="An invoice.",
    PAYMENT="A payment.",
    TEST_CLOCK="A test clock.",
)
describe(
    EventType,
    "What happened. More may be added.",
    CUSTOMER_CREATED="A customer was created.",
    CUSTOMER_UPDATED="A customer was changed; `changes` says where.",
    CUSTOMER_ARCHIVED="A customer was taken out of use.",
    CUSTOMER_UNARCHIVED="A customer was taken into use again.",
    CUSTOMER_BALANCE_CHANGED="A customer's balance changed; the customer's `ledger` says why.",
    PLAN_CREATED="A plan was created.",
    PLAN_UPDATED="A plan was changed; `changes` says where.",
    PLAN_ARCHIVED="A plan was closed to new subscriptions.",
    PLAN_UNARCHIVED="A plan was opened to new subscriptions again.",
    SUBSCRIPTION_CREATED="A subscription was created; unless it is PENDING, it has begun as well.",
    SUBSCRIPTION_STARTED="A PENDING subscription has begun.",
    SUBSCRIPTION_TRIAL_ENDED="A trial has ended, and the first full period was billed.",
    SUBSCRIPTION_RENEWED="A new period has begun and was billed.",
    SUBSCRIPTION_CHANGED="A new plan or quantity came into force; `changes` says which.",
    SUBSCRIPTION_CHANGE_SCHEDULED="A change of plan or quantity was asked for, which comes with the next period.",
    SUBSCRIPTION_CHANGE_WITHDRAWN="A change that was to come with the next period was taken back or replaced.",
    SUBSCRIPTION_CANCELLATION_SCHEDULED="It was asked for that a subscription ends with its current period.",
    SUBSCRIPTION_CANCELLATION_UNDONE="A cancellation was taken back before it came into force.",
    SUBSCRIPTION_CANCELED="A subscription has ended.",
    SUBSCRIPTION_PAST_DUE="The day is over on which an open invoice of an ACTIVE subscription was due.",
    SUBSCRIPTION_RECOVERED="No open invoice of a PAST_DUE subscription is overdue any more.",
    INVOICE_CREATED="A draft was created.",
    INVOICE_UPDATED="A draft was changed.",
    INVOICE_DELETED="A draft was deleted.",
    INVOICE_FINALIZED="An invoice got its number. Most are created this moment: they were no drafts before.",
    INVOICE_PARTIALLY_PAID="A part of an invoice was paid.",
    INVOICE_PAID="Nothing is due on an invoice any more.",
    INVOICE_VOIDED="An invoice was taken back.",
    INVOICE_MARKED_UNCOLLECTIBLE="An invoice was given up on.",
    PAYMENT_RECORDED="Money was received.",
    TEST_CLOCK_CREATED="A test clock was created.",
    TEST_CLOCK_ADVANCING="A test clock was sent on its way.",
    TEST_CLOCK_ADVANCED="A test clock has arrived.",
)

TYPES_ABOUT = {
    kind: frozenset(type_ for type_ in EventType if type_.value.startswith(f"{kind.value}_")) for kind in ObjectType
}
"""The types of events about each kind of object, by which an index finds them."""
assert sum(map(len, TYPES_ABOUT.values())) == len(EventType), "each type begins with the kind that it is about"

READ_OBJECT = {kind.type: by_id[kind.model] for kind in KINDS}


FIELDS_OF_COLUMNS = {
    "plan_id": "plan",
    "pending_plan_id": "pendingChange",
    "pending_quantity": "pendingChange",
    "pending_since": "pendingChange",
}
"""The fields that show columns of other names."""


def changed_fields(self: Any) -> list[str]:
    """The fields that show the changed columns, each once."""
    return list(dict.fromkeys(FIELDS_OF_COLUMNS.get(column) or to_camel_case(column) for column in self.changes))


def object_now(self: Any, info: Info) -> Any:
    return info.context.loaders.of(READ_OBJECT[self.object_type]).load(self.object_id)


@strawberry.type(description="One change of one object. It is stored with the change, and never changes itself.")
class Event:
    id: strawberry.ID = field("The event's id: a UUID.")
    type: EventType = field("What happened.")
    object_type: ObjectType = field("What the object is that it happened to.")
    object_id: strawberry.ID = field("The id of the object.")
    version: int = field(
        "The `version` that the object had from then on. The events of an object are its versions 1, 2, 3 and so on, "
        "each once."
    )

    @strawberry.field(
        description=(
            "Who did it: `api` for a request without a key, `key:…` or `customer:…` with the id for one with a token, "
            "`renewal`, or `test clock`. A customer session sees `api` for each key."
        ),
        metadata={READS: {"actor"}},
    )
    def actor(self, info: Info) -> str:
        actor: str = self.actor
        return "api" if info.context.access.customer_id and actor.startswith("key:") else actor

    changes: list[str] = strawberry.field(
        resolver=changed_fields,
        metadata={READS: {"changes"}},
        description=(
            "Names of the object's fields that changed, such as `amountDueCents` or `plan`; never their values, and "
            "neither `version` nor `updatedAt`. Empty for an object that was created."
        ),
    )
    occurred_at: datetime = field(
        "When it happened, in the customer's time: that of the test clock, where there is one."
    )
    recorded_at: datetime = field("When it was stored, in the time of the world.")

    customer: LazyCustomer | None = edge(
        customers_by_id, "customer_id", "Whose object it is; null for a plan or a test clock, which are nobody's."
    )

    object: Node | None = strawberry.field(
        resolver=object_now,
        metadata={READS: {"object_type", "object_id"}},
        description="The object as it is now, not as it was then; null where it is gone, as a deleted draft is.",
    )


@strawberry.input(description="Which events. What is left out is no condition; an unknown id matches none.")
class EventFilter:
    type: list[EventType] | None = strawberry.field(default=None, description="Only those of one of these types.")
    object_type: ObjectType | None = strawberry.field(default=None, description="Only those about such objects.")
    object_id: strawberry.ID | None = strawberry.field(default=None, description="Only those about this object.")
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only those about this customer and what is the customer's."
    )

    def conditions(self) -> tuple[Condition, ...]:
        types = self.type
        if self.object_type is not None:
            about = TYPES_ABOUT[self.object_type]
            types = list(about) if types is None else [type_ for type_ in types if type_ in about]
        return (
            *any_of("type", types),
            *equals("object_type", self.object_type),
            *id_is("object_id", self.object_id),
            *id_is("customer_id", self.customer_id),
        )


After: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description="Only events after this cursor of any page of events: the `endCursor` that was read last."
    ),
]


def first_argument(by_default: int) -> Any:
    return Annotated[
        int | None,
        strawberry.argument(
            description=f"How many events, the oldest first: 0 to {MAX_PAGE}; {by_default} by default."
        ),
    ]


def feed(description: str, *, deprecation_reason: str | None = None) -> Any:
    """A field that gives all events by page, in the order in which they became readable."""
    listing = Listing(models.Event, None, feed_request)

    async def resolve(
        self: Any,
        info: Info,
        first: first_argument(MAX_PAGE) = None,  # type: ignore[valid-type]
        after: After = None,
        filter: Annotated[
            EventFilter | None, strawberry.argument(description="Only events that meet all of these.")
        ] = None,
    ) -> Any:
        return await listing.resolve(self, info, {"first": first, "after": after, "filter": filter})

    said = {EDGE: listing, PAGE_BY_DEFAULT: MAX_PAGE}
    return strawberry.field(
        resolver=resolve, description=description, deprecation_reason=deprecation_reason, metadata=said
    )


def feed_by(parent: str, description: str, *, deprecation_reason: str | None = None) -> Any:
    """As `feed`, of the events whose column `parent` has the id of the row that the field is on."""
    listing = Listing(models.Event, parent, partial(feed_request, by_default=DEFAULT_PAGE))

    async def resolve(
        self: Any,
        info: Info,
        first: first_argument(DEFAULT_PAGE) = None,  # type: ignore[valid-type]
        after: After = None,
    ) -> Any:
        return await listing.resolve(self, info, {"first": first, "after": after})

    return strawberry.field(
        resolver=resolve,
        description=description,
        deprecation_reason=deprecation_reason,
        metadata={EDGE: listing},
    )


def feed_request(
    limits: Limits,
    first: int | None = None,
    after: str | None = None,
    filter: EventFilter | None = None,
    *,
    by_default: int = MAX_PAGE,
) -> PageRequest:
    """What the arguments of a feed ask for. Raises a `BAD_USER_INPUT` error where they make no sense.

    Events go by the transactions that wrote them, and are shown once all earlier ones have ended: one that took its
    position earlier and is committed later is then no longer possible, and nothing appears behind a cursor.
    """
    request = PageRequest(
        limit=checked_limit("first", first, limits, by_default=by_default),
        order_by="xid",
        then_by="position",
        conditions=(*(filter.conditions() if filter else ()), Condition("xid", "settled")),
    )
    return replace(request, after=None if after is None else decode_cursor("events", request, after, "after"))
