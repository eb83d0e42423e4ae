"""The state machine of all steps, and how long it is let walk."""

from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.walk.steps.catalog import CatalogSteps
from tests.walk.steps.invoices import InvoiceSteps
from tests.walk.steps.subscriptions import SubscriptionSteps
from tests.walk.steps.time import TimeSteps
from tests.walk.walk import Walk

LONGEST = 150
"""So many steps at most are taken from one beginning."""


class Machine(CatalogSteps, SubscriptionSteps, InvoiceSteps, TimeSteps):
    """Begins with a few customers and plans, so that there is something to do things with."""

    def __init__(self) -> None:
        super().__init__()
        self.create_test_clock(seconds=0, how="")
        self.create_plan(
            number=1, name="Pro", amount=2900, currency="EUR", interval=("DAY", 30), trial_days=0, net_days=None, how=""
        )
        self.create_plan(
            number=2, name="Big", amount=10_000, currency="EUR", interval=("MONTH", 1), trial_days=0, net_days=3, how=""
        )
        self.create_plan(
            number=3,
            name="Mini",
            amount=999,
            currency="EUR",
            interval=("DAY", 30),
            trial_days=14,
            net_days=None,
            how="",
        )
        for number, clock in ((1, 0), (2, 1), (3, 1)):
            self.create_customer(name="Ada Lovelace", number=number, net_days=None, external=False, clock=clock, how="")


def walk_on(walk: Walk, *, steps: int, from_seed: int, shrinks: bool = True) -> None:
    """Takes so many steps at least. Raises the failure that is found, with the smallest walk that has it."""
    while walk.tally.steps < steps:
        left = steps - walk.tally.steps
        machine: Any = seed(from_seed)(type("Walking", (Machine,), {"walk": walk}))
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=-(-left // LONGEST),
                stateful_step_count=min(left, LONGEST),
                deadline=None,
                database=None,
                phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
                suppress_health_check=list(HealthCheck),
                print_blob=False,
                report_multiple_bugs=False,
            ),
        )
        from_seed += 1


def replay(walk: Walk, taken: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Takes the steps that were written down, from a new beginning."""
    machine = type("Walking", (Machine,), {"walk": walk})()
    before = len(walk.taken)
    for name, drawn in list(taken)[before:]:
        getattr(machine, name)(**drawn)
    machine.teardown()
