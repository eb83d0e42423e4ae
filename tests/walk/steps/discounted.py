"""Steps that redeem a new coupon, and then bill, void and reissue what it discounts."""

from datetime import timedelta

from hypothesis import strategies as st

from tests.walk.model import invoices
from tests.walk.model.shared import Coupon
from tests.walk.steps.base import CUSTOMER, HOW, NUMBER, step
from tests.walk.steps.discounts import DURATION, OFF, DiscountSteps
from tests.walk.steps.invoices import LINE, Drawn, InvoiceSteps, itself
from tests.walk.steps.subscriptions import DAY
from tests.walk.steps.taxes import FRANCE, GERMANY, NEW_YORK, TaxSteps
from tests.walk.walk import PLAIN

NEWEST = 0
UNPAID = ("OPEN", "UNCOLLECTIBLE")
MODE = st.sampled_from([None, "NEXT_INVOICE", "NEXT_INVOICE", "IMMEDIATE", "CHARGE_NOW_CREDIT_LATER"])


class DiscountedSteps(DiscountSteps, InvoiceSteps, TaxSteps):
    def new_coupon(self, off: tuple[str | None, int | None], duration: tuple[str, int | None]) -> Coupon:
        percent, amount = off
        coupon = Coupon(
            f"NEW-{len(self.world.coupons)}", "New", percent, amount, None if amount is None else "EUR", *duration
        )
        self.add_coupon(coupon, how=PLAIN)
        return coupon

    @step(
        number=CUSTOMER,
        off=OFF,
        duration=DURATION,
        for_customer=st.booleans(),
        changes=st.lists(st.tuples(MODE, st.sampled_from([1, 5, -1])), min_size=1, max_size=3),
        wait=st.sampled_from([0, 3600, 10 * DAY, 31 * DAY]),
        older=st.sampled_from([0, 0, 1]),
        pause=st.sampled_from([None, 0, 0, 70 * DAY]),
        how=HOW,
    )
    def bill_changes_with_a_new_discount(
        self,
        number: int,
        off: tuple[str | None, int | None],
        duration: tuple[str, int | None],
        for_customer: bool,
        changes: list[tuple[str | None, int]],
        wait: int,
        older: int,
        pause: int | None,
        how: str,
    ) -> None:
        """Changes a subscription with a new discount, with time between. Then voids one of its discounted invoices, and
        reissues it after a pause, unless that is None.
        """
        place = self.subscriber(number, lambda subscription: subscription.status in ("ACTIVE", "PAST_DUE"))
        wanted = self.latest(place, NEWEST)
        if wanted is None:
            return
        coupon = self.new_coupon(off, duration)
        self.redeem(place, None if for_customer else wanted, coupon.code)
        for mode, more in changes:
            customer = self.world.customers[place]
            quantity = customer.subscriptions[wanted].quantity + more
            if mode:
                self.change(place, wanted, None, max(1, quantity), mode, None, how=PLAIN)
            if customer.clock is None:
                self.walk.set_time(self.world.now + timedelta(seconds=wait))
        found = self.world.customers[place].invoices
        fitting = [which for which, each in enumerate(found) if each.discounts and each.subscription and each.is_unpaid]
        if not fitting:
            return
        billed = fitting[-1 - older % len(fitting)]
        voided = itself(invoices.void)
        self.with_invoice("voidInvoice", UNPAID, number, NEWEST, voided, how, place=place, wanted=billed)
        if pause is not None:
            if self.world.customers[place].clock is None:
                self.walk.set_time(self.world.now + timedelta(seconds=pause))
            reissue = invoices.reissue
            self.with_invoice("reissueInvoice", ("VOID",), number, NEWEST, reissue, how, place=place, wanted=billed)

    @step(
        number=CUSTOMER,
        off=OFF,
        duration=DURATION,
        lines=st.lists(LINE, min_size=1, max_size=3),
        untaxed=st.sampled_from([False, False, False, True]),
        voids=st.booleans(),
        how=HOW,
    )
    def bill_one_off_with_a_new_discount(
        self,
        number: int,
        off: tuple[str | None, int | None],
        duration: tuple[str, int | None],
        lines: list[Drawn],
        untaxed: bool,
        voids: bool,
        how: str,
    ) -> None:
        """Finalizes a one-off invoice of a customer with a new discount, and maybe voids it.

        Maybe the seller has no registrations when it is finalized.
        """
        place = self.customer(number, lambda customer: not customer.archived)
        coupon = self.new_coupon(off, duration)
        self.redeem(place, None, coupon.code)
        before = len(self.world.customers[place].invoices)
        self.draft(place, lines, how=PLAIN)
        if len(self.world.customers[place].invoices) == before:
            return
        finalized, voided = itself(invoices.finalize_draft), itself(invoices.void)
        if untaxed:
            self.describe_seller(places=[])
        self.with_invoice("finalizeInvoice", ("DRAFT",), number, NEWEST, finalized, how, place=place, wanted=before)
        if untaxed:
            self.describe_seller(places=[GERMANY[0], FRANCE, NEW_YORK])
        if voids:
            self.with_invoice("voidInvoice", UNPAID, number, NEWEST, voided, how, place=place, wanted=before)

    @step(
        number=CUSTOMER,
        off=OFF,
        duration=DURATION,
        plan=NUMBER,
        more=st.sampled_from([1, 5]),
        mode=MODE,
        how=HOW,
    )
    def reissue_after_another_subscription(
        self,
        number: int,
        off: tuple[str | None, int | None],
        duration: tuple[str, int | None],
        plan: int,
        more: int,
        mode: str | None,
        how: str,
    ) -> None:
        """Reissues the discounted invoice of a subscription that has ended, and then changes the one after it."""
        place = self.customer(number, lambda customer: not customer.archived)
        if self.world.customers[place].live:
            self.cancel(place, len(self.world.customers[place].subscriptions) - 1, False, "NONE", how=PLAIN)
        coupon = self.new_coupon(off, duration)
        self.redeem(place, None, coupon.code)
        self.subscribe(place, plan, 1, trial_days=0, how=PLAIN)
        live = self.world.customers[place].live
        if live is None:
            return
        billed = len(self.world.customers[place].invoices) - 1
        self.cancel(place, len(self.world.customers[place].subscriptions) - 1, False, "NONE", how=PLAIN)
        self.subscribe(place, plan, 1, trial_days=0, how=PLAIN)
        voided, reissue = itself(invoices.void), invoices.reissue
        self.with_invoice("voidInvoice", UNPAID, number, NEWEST, voided, PLAIN, place=place, wanted=billed)
        self.with_invoice("reissueInvoice", ("VOID",), number, NEWEST, reissue, PLAIN, place=place, wanted=billed)
        self.change(place, len(self.world.customers[place].subscriptions) - 1, None, 1 + more, mode, None, how=how)
