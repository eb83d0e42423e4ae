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
from graph.schema.types.discounts import Coupon, Discount, charge_codes
from services import discounts


@strawberry.input(description="A new coupon. Give either `percentOff`, or `amountOffCents` and `currency`.")
class CreateCouponInput:
    code: str = strawberry.field(
        description=(
            f"The code to redeem it with: 1 to {limits.MAX_COUPON_CODE} letters, digits, dots, dashes and underscores,"
            " starting with a letter or digit. Stored in upper case. Must be unique, also among archived coupons."
        )
    )
    name: str = strawberry.field(
        description=f"The name of the discount on invoices: 1 to {limits.MAX_NAME} characters."
    )
    percent_off: Decimal | None = strawberry.field(
        default=None,
        description=(
            f"The percentage to take off each charge: more than 0, at most {limits.MAX_PERCENT}, with at most"
            f" {limits.PERCENT_DECIMALS} decimals."
        ),
    )
    amount_off_cents: Cents | None = strawberry.field(
        default=None,
        description=(
            "The amount to take off each billing period, in minor units of `currency`: more than 0. It is split over"
            " the charges of an invoice. The first invoice that it lowers in a period gets the full amount, even if it"
            " charges for part of the period. If the charges are less, the difference is not carried over."
        ),
    )
    currency: Currency | None = strawberry.field(
        default=None,
        description=(
            "The currency of `amountOffCents`. Required with it, and not allowed with `percentOff`. Customers billed in"
            " another currency cannot redeem the coupon."
        ),
    )
    duration: CouponDuration = strawberry.field(
        default=CouponDuration.FOREVER, description="The duration of the coupon's discounts, in billing periods."
    )
    periods: int | None = strawberry.field(
        default=None,
        description=(
            f"The number of billing periods, 1 to {limits.MAX_COUPON_PERIODS}. Required if `duration` is PERIODS, and"
            " not allowed otherwise."
        ),
    )
    plan_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description=(
            f"The plans whose charges to discount, at most {limits.MAX_COUPON_PLANS}. If empty, all charges are"
            " discounted, and one-off invoices too if the coupon is redeemed for a customer."
        ),
    )
    max_redemptions: int | None = strawberry.field(
        default=None,
        description=(
            f"Maximum number of redemptions, 1 to {limits.with_thousands(limits.MAX_REDEMPTIONS)}. Redemptions on test"
            " clocks do not count. Unlimited by default."
        ),
    )
    expires_at: datetime | None = strawberry.field(
        default=None,
        description=(
            "The time from which the coupon can no longer be redeemed. Must be in the future. By default, it never"
            " expires. Existing discounts continue."
        ),
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
    code: str = strawberry.field(
        description="The coupon's code, ignoring case. An amount must be in the customer's currency."
    )
    subscription_id: strawberry.ID | None = strawberry.field(
        default=None,
        description=(
            "The subscription to discount. It must not be CANCELED. If the coupon is limited to plans, its plan or its"
            " pending plan must be one of them."
        ),
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=None,
        description=(
            "The customer whose invoices to discount. Must not be archived. One-off invoices are included, unless the"
            " coupon is limited to plans."
        ),
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

    @mutation("Archives a coupon, permanently. It can no longer be redeemed. Existing discounts continue.")
    async def archive_coupon(self, info: Info, input: ArchiveCouponInput) -> ArchiveCouponPayload:
        made = await info.context.change(
            lambda session: discounts.archive_coupon(
                session, coupon_id=CouponId(parse_id(input.id)), now=info.context.now()
            )
        )
        return ArchiveCouponPayload(made=made)

    @mutation(
        "Redeems a coupon for a subscription or a customer. The discount applies to invoices finalized from now on; a"
        " reissued invoice keeps the discounts of the invoice it replaces. A customer can redeem each coupon only once,"
        " even if the discount is removed later.",
        permission=CustomerPermission.REDEEM_COUPONS,
    )
    async def redeem_coupon(self, info: Info, input: RedeemCouponInput) -> RedeemCouponPayload:
        charge_codes(info, 1)
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

    @mutation(
        "Removes a discount, permanently. It no longer applies to invoices finalized from now on, except reissued"
        " invoices, which keep the discounts of the invoice they replace. The customer cannot redeem the coupon again."
    )
    async def remove_discount(self, info: Info, input: RemoveDiscountInput) -> RemoveDiscountPayload:
        made = await info.context.change(
            lambda session: discounts.remove_customer_discount(
                session, discount_id=DiscountId(parse_id(input.id)), now=info.context.now()
            )
        )
        return RemoveDiscountPayload(made=made)
