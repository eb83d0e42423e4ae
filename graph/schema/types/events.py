"""Events and the event feed."""

from dataclasses import replace
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Annotated, Any, TypeAlias, cast

import strawberry

from billing.enums import API_ACTOR, CUSTOMER_ACTOR, KEY_ACTOR, ApiKeyScope, EventType, ObjectType
from billing.event_fields import fields_of
from db import models
from db.models.events import Place
from db.models.kinds import KINDS
from db.queries.conditions import Condition
from db.queries.lookups import by_id, customers_by_id, event_horizons
from db.queries.pages import PageRequest
from graph.execution import READS, Field, ResolveMany
from graph.schema.fields.connections import Edge
from graph.schema.fields.context import Context, Info
from graph.schema.fields.cursors import decode_cursor, encode_cursor
from graph.schema.fields.edges import EDGE, edge
from graph.schema.fields.listings import WHOLE, Listing
from graph.schema.fields.paging import DEFAULT_PAGE, MAX_PAGE, PAGE_BY_DEFAULT, OrderDirection, checked_limit
from graph.schema.types.common import DateTimeRange, Node, any_of, describe, equals, field, id_is, within
from graph.schema.types.lazy import LazyCustomer
from graph.settings import Limits

describe(
    ObjectType,
    "The type of the object that an event is about.",
    name="EventObjectType",
    CUSTOMER="A customer.",
    PLAN="A plan.",
    SUBSCRIPTION="A subscription.",
    INVOICE="An invoice.",
    PAYMENT="A payment.",
    CREDIT_NOTE="A credit note.",
    SELLER="A version of the seller's profile.",
    TAX_RATE="A tax rate.",
    COUPON="A coupon.",
    DISCOUNT="A discount that a customer got by redeeming a coupon.",
    TEST_CLOCK="A test clock.",
    WEBHOOK_ENDPOINT="A webhook endpoint.",
)
describe(
    EventType,
    "The type of an event. More values may be added.",
    CUSTOMER_CREATED="A customer was created.",
    CUSTOMER_UPDATED="A customer was updated. `changes` lists the fields.",
    CUSTOMER_ARCHIVED="A customer was archived.",
    CUSTOMER_UNARCHIVED="A customer was unarchived.",
    CUSTOMER_BALANCE_CHANGED="A customer's balance changed. The customer's `ledger` shows why.",
    PLAN_CREATED="A plan was created.",
    PLAN_UPDATED="A plan was updated. `changes` lists the fields.",
    PLAN_ARCHIVED="A plan was archived.",
    PLAN_UNARCHIVED="A plan was unarchived.",
    SUBSCRIPTION_CREATED="A subscription was created. Unless it is PENDING, it has also started.",
    SUBSCRIPTION_UPDATED=(
        "The start or the metadata of a subscription was updated. For plan and quantity, see SUBSCRIPTION_CHANGED."
        " `changes` lists the fields."
    ),
    SUBSCRIPTION_STARTED="A PENDING subscription has started.",
    SUBSCRIPTION_TRIAL_UPDATED="The end of a trial was moved.",
    SUBSCRIPTION_TRIAL_ENDED="A trial ended and the first billing period was billed.",
    SUBSCRIPTION_RENEWED="A new period started and was billed.",
    SUBSCRIPTION_PERIOD_EXTENDED="The current period was extended without a charge.",
    SUBSCRIPTION_CHANGED="A new plan or quantity took effect. `changes` lists which.",
    SUBSCRIPTION_CHANGE_SCHEDULED="A change of plan or quantity was scheduled for the next period.",
    SUBSCRIPTION_CHANGE_WITHDRAWN="A pending change was withdrawn or replaced.",
    SUBSCRIPTION_ANCHOR_RESET="The billing anchor was reset. If a new period started, it was also billed.",
    SUBSCRIPTION_CANCELLATION_SCHEDULED=(
        "A cancellation was scheduled: at the end of the current period, or at a given time."
    ),
    SUBSCRIPTION_CANCELLATION_UNDONE="A scheduled cancellation was undone before it took effect.",
    SUBSCRIPTION_CANCELED="A subscription ended.",
    SUBSCRIPTION_PAST_DUE=(
        "An ACTIVE subscription became PAST_DUE: the due day of one of its open invoices has ended."
    ),
    SUBSCRIPTION_RECOVERED="A PAST_DUE subscription became ACTIVE: it no longer has an overdue open invoice.",
    INVOICE_CREATED="A draft was created.",
    INVOICE_UPDATED="A draft, or the metadata of any invoice, was changed. `changes` lists the fields.",
    INVOICE_DELETED="A draft was deleted.",
    INVOICE_FINALIZED=(
        "An invoice was finalized and got its number. Most invoices are created finalized and were never drafts."
    ),
    INVOICE_PARTIALLY_PAID="An invoice was partially paid.",
    INVOICE_PAID="An invoice was paid in full.",
    INVOICE_AMOUNT_DUE_INCREASED=(
        "The amount due on an unpaid invoice rose, because a payment was reversed or a credit note was voided."
    ),
    INVOICE_REOPENED="A PAID invoice became OPEN, because a payment was reversed or a credit note was voided.",
    INVOICE_VOIDED="An invoice was voided.",
    INVOICE_MARKED_UNCOLLECTIBLE="An invoice was marked uncollectible.",
    PAYMENT_RECORDED="A payment was recorded.",
    PAYMENT_UPDATED="The metadata of a payment was changed.",
    PAYMENT_REVERSED="A payment, or a part of it, was reversed.",
    PAYMENT_REFUNDED="A payment, or a part of it, was refunded.",
    CREDIT_NOTE_ISSUED="A credit note was issued.",
    CREDIT_NOTE_REFUNDED="A credit note, or a part of it, was refunded.",
    CREDIT_NOTE_VOIDED="A credit note was voided.",
    SELLER_UPDATED="The seller's profile was updated: this version is now in force.",
    TAX_RATE_CREATED="A tax rate was created.",
    TAX_RATE_ARCHIVED="A tax rate was archived.",
    COUPON_CREATED="A coupon was created.",
    COUPON_ARCHIVED="A coupon was archived.",
    DISCOUNT_CREATED="A customer redeemed a coupon.",
    DISCOUNT_UPDATED="`periodsLeft` of a discount changed: an invoice used a period, or voiding one gave it back.",
    DISCOUNT_REMOVED="A discount was removed.",
    TEST_CLOCK_CREATED="A test clock was created.",
    TEST_CLOCK_ADVANCING="A test clock started to advance.",
    TEST_CLOCK_ADVANCED="A test clock reached its target time.",
    WEBHOOK_ENDPOINT_CREATED="A webhook endpoint was created.",
    WEBHOOK_ENDPOINT_UPDATED="A webhook endpoint was updated. `changes` lists the fields.",
    WEBHOOK_ENDPOINT_SECRET_ROTATED="A webhook endpoint got a new secret.",  # noqa: S106 - a text, no secret
    WEBHOOK_ENDPOINT_ENABLED="A webhook endpoint was enabled.",
    WEBHOOK_ENDPOINT_DISABLED="A webhook endpoint was disabled. Its `disabledReason` says why.",
    WEBHOOK_ENDPOINT_DELIVERY_FAILED=(
        "The last attempt of a webhook delivery failed, and no other follows. The endpoint's `deliveries` show which."
    ),
    WEBHOOK_ENDPOINT_DELETED="A webhook endpoint was deleted.",
)

TYPES_ABOUT = {
    kind: frozenset(type_ for type_ in EventType if type_.value.startswith(f"{kind.value}_")) for kind in ObjectType
}
"""Event types by kind of object. The index on events is by type, so a filter by kind adds these types."""
assert sum(map(len, TYPES_ABOUT.values())) == len(EventType), "each type starts with the kind of its object"

READ_OBJECT = {kind.type: by_id[kind.model] for kind in KINDS}
FOR_ADMINS = frozenset(kind.type for kind in KINDS if kind.for_admins)
"""Types of objects that only API keys with the scope ADMIN may read."""


def changed_fields(self: Any, info: Info) -> list[str]:
    """Returns the fields that changed. Customer sessions do not see that metadata changed."""
    hidden = "metadata" if info.context.access.customer_id is not None else None
    return [name for name in fields_of(self.changes) if name != hidden]


def object_now(self: Any, info: Info) -> Any:
    if self.object_type in FOR_ADMINS and info.context.access.scope is not ApiKeyScope.ADMIN:
        return None
    return info.context.loaders.of(READ_OBJECT[self.object_type]).load(self.object_id)


@strawberry.type(
    description=("A change of one object. It is stored in the same transaction as the change and is immutable.")
)
class Event:
    id: strawberry.ID = field("The event's id: a UUID.")
    type: EventType = field("The type of the event.")
    object_type: ObjectType = field("The type of the object that changed.")
    object_id: strawberry.ID = field("The id of the object that changed.")
    version: int = field(
        "The object's `version` after the change. An object has exactly one event for each of its versions 1, 2,"
        " 3 and so on. Customer sessions do not see events of drafts, or events that only report changed metadata of"
        " an invoice or payment, so some versions may be missing."
    )

    @strawberry.field(
        description=(
            f"Actor that made the change: `{API_ACTOR}` (a request without an API key), `{KEY_ACTOR}…` with the API"
            f" key's id, `{CUSTOMER_ACTOR}…` with the id of a customer session's customer, `renewal`, `test clock`,"
            " `webhooks` (the delivery of webhooks), or `demo` (demo data)."
            f" Customer sessions see `{API_ACTOR}` in place of any API key."
        ),
        metadata={READS: {"actor"}},
    )
    def actor(self, info: Info) -> str:
        actor: str = self.actor
        return API_ACTOR if info.context.access.customer_id and actor.startswith(KEY_ACTOR) else actor

    changes: list[str] = strawberry.field(
        resolver=changed_fields,
        metadata={READS: {"changes"}},
        description=(
            "Names of the object's fields that changed, such as `amountDueCents` or `plan`. Never their values, and"
            " neither `version` nor `updatedAt`. Empty for a new object. Customer sessions do not see changes of"
            " `metadata`."
        ),
    )
    occurred_at: datetime = field(
        "When the change happened, in the customer's time: the time of the test clock, if there is one."
    )
    recorded_at: datetime = field("When the event was stored, in real time.")

    customer: LazyCustomer | None = edge(
        customers_by_id,
        "customer_id",
        "The customer that the object belongs to. Null for objects of no customer, such as plans.",
    )

    object: Node | None = strawberry.field(
        resolver=object_now,
        metadata={READS: {"object_type", "object_id"}},
        description=(
            "The object in its current state, not as of the event. Null if it was deleted, and for webhook endpoints"
            " unless the API key has the scope ADMIN."
        ),
    )


@strawberry.input(description="Filter for events. Omitted fields do not filter; an unknown id matches none.")
class EventFilter:
    type: list[EventType] | None = strawberry.field(default=None, description="Only events of these types.")
    object_type: ObjectType | None = strawberry.field(
        default=None, description="Only events about objects of this type."
    )
    object_id: strawberry.ID | None = strawberry.field(default=None, description="Only events about this object.")
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only events about this customer and the customer's objects."
    )
    recorded_at: DateTimeRange | None = strawberry.field(
        default=None, description="Only events stored in this range of real time."
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
            *within("recorded_at", self.recorded_at),
        )


@strawberry.enum(description="The field to sort events by.")
class EventOrderField(Enum):
    RECORDED_AT = strawberry.enum_value(
        "xid",
        description=(
            "The order of the feed: by the start of the transactions' writes, and within a transaction by the order of"
            " its changes. `recordedAt` may deviate slightly from this order."
        ),
    )


@strawberry.input(description="Sort order of events.")
class EventOrder:
    field: EventOrderField = strawberry.field(default=EventOrderField.RECORDED_AT, description="The field to sort by.")
    direction: OrderDirection = strawberry.field(
        default=OrderDirection.ASC,
        description="The sort direction: ASC for oldest first, to follow the feed; DESC for newest first.",
    )


FEED = PageRequest(limit=0, order_by="xid", then_by="position", conditions=(Condition("xid", "settled"),))
"""Page request for the whole feed, oldest first. A request of a client replaces `limit` and adds to it."""

After: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Only events after this cursor: the `endCursor` of the last page that you read in the same order or, with"
            " oldest first, `eventsCursor`."
        )
    ),
]
AfterOrNow: TypeAlias = Annotated[
    str | None,
    strawberry.argument(
        description=(
            "Only events after this cursor: that of the last event that you received, or `eventsCursor`. By default,"
            " only events from now on."
        )
    ),
]
OnlyThese: TypeAlias = Annotated[
    EventFilter | None, strawberry.argument(description="Only events that match all of these conditions.")
]
OrderBy: TypeAlias = Annotated[
    EventOrder | None, strawberry.argument(description="The sort order. Defaults to oldest first.")
]


def first_argument(by_default: int) -> Any:
    return Annotated[
        int | None,
        strawberry.argument(
            description=f"Number of events from the start of the list, 0 to {MAX_PAGE}. Defaults to {by_default}."
        ),
    ]


def feed(description: str, *, deprecation_reason: str | None = None) -> Any:
    """Declares a field that returns all events by page, in the order in which they became visible."""

    async def resolve(
        self: Any,
        info: Info,
        first: first_argument(MAX_PAGE) = None,  # type: ignore[valid-type]
        after: After = None,
        filter: OnlyThese = None,
        order_by: OrderBy = None,
    ) -> Any:
        arguments = {"first": first, "after": after, "filter": filter, "order_by": order_by}
        return await FEED_LISTING.resolve(self, info, arguments)

    said = {EDGE: FEED_LISTING, PAGE_BY_DEFAULT: MAX_PAGE}
    return strawberry.field(
        resolver=resolve, description=description, deprecation_reason=deprecation_reason, metadata=said
    )


def feed_by(parent: str, description: str, *, deprecation_reason: str | None = None) -> Any:
    """Declares a field like `feed`, for the events whose column `parent` contains the id of the source row."""
    listing = Listing(models.Event, parent, partial(feed_request, by_default=DEFAULT_PAGE))

    async def resolve(
        self: Any,
        info: Info,
        first: first_argument(DEFAULT_PAGE) = None,  # type: ignore[valid-type]
        after: After = None,
        order_by: OrderBy = None,
    ) -> Any:
        return await listing.resolve(self, info, {"first": first, "after": after, "order_by": order_by})

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
    order_by: EventOrder | None = None,
    *,
    by_default: int = MAX_PAGE,
) -> PageRequest:
    """Returns the page request for the arguments of a feed. Raises a `BAD_USER_INPUT` error if they are invalid.

    Events are ordered by the transaction that wrote them, and become visible once all earlier transactions have ended.
    So no event can appear before a cursor that a client already has.
    """
    request = replace(
        FEED,
        limit=checked_limit("first", first, limits, by_default=by_default),
        descending=order_by is not None and order_by.direction is OrderDirection.DESC,
        conditions=(*(filter.conditions() if filter else ()), *FEED.conditions),
    )
    return replace(request, after=None if after is None else decode_cursor("events", request, after, "after"))


FEED_LISTING = Listing(models.Event, None, feed_request)
"""The list of all events."""


async def events_cursor(info: Info) -> str:
    return await end_of_feed(info.context)


async def end_of_feed(context: Context) -> str:
    """Returns a cursor after all events that are visible, and before all others."""
    horizon = await context.loaders.load(event_horizons, WHOLE)
    # No event has position 0, so this is before all events of the transaction, and after those that are visible.
    return encode_cursor("events", FEED, (horizon, 0))


def place_of(cursor: str, argument: str) -> Place:
    """Returns the place in the feed of a cursor of `events`. Raises a `BAD_USER_INPUT` error if it is none."""
    return cast("Place", decode_cursor("events", FEED, cursor, argument))


class SourceEvent:
    """The edge of a subscription's root field: the event that the operation is executed for."""

    reads: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return "the event"

    def prepare(self, _field: Field) -> ResolveMany:
        return lambda sources, _info, _arguments: sources


def source_event(
    self: Any,
    after: AfterOrNow = None,  # noqa: ARG001 - they choose the events before any is executed
    filter: OnlyThese = None,  # noqa: ARG001
) -> Any:
    return self


@strawberry.type(
    description=(
        "All subscriptions, over WebSocket (graphql-transport-ws) or server-sent events. This is the root type of the"
        " operation `subscription`; the type `Subscription` is a customer's subscription to a plan."
    )
)
class EventStream:
    events: Edge[Event] = strawberry.field(
        resolver=source_event,
        description=(
            "The events of the feed as they appear, each with its cursor: the same events, in the same order, as the"
            " query `events` returns. If the connection breaks, subscribe again with the cursor of the last event that"
            " you received: you get every event exactly once."
        ),
        metadata={EDGE: SourceEvent()},
    )
