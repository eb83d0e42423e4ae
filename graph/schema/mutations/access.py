"""Mutations of API keys and customer sessions. Tokens are shown once: a retry makes another key."""

from typing import cast

import strawberry

from billing import limits
from billing.ids import ApiKeyId, CustomerId, PlanId
from billing.words import ApiKeyScope, CustomerPermission
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, mutation, payload
from graph.schema.fields.scalars import parse_id
from graph.schema.types.access import ApiKey, CustomerSession
from services import api_keys, customer_sessions


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    name: str = strawberry.field(description=f"What it is for: 1 to {limits.MAX_NAME} characters.")
    scope: ApiKeyScope = strawberry.field(description="What it may do: READ, WRITE or ADMIN.")


@strawberry.input(description="An API key, or a customer session, to revoke.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="The key, or the session.")


@strawberry.input(description="A new customer session.")
class CreateCustomerSessionInput:
    customer_id: strawberry.ID = strawberry.field(description="Who it is for: a customer in use.")
    ttl_seconds: int = strawberry.field(
        default=limits.MAX_SESSION_SECONDS,
        description=(f"How long it lasts, in seconds: {limits.MIN_SESSION_SECONDS} to {limits.MAX_SESSION_SECONDS}."),
    )
    permissions: list[CustomerPermission] = strawberry.field(
        default_factory=list, description="What the customer may do, beside reading; by default nothing."
    )
    plan_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description=(
            f"The plans that the customer may change to, at most {limits.MAX_SESSION_PLANS}; by default none, only "
            "the quantity."
        ),
    )


@payload
class CreateApiKeyPayload(Payload):
    api_key: ApiKey | None = strawberry.field(default=None, description="The new key.")
    token: str | None = strawberry.field(
        default=None, description="What to send as `Authorization: Bearer …`. It is not shown again."
    )


@payload
class RevokeApiKeyPayload(Payload):
    api_key: ApiKey | None = strawberry.field(
        default=None,
        description=f"The key, which is refused within {api_keys.KEY_SEEN_FOR.seconds} seconds everywhere.",
    )


@payload
class CreateCustomerSessionPayload(Payload):
    customer_session: CustomerSession | None = strawberry.field(default=None, description="The new session.")
    token: str | None = strawberry.field(
        default=None, description="What the customer's browser sends as `Authorization: Bearer …`."
    )


@strawberry.type
class AccessMutations:
    @mutation("Makes an API key. Needs one of scope ADMIN.", scope=ApiKeyScope.ADMIN)
    async def create_api_key(self, info: Info, input: CreateApiKeyInput) -> CreateApiKeyPayload:
        issued = await info.context.change(
            lambda session: api_keys.create_api_key(
                session,
                name=input.name,
                scope=input.scope,
                created_by=info.context.access.key_id,
                now=info.context.now(),
            )
        )
        return CreateApiKeyPayload(api_key=cast("ApiKey", issued.key), token=issued.token)

    @mutation("Ends an API key, which needs one of scope ADMIN, or a customer session, for good.")
    async def revoke_api_key(self, info: Info, input: RevokeApiKeyInput) -> RevokeApiKeyPayload:
        key = await info.context.change(
            lambda session: api_keys.revoke_api_key(
                session,
                api_key_id=ApiKeyId(parse_id(input.id)),
                sessions_only=info.context.access.scope is not ApiKeyScope.ADMIN,
                now=info.context.now(),
            )
        )
        return RevokeApiKeyPayload(api_key=cast("ApiKey", key))

    @mutation("Makes a short-lived access for a customer's own browser, which sees this customer only.")
    async def create_customer_session(
        self, info: Info, input: CreateCustomerSessionInput
    ) -> CreateCustomerSessionPayload:
        issued = await info.context.change(
            lambda session: customer_sessions.create_customer_session(
                session,
                customer_id=CustomerId(parse_id(input.customer_id)),
                seconds=input.ttl_seconds,
                permissions=input.permissions,
                plan_ids=[PlanId(parse_id(plan_id)) for plan_id in input.plan_ids],
                created_by=info.context.access.key_id,
                now=info.context.now(),
            )
        )
        return CreateCustomerSessionPayload(customer_session=cast("CustomerSession", issued.key), token=issued.token)
