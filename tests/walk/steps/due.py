"""Steps with a customer for whom something is due that no run has done yet."""

from datetime import timedelta

from hypothesis import strategies as st

from tests.walk.model import invoices
from tests.walk.model.credit_notes import left_on
from tests.walk.steps.base import CUSTOMER, HOW, step
from tests.walk.steps.corrections import DISTRIBUTION, LINES, PORTION, CorrectionSteps
from tests.walk.steps.invoices import OLDER, itself
from tests.walk.steps.subscriptions import SubscriptionSteps
from tests.walk.steps.time import DAY
from tests.walk.walk import PLAIN


class DueSteps(SubscriptionSteps, CorrectionSteps):
    @step(
        number=CUSTOMER,
        more=st.sampled_from([1, 5]),
        before=st.sampled_from([None, 70_000]),
        late=st.sampled_from([0, 1, DAY, 20 * DAY]),
        paid=st.sampled_from([None, 100, 70_000, 70_000]),
        older=OLDER,
        how=HOW,
    )
    def move_money_after_a_due_end(
        self, number: int, more: int, before: int | None, late: int, paid: int | None, older: int, how: str
    ) -> None:
        """Records a payment or voids an invoice after the subscription's end is due, with pending lines."""
        place = self.subscriber(number, lambda subscription: subscription.status in ("ACTIVE", "PAST_DUE"))
        customer = self.world.customers[place]
        wanted = self.latest(place, 0)
        if customer.clock or not customer.live or wanted is None:
            return
        self.change(place, wanted, None, customer.live.quantity + more, "NEXT_INVOICE", None, how=PLAIN)
        self.cancel(place, wanted, True, "NONE", how=PLAIN)
        if before is not None:
            self.pay(place, before)
        live = self.world.customers[place].live
        if live is None or live.next_at is None:
            return
        self.walk.set_time(max(self.world.now, live.next_at + timedelta(seconds=late)))
        if paid is not None:
            self.pay(place, paid, how=how)
        else:
            voided = itself(invoices.void)
            self.with_invoice("voidInvoice", ("OPEN", "UNCOLLECTIBLE"), number, older, voided, how, place=place)

    @step(
        number=CUSTOMER,
        settlement=st.sampled_from(["NONE", "CREDIT", "CREDIT"]),
        ends=st.sampled_from([1, DAY, 10 * DAY]),
        late=st.sampled_from([0, 1, DAY]),
        paid=st.sampled_from([None, 100, 70_000]),
        way=st.sampled_from(["lines", "amount", "whole"]),
        lines=LINES,
        portion=PORTION,
        distribution=DISTRIBUTION,
        older=OLDER,
        how=HOW,
    )
    def credit_after_a_due_end(
        self,
        number: int,
        settlement: str,
        ends: int,
        late: int,
        paid: int | None,
        way: str,
        lines: list[tuple[int, str]],
        portion: str,
        distribution: str | None,
        older: int,
        how: str,
    ) -> None:
        """Issues a credit note for an invoice of which an end that is due credits lines, or may pay them."""
        place = self.subscriber(number, lambda subscription: subscription.status in ("ACTIVE", "PAST_DUE"))
        customer = self.world.customers[place]
        wanted = self.latest(place, 0)
        if customer.clock or not customer.live or wanted is None:
            return
        if paid is not None:
            self.pay(place, paid)
        self.cancel(place, wanted, True, settlement, self.at(customer, ends), how=PLAIN)
        customer = self.world.customers[place]
        if customer.live is None or customer.live.cancel_at is None:
            return
        self.walk.set_time(max(self.world.now, customer.live.cancel_at + timedelta(seconds=late)))
        fitting = [which for which, invoice in enumerate(customer.invoices) if left_on(customer, invoice)[0]]
        if fitting:
            self.credit(place, fitting[-1 - older % len(fitting)], way, lines, portion, distribution, how=how)
