"""Steps that let time pass, and those that break things between others."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from hypothesis import strategies as st

from tests.walk.client import Failed, Unknown
from tests.walk.model import catalog
from tests.walk.model.passing import arrive, run
from tests.walk.model.world import Clock, Refused, World
from tests.walk.steps.base import NOBODY, NUMBER, Steps, given, mostly, step
from tests.walk.walk import AGAIN, AT_ONCE, MOST_TRIES, NO_KEY, PLAIN, REUSED, Made

DAY = 86_400
SPANS = (1, 6, 3600, DAY, 3 * DAY, 10 * DAY, 14 * DAY, 31 * DAY, 100 * DAY)
FORWARD = st.sampled_from(SPANS)
FORWARD_OR_BACK = mostly(*SPANS, but=[0, -1, -3600])
"""Seconds that pass, or that a clock is set back by."""

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
"""Runs and clocks on their way take several transactions: here, in the middle of one, and between two."""

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
    "createInvoice": ({"customerId": NOBODY, "currency": "EUR"}, "CUSTOMER_NOT_FOUND"),
    "addInvoiceLine": ({"invoiceId": NOBODY, "description": "Travel", "unitAmountCents": 1}, "INVOICE_NOT_FOUND"),
    "deleteDraftInvoice": ({"id": NOBODY}, "INVOICE_NOT_FOUND"),
    "finalizeInvoice": ({"id": NOBODY}, "INVOICE_NOT_FOUND"),
    "voidInvoice": ({"id": NOBODY}, "INVOICE_NOT_FOUND"),
    "reissueInvoice": ({"id": "garbage"}, "INVOICE_NOT_FOUND"),
    "markInvoiceUncollectible": ({"id": NOBODY}, "INVOICE_NOT_FOUND"),
    "recordPayment": ({"customerId": NOBODY, "amountCents": 1, "currency": "EUR"}, "CUSTOMER_NOT_FOUND"),
    "advanceTestClock": ({"id": NOBODY, "to": "2050-01-01T00:00:00Z"}, "TEST_CLOCK_NOT_FOUND"),
    "createCustomerSession": ({"customerId": NOBODY}, "CUSTOMER_NOT_FOUND"),
    "revokeApiKey": ({"id": NOBODY}, "API_KEY_NOT_FOUND"),
}
"""What is asked of things that are not there, and the refusal."""


class TimeSteps(Steps):
    @step(seconds=FORWARD_OR_BACK, runs=st.booleans(), how=HOW_IT_RUNS)
    def pass_time(self, seconds: int, runs: bool, how: str) -> None:
        """Time passes in the world; the server may look for what is due."""
        self.walk.set_time(self.world.now + timedelta(seconds=seconds))
        if runs:
            self.run(how)

    def run(self, how: str) -> None:
        """The server looks for what is due, until nothing is."""
        self.walk.tally.steps += 1
        fault = how or None
        for _ in range(runs_until_nothing_is_due(self.world)):
            self.tick(fault)
            fault = None
        self.walk.compare_touched(range(len(self.world.customers)), self.world.clocks)

    def tick(self, fault: str | None = None) -> None:
        """A run, and another one where it was broken off."""
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
        """A test clock, an instant so long after its time, and its customers."""
        clock = self.world.clocks[number % len(self.world.clocks)]
        customers = [place for place, customer in enumerate(self.world.customers) if customer.clock is clock]
        return clock, clock.frozen_at + timedelta(seconds=seconds), customers

    @step(number=NUMBER, seconds=FORWARD, fault=st.sampled_from(FAULTS), meanwhile=st.booleans(), runs=st.booleans())
    def break_off_advance(self, number: int, seconds: int, fault: str, meanwhile: bool, runs: bool) -> None:
        """A test clock is broken off on its way: its customers wait, until it is sent again or a run takes it on."""
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
            # It has not been sent on its way, or has arrived: there is no meanwhile.
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
        """A customer of a test clock that is on its way cannot be changed."""

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
        """What is not there is not found."""
        fields, code = NOT_FOUND[which]

        def do() -> Made:
            raise Refused(code)

        self.walk.step(which, "", fields, do, has_key=False)


def runs_until_nothing_is_due(world: World) -> int:
    """Lets the server of the model look for what is due until nothing is. Says how often it had to."""
    for runs in count(1):
        run(world)
        live = [customer.live for customer in world.customers if customer.clock is None]
        if not any(each and each.next_at and each.next_at <= world.now for each in live):
            return runs
    raise AssertionError
