"""Steps that let time pass, and steps that cause faults between others."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import strategies as st

from tests.walk.client import Failed, Unknown
from tests.walk.model import catalog
from tests.walk.model.passing import arrive, run
from tests.walk.model.shared import Clock, Refused
from tests.walk.model.world import World
from tests.walk.steps.base import NOBODY, NUMBER, Steps, given, mostly, step
from tests.walk.walk import AGAIN, AT_ONCE, MOST_TRIES, NO_KEY, PLAIN, REUSED, Made

DAY = 86_400
SPANS = (1, 6, 3600, DAY, 3 * DAY, 10 * DAY, 14 * DAY, 31 * DAY, 100 * DAY)
FORWARD = st.sampled_from(SPANS)
FORWARD_OR_BACK = mostly(*SPANS, but=[0, -1, -3600])
"""Seconds by which a clock advances, or is set back."""

HOW_IT_IS_SENT = st.sampled_from([PLAIN] * 12 + [NO_KEY, AGAIN, AT_ONCE, REUSED])

MOMENTS = [
    *(f"statement, {n}" for n in (1, 3, 6, 9, 12, 15, 18, 22, 26)),
    *(f"before commit, {n}" for n in (1, 2, 3, 4)),
    *(f"after commit, {n}" for n in (1, 2, 3, 4)),
]
FAULTS = [
    *(f"{moment}, {action}" for moment in MOMENTS for action in ("kill server", "cut connection")),
    *("before commit, 2, kill postgres", "after commit, 3, kill postgres"),
]
HOW_IT_RUNS = st.sampled_from([""] * 70 + FAULTS)
"""Faults during runs and advancing test clocks. Both take several transactions, so a fault can hit one or fall between
two.
"""

NOT_FOUND: dict[str, tuple[dict[str, Any], str]] = {
    "updateCustomer": ({"id": NOBODY, "name": "Nobody"}, "CUSTOMER_NOT_FOUND"),
    "archiveCustomer": ({"id": NOBODY}, "CUSTOMER_NOT_FOUND"),
    "unarchiveCustomer": ({"id": "garbage"}, "CUSTOMER_NOT_FOUND"),
    "updatePlan": ({"id": NOBODY, "name": "Nobody"}, "PLAN_NOT_FOUND"),
    "archivePlan": ({"id": NOBODY}, "PLAN_NOT_FOUND"),
    "unarchivePlan": ({"id": "garbage"}, "PLAN_NOT_FOUND"),
    "createSubscription": ({"customerId": NOBODY, "planId": NOBODY}, "CUSTOMER_NOT_FOUND"),
    "changeSubscription": ({"id": NOBODY, "quantity": 2}, "SUBSCRIPTION_NOT_FOUND"),
    "withdrawSubscriptionChange": ({"id": NOBODY}, "SUBSCRIPTION_NOT_FOUND"),
    "cancelSubscription": ({"id": NOBODY}, "SUBSCRIPTION_NOT_FOUND"),
    "undoSubscriptionCancellation": ({"id": "garbage"}, "SUBSCRIPTION_NOT_FOUND"),
    "updateSubscription": ({"id": NOBODY, "startAt": "2050-01-01T00:00:00Z"}, "SUBSCRIPTION_NOT_FOUND"),
    "updateTrial": ({"id": NOBODY, "endNow": True}, "SUBSCRIPTION_NOT_FOUND"),
    "extendPeriod": ({"id": NOBODY, "until": "2050-01-01T00:00:00Z"}, "SUBSCRIPTION_NOT_FOUND"),
    "createInvoice": ({"customerId": NOBODY, "currency": "EUR"}, "CUSTOMER_NOT_FOUND"),
    "addInvoiceLine": ({"invoiceId": NOBODY, "description": "Travel", "unitAmountCents": 1}, "INVOICE_NOT_FOUND"),
    "deleteDraftInvoice": ({"id": NOBODY}, "INVOICE_NOT_FOUND"),
    "finalizeInvoice": ({"id": NOBODY}, "INVOICE_NOT_FOUND"),
    "voidInvoice": ({"id": NOBODY}, "INVOICE_NOT_FOUND"),
    "reissueInvoice": ({"id": "garbage"}, "INVOICE_NOT_FOUND"),
    "markInvoiceUncollectible": ({"id": NOBODY}, "INVOICE_NOT_FOUND"),
    "recordPayment": ({"customerId": NOBODY, "amountCents": 1, "currency": "EUR"}, "CUSTOMER_NOT_FOUND"),
    "reversePayment": ({"id": NOBODY, "reason": "Returned"}, "PAYMENT_NOT_FOUND"),
    "recordRefund": ({"paymentId": NOBODY, "amountCents": 1}, "PAYMENT_NOT_FOUND"),
    "adjustBalance": (
        {"customerId": NOBODY, "amountCents": 1, "currency": "EUR", "reason": "Goodwill"},
        "CUSTOMER_NOT_FOUND",
    ),
    "createCreditNote": ({"invoiceId": NOBODY, "whole": True, "reason": "Error"}, "INVOICE_NOT_FOUND"),
    "voidCreditNote": ({"id": "garbage"}, "CREDIT_NOTE_NOT_FOUND"),
    "archiveCoupon": ({"id": NOBODY}, "COUPON_NOT_FOUND"),
    "redeemCoupon": ({"customerId": NOBODY, "code": "CODE-0"}, "CUSTOMER_NOT_FOUND"),
    "removeDiscount": ({"id": NOBODY}, "DISCOUNT_NOT_FOUND"),
    "advanceTestClock": ({"id": NOBODY, "to": "2050-01-01T00:00:00Z"}, "TEST_CLOCK_NOT_FOUND"),
    "createCustomerSession": ({"customerId": NOBODY}, "CUSTOMER_NOT_FOUND"),
    "revokeApiKey": ({"id": NOBODY}, "API_KEY_NOT_FOUND"),
}
"""Input for objects that do not exist, and the expected error code of each mutation."""


class TimeSteps(Steps):
    @step(seconds=FORWARD_OR_BACK, runs=st.booleans(), how=HOW_IT_RUNS)
    def pass_time(self, seconds: int, runs: bool, how: str) -> None:
        """Lets real time pass. The server may then start a renewal run."""
        self.walk.set_time(self.world.now + timedelta(seconds=seconds))
        if runs:
            self.run(how)

    def run(self, how: str) -> None:
        """Starts renewal runs until nothing is due."""
        self.walk.tally.steps += 1
        fault = how or None
        for _ in range(runs_until_nothing_is_due(self.world)):
            self.tick(fault)
            fault = None
        self.walk.compare_touched(range(len(self.world.customers)), self.world.clocks)

    def tick(self, fault: str | None = None) -> None:
        """Starts a renewal run, and retries it if it was interrupted."""
        for _ in range(MOST_TRIES):
            try:
                self.walk.client.tick(fault=fault)
            except Unknown as unknown:
                last, fault = unknown, None
                self.walk.client.recover()
            else:
                return
        raise Failed(f"No run comes to its end: {last}\n{self.walk.client.log()}")

    @step(
        "advanceTestClock",
        number=NUMBER,
        seconds=FORWARD_OR_BACK,
        how=HOW_IT_IS_SENT,
    )
    def advance_test_clock(self, number: int, seconds: int, how: str) -> None:
        if not self.world.clocks:
            return
        clock, to, customers = self.clock(number, seconds)

        def do() -> Made:
            catalog.advance_clock(self.world, clock, to)
            return {"testClock": clock}

        fields = given(id=clock.id, to=to)
        self.walk.step("advanceTestClock", "testClock { id }", fields, do, how=how, customers=customers, things=[clock])

    def clock(self, number: int, seconds: int) -> tuple[Clock, datetime, list[int]]:
        """Returns a test clock, an instant relative to its time, and the indexes of its customers."""
        clock = self.world.clocks[number % len(self.world.clocks)]
        customers = [place for place, customer in enumerate(self.world.customers) if customer.clock is clock]
        return clock, clock.frozen_at + timedelta(seconds=seconds), customers

    @step(number=NUMBER, seconds=FORWARD, fault=st.sampled_from(FAULTS), meanwhile=st.booleans(), runs=st.booleans())
    def break_off_advance(self, number: int, seconds: int, fault: str, meanwhile: bool, runs: bool) -> None:
        """Interrupts the advance of a test clock. Its customers are locked until it is retried or a
        run continues it.
        """
        if not self.world.clocks:
            return
        clock, to, customers = self.clock(number, seconds)
        walk = self.walk
        walk.tally.steps += 1
        fields = walk.with_key(given(id=clock.id, to=to))

        def send(fault: str | None = None) -> Any:
            payload = walk.client.mutate("advanceTestClock", "testClock { id status }", fields, fault=fault)
            if payload["testClock"] and payload["testClock"]["status"] == "ADVANCING":
                raise Unknown("The clock was sent, and is not there yet.")
            return payload

        try:
            send(fault)
        except Unknown:
            walk.client.recover()
        catalog.send_clock(self.world, clock, to)
        if walk.thing_differs(clock):
            # The clock has not started to advance, or has arrived: nothing can happen in between.
            meanwhile = False
        if meanwhile and customers:
            self.wait_for_clock(customers[0])
        if meanwhile and runs:
            self.run("")
        walk.insist(send)
        if clock.target is not None:
            arrive(self.world, clock)
        walk.tally.accepted["advanceTestClock"] += 1
        walk.compare_touched(customers, [clock])

    def wait_for_clock(self, place: int) -> None:
        """Asserts that a customer cannot be changed while its test clock is advancing."""

        def do() -> Made:
            customer = self.world.customers[place]
            catalog.update_customer(self.world, customer, {"name": "Nobody"})
            return {"customer": customer}

        fields = {"id": self.world.customers[place].id, "name": "Nobody"}
        self.walk.step("updateCustomer", "customer { id }", fields, do, has_key=False, customers=[place])

    @step(what=st.sampled_from(["server"] * 4 + ["connections"] * 4 + ["postgres"]))
    def break_something(self, what: str) -> None:
        self.walk.break_something(what)

    @step(which=st.sampled_from(sorted(NOT_FOUND)))
    def ask_for_nothing(self, which: str) -> None:
        """Asserts that a mutation reports an object that does not exist."""
        fields, code = NOT_FOUND[which]

        def do() -> Made:
            raise Refused(code)

        self.walk.step(which, "", fields, do, has_key=False)


def runs_until_nothing_is_due(world: World) -> int:
    """Runs the model until nothing is due. Returns the number of runs needed."""
    for runs in count(1):
        run(world)
        live = [customer.live for customer in world.customers if customer.clock is None]
        if not any(each and each.next_at and each.next_at <= world.now for each in live):
            return runs
    raise AssertionError
