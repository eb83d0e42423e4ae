"""Steps with coupons and discounts."""

from datetime import timedelta

from hypothesis import strategies as st

from tests.walk.model import redeeming
from tests.walk.model.shared import Coupon, Key, refuse
from tests.walk.model.world import Customer, Subscription
from tests.walk.steps.base import (
    ANY,
    CUSTOMER,
    HOW,
    HOW_WITHOUT_KEY,
    NAME,
    NUMBER,
    given,
    mostly,
    nearly_always,
    pick,
    step,
)
from tests.walk.steps.subscriptions import DAY, LAST_COUPON, SubscriptionSteps
from tests.walk.walk import Made

OFF = nearly_always(
    *(("10", None), ("33.3333", None), ("100", None), ("7.5", None), ("0.0001", None)),
    *((None, 1), (None, 500), (None, 777), (None, 5000), (None, 250_000)),
    but=[(None, None), ("10", 500), ("0", None), ("100.5", None), ("1.00001", None), (None, 0)],
)
"""Percentage and amount of a coupon."""

DURATION = nearly_always(
    *(("ONCE", None), ("PERIODS", 1), ("PERIODS", 2), ("PERIODS", 3), ("FOREVER", None), ("FOREVER", None)),
    but=[("PERIODS", None), ("ONCE", 2), ("PERIODS", 0), ("PERIODS", 1201)],
)
CODE = nearly_always(*(f"Code-{number}" for number in range(16)), but=["-", "", "a b", "C" * 65])
COUPON = st.integers(0, LAST_COUPON)
"""Index of a coupon, modulo their number."""


class DiscountSteps(SubscriptionSteps):
    @step(
        "createCoupon",
        code=CODE,
        name=NAME,
        off=OFF,
        currency=nearly_always("EUR", "EUR", but=["USD", "XXX", None]),
        duration=DURATION,
        plans=st.one_of(st.just([]), st.just([]), st.lists(NUMBER, max_size=3)),
        most=mostly(None, None, 1, 2, but=[0]),
        expires=mostly(None, None, 10 * DAY, 100 * DAY, but=[0, -DAY]),
        how=HOW,
    )
    def create_coupon(
        self,
        code: str,
        name: str,
        off: tuple[str | None, int | None],
        currency: str | None,
        duration: tuple[str, int | None],
        plans: list[int],
        most: int | None,
        expires: int | None,
        how: str,
    ) -> None:
        percent, amount = off
        in_currency = None if amount is None else currency
        expires_at = None if expires is None else self.world.now + timedelta(seconds=expires)
        chosen = tuple(dict.fromkeys(self.plan(plan) for plan in plans))
        coupon = Coupon(code, name, percent, amount, in_currency, *duration, chosen, most, expires_at)
        self.add_coupon(coupon, how=how)

    def add_coupon(self, coupon: Coupon, *, how: str) -> None:
        def do() -> Made:
            return {"coupon": redeeming.create_coupon(self.world, coupon)}

        fields = given(
            code=coupon.code,
            name=coupon.name,
            percentOff=coupon.percent,
            amountOffCents=coupon.amount,
            currency=coupon.currency,
            duration=coupon.duration,
            periods=coupon.given_periods,
            planIds=[plan.id for plan in coupon.plans],
            maxRedemptions=coupon.max_redemptions,
            expiresAt=coupon.expires_at,
        )
        self.walk.step("createCoupon", "coupon { id }", fields, do, how=how, things=[coupon])

    @step("archiveCoupon", coupon=COUPON, how=HOW_WITHOUT_KEY)
    def archive_coupon(self, coupon: int, how: str) -> None:
        if not self.world.coupons:
            return
        fitting = [each for each in self.world.coupons if not each.archived]
        chosen = fitting if fitting and coupon < ANY else self.world.coupons
        archived = chosen[coupon % len(chosen)]

        def do() -> Made:
            return {"coupon": redeeming.archive_coupon(archived)}

        fields = {"id": archived.id}
        self.walk.step("archiveCoupon", "coupon { id }", fields, do, how=how, has_key=False, things=[archived])

    @step(
        "redeemCoupon",
        number=CUSTOMER,
        whose=nearly_always(*["subscription"] * 2, "customer", but=["both", "older"]),
        coupon=COUPON,
        lower=st.booleans(),
        how=HOW,
    )
    def redeem_coupon(self, number: int, whose: str, coupon: int, lower: bool, how: str) -> None:
        """Redeems a coupon for a live or an older subscription, or for a customer."""
        if whose == "customer":
            place = self.customer(number, lambda customer: not customer.archived)
        else:
            place = self.customer(number, lambda customer: customer.live)
        wanted = None if whose == "customer" else self.latest(place, 1 if whose == "older" else 0)
        code = self.code(place, coupon)
        self.redeem(place, wanted, code.lower() if lower else code, both=whose == "both", how=how)

    def redeem(
        self,
        place: int,
        wanted: int | None,
        code: str,
        *,
        both: bool = False,
        session: Key | None = None,
        how: str = "",
        token: str | None = None,
    ) -> None:
        customer = self.world.customers[place]
        subscription_id = None if wanted is None else customer.subscriptions[wanted].id
        # Without a subscription, both are missing.
        customer_id = customer.id if both == (wanted is not None) else None

        def do() -> Made:
            customer = self.world.customers[place]
            subscription: Subscription | None = None if wanted is None else customer.subscriptions[wanted]
            refuse(INVALID_INPUT=both)
            foreign = session and session.customer != place
            refuse(**{"CUSTOMER_NOT_FOUND" if wanted is None else "SUBSCRIPTION_NOT_FOUND": foreign})
            return {"discount": redeeming.redeem(self.world, customer, subscription, code)}

        fields = given(code=code, customerId=customer_id, subscriptionId=subscription_id)
        self.walk.step("redeemCoupon", "discount { id }", fields, do, how=how, customers=[place], token=token)

    @step(number=CUSTOMER, key=NUMBER, coupon=COUPON, for_subscription=st.booleans())
    def redeem_by_token(self, number: int, key: int, coupon: int, for_subscription: bool) -> None:
        """Redeems a coupon with the token of a key or session."""
        if not self.world.keys:
            return
        with_token = self.world.keys[key % len(self.world.keys)]
        session = with_token if with_token.scope == "CUSTOMER" else None
        own = session.customer if session and number % 4 else None
        place = self.customer(number, lambda customer: customer.live) if own is None else own
        wanted = self.latest(place, 0) if for_subscription else None
        if (for_subscription and wanted is None) or self.nearly_gone(with_token):
            return
        token, code = with_token.token or "", self.code(place, coupon)
        if denied := self.why_denied(with_token, "REDEEM_COUPONS"):
            customer = self.world.customers[place]
            fields = given(
                code=code,
                customerId=customer.id if wanted is None else None,
                subscriptionId=None if wanted is None else customer.subscriptions[wanted].id,
            )
            self.walk.deny("redeemCoupon", fields, token, denied, customers=[place])
        else:
            self.redeem(place, wanted, code, session=session, token=token)

    @step("removeDiscount", number=CUSTOMER, older=NUMBER, how=HOW_WITHOUT_KEY)
    def remove_discount(self, number: int, older: int, how: str) -> None:
        def fits(customer: Customer) -> bool:
            return any(discount.removed_at is None for discount in customer.discounts)

        place = self.customer(number, fits)
        wanted = pick(self.world.customers[place].discounts, older)
        if wanted is None:
            return

        def do() -> Made:
            customer = self.world.customers[place]
            discount = customer.discounts[wanted]
            redeeming.remove(self.world, customer, discount)
            return {"discount": discount}

        fields = {"id": self.world.customers[place].discounts[wanted].id}
        self.walk.step("removeDiscount", "discount { id }", fields, do, how=how, has_key=False, customers=[place])
