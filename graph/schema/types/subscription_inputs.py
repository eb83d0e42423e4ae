"""Subscription inputs that a mutation and its preview share."""

from datetime import datetime
from datetime import time as time_of_day
from enum import Enum

import strawberry

from billing import limits
from billing.anchor_resets import AnchorReset
from billing.anchors import NO_ANCHOR, AnchorRequest, BillingAnchor
from billing.changes import ChangeMode, ChangeRequest
from billing.enums import ApiKeyScope, FirstPeriod, Settlement
from billing.ids import PlanId
from billing.moving import TrialRequest
from billing.periods import NOMINAL_MONTH
from billing.subscribing import CancellationRequest, SubscriptionRequest
from graph.schema.fields.access import Access
from graph.schema.fields.scalars import parse_id
from graph.schema.types.common import describe
from graph.schema.types.discounts import coupon_codes_field

MONTH_DAYS = f"{NOMINAL_MONTH / 86_400:.6f}"


START_NOW = f"A time up to {limits.START_GRACE.seconds} seconds in the past counts as now. Defaults to now."


@strawberry.enum(description="A day of the week.")
class DayOfWeek(Enum):
    MONDAY = strawberry.enum_value(1, description="Monday.")
    TUESDAY = strawberry.enum_value(2, description="Tuesday.")
    WEDNESDAY = strawberry.enum_value(3, description="Wednesday.")
    THURSDAY = strawberry.enum_value(4, description="Thursday.")
    FRIDAY = strawberry.enum_value(5, description="Friday.")
    SATURDAY = strawberry.enum_value(6, description="Saturday.")
    SUNDAY = strawberry.enum_value(7, description="Sunday.")


describe(
    FirstPeriod,
    "Billing of a period that is shorter than a whole one, because it ends at a new billing anchor.",
    PRORATED=(
        "The price is prorated to the second, by the share of the period in the whole period that ends at the anchor."
    ),
    FREE="The period is free.",
    FULL="The price of a whole period is charged.",
)


@strawberry.input(
    description=(
        "The calendar day on which periods begin. Plans billed by months or years need `dayOfMonth`, plans billed by"
        " weeks need `dayOfWeek`. Plans billed by days have no billing anchor, unless their interval is"
        " a whole number of weeks: these need `dayOfWeek`."
    )
)
class BillingAnchorInput:
    day_of_month: int | None = strawberry.field(
        default=None,
        description=(
            "Day of the month, 1 to 31. A shorter month uses its last day. With a `month`, it must be a day that this"
            " month has, at least in leap years."
        ),
    )
    month: int | None = strawberry.field(
        default=None,
        description=(
            "Month of the year, 1 to 12, in which a period begins. For yearly plans and those billed every several"
            " months; no effect for a plan billed every month. Defaults to the month of the next `dayOfMonth`."
        ),
    )
    day_of_week: DayOfWeek | None = strawberry.field(default=None, description="Day of the week.")
    time: time_of_day | None = strawberry.field(
        default=None, description="The time of day at which periods begin. Defaults to midnight."
    )

    def value(self) -> BillingAnchor:
        return BillingAnchor(
            self.day_of_month,
            self.month,
            None if self.day_of_week is None else int(self.day_of_week.value),
            self.time or time_of_day(),
        )


FIRST_PERIOD = "Billing of the period that ends at the billing anchor, if it is shorter than a whole one."


@strawberry.input
class NewSubscriptionInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer to bill. Must not be archived.")
    plan_id: strawberry.ID = strawberry.field(
        description="The plan. It must not be archived, and must be in the customer's currency."
    )
    quantity: int = strawberry.field(
        default=1, description=f"Number of units of the plan, 1 to {limits.with_thousands(limits.MAX_QUANTITY)}."
    )
    start_at: datetime | None = strawberry.field(
        default=None,
        description=(
            f"When the subscription starts, within {limits.MAX_START_DAYS} days. Until then it is PENDING. {START_NOW}"
        ),
    )
    trial_days: int | None = strawberry.field(
        default=None,
        description=(
            f"Length of the trial in days, 0 to {limits.MAX_TRIAL_DAYS}; 0 for no trial. Overrides the plan's"
            " value. Defaults to the plan's value, or to no trial if the customer has already had one of this"
            " plan."
        ),
    )
    trial_end: datetime | None = strawberry.field(
        default=None,
        description=(
            "When the trial ends and the first billing period begins. Must be after `startAt`, by at most"
            f" {limits.MAX_TRIAL_DAYS} days. Cannot be combined with `trialDays`."
        ),
    )

    billing_anchor: BillingAnchorInput | None = strawberry.field(
        default=None,
        description=(
            "The calendar day on which periods begin. The first period ends at the first such day after the start, or"
            " after the trial. Defaults to the start of the first billing period."
        ),
    )
    first_period: FirstPeriod | None = strawberry.field(
        default=None, description=f"{FIRST_PERIOD} Requires `billingAnchor`. Defaults to PRORATED."
    )

    coupon_codes: list[str] = coupon_codes_field()

    def request(self) -> SubscriptionRequest:
        return SubscriptionRequest(
            PlanId(parse_id(self.plan_id)),
            self.quantity,
            self.start_at,
            self.trial_days,
            self.trial_end,
            anchor_request(self.billing_anchor, self.first_period),
            self.coupon_codes,
        )


def anchor_request(anchor: BillingAnchorInput | None, first_period: FirstPeriod | None) -> AnchorRequest:
    if anchor is None and first_period is None:
        return NO_ANCHOR
    return AnchorRequest(None if anchor is None else anchor.value(), first_period)


@strawberry.input
class AnchorResetInput:
    id: strawberry.ID = strawberry.field(description="The subscription. It must be live.")
    billing_anchor: BillingAnchorInput | None = strawberry.field(
        default=None,
        description=(
            "The calendar day on which periods begin. By default, periods are counted from the start of the next"
            " period, or from now if `atPeriodEnd` is false."
        ),
    )
    first_period: FirstPeriod | None = strawberry.field(
        default=None, description=f"{FIRST_PERIOD} Requires `billingAnchor`. Defaults to PRORATED."
    )
    at_period_end: bool = strawberry.field(
        default=True,
        description=(
            "True if the next period is the first to end at the anchor; nothing is billed now. False to end the current"
            " period now: its unused part is credited, and a new period until the anchor is billed on the same invoice."
            " Before the first billing period, only true is allowed."
        ),
    )

    def reset(self) -> AnchorReset:
        return AnchorReset(anchor_request(self.billing_anchor, self.first_period), self.at_period_end)


@strawberry.input
class SubscriptionChangeInput:
    id: strawberry.ID = strawberry.field(description="The subscription. It must have started.")
    plan_id: strawberry.ID | None = strawberry.field(
        default=None, description="The new plan. It must be in the same currency and not archived."
    )
    quantity: int | None = strawberry.field(
        default=None, description=(f"Number of units of the plan, 1 to {limits.with_thousands(limits.MAX_QUANTITY)}.")
    )
    mode: ChangeMode | None = strawberry.field(
        default=None,
        description=(
            "When the change takes effect. Defaults to IMMEDIATE for a longer interval and to PERIOD_END for a"
            " shorter one. For an interval of the same length, defaults to IMMEDIATE if price × quantity is the"
            " same or higher, and to PERIOD_END if it is lower. Intervals are compared by their average length: a"
            f" month counts as {MONTH_DAYS} days. If the interval changes, only IMMEDIATE, which starts a new"
            " period immediately, and PERIOD_END are allowed."
        ),
    )
    as_of: datetime | None = strawberry.field(
        default=None,
        description=(
            "The effective time of the change, for proration. Must be in the current period, not before the latest"
            " change, and not in the future. Defaults to now."
        ),
    )

    def request(self, access: Access) -> ChangeRequest:
        """Returns the requested change. Raises a `FORBIDDEN` error if a customer session may not request it."""
        access.require_omitted(mode=self.mode, asOf=self.as_of)
        plan_id = None if self.plan_id is None else PlanId(parse_id(self.plan_id))
        access.require_plan(plan_id)
        return ChangeRequest(
            plan_id, self.quantity, self.mode, self.as_of, may_credit=access.scope is not ApiKeyScope.CUSTOMER
        )


describe(
    Settlement,
    "Settlement of the unused part of the period when a subscription is canceled immediately or at a given time.",
    NONE="It is not credited.",
    CREDIT=(
        "It is credited on a separate invoice. The credit is applied to the customer's open invoices; the remainder is"
        " added to the balance."
    ),
)


@strawberry.input
class CancellationInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")
    at_period_end: bool = strawberry.field(
        default=True,
        description=(
            "True to cancel at the end of the current period, or at `at`; this can be undone until then. False to"
            " cancel immediately. A PENDING subscription is always canceled immediately, and not with `at`."
        ),
    )
    settlement: Settlement = strawberry.field(
        default=Settlement.NONE,
        description=(
            "Settlement of the unused part of the period. CREDIT is allowed for an immediate cancellation, and with"
            " `at`; with `at`, the credit is issued when the cancellation takes effect."
        ),
    )
    at: datetime | None = strawberry.field(
        default=None,
        description=(
            f"When to cancel, in the future, within {limits.MAX_NOTICE_DAYS} days. Until then periods are billed as"
            " usual; the last one, if it starts before `at`, is billed only until `at`. The subscription must have"
            " started. Cannot be combined with `atPeriodEnd: false`. Defaults to the end of the current period."
        ),
    )

    def request(self, access: Access) -> CancellationRequest:
        """Returns the cancellation. Raises a `FORBIDDEN` error if a customer session may not request it."""
        access.require_omitted(settlement=self.settlement is not Settlement.NONE, at=self.at)
        return CancellationRequest(self.at_period_end, self.settlement, self.at)


@strawberry.input
class TrialUpdateInput:
    id: strawberry.ID = strawberry.field(description="The subscription. It must be TRIALING.")
    trial_end: datetime | None = strawberry.field(
        default=None,
        description=(
            f"The new end of the trial. Must be in the future, and at most {limits.MAX_TRIAL_DAYS} days after the trial"
            " started. Give either `trialEnd` or `endNow`."
        ),
    )
    end_now: bool = strawberry.field(
        default=False, description="True to end the trial now and bill the first billing period."
    )

    def request(self) -> TrialRequest:
        return TrialRequest(self.trial_end, self.end_now)


@strawberry.input
class PeriodExtensionInput:
    id: strawberry.ID = strawberry.field(description="The subscription. It must be ACTIVE or PAST_DUE.")
    until: datetime = strawberry.field(
        description=(
            "The new end of the current period: later than its current end, by at most"
            f" {limits.MAX_EXTENSION_DAYS} days, and within {limits.MAX_START_DAYS} days of now."
        )
    )


MOVED_START = (
    f"When the subscription starts, within {limits.MAX_START_DAYS} days. A time up to {limits.START_GRACE.seconds}"
    " seconds in the past counts as now and starts it. Only while it is PENDING."
)
