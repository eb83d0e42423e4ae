"""API keys and customer sessions."""

from datetime import datetime
from typing import ClassVar

import strawberry

from billing.enums import ApiKeyScope, CustomerPermission
from db import models
from graph.schema.types.common import describe, field

describe(
    ApiKeyScope,
    "The access level of an API key or customer session.",
    READ="Read everything except API keys and webhook endpoints.",
    WRITE="READ, and all mutations that do not require ADMIN. `revokeApiKey` can revoke only customer sessions.",
    ADMIN="Everything, including API keys, webhook endpoints and the seller's profile.",
    CUSTOMER=(
        "Access to one customer for a limited time, within the session's permissions. Only for customer sessions."
    ),
)
describe(
    CustomerPermission,
    "A permission of a customer session, in addition to reading.",
    CANCEL_SUBSCRIPTION=(
        "Cancel the subscription, immediately or at the end of the period, and undo a scheduled cancellation."
        " Nothing is credited."
    ),
    CHANGE_SUBSCRIPTION=(
        "Change the subscription's quantity, or its plan to one of the session's `planIds`, with the default"
        " mode: an upgrade is billed now; a downgrade takes effect with the next period and can be withdrawn until"
        " then. A change that credits more than it charges is rejected."
    ),
    REDEEM_COUPONS=(
        "Redeem coupons by their codes, for the customer or its subscription, and preview them with `couponCodes` of"
        " `previewSubscription`. Does not allow removing discounts."
    ),
    VIEW_CREDIT_NOTES="Read the customer's credit notes and their events.",
)


@strawberry.type(
    description=(
        "A key that authenticates requests. Its token is shown once, on creation, and only its hash is stored."
    )
)
class ApiKey:
    row: ClassVar = models.ApiKey

    id: strawberry.ID = field("The key's id. The token contains it.")
    name: str = field("Name of the key.")
    scope: ApiKeyScope = field("The key's access level.")
    created_at: datetime = field("When the key was created.")
    last_used_at: datetime | None = field(
        "When the key was last used, to the minute. Null if never.",
    )
    revoked_at: datetime | None = field("When the key was revoked. Null if it is valid.")


@strawberry.type(
    description=(
        "Short-lived access for a customer's browser. Its token can access only this customer, the customer's"
        " own objects, the plans of its subscriptions and invoices, and the plans in `planIds`."
    )
)
class CustomerSession:
    row: ClassVar = models.ApiKey

    id: strawberry.ID = field("The session's id. Pass it to `revokeApiKey` to end the session early.")
    permissions: list[CustomerPermission] = field("Permissions of the session, in addition to reading.")
    created_at: datetime = field("When the session was created.")
    expires_at: datetime = field("When the session expires.")


@strawberry.type(description="The caller of the request.")
class Viewer:
    scope: ApiKeyScope = strawberry.field(
        description="The caller's access level. ADMIN if the server requires no API key and the request has none."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        description="The only customer whose data the caller sees. Null except in customer sessions."
    )
