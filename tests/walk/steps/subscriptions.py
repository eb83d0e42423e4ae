"""Steps with subscriptions, by the merchant and by customers themselves."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.walk.model import subscriptions
from tests.walk.model.anchors import Anchor
from tests.walk.model.shared import Key, Plan, refuse
from tests.walk.model.world import Customer, Subscription
from tests.walk.steps.base import (
    CUSTOMER,
    HOW,
    HOW_WITHOUT_KEY,
    NUMBER,
    QUANTITY,
    Steps,
    given,
    mostly,
    nearly_always,
    pick,
    step,
)
from tests.walk.walk import Made

MODES = [None, "IMMEDIATE", "NEXT_INVOICE", "PERIOD_END", "NONE", "CHARGE_NOW_CREDIT_LATER"]
AS_BEFORE = -1
"""Stands for the customer's previous plan."""

DAY = 86_400
AT_ITS_END = -2
"""Stands for the end of the current period."""

PLAN = st.sampled_from([None] * 8 + [*range(8)])
"""Index of a plan, or None for the same plan as before."""

LAST_COUPON = 15
"""Stands for a code that no coupon has."""

KEY_SEEN_FOR = timedelta(seconds=5)
"""Time for which a process may use a cached API key."""


ANCHOR = mostly(
    *[None] * 6,
    *(Anchor(1), Anchor(15, second=3600), Anchor(31), Anchor(30, month=6), Anchor(29, month=2), Anchor(31, month=11)),
    *(Anchor(weekday=1), Anchor(weekday=7, second=86_399)),
    but=[Anchor(0), Anchor(), Anchor(weekday=2, month=3), Anchor(5, month=13)],
)
"""A billing anchor. See `suiting`."""

POLICY = st.sampled_from([None, None, "PRORATED", "FULL", "FREE"])
DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]


def suiting(anchor: Anchor | None, plan: Plan) -> Anchor | None:
    """Returns an anchor of the kind that the plan needs: of a month or of a week. Leaves out most others."""
    has_months = plan.length[0] == "MONTH"
    if anchor and (anchor.day if has_months else anchor.weekday) is None and anchor.second == 0:
        return None
    return anchor


def anchor_input(anchor: Anchor | None) -> dict[str, Any] | None:
    if anchor is None:
        return None
    minutes, second = divmod(anchor.second, 60)
    weekday = DAYS[anchor.weekday - 1] if anchor.weekday else None
    time = f"{minutes // 60:02}:{minutes % 60:02}:{second:02}" if anchor.second else None
    return given(dayOfMonth=anchor.day, month=anchor.month, dayOfWeek=weekday, time=time)


class SubscriptionSteps(Steps):
    def latest(self, place: int, older: int) -> int | None:
        """Returns the index of one of the customer's subscriptions, usually a recent one."""
        return pick(self.world.customers[place].subscriptions, older)

    def subscriber(self, number: int, fits: Callable[[Subscription], object]) -> int:
        """Returns the index of a customer with a live subscription, usually one that fits if there is any."""
        if any(customer.live and fits(customer.live) for customer in self.world.customers):
            return self.customer(number, lambda customer: customer.live and fits(customer.live))
        return self.customer(number, lambda customer: customer.live)

    def subscription(self, place: int, number: int) -> tuple[Customer, Subscription]:
        customer = self.world.customers[place]
        return customer, customer.subscriptions[number]

    def code(self, place: int, number: int) -> str:
        """Returns the code of a coupon, usually one that the customer has not redeemed yet."""
        redeemed = [discount.coupon for discount in self.world.customers[place].discounts]
        fitting = [coupon for coupon in self.world.coupons if coupon not in redeemed]
        chosen = fitting if fitting and number % 8 else self.world.coupons
        return chosen[number % len(chosen)].code if chosen and number < LAST_COUPON else "NOBODY-HAS-IT"

    @step(
        "createSubscription",
        number=CUSTOMER,
        plan=st.sampled_from([*range(8), AS_BEFORE, AS_BEFORE, AS_BEFORE, AS_BEFORE]),
        quantity=QUANTITY,
        start=mostly(None, None, None, None, 0, 1, 86_400, 20 * 86_400, but=[-60, 3661 * 86_400]),
        trial_days=mostly(None, 0, 7, but=[731]),
        trial_end=mostly(None, but=[60, 30 * 86_400, -60, 731 * 86_400]),
        anchor=ANCHOR,
        policy=POLICY,
        coupons=nearly_always([], [], [], [0], [1], [2], [3, 4], but=[[5, 5], [15], [0] * 21]),
        how=HOW,
    )
    def create_subscription(
        self,
        number: int,
        plan: int,
        quantity: int,
        start: int | None,
        trial_days: int | None,
        trial_end: int | None,
        anchor: Anchor | None,
        policy: str | None,
        coupons: list[int],
        how: str,
    ) -> None:
        place = self.customer(number, lambda customer: not customer.live)
        self.subscribe(place, plan, quantity, start, trial_days, trial_end, anchor, policy, coupons, how=how)

    def subscribe(
        self,
        place: int,
        plan: int,
        quantity: int,
        start: int | None = None,
        trial_days: int | None = None,
        trial_end: int | None = None,
        anchor: Anchor | None = None,
        policy: str | None = None,
        coupons: Sequence[int] = (),
        *,
        how: str,
    ) -> None:
        customer = self.world.customers[place]
        had = customer.subscriptions
        chosen = had[-1].plan if had and plan == AS_BEFORE else self.plan(plan)
        start_at, trial_end_at = self.at(customer, start), self.at(customer, trial_end)
        anchor = suiting(anchor, chosen)
        policy = policy if anchor or policy == "FREE" else None
        codes = [self.code(place, coupon) for coupon in coupons]

        def do() -> Made:
            made, invoice = subscriptions.create(
                self.world,
                self.world.customers[place],
                chosen,
                quantity=quantity,
                start_at=start_at,
                trial_days=trial_days,
                trial_end=trial_end_at,
                anchor=anchor,
                policy=policy,
                codes=codes,
            )
            return {"subscription": made, "invoice": invoice}

        fields = given(
            customerId=customer.id,
            planId=chosen.id,
            quantity=quantity,
            startAt=start_at,
            trialDays=trial_days,
            trialEnd=trial_end_at,
            billingAnchor=anchor_input(anchor),
            firstPeriod=policy,
            couponCodes=codes or None,
        )
        self.walk.step(
            "createSubscription", "subscription { id } invoice { id }", fields, do, how=how, customers=[place]
        )

    @step(
        "changeSubscription",
        number=CUSTOMER,
        older=mostly(0, but=[1]),
        plan=PLAN,
        quantity=mostly(1, 2, 3, 4, 5, 6, 8, None, but=[0, 10**9, 10**9 + 1]),
        mode=st.sampled_from(MODES),
        as_of=mostly(None, None, None, None, 0, -1, -3600, -86_400, but=[-10 * 86_400, 60]),
        how=HOW,
    )
    def change_subscription(
        self,
        number: int,
        older: int,
        plan: int | None,
        quantity: int | None,
        mode: str | None,
        as_of: int | None,
        how: str,
    ) -> None:
        place = self.customer(number, lambda customer: customer.live)
        wanted = self.latest(place, older)
        if wanted is None:
            return
        as_of_at = self.at(self.world.customers[place], as_of)
        self.change(place, wanted, plan, quantity, mode, as_of_at, how=how)

    def change(
        self,
        place: int,
        wanted: int,
        plan: int | None,
        quantity: int | None,
        mode: str | None,
        as_of: datetime | None,
        *,
        session: Key | None = None,
        **options: Any,
    ) -> None:
        chosen = None if plan is None else self.plan(plan)

        def do() -> Made:
            refuse(SUBSCRIPTION_NOT_FOUND=session and session.customer != place)
            customer, subscription = self.subscription(place, wanted)
            invoice = subscriptions.change(
                self.world,
                customer,
                subscription,
                plan=chosen,
                quantity=quantity,
                mode=mode,
                as_of=as_of,
                may_credit=session is None,
            )
            return {"subscription": subscription, "invoice": invoice}

        fields = given(
            id=self.subscription(place, wanted)[1].id,
            planId=chosen and chosen.id,
            quantity=quantity,
            mode=mode,
            asOf=as_of,
        )
        self.walk.step(
            "changeSubscription", "subscription { id } invoice { id }", fields, do, customers=[place], **options
        )

    @step("withdrawSubscriptionChange", number=CUSTOMER, how=HOW_WITHOUT_KEY)
    def withdraw_subscription_change(self, number: int, how: str) -> None:
        place = self.subscriber(number, lambda subscription: subscription.pending)
        self.simply(place, "withdrawSubscriptionChange", subscriptions.withdraw, how)

    @step("undoSubscriptionCancellation", number=CUSTOMER, how=HOW_WITHOUT_KEY)
    def undo_subscription_cancellation(self, number: int, how: str) -> None:
        place = self.subscriber(number, lambda subscription: subscription.is_set_to_cancel)
        self.simply(place, "undoSubscriptionCancellation", subscriptions.undo_cancellation, how)

    def simply(self, place: int, name: str, operation: Any, how: str) -> None:
        wanted = self.latest(place, 0)
        if wanted is None:
            return

        def do() -> Made:
            customer, subscription = self.subscription(place, wanted)
            operation(self.world, customer, subscription)
            return {"subscription": subscription}

        fields = {"id": self.subscription(place, wanted)[1].id}
        self.walk.step(name, "subscription { id }", fields, do, how=how, has_key=False, customers=[place])

    @step(
        "cancelSubscription",
        number=CUSTOMER,
        older=mostly(0, but=[1]),
        at_period_end=st.booleans(),
        settlement=st.sampled_from(["NONE", "CREDIT"]),
        cancel_at=st.sampled_from([None] * 12 + [1, DAY, 10 * DAY, 40 * DAY, 100 * DAY] + [AT_ITS_END] * 2 + [0, -DAY]),
        how=HOW,
    )
    def cancel_subscription(
        self, number: int, older: int, at_period_end: bool, settlement: str, cancel_at: int | None, how: str
    ) -> None:
        place = self.customer(number, lambda customer: customer.live)
        wanted = self.latest(place, older)
        if wanted is None:
            return
        customer, subscription = self.subscription(place, wanted)
        at = self.at(customer, cancel_at)
        if cancel_at == AT_ITS_END:
            at = subscription.periods[-1][1] if subscription.periods else self.now(customer)
        self.cancel(place, wanted, at_period_end, settlement, at, how=how)

    def cancel(
        self,
        place: int,
        wanted: int,
        at_period_end: bool,
        settlement: str,
        cancel_at: datetime | None = None,
        *,
        session: Key | None = None,
        **options: Any,
    ) -> None:
        def do() -> Made:
            refuse(SUBSCRIPTION_NOT_FOUND=session and session.customer != place)
            customer, subscription = self.subscription(place, wanted)
            invoice = subscriptions.cancel(
                self.world,
                customer,
                subscription,
                at_period_end=at_period_end,
                settlement=settlement,
                cancel_at=cancel_at,
            )
            return {"subscription": subscription, "invoice": invoice}

        fields = {
            "id": self.subscription(place, wanted)[1].id,
            "atPeriodEnd": at_period_end,
            "settlement": settlement,
            **given(at=cancel_at),
        }
        self.walk.step(
            "cancelSubscription", "subscription { id } invoice { id }", fields, do, customers=[place], **options
        )

    @step(
        number=CUSTOMER,
        key=NUMBER,
        cancels=st.booleans(),
        plan=PLAN,
        quantity=mostly(1, 2, 3, 5, 8, None, but=[0, 10**9]),
        settlement=st.sampled_from(["NONE", "NONE", "CREDIT"]),
    )
    def by_token(
        self, number: int, key: int, cancels: bool, plan: int | None, quantity: int | None, settlement: str
    ) -> None:
        """Changes or cancels a subscription with the token of a key or session."""
        if not self.world.keys:
            return
        with_token = self.world.keys[key % len(self.world.keys)]
        session = with_token if with_token.scope == "CUSTOMER" else None
        own = session.customer if session and number % 4 else None
        place = self.customer(number, lambda customer: customer.live) if own is None else own
        wanted = self.latest(place, 0)
        if wanted is None or self.nearly_gone(with_token):
            return
        token = with_token.token or ""
        needed = "CANCEL_SUBSCRIPTION" if cancels else "CHANGE_SUBSCRIPTION"
        takes_money_back = cancels and settlement != "NONE"
        other_plan = not cancels and plan is not None and self.plan(plan).code not in with_token.plans
        if denied := self.why_denied(with_token, needed, is_for_staff=takes_money_back or other_plan):
            fields = given(id=self.subscription(place, wanted)[1].id)
            if cancels:
                fields |= {"settlement": settlement, "atPeriodEnd": False}
            else:
                fields |= given(quantity=quantity, planId=None if plan is None else self.plan(plan).id)
            name = "cancelSubscription" if cancels else "changeSubscription"
            self.walk.deny(name, fields, token, denied, customers=[place])
        elif cancels:
            self.cancel(place, wanted, False, settlement, session=session, token=token)
        else:
            self.change(place, wanted, plan, quantity, None, None, session=session, token=token)

    def nearly_gone(self, key: Key) -> bool:
        """Returns True if processes may not have noticed yet that a key is revoked."""
        return key.revoked_at is not None and self.world.now < key.revoked_at + KEY_SEEN_FOR

    def why_denied(self, key: Key, needed: str, *, is_for_staff: bool = False) -> str | None:
        """Returns the error code that is expected if the key does not allow the operation, or None if it does.

        A session needs a permission, and no session allows what is for staff.
        """
        if key.revoked_at or (key.expires_at and self.world.now >= key.expires_at):
            return "UNAUTHENTICATED"
        if key.scope == "READ":
            return "FORBIDDEN"
        if key.scope != "CUSTOMER":
            return None
        return "FORBIDDEN" if needed not in key.permissions or is_for_staff else None
