"""Webhook endpoints and their deliveries."""

from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Any, ClassVar

import strawberry

from billing import limits
from billing.enums import (
    ApiKeyScope,
    EventType,
    WebhookDeliveryStatus,
    WebhookDisabledReason,
    WebhookEndpointStatus,
)
from billing.webhooks import ATTEMPTS, DELIVERIES_KEPT_FOR, GONE, OLD_SECRET_FOR, TEST_TYPE, WAITS
from db import models
from db.queries.conditions import Condition
from db.queries.lookups import webhook_deliveries_by_id, webhook_endpoints_by_id
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.context import Info
from graph.schema.fields.edges import edge
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import parse_id
from graph.schema.types.common import Node, any_of, describe, field
from graph.schema.types.taxes import of_line

describe(
    WebhookEndpointStatus,
    "The status of a webhook endpoint.",
    ENABLED="Events are sent to the endpoint.",
    DISABLED="Nothing is sent to the endpoint. `disabledReason` says why.",
)
describe(
    WebhookDisabledReason,
    "Why a webhook endpoint is disabled.",
    REQUESTED="It was disabled with `disableWebhookEndpoint`.",
    GONE=f"It responded with the status {GONE} (Gone).",
    FAILING=(
        "All attempts of a delivery failed, and no other delivery succeeded between the first attempt and the last."
    ),
)
describe(
    WebhookDeliveryStatus,
    "The status of a webhook delivery.",
    PENDING="Attempts will be made: see `nextAttemptAt`.",
    SUCCEEDED="The endpoint responded with a success status (2xx).",
    FAILED=f"All {ATTEMPTS} attempts failed. Use `replayWebhooks` to try again.",
)


@strawberry.input(description="Filter for webhook deliveries. Omitted fields do not filter.")
class WebhookDeliveryFilter:
    status: list[WebhookDeliveryStatus] | None = strawberry.field(
        default=None, description="Only deliveries with one of these statuses."
    )

    def conditions(self) -> tuple[Condition, ...]:
        return any_of("status", self.status)


@strawberry.enum(description="The field to sort webhook deliveries by.")
class WebhookDeliveryOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the delivery was created.")


@strawberry.input(description="Sort order of webhook deliveries.")
class WebhookDeliveryOrder:
    field: WebhookDeliveryOrderField = strawberry.field(
        default=WebhookDeliveryOrderField.CREATED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")


@strawberry.type(
    description=(
        "A message to a webhook endpoint. It is sent until the endpoint responds with a success status (2xx), at most"
        f" {ATTEMPTS} times within {sum(WAITS, timedelta()).days} days and a few hours. Messages about one object are"
        " sent in the order of its versions, each after the one before it has succeeded or failed for the last time."
    )
)
class WebhookDelivery:
    row: ClassVar = models.WebhookDelivery

    id: strawberry.ID = field("The delivery's id, for `replayWebhooks`.")
    message_id: strawberry.ID = field(
        "The header `webhook-id`: the id of the event, or of the delivery for a test message. It is the same in all"
        " attempts and replays, so that a receiver can ignore a message that it already has."
    )
    type: str = field(f"The type of the event, or {TEST_TYPE} for a message of `sendTestWebhook`.")
    body: str = field(f"The message: JSON of at most {limits.MAX_WEBHOOK_BYTES} bytes. It never changes.")
    status: WebhookDeliveryStatus = field("The status.")
    attempts: int = field("Number of attempts so far. A replay starts again at 0.")
    created_at: datetime = field("When the delivery was created.")
    first_attempt_at: datetime | None = field("When the first attempt was made. Null if none was.")
    last_attempt_at: datetime | None = field("When the last attempt was made. Null if none was.")
    next_attempt_at: datetime | None = field(
        "The earliest time of the next attempt. The attempt is made later if an earlier message about the object is"
        " pending, or if the endpoint is paused after failures or disabled. Null if no attempt follows."
    )
    response_status: int | None = field("HTTP status of the last response. Null if the last attempt had none.")
    response_head: str | None = field(
        f"The start of the last response's body, at most {limits.MAX_WEBHOOK_HEAD} characters. Null if it was empty or"
        " there was no response."
    )
    error: str | None = field("Why the last attempt failed. Null if it succeeded, or before the first attempt.")

    endpoint: Annotated["WebhookEndpoint", strawberry.lazy(".webhooks")] = edge(
        webhook_endpoints_by_id, "endpoint_id", "The endpoint."
    )


def values_of(enum: type[Any], column: str, description: str) -> Any:
    """Declares a list of enum values, which the table holds as texts."""
    return of_line(description, list[enum], lambda row: [enum(value) for value in getattr(row, column)], column)  # type: ignore[valid-type]


@strawberry.type(
    description=(
        "A URL that gets events as HTTP requests, following Standard Webhooks (https://www.standardwebhooks.com). All"
        " fields require an API key with scope ADMIN."
    )
)
class WebhookEndpoint(Node):
    row: ClassVar = models.WebhookEndpoint

    url: str = field("The URL.")
    description: str | None = field("Description of the endpoint. Null if it has none.")
    event_types: list[EventType] = values_of(
        EventType, "event_types", "The types of events that are sent. All types, including future ones, if empty."
    )
    test_clocks: bool = field("True if events of test clocks and of customers on test clocks are sent too.")
    status: WebhookEndpointStatus = field("The status.")
    disabled_reason: WebhookDisabledReason | None = field("Why the endpoint is disabled. Null if it is enabled.")
    disabled_at: datetime | None = field("When the endpoint was disabled. Null if it is enabled.")
    previous_secret_expires_at: datetime | None = field(
        "Until when messages are also signed with the secret before the last rotation:"
        f" {OLD_SECRET_FOR.total_seconds() / 3600:g} hours after it. Null if the secret was never rotated."
    )
    version: int = field("Version of the endpoint. Starts at 1 and increases by one with each change.")
    created_at: datetime = field("When the endpoint was created.")
    updated_at: datetime = field("When the endpoint was last changed.")

    deliveries: Connection[WebhookDelivery] = connection(
        models.WebhookDelivery,
        parent="endpoint_id",
        filter_by=WebhookDeliveryFilter,
        order_by=WebhookDeliveryOrder,
        description=(
            f"The messages to this endpoint. Finished ones are deleted after {DELIVERIES_KEPT_FOR.days} days. Messages"
            " about events that the server has not come to yet are not listed."
        ),
    )


async def webhook_endpoint(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The object's id.")]
) -> WebhookEndpoint | None:
    info.context.access.require(ApiKeyScope.ADMIN)
    found: WebhookEndpoint | None = await info.context.find(webhook_endpoints_by_id, parse_id(id))
    return found


async def webhook_delivery(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The object's id.")]
) -> WebhookDelivery | None:
    info.context.access.require(ApiKeyScope.ADMIN)
    found: Any = await info.context.find(webhook_deliveries_by_id, parse_id(id))
    # Deliveries of a deleted endpoint are deleted later.
    if found is None or await info.context.find(webhook_endpoints_by_id, found.endpoint_id) is None:
        return None
    delivery: WebhookDelivery = found
    return delivery
