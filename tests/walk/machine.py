"""The state machine of all steps, and functions that run it."""

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import run_state_machine_as_test

from tests.walk.model.anchors import Anchor
from tests.walk.steps.catalog import CatalogSteps
from tests.walk.steps.discounted import DiscountedSteps
from tests.walk.steps.due import DueSteps
from tests.walk.steps.reissuing import ReissuingSteps
from tests.walk.steps.taxes import FRANCE, GERMANY, NEW_YORK, TaxSteps
from tests.walk.steps.time import TimeSteps
from tests.walk.steps.webhooks import WebhookSteps
from tests.walk.walk import Walk

LONGEST = 150
"""Maximum number of steps in one example."""

WEIGHTS = {
    "change_subscription": 12,
    "redeem_coupon": 6,
    "bill_changes_with_a_new_discount": 6,
    "bill_one_off_with_a_new_discount": 3,
    "update_customer": 5,
    "archive_tax_rate": 1,
    "create_coupon": 3,
    "archive_coupon": 1,
    "create_subscription": 6,
    "cancel_subscription": 4,
    "record_payment": 8,
    "create_credit_note": 8,
    "reverse_payment": 5,
    "record_refund": 4,
    "adjust_balance": 3,
    "void_credit_note": 4,
    "advance_test_clock": 6,
    "move_money_after_a_due_end": 4,
    "prorate_after_credit_note": 4,
    "reissue_a_change": 4,
    "pass_time": 4,
    "create_customer": 1,
    "create_plan": 1,
    "create_test_clock": 1,
    "create_api_key": 1,
    "revoke_api_key": 1,
    "create_webhook_endpoint": 1,
    "delete_webhook_endpoint": 1,
    "break_off_advance": 1,
    "break_something": 1,
    "ask_for_nothing": 1,
}
"""Weights of steps. The weight of any other step is 2."""


class Machine(CatalogSteps, DiscountedSteps, DueSteps, ReissuingSteps, TaxSteps, TimeSteps, WebhookSteps):
    """Starts with a few customers and plans for the steps to use."""

    def __init__(self) -> None:
        super().__init__()
        # Hypothesis may disable many rules for a whole example. A few long walks would then leave most pairs of rules
        # untested, so here all rules are enabled, with different weights. The first one counts as the simplest.
        rules = {rule.function.__name__: rule for rule in self.setup_state().rules}
        names = ["pass_time", *sorted(rules.keys() - {"pass_time"})]
        self._rules_strategy: Any = st.one_of(
            [
                st.tuples(st.just(rules[name]), st.fixed_dictionaries(rules[name].arguments))
                for name in names
                for _ in range(WEIGHTS.get(name, 2))
            ]
        )
        self.arrange()

    def arrange(self) -> None:
        """Creates a test clock, tax rates, plans, coupons, customers with subscriptions, and a webhook endpoint.

        Counts none of them.
        """
        counted = self.walk.tally.steps
        self.create_test_clock(seconds=0, how="")
        self.update_seller(name="Example GmbH", phone=None, places=None, how="")
        for kind, category, percent in (
            *(("VAT", "S", "19"), ("VAT", "S", "7"), ("VAT", "S", "20")),
            *(("SALES", None, "8.875"), ("SALES", None, "4.3333")),
        ):
            self.create_tax_rate(kind=kind, category=category, percent=percent, how="")
        self.update_seller(name=None, phone=None, places=[*GERMANY, FRANCE, NEW_YORK], how="")
        for number, (amount, interval, trial_days, net_days, inclusive, tax_rates) in enumerate(
            [
                (2900, ("DAY", 30), 0, None, False, []),
                (10_000, ("MONTH", 1), 0, 3, True, []),
                (999, ("DAY", 30), 14, None, False, [1]),
            ]
        ):
            self.create_plan(
                number=number,
                name="Pro",
                amount=amount,
                currency="EUR",
                interval=interval,
                trial_days=trial_days,
                net_days=net_days,
                inclusive=inclusive,
                tax_rates=tax_rates,
                how="",
            )
        for number, (off, duration, plans) in enumerate(
            [
                (("33.3333", None), ("PERIODS", 2), []),
                ((None, 777), ("FOREVER", None), []),
                ((None, 5000), ("ONCE", None), []),
                (("12.5", None), ("FOREVER", None), [0, 1]),
                ((None, 1234), ("PERIODS", 3), [1, 2]),
            ]
        ):
            self.create_coupon(
                code=f"CODE-{number}",
                name="Welcome",
                off=off,
                currency="EUR",
                duration=duration,
                plans=plans,
                most=None,
                expires=None,
                how="",
            )
        for number, clock in ((1, 0), (2, 1), (3, 1)):
            self.create_customer(name="Ada", number=number, net_days=None, external=False, clock=clock, how="")
            if number == 2:
                self.update_customer(number=1, values={"address": ("US", "NY")}, stale=False, how="")
            self.create_subscription(
                number=number - 1,
                plan=number - 1,
                quantity=1,
                start=None,
                trial_days=None,
                trial_end=None,
                anchor=None,
                policy=None,
                coupons=[],
                how="",
            )
        self.create_webhook_endpoint(url="https://1.1.1.1/a", description=None, types=[], test_clocks=True, how="")
        self.walk.tally.steps = counted


def walk_on(walk: Walk, *, steps: int, from_seed: int, shrinks: bool = True) -> None:
    """Runs at least `steps` steps. Raises the failure that was found, with the smallest walk that reproduces it."""
    while walk.tally.steps < steps:
        left = steps - walk.tally.steps
        machine: Any = seed(from_seed)(type("Walking", (Machine,), {"walk": walk}))
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    # The first example is always the simplest one, which only repeats a step of one second.
                    max_examples=1 + -(-left // LONGEST),
                    stateful_step_count=min(left, LONGEST),
                    deadline=None,
                    database=None,
                    phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
                    suppress_health_check=list(HealthCheck),
                    print_blob=False,
                    report_multiple_bugs=False,
                ),
            )
        except Flaky as flaky:
            # Hypothesis also draws constants of imported modules. If one is imported meanwhile, it cannot repeat an
            # example. The failure that it wanted to repeat is in the walk; without one, the next seed goes on.
            if walk.failure is not None:
                raise walk.failure from flaky
        from_seed += 1


def as_json(steps: Iterable[tuple[str, dict[str, Any]]]) -> str:
    """Returns recorded steps as JSON, one per line."""
    return "[\n" + ",\n".join(json.dumps(step, default=vars) for step in steps) + "\n]\n"


def replay(walk: Walk, taken: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Runs recorded steps, from a new start."""
    machine = type("Walking", (Machine,), {"walk": walk})()
    before = len(walk.taken)
    for name, drawn in list(taken)[before:]:
        anchor = drawn.get("anchor")
        read = {"anchor": Anchor(**anchor)} if isinstance(anchor, dict) else {}
        getattr(machine, name)(**{**drawn, **read})
    machine.teardown()
