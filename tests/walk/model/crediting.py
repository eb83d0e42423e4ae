"""Credits for the unused time of charges."""

from datetime import datetime

from tests.walk.model.arithmetic import rest_of
from tests.walk.model.lines import Line
from tests.walk.model.world import Customer, Subscription

CHARGES = ("RECURRING", "PRORATION_CHARGE")


def credits_at(customer: Customer, subscription: Subscription, at: datetime, change: int) -> list[Line]:
    """Returns credits for the unused part of each charge at `at`, after discounts, minus earlier credits.

    What a credit note has credited does not count as charged. A credit has the rates of the line that it reverses.
    """
    credited = customer.credited()
    found = []
    for line, _ in customer.lines_on(subscription):
        if line.kind not in CHARGES or line.amount <= 0 or line.start is None or line.end is None or line.end <= at:
            continue
        credit = rest_of(line.discounted - credited[line].noted, line.start, line.end, at)
        credit -= credited[line].given_back
        if credit <= 0:
            continue
        found.append(
            Line(
                "PRORATION_CREDIT",
                "Unused time on "
                + line.description.removeprefix("Remaining time on ").removeprefix("Part of a period of "),
                -credit,
                line.unit_amount,
                line.quantity,
                line.plan,
                ordinal=line.ordinal,
                start=max(at, line.start),
                end=line.end,
                reverses=line,
                change=change,
                inclusive=line.inclusive,
                rates=line.rates,
                taxes=list(line.taxes),
            )
        )
    return found
