"""Steps that bill, credit, void and reissue charges of a subscription one after another."""

from hypothesis import strategies as st

from tests.walk.model import invoices
from tests.walk.model.credit_notes import left_on
from tests.walk.steps.base import CUSTOMER, HOW, step
from tests.walk.steps.corrections import LINES, CorrectionSteps
from tests.walk.steps.invoices import itself
from tests.walk.steps.moving import MovingSteps
from tests.walk.walk import PLAIN

NEWEST = 0
UNPAID = ("OPEN", "UNCOLLECTIBLE")


class ReissuingSteps(MovingSteps, CorrectionSteps):
    @step(
        number=CUSTOMER,
        way=st.sampled_from(["lines", "amount", "whole"]),
        lines=LINES,
        portion=st.sampled_from(["half", "third", "all but 1", "1", "all"]),
        then=st.sampled_from(["change", "change", "cancel", "reset"]),
        more=st.sampled_from([1, 5, -1]),
        how=HOW,
    )
    def prorate_after_credit_note(
        self, number: int, way: str, lines: list[tuple[int, str]], portion: str, then: str, more: int, how: str
    ) -> None:
        """Credits the latest invoice of a subscription, and then the unused time of its charges."""
        place = self.subscriber(number, lambda subscription: subscription.status in ("ACTIVE", "PAST_DUE"))
        customer = self.world.customers[place]
        wanted, live = self.latest(place, NEWEST), customer.live
        fitting = [
            which
            for which, invoice in enumerate(customer.invoices)
            if invoice.subscription is live and left_on(customer, invoice)[0]
        ]
        if wanted is None or live is None or not fitting:
            return
        self.credit(place, fitting[-1], way, lines, portion, "refund", how=PLAIN)
        match then:
            case "change":
                self.change(place, wanted, None, max(1, live.quantity + more), "IMMEDIATE", None, how=how)
            case "cancel":
                self.cancel(place, wanted, False, "CREDIT", how=how)
            case _:
                self.reset(place, wanted, at_period_end=False, how=how)

    @step(
        number=CUSTOMER,
        more=st.sampled_from([1, 5]),
        mode=st.sampled_from(["IMMEDIATE", "IMMEDIATE", "CHARGE_NOW_CREDIT_LATER"]),
        credited=st.sampled_from([None, None, "half", "void"]),
        between=st.sampled_from([None, None, None, "change", "cancel", "reset", "reset at period end"]),
        how=HOW,
    )
    def reissue_a_change(
        self, number: int, more: int, mode: str, credited: str | None, between: str | None, how: str
    ) -> None:
        """Voids the invoice of a change, maybe with a credit note, and reissues it, maybe after another change."""
        place = self.subscriber(number, lambda subscription: subscription.status in ("ACTIVE", "PAST_DUE"))
        customer = self.world.customers[place]
        wanted, live = self.latest(place, NEWEST), customer.live
        if wanted is None or live is None:
            return
        self.change(place, wanted, None, live.quantity + more, mode, None, how=PLAIN)
        customer = self.world.customers[place]
        billed = len(customer.invoices) - 1
        if not customer.invoices or customer.invoices[billed].kind != "PRORATION":
            return
        if credited:
            self.credit(place, billed, "amount", [], "half", how=PLAIN)
        if credited == "void" and customer.credit_notes:
            self.void_note(place, len(self.world.customers[place].credit_notes) - 1, how=PLAIN)
        voided = itself(invoices.void)
        self.with_invoice("voidInvoice", UNPAID, number, NEWEST, voided, PLAIN, place=place, wanted=billed)
        match between:
            case "change":
                self.change(place, wanted, None, live.quantity + more + 1, "NEXT_INVOICE", None, how=PLAIN)
            case "cancel":
                self.cancel(place, wanted, False, "NONE", how=PLAIN)
            case "reset" | "reset at period end":
                self.reset(place, wanted, at_period_end=between != "reset", how=PLAIN)
        reissue = invoices.reissue
        self.with_invoice("reissueInvoice", ("VOID",), number, NEWEST, reissue, how, place=place, wanted=billed)
