"""What the sender of a request may do."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphql import GraphQLError

from billing.ids import ApiKeyId, CustomerId
from billing.words import API_ACTOR, CUSTOMER_ACTOR, KEY_ACTOR, ApiKeyScope, CustomerPermission
from graph.error_codes import ErrorCode

LOCAL = "local"
"""Who sends a request that carries no API key, where none is needed."""

RANKS = {ApiKeyScope.CUSTOMER: 0, ApiKeyScope.READ: 1, ApiKeyScope.WRITE: 2, ApiKeyScope.ADMIN: 3}


@dataclass(frozen=True, slots=True)
class Access:
    """Who sends a request: what they may do, and whose data they see; everybody's, without a `customer_id`."""

    key_id: ApiKeyId | None = None
    scope: ApiKeyScope = ApiKeyScope.ADMIN
    customer_id: CustomerId | None = None
    permissions: frozenset[str] = frozenset()
    plan_ids: frozenset[UUID] = frozenset()

    @property
    def name(self) -> str:
        """Who they are to idempotency keys: each has its own."""
        return LOCAL if self.key_id is None else str(self.key_id)

    @property
    def actor(self) -> str:
        """Who they are to those who read events."""
        if self.key_id is None:
            return API_ACTOR
        return f"{CUSTOMER_ACTOR}{self.customer_id}" if self.customer_id else f"{KEY_ACTOR}{self.key_id}"

    def require(self, scope: ApiKeyScope, permission: CustomerPermission | None = None) -> None:
        """Raises a `FORBIDDEN` error where this needs a larger scope, or a permission that the session has not."""
        if self.scope is ApiKeyScope.CUSTOMER:
            if permission is None:
                raise forbidden("A customer session may not do this.")
            if permission.value not in self.permissions:
                raise forbidden(f"This customer session has no permission {permission.value}.")
        elif RANKS[self.scope] < RANKS[scope]:
            raise forbidden(f"This needs an API key of scope {scope.value}; this one has {self.scope.value}.")

    def require_plan(self, plan_id: UUID | None) -> None:
        """Raises a `FORBIDDEN` error where a customer session asks for a plan that the merchant does not offer it."""
        if self.scope is ApiKeyScope.CUSTOMER and plan_id is not None and plan_id not in self.plan_ids:
            raise forbidden("This customer session may not change to this plan.")

    def leave_out(self, **given: Any) -> None:
        """Raises a `FORBIDDEN` error where a customer session gives what the merchant decides."""
        if self.scope is ApiKeyScope.CUSTOMER:
            for name, value in given.items():
                if value:
                    raise forbidden(f"A customer session must leave `{name}` out.")


def forbidden(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": ErrorCode.FORBIDDEN})
