"""Mutations of coupons and discounts."""

from datetime import datetime
from decimal import Decimal

import strawberry

from billing import limits
from billing.coupon_validation import CouponRequest
from billing.enums import CouponDuration, CustomerPermission
from billing.ids import CouponId, CustomerId, DiscountId, PlanId, SubscriptionId
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import (
    Payload,
    idempotency_key_field,
    made_coupon,
    made_discount,
    mutation,
    payload,
)
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.discounts import Coupon, Discount
from services import discounts


@strawberry.input(description="A new coupon. Give either `percentOff`, or `amountOffCents` and `currency`.")
class CreateCouponInput:
    code: str = strawberry.field(
        description=(
            f"The code to redeem it with: 1 to {limits.MAX_COUPON_CODE} letters, digits, dots, dashes and underscores,"
            " starting with a letter or digit. Stored in upper case."
        )
    )
    name: str = strawberry.field(
        description=f"The name of the discount on invoices: 1 to {limits.MAX_NAME} characters."
    )
    percent_off: Decimal | None = strawberry.field(
        default=None,
        description=(
            f"The percentage to take off: more than 0, at most {limits.MAX_PERCENT}, with at most"
            f" {limits.PERCENT_DECIMALS} decimals."
        ),
    )
    amount_off_cents: Cents | None = strawberry.field(
        default=None,
        description="The amount to take off each billing period, in minor units of `currency`: more than 0.",
    )
    currency: Currency | None = strawberry.field(default=None, description="The currency of the amount.")
    duration: CouponDuration = strawberry.field(
        default=CouponDuration.FOREVER, description="The number of billing periods that a discount covers."
    )
    periods: int | None = strawberry.field(
        default=None,
        description=f"The number of billing periods, 1 to {limits.MAX_COUPON_PERIODS}. Required for PERIODS only.",
    )
    plan_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description=(f"The plans whose lines to discount, at most {limits.MAX_COUPON_PLANS}. By default all charges."),
    )
    max_redemptions: int | None = strawberry.field(
        default=None, description="Maximum number of redemptions, at least 1. By default they are not limited."
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it can no longer be redeemed. By default it does not expire."
    )
    idempotency_key: str | None = idempotency_key_field()

    def request(self) -> CouponRequest:
        return CouponRequest(
            code=self.code,
            name=self.name,
            percent_off=self.percent_off,
            amount_off_cents=self.amount_off_cents,
            currency=self.currency,
            duration=self.duration,
            periods=self.periods,
            plan_ids=[PlanId(parse_id(id_)) for id_ in self.plan_ids],
            max_redemptions=self.max_redemptions,
            expires_at=self.expires_at,
        )


@strawberry.input(description="The coupon to archive.")
class ArchiveCouponInput:
    id: strawberry.ID = strawberry.field(description="The coupon.")


@strawberry.input(description="The coupon to redeem. Give either `subscriptionId` or `customerId`.")
class RedeemCouponInput:
    code: str = strawberry.field(description="The code of the coupon, in upper or lower case.")
    subscription_id: strawberry.ID | None = strawberry.field(
        default=None, description="The subscription to discount. It must not be CANCELED."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="The customer whose invoices to discount, including one-off invoices."
    )
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The discount to remove.")
class RemoveDiscountInput:
    id: strawberry.ID = strawberry.field(description="The discount.")


@payload
class CreateCouponPayload(Payload):
    coupon: Coupon | None = made_coupon("The new coupon.")


@payload
class ArchiveCouponPayload(Payload):
    coupon: Coupon | None = made_coupon("The updated coupon.")


@payload
class RedeemCouponPayload(Payload):
    discount: Discount | None = made_discount("The new discount.")


@payload
class RemoveDiscountPayload(Payload):
    discount: Discount | None = made_discount("The removed discount.")


@strawberry.type
class DiscountMutations:
    @mutation("Creates a coupon.")
    async def create_coupon(self, info: Info, input: CreateCouponInput) -> CreateCouponPayload:
        request = input.request()
        made = await info.context.once(
            input, lambda session: discounts.create_coupon(session, request, now=info.context.now())
        )
        return CreateCouponPayload(made=made)

    @mutation("Archives a coupon, so that it can no longer be redeemed. Discounts that customers have stay.")
    async def archive_coupon(self, info: Info, input: ArchiveCouponInput) -> ArchiveCouponPayload:
        made = await info.context.change(
            lambda session: discounts.archive_coupon(
                session, coupon_id=CouponId(parse_id(input.id)), now=info.context.now()
            )
        )
        return ArchiveCouponPayload(made=made)

    @mutation(
        "Redeems a coupon. The discount lowers invoices that are finalized from now on. A customer may redeem a coupon"
        " once, also if the discount is removed later.",
        permission=CustomerPermission.REDEEM_COUPONS,
    )
    async def redeem_coupon(self, info: Info, input: RedeemCouponInput) -> RedeemCouponPayload:
        made = await info.context.once(
            input,
            lambda session: discounts.redeem_coupon(
                session,
                code=input.code,
                customer_id=None if input.customer_id is None else CustomerId(parse_id(input.customer_id)),
                subscription_id=(
                    None if input.subscription_id is None else SubscriptionId(parse_id(input.subscription_id))
                ),
                now=info.context.now(),
            ),
        )
        return RedeemCouponPayload(made=made)

    @mutation("Removes a discount. Invoices that are finalized from now on are not lowered by it.")
    async def remove_discount(self, info: Info, input: RemoveDiscountInput) -> RemoveDiscountPayload:
        made = await info.context.change(
            lambda session: discounts.remove_customer_discount(
                session, discount_id=DiscountId(parse_id(input.id)), now=info.context.now()
            )
        )
        return RemoveDiscountPayload(made=made)
