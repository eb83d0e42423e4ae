"""Mutations of webhook endpoints. Secrets are shown only once, so a retry creates another endpoint or secret."""

import strawberry

from billing import limits
from billing.enums import ApiKeyScope, EventType
from billing.errors import InvalidInput
from billing.ids import WebhookDeliveryId, WebhookEndpointId
from billing.validation import UNCHANGED, Unchanged
from billing.webhooks import OLD_SECRET_FOR, SECRET_PREFIX
from db.queries.lookups import webhook_deliveries_by_id
from graph.schema.fields.context import Info
from graph.schema.fields.edges import edge
from graph.schema.fields.payloads import Payload, given, made_webhook_endpoint, mutation, payload
from graph.schema.fields.scalars import parse_id
from graph.schema.types.events import place_of
from graph.schema.types.webhooks import WebhookDelivery, WebhookEndpoint
from services.idempotency import Outcome
from services.webhooks import endpoints
from services.webhooks.targets import require_reachable

URL = (
    f"The URL: at most {limits.MAX_WEBHOOK_URL} characters. It must be `https`, and its host must resolve only to"
    " public addresses. With the server's setting BILLING_WEBHOOK_PRIVATE_TARGETS, `http` and"
    " private addresses are allowed too."
)
DESCRIPTION = f"Description: at most {limits.MAX_NAME} characters."
EVENT_TYPES = (
    "The types of events to send. All types, including future ones, if empty. Events about webhook endpoints are never"
    " sent."
)
TEST_CLOCKS = "True to send events of test clocks and of customers on test clocks too."
SECRET = (
    f"The secret to verify messages with: `{SECRET_PREFIX}…`, as the libraries of Standard Webhooks take it. It is not"
    " shown again."
)
ADMIN = "Requires an API key with scope ADMIN."


@strawberry.input(description="A new webhook endpoint.")
class CreateWebhookEndpointInput:
    url: str = strawberry.field(description=URL)
    description: str | None = strawberry.field(default=None, description=DESCRIPTION)
    event_types: list[EventType] = strawberry.field(default_factory=list, description=EVENT_TYPES)
    test_clocks: bool = strawberry.field(default=False, description=TEST_CLOCKS)


@strawberry.input(description="Changes of a webhook endpoint. Omitted fields stay as they are.")
class UpdateWebhookEndpointInput:
    id: strawberry.ID = strawberry.field(description="The endpoint.")
    url: strawberry.Maybe[str] = strawberry.field(description=URL)
    description: strawberry.Maybe[str | None] = strawberry.field(description=DESCRIPTION + " Null removes it.")
    event_types: strawberry.Maybe[list[EventType]] = strawberry.field(description=EVENT_TYPES)
    test_clocks: strawberry.Maybe[bool] = strawberry.field(description=TEST_CLOCKS)


@strawberry.input(description="The webhook endpoint that gets a new secret.")
class RotateWebhookSecretInput:
    id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(description="The webhook endpoint to enable.")
class EnableWebhookEndpointInput:
    id: strawberry.ID = strawberry.field(description="The endpoint.")
    after: str | None = strawberry.field(
        default=None,
        description=(
            "A cursor of `events`, oldest first: send only events after it. Pass `eventsCursor` to skip what the"
            " endpoint missed. By default, the endpoint gets all events that it missed. Messages that failed"
            " for the last time are not sent again: see `replayWebhooks`."
        ),
    )


@strawberry.input(description="The webhook endpoint to disable.")
class DisableWebhookEndpointInput:
    id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(description="The webhook endpoint to delete.")
class DeleteWebhookEndpointInput:
    id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(description="The webhook endpoint to send a test message to.")
class SendTestWebhookInput:
    id: strawberry.ID = strawberry.field(description="The endpoint.")


@strawberry.input(
    description="The messages to send again: give either `after` and `until`, or `deliveryIds`.",
)
class ReplayWebhooksInput:
    endpoint_id: strawberry.ID = strawberry.field(description="The endpoint.")
    after: str | None = strawberry.field(
        default=None, description="A cursor of `events`, oldest first: replay the events after it."
    )
    until: str | None = strawberry.field(
        default=None, description="A later cursor of `events`, oldest first: replay the events up to it, inclusive."
    )
    delivery_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description=f"The deliveries to replay, at most {limits.MAX_REPLAYED_DELIVERIES}.",
    )


@payload
class CreateWebhookEndpointPayload(Payload):
    webhook_endpoint: WebhookEndpoint | None = made_webhook_endpoint("The new endpoint.")
    secret: str | None = strawberry.field(default=None, description=SECRET)


@payload
class UpdateWebhookEndpointPayload(Payload):
    webhook_endpoint: WebhookEndpoint | None = made_webhook_endpoint("The updated endpoint.")


@payload
class RotateWebhookSecretPayload(Payload):
    webhook_endpoint: WebhookEndpoint | None = made_webhook_endpoint("The updated endpoint.")
    secret: str | None = strawberry.field(default=None, description=SECRET)


@payload
class EnableWebhookEndpointPayload(Payload):
    webhook_endpoint: WebhookEndpoint | None = made_webhook_endpoint("The updated endpoint.")


@payload
class DisableWebhookEndpointPayload(Payload):
    webhook_endpoint: WebhookEndpoint | None = made_webhook_endpoint("The updated endpoint.")


@payload
class DeleteWebhookEndpointPayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The id of the deleted endpoint.")


@payload
class SendTestWebhookPayload(Payload):
    delivery_id: strawberry.Private[WebhookDeliveryId | None] = None
    webhook_delivery: WebhookDelivery | None = edge(
        webhook_deliveries_by_id,
        "delivery_id",
        "The delivery of the test message. Query it again to see the result.",
    )


@payload
class ReplayWebhooksPayload(Payload):
    webhook_endpoint: WebhookEndpoint | None = made_webhook_endpoint("The endpoint.")


@strawberry.type
class WebhookMutations:
    @mutation(
        f"Creates a webhook endpoint, which receives the selected events from now on. {ADMIN}",
        scope=ApiKeyScope.ADMIN,
    )
    async def create_webhook_endpoint(
        self, info: Info, input: CreateWebhookEndpointInput
    ) -> CreateWebhookEndpointPayload:
        url = await require_reachable(input.url, private_targets=info.context.settings.webhook_private_targets)
        issued = await info.context.change(
            lambda session: endpoints.create_webhook_endpoint(
                session,
                url=url,
                description=input.description,
                event_types=input.event_types,
                test_clocks=input.test_clocks,
                now=info.context.now(),
            )
        )
        made = Outcome(webhook_endpoint_id=issued.endpoint_id)
        return CreateWebhookEndpointPayload(made=made, secret=issued.secret)

    @mutation(
        "Updates a webhook endpoint. A new URL applies to all further attempts. New event types and `testClocks` apply"
        f" only to messages that are not created yet. {ADMIN}",
        scope=ApiKeyScope.ADMIN,
    )
    async def update_webhook_endpoint(
        self, info: Info, input: UpdateWebhookEndpointInput
    ) -> UpdateWebhookEndpointPayload:
        url: str | Unchanged = UNCHANGED
        if input.url is not None:
            private_targets = info.context.settings.webhook_private_targets
            url = await require_reachable(input.url.value, private_targets=private_targets)
        made = await info.context.change(
            lambda session: endpoints.update_webhook_endpoint(
                session,
                endpoint_id=WebhookEndpointId(parse_id(input.id)),
                url=url,
                description=given(input.description),
                event_types=given(input.event_types),
                test_clocks=given(input.test_clocks),
                now=info.context.now(),
            )
        )
        return UpdateWebhookEndpointPayload(made=made)

    @mutation(
        "Replaces a webhook endpoint's secret. For"
        f" {OLD_SECRET_FOR.total_seconds() / 3600:g} hours, messages are also signed with the previous secret. Only one"
        f" previous secret is kept: a second rotation drops the older one at once. {ADMIN}",
        scope=ApiKeyScope.ADMIN,
    )
    async def rotate_webhook_secret(self, info: Info, input: RotateWebhookSecretInput) -> RotateWebhookSecretPayload:
        issued = await info.context.change(
            lambda session: endpoints.rotate_webhook_secret(
                session, endpoint_id=WebhookEndpointId(parse_id(input.id)), now=info.context.now()
            )
        )
        made = Outcome(webhook_endpoint_id=issued.endpoint_id)
        return RotateWebhookSecretPayload(made=made, secret=issued.secret)

    @mutation(f"Enables a disabled webhook endpoint. {ADMIN}", scope=ApiKeyScope.ADMIN)
    async def enable_webhook_endpoint(
        self, info: Info, input: EnableWebhookEndpointInput
    ) -> EnableWebhookEndpointPayload:
        after = None if input.after is None else place_of(input.after, "after")
        made = await info.context.change(
            lambda session: endpoints.enable_webhook_endpoint(
                session, endpoint_id=WebhookEndpointId(parse_id(input.id)), after=after, now=info.context.now()
            )
        )
        return EnableWebhookEndpointPayload(made=made)

    @mutation(f"Disables a webhook endpoint. Messages wait until it is enabled again. {ADMIN}", scope=ApiKeyScope.ADMIN)
    async def disable_webhook_endpoint(
        self, info: Info, input: DisableWebhookEndpointInput
    ) -> DisableWebhookEndpointPayload:
        made = await info.context.change(
            lambda session: endpoints.disable_webhook_endpoint(
                session, endpoint_id=WebhookEndpointId(parse_id(input.id)), now=info.context.now()
            )
        )
        return DisableWebhookEndpointPayload(made=made)

    @mutation(f"Deletes a webhook endpoint and its deliveries. {ADMIN}", scope=ApiKeyScope.ADMIN)
    async def delete_webhook_endpoint(
        self, info: Info, input: DeleteWebhookEndpointInput
    ) -> DeleteWebhookEndpointPayload:
        endpoint_id = WebhookEndpointId(parse_id(input.id))
        await info.context.change(
            lambda session: endpoints.delete_webhook_endpoint(session, endpoint_id=endpoint_id, now=info.context.now())
        )
        return DeleteWebhookEndpointPayload(deleted_id=strawberry.ID(str(endpoint_id)))

    @mutation(
        f"Queues a test message for a webhook endpoint. It is delivered like all other messages. {ADMIN}",
        scope=ApiKeyScope.ADMIN,
    )
    async def send_test_webhook(self, info: Info, input: SendTestWebhookInput) -> SendTestWebhookPayload:
        delivery_id = await info.context.change(
            lambda session: endpoints.send_test_webhook(
                session, endpoint_id=WebhookEndpointId(parse_id(input.id)), now=info.context.now()
            )
        )
        return SendTestWebhookPayload(delivery_id=delivery_id)

    @mutation(
        "Sends messages to a webhook endpoint again, also those that succeeded: with the same `webhook-id` and body,"
        " and in the order of the feed. A disabled endpoint gets them once it is enabled, unless it is then told to"
        f" skip them. {ADMIN}",
        scope=ApiKeyScope.ADMIN,
    )
    async def replay_webhooks(self, info: Info, input: ReplayWebhooksInput) -> ReplayWebhooksPayload:
        endpoint_id = WebhookEndpointId(parse_id(input.endpoint_id))
        ranged = input.after is not None and input.until is not None
        if ranged == bool(input.delivery_ids) or (input.after is None) != (input.until is None):
            raise InvalidInput("Give either `after` and `until`, or `deliveryIds`.", "delivery_ids")
        if input.after is not None and input.until is not None:
            after, until = place_of(input.after, "after"), place_of(input.until, "until")
            made = await info.context.change(
                lambda session: endpoints.replay_range(session, endpoint_id=endpoint_id, after=after, until=until)
            )
        else:
            ids = [WebhookDeliveryId(parse_id(id_)) for id_ in input.delivery_ids]
            made = await info.context.change(
                lambda session: endpoints.replay_deliveries(
                    session, endpoint_id=endpoint_id, delivery_ids=ids, now=info.context.now()
                )
            )
        return ReplayWebhooksPayload(made=made)
