"""Coupons, discounts, and what discounts take off invoices."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar

import strawberry

from billing import limits
from billing.enums import CouponDuration
from db import models
from db.queries.conditions import Condition
from db.queries.lookups import coupons_by_id, customers_by_id, discounts_by_id, plans_by_id, subscriptions_by_id
from graph.execution import READS
from graph.schema.fields.connections import Connection, connection
from graph.schema.fields.context import Info
from graph.schema.fields.edges import edge
from graph.schema.fields.paging import OrderDirection
from graph.schema.fields.scalars import Cents, Currency
from graph.schema.types.common import Node, describe, field, is_set
from graph.schema.types.lazy import LazyCustomer, LazyPlan, LazySubscription
from graph.schema.types.taxes import counted, named_objects_field, of_line

describe(
    CouponDuration,
    "The duration of a coupon's discounts, in billing periods.",
    ONCE="One billing period.",
    PERIODS="As many billing periods as `periods` says.",
    FOREVER="All billing periods.",
)


@strawberry.input(description="Filter for discounts. Omitted fields do not filter.")
class DiscountFilter:
    removed: bool | None = strawberry.field(
        default=None, description="True for removed discounts only, false for discounts that are not removed."
    )

    def conditions(self) -> tuple[Condition, ...]:
        return is_set("removed_at", self.removed)


@strawberry.enum(description="The field to sort discounts by.")
class DiscountOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the coupon was redeemed.")


@strawberry.input(description="Sort order of discounts.")
class DiscountOrder:
    field: DiscountOrderField = strawberry.field(
        default=DiscountOrderField.CREATED_AT, description="The field to sort by."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")


@strawberry.type(
    description=(
        "The discount that a customer got by redeeming a coupon. It applies to one subscription, or to all invoices of"
        " the customer. It covers as many billing periods as the coupon's `duration` allows; a period counts once the"
        " discount has lowered an invoice for it. If the subscription changes within a covered period, the charges of"
        " the change are discounted too: by the percentage, or by the amount, prorated to the rest of the period."
    )
)
class Discount(Node):
    row: ClassVar = models.Discount

    periods_left: int | None = of_line(
        "The number of billing periods that the discount can still cover. Each one-off invoice that it lowers uses one"
        " too. Voiding an invoice gives back the period that it used; reissuing it uses the period again, even if this"
        " is one more than the coupon allows. Null if the coupon's duration is FOREVER.",
        int | None,
        lambda row: None if row.periods is None else max(0, row.periods - row.periods_used),
        *("periods", "periods_used"),
    )
    removed_at: datetime | None = field("When the discount was removed. Null if not removed.")
    version: int = field("Version of the discount. Starts at 1 and increases by one with each change.")
    created_at: datetime = field("When the coupon was redeemed.")
    updated_at: datetime = field("When the discount was last changed.")

    coupon: "Coupon" = edge(coupons_by_id, "coupon_id", "The coupon that was redeemed.")
    customer: LazyCustomer = edge(customers_by_id, "customer_id", "The customer that redeemed the coupon.")
    subscription: LazySubscription | None = edge(
        subscriptions_by_id,
        "subscription_id",
        "The subscription whose invoices are discounted. Null if all invoices of the customer are discounted.",
    )


@strawberry.type(
    description=(
        "An offer that customers redeem with a code to get a discount: a percentage off, or an amount off each billing"
        " period. A coupon is immutable, except that it can be archived."
    )
)
class Coupon(Node):
    row: ClassVar = models.Coupon

    code: str = field("The code to redeem the coupon with, in upper case. Unique among all coupons.")
    name: str = field("The name of the discount on invoices.")
    percent_off: Decimal | None = field("The percentage taken off each charge. Null for an amount.")
    amount_off_cents: Cents | None = field(
        "The amount taken off each billing period, in minor units of `currency`. Null for a percentage."
    )
    currency: Currency | None = field("The currency of `amountOffCents`. Null for a percentage.")
    duration: CouponDuration = field("The duration of the coupon's discounts, in billing periods.")
    periods: int | None = field("The number of billing periods if `duration` is PERIODS, else null.")
    max_redemptions: int | None = field(
        "Maximum number of redemptions. Redemptions on test clocks do not count. Null if unlimited."
    )
    expires_at: datetime | None = field(
        "When the coupon expires. It then can no longer be redeemed; existing discounts continue. Null if it never"
        " expires."
    )
    applies_to_all_plans: bool = of_line(
        "True if the coupon is not limited to plans. Then all charges are discounted, and one-off invoices too if the"
        " coupon is redeemed for a customer.",
        bool,
        lambda row: not row.plan_ids,
        "plan_ids",
    )
    archived_at: datetime | None = field(
        "When the coupon was archived. Null if not archived. An archived coupon can no longer be redeemed; existing"
        " discounts continue."
    )
    version: int = field("Version of the coupon. Starts at 1 and increases by one with each change.")
    created_at: datetime = field("When the coupon was created.")
    updated_at: datetime = field("When the coupon was last changed.")

    redemptions: Connection[Discount] = connection(
        models.Discount,
        parent="coupon_id",
        filter_by=DiscountFilter,
        order_by=DiscountOrder,
        description=(
            "The discounts that customers got from this coupon, including removed ones and those on test clocks."
            " Customer sessions see only the customer's own."
        ),
    )

    plans: list[LazyPlan] = named_objects_field(
        "The plans whose charges are discounted, if the coupon is limited to plans. Customer sessions see only those"
        " that they may see otherwise.",
        list[LazyPlan],
        plans_by_id,
        lambda row: tuple(row.plan_ids),
        "plan_ids",
    )


@strawberry.type(description="The amount that a discount took off an invoice.")
class AppliedDiscount:
    name: str = field("The name of the coupon, as shown on the invoice.")
    amount_cents: Cents = field("The amount taken off, in minor units of the invoice's currency. More than 0.")

    discount: Discount | None = edge(
        discounts_by_id, "discount_id", "The discount. Null in a preview, for coupons that are not redeemed yet."
    )


def applied_discounts_field(description: str) -> Any:
    """Declares the discounts of an invoice, which may be null in the table."""

    def resolve(self: Any, info: Info) -> list[AppliedDiscount]:
        return counted(self.discounts or (), info)

    return strawberry.field(resolver=resolve, description=description, metadata={READS: {"discounts"}})


ROWS_PER_CODE = 100
"""Number of rows that a code costs a customer session, so that codes cannot be guessed quickly."""


def charge_codes(info: Info, codes: int) -> None:
    """Charges codes of coupons that a customer session tries to the row budget of the request."""
    if info.context.access.is_session:
        info.context.rows.spend(codes * ROWS_PER_CODE)


def coupon_codes_field() -> Any:
    return strawberry.field(
        default_factory=list,
        description=(
            f"Codes of coupons to redeem for the subscription, ignoring case, at most {limits.MAX_DISCOUNTS}, each only"
            " once. If one cannot be redeemed, the subscription is not created."
        ),
    )


@strawberry.input(description="Filter for coupons. Omitted fields do not filter.")
class CouponFilter:
    archived: bool | None = strawberry.field(
        default=None, description="True for archived coupons only, false for coupons that are not archived."
    )

    def conditions(self) -> tuple[Condition, ...]:
        return is_set("archived_at", self.archived)


@strawberry.enum(description="The field to sort coupons by.")
class CouponOrderField(Enum):
    CREATED_AT = strawberry.enum_value("created_at", description="When the coupon was created.")


@strawberry.input(description="Sort order of coupons.")
class CouponOrder:
    field: CouponOrderField = strawberry.field(default=CouponOrderField.CREATED_AT, description="The field to sort by.")
    direction: OrderDirection = strawberry.field(default=OrderDirection.ASC, description="The sort direction.")
