"""API keys and customer sessions."""

from datetime import datetime
from typing import ClassVar

import strawberry

from billing.words import ApiKeyScope, CustomerPermission
from db import models
from graph.schema.types.common import describe, field

describe(
    ApiKeyScope,
    "What a request may do.",
    READ="Read everything but API keys.",
    WRITE="Read, and all mutations but those of API keys.",
    ADMIN="Everything.",
    CUSTOMER="See one customer, for a limited time: a customer session.",
)
describe(
    CustomerPermission,
    "What a customer may do with the own subscription in a customer session, beside reading.",
    CANCEL_SUBSCRIPTION="Cancel it, at once or at the period's end, and take a cancellation back. Nothing is refunded.",
    CHANGE_SUBSCRIPTION=(
        "Change its quantity, and its plan to one of those that the session names, as the rules have it by default: a "
        "change up is billed now, one down comes with the next period and can be withdrawn. One that gives more back "
        "than it charges is refused."
    ),
)


@strawberry.type(description="Who may send requests. Its token was shown once, when it was made, and is not kept.")
class ApiKey:
    row: ClassVar = models.ApiKey

    id: strawberry.ID = field("The key's id, which its token names as well.")
    name: str = field("What the key is for.")
    scope: ApiKeyScope = field("What it may do.")
    created_at: datetime = field("When it was made.")
    last_used_at: datetime | None = field(
        "When a request was last sent with it, to the minute; null for never.",
    )
    revoked_at: datetime | None = field("When it was revoked; null for one that is good.")


@strawberry.type(
    description=(
        "A short-lived access for a customer's own browser: with its token, nothing exists but this customer, what "
        "belongs to it, and the plans."
    )
)
class CustomerSession:
    row: ClassVar = models.ApiKey

    id: strawberry.ID = field("The session's id, by which `revokeApiKey` ends it early.")
    permissions: list[CustomerPermission] = field("What the customer may do, beside reading.")
    created_at: datetime = field("When it was made.")
    expires_at: datetime = field("When it ends.")
