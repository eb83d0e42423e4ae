"""Mutations of API keys and customer sessions. Tokens are shown only once, so a retry creates another key."""

from typing import cast

import strawberry

from billing import limits
from billing.enums import ApiKeyScope, CustomerPermission
from billing.ids import ApiKeyId, CustomerId, PlanId
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, mutation, payload
from graph.schema.fields.scalars import parse_id
from graph.schema.types.access import ApiKey, CustomerSession
from services import api_keys, customer_sessions


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    name: str = strawberry.field(description=f"Name: 1 to {limits.MAX_NAME} characters.")
    scope: ApiKeyScope = strawberry.field(description="The key's access level: READ, WRITE or ADMIN.")


@strawberry.input(description="The API key or customer session to revoke.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="The id of the API key or customer session.")


@strawberry.input(description="A new customer session.")
class CreateCustomerSessionInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer. Must not be archived.")
    ttl_seconds: int = strawberry.field(
        default=limits.MAX_SESSION_SECONDS,
        description=(f"Lifetime in seconds: {limits.MIN_SESSION_SECONDS} to {limits.MAX_SESSION_SECONDS}."),
    )
    permissions: list[CustomerPermission] = strawberry.field(
        default_factory=list, description="Permissions of the session, in addition to reading. Defaults to none."
    )
    plan_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description=(
            f"The plans that the customer may change to, at most {limits.MAX_SESSION_PLANS}. Defaults to none: the"
            " customer may change only the quantity."
        ),
    )


@payload
class CreateApiKeyPayload(Payload):
    api_key: ApiKey | None = strawberry.field(default=None, description="The new key.")
    token: str | None = strawberry.field(
        default=None, description="The token, to send as `Authorization: Bearer …`. It is not shown again."
    )


@payload
class RevokeApiKeyPayload(Payload):
    api_key: ApiKey | None = strawberry.field(
        default=None,
        description=f"The revoked key. All servers reject it within {api_keys.KEY_SEEN_FOR.seconds} seconds.",
    )


@payload
class CreateCustomerSessionPayload(Payload):
    customer_session: CustomerSession | None = strawberry.field(default=None, description="The new session.")
    token: str | None = strawberry.field(
        default=None, description="The token, which the customer's browser sends as `Authorization: Bearer …`."
    )


@strawberry.type
class AccessMutations:
    @mutation("Creates an API key. Requires an API key with scope ADMIN.", scope=ApiKeyScope.ADMIN)
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

    @mutation("Permanently revokes an API key or a customer session. Revoking an API key requires scope ADMIN.")
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

    @mutation("Creates a customer session: short-lived access to one customer, for the customer's browser.")
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
