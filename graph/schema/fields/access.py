"""Access rights of the caller of a request."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphql import GraphQLError

from billing.enums import API_ACTOR, CUSTOMER_ACTOR, KEY_ACTOR, ApiKeyScope, CustomerPermission
from billing.ids import ApiKeyId, CustomerId
from graph.error_codes import ErrorCode

LOCAL = "local"
"""Caller name of a request without an API key, if none is required."""

RANKS = {ApiKeyScope.CUSTOMER: 0, ApiKeyScope.READ: 1, ApiKeyScope.WRITE: 2, ApiKeyScope.ADMIN: 3}


@dataclass(frozen=True, slots=True)
class Access:
    """Identity and rights of the caller. With a `customer_id`, only this customer's data is visible; else all data."""

    key_id: ApiKeyId | None = None
    scope: ApiKeyScope = ApiKeyScope.ADMIN
    customer_id: CustomerId | None = None
    permissions: frozenset[str] = frozenset()
    plan_ids: frozenset[UUID] = frozenset()

    @property
    def name(self) -> str:
        """Name of the caller for idempotency keys. Each caller has separate keys."""
        return LOCAL if self.key_id is None else str(self.key_id)

    @property
    def actor(self) -> str:
        """Name of the caller in events. See `Event.actor` in the schema."""
        if self.key_id is None:
            return API_ACTOR
        return f"{CUSTOMER_ACTOR}{self.customer_id}" if self.customer_id else f"{KEY_ACTOR}{self.key_id}"

    def require(self, scope: ApiKeyScope, permission: CustomerPermission | None = None) -> None:
        """Raises a `FORBIDDEN` error if the API key's scope is below `scope`.

        A customer session needs `permission` instead. Without a `permission`, customer sessions are always rejected.
        """
        if self.is_session:
            if permission is None:
                raise forbidden("A customer session may not do this.")
            if permission.value not in self.permissions:
                raise forbidden(f"This customer session does not have the permission {permission.value}.")
        elif RANKS[self.scope] < RANKS[scope]:
            raise forbidden(f"This needs an API key of scope {scope.value}; this one has {self.scope.value}.")

    @property
    def is_session(self) -> bool:
        """True for a customer session."""
        return self.scope is ApiKeyScope.CUSTOMER

    def require_plan(self, plan_id: UUID | None) -> None:
        """Raises a `FORBIDDEN` error if a customer session requests a plan that is not among its `plan_ids`."""
        if self.is_session and plan_id is not None and plan_id not in self.plan_ids:
            raise forbidden("This customer session may not change to this plan.")

    def require_omitted(self, **given: Any) -> None:
        """Raises a `FORBIDDEN` error if a customer session sets any of these arguments. Only the merchant may."""
        if self.is_session:
            for name, value in given.items():
                if value:
                    raise forbidden(f"A customer session must not set `{name}`.")


def forbidden(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": ErrorCode.FORBIDDEN})
