"""Steps that move dates of subscriptions."""

from datetime import timedelta

from hypothesis import strategies as st

from tests.walk.model import moving
from tests.walk.model.anchors import Anchor
from tests.walk.steps.base import CUSTOMER, HOW, given, mostly, step
from tests.walk.steps.subscriptions import ANCHOR, POLICY, SubscriptionSteps, anchor_input, suiting
from tests.walk.walk import Made

DAY = 86_400


class MovingSteps(SubscriptionSteps):
    @step(
        "updateSubscription",
        number=CUSTOMER,
        older=st.sampled_from([0, 0, 1]),
        starts=st.booleans(),
        start=mostly(None, None, None, 0, -60, 1, 20 * DAY, but=[-61, 3661 * DAY]),
        metadata=mostly(None, {}, {"tier": "gold"}, {"note": "", "tier": "silver"}, but=[{"": "gold"}]),
        how=HOW,
    )
    def update_subscription(
        self, number: int, older: int, starts: bool, start: int | None, metadata: dict[str, str] | None, how: str
    ) -> None:
        place = self.subscriber(number, lambda subscription: subscription.status == "PENDING") if starts else number
        place %= len(self.world.customers)
        wanted = self.latest(place, older)
        if wanted is None:
            return
        start_at = self.at(self.world.customers[place], start)

        def do() -> Made:
            customer, subscription = self.subscription(place, wanted)
            invoice = moving.update_subscription(
                self.world, customer, subscription, start_at=start_at, metadata=metadata
            )
            return {"subscription": subscription, "invoice": invoice}

        pairs = None if metadata is None else [{"key": key, "value": value} for key, value in metadata.items()]
        fields = given(id=self.subscription(place, wanted)[1].id, startAt=start_at, metadata=pairs)
        self.walk.step(
            "updateSubscription", "subscription { id } invoice { id }", fields, do, how=how, customers=[place]
        )

    @step(
        "updateTrial",
        number=CUSTOMER,
        trial_end=mostly(None, 1, DAY, 30 * DAY, 100 * DAY, but=[0, -DAY, 731 * DAY]),
        both=st.sampled_from([False] * 9 + [True]),
        how=HOW,
    )
    def update_trial(self, number: int, trial_end: int | None, both: bool, how: str) -> None:
        """Moves the end of a trial to `trial_end` seconds from now. None ends it now."""
        place = self.subscriber(number, lambda subscription: subscription.status == "TRIALING")
        wanted = self.latest(place, 0)
        if wanted is None:
            return
        trial_end_at = self.at(self.world.customers[place], trial_end)
        end_now = trial_end is None or both

        def do() -> Made:
            customer, subscription = self.subscription(place, wanted)
            invoice = moving.update_trial(self.world, customer, subscription, trial_end=trial_end_at, end_now=end_now)
            return {"subscription": subscription, "invoice": invoice}

        fields = given(id=self.subscription(place, wanted)[1].id, trialEnd=trial_end_at, endNow=end_now)
        self.walk.step("updateTrial", "subscription { id } invoice { id }", fields, do, how=how, customers=[place])

    @step(
        "extendPeriod",
        number=CUSTOMER,
        longer=mostly(1, 3600, DAY, 10 * DAY, 366 * DAY, but=[0, -DAY, 366 * DAY + 1]),
        how=HOW,
    )
    def extend_period(self, number: int, longer: int, how: str) -> None:
        """Extends the current period by `longer` seconds."""
        place = self.subscriber(number, lambda subscription: subscription.status in ("ACTIVE", "PAST_DUE"))
        wanted = self.latest(place, 0)
        if wanted is None:
            return
        customer, subscription = self.subscription(place, wanted)
        ends_at = subscription.periods[-1][1] if subscription.periods else self.now(customer)
        until = ends_at + timedelta(seconds=longer)

        def do() -> Made:
            customer, subscription = self.subscription(place, wanted)
            moving.extend_period(self.world, customer, subscription, until)
            return {"subscription": subscription}

        fields = given(id=subscription.id, until=until)
        self.walk.step("extendPeriod", "subscription { id }", fields, do, how=how, customers=[place])

    @step(
        "resetBillingAnchor",
        number=CUSTOMER,
        older=mostly(0, but=[1]),
        anchor=ANCHOR,
        policy=POLICY,
        at_period_end=st.booleans(),
        how=HOW,
    )
    def reset_billing_anchor(
        self, number: int, older: int, anchor: Anchor | None, policy: str | None, at_period_end: bool, how: str
    ) -> None:
        place = self.subscriber(number, lambda subscription: not subscription.is_set_to_cancel)
        wanted = self.latest(place, older)
        if wanted is None:
            return
        subscription = self.subscription(place, wanted)[1]
        anchor = suiting(anchor, subscription.plan)
        policy = policy if anchor or policy == "FREE" else None
        self.reset(place, wanted, anchor, policy, at_period_end=at_period_end, how=how)

    def reset(
        self,
        place: int,
        wanted: int,
        anchor: Anchor | None = None,
        policy: str | None = None,
        *,
        at_period_end: bool,
        how: str,
    ) -> None:
        def do() -> Made:
            customer, subscription = self.subscription(place, wanted)
            invoice = moving.reset_anchor(
                self.world, customer, subscription, anchor, policy, at_period_end=at_period_end
            )
            return {"subscription": subscription, "invoice": invoice}

        fields = given(
            id=self.subscription(place, wanted)[1].id,
            billingAnchor=anchor_input(anchor),
            firstPeriod=policy,
            atPeriodEnd=at_period_end,
        )
        self.walk.step(
            "resetBillingAnchor", "subscription { id } invoice { id }", fields, do, how=how, customers=[place]
        )
