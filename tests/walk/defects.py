"""Defects that the walk has to find. Each breaks a rule of billing in the server under test, and nowhere else."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

import billing.changes
import billing.invoicing
import billing.proration
import billing.renewals
import graph.context
from billing.idempotency import Outcome
from billing.periods import Interval, nth_boundary

VARIABLE = "WALK_DEFECT"
"""Names a defect to the server under test."""


def a_share_is_rounded_down() -> None:
    def share(amount_cents: int, part: int, whole: int) -> int:
        return amount_cents * part // whole

    billing.proration.share = share


def a_retry_is_done_again() -> None:
    async def once(
        session: AsyncSession, _request: object, operation: Callable[[AsyncSession], Awaitable[Outcome]], **_: object
    ) -> Outcome:
        return await operation(session)

    graph.context.once = once


def an_invoice_is_due_a_day_later() -> None:
    billing.invoicing.NET_DAYS += 1


def a_month_is_counted_from_the_period_before() -> None:
    def boundary(anchor: datetime, interval: Interval, n: int) -> datetime:
        """As long as days are not clamped, the same."""
        at = anchor
        for _ in range(n):
            at = nth_boundary(at, interval, 1)
        return at

    billing.renewals.nth_boundary = boundary


def what_is_due_now_is_past_due() -> None:
    true_judge = billing.renewals.judge

    def judge(account: Any, at: datetime) -> None:
        true_judge(account, at + billing.renewals.timedelta(seconds=1))

    billing.renewals.judge = judge


def a_credit_is_given_twice() -> None:
    def credit_due(billed_cents: int, _credited_cents: int, span: Any, at: datetime) -> int:
        return billing.proration.prorated(billed_cents, span, at)

    billing.changes.credit_due = credit_due


DEFECTS: dict[str, Callable[[], None]] = {
    defect.__name__: defect
    for defect in (
        a_share_is_rounded_down,
        a_retry_is_done_again,
        an_invoice_is_due_a_day_later,
        a_month_is_counted_from_the_period_before,
        what_is_due_now_is_past_due,
        a_credit_is_given_twice,
    )
}


def put_in(name: str | None) -> None:
    """Puts a defect into this process; none where there is no name."""
    if name:
        DEFECTS[name]()
