"""Defects that the walk has to find. Each breaks a rule of billing in the server under test, and nowhere else."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from billing import changes, invoicing, proration, renewals
from billing.account import Account
from billing.limits import NET_DAYS
from billing.periods import Interval, Period, nth_boundary
from graph.schema.fields import context
from services.idempotency import Outcome

VARIABLE = "_BILLING_WALK_DEFECT"
"""Names a defect to the server under test."""


def a_share_is_rounded_down() -> None:
    def share(amount_cents: int, part: int, whole: int) -> int:
        return amount_cents * part // whole

    replace(proration, "share", share)


def a_credit_is_given_twice() -> None:
    def credit_due(billed_cents: int, _credited_cents: int, span: Period, at: datetime) -> int:
        return proration.prorated(billed_cents, span, at)

    replace(changes, "credit_due", credit_due)


def a_retry_is_done_again() -> None:
    async def once(
        session: AsyncSession, _request: object, operation: Callable[[AsyncSession], Awaitable[Outcome]], **_: object
    ) -> Outcome:
        return await operation(session)

    replace(context, "once", once)


def an_invoice_is_due_a_day_later() -> None:
    replace(invoicing, "NET_DAYS", NET_DAYS + 1)


def a_month_is_counted_from_the_period_before() -> None:
    def boundary(anchor: datetime, interval: Interval, n: int) -> datetime:
        """The same, as long as no day is clamped to the length of a month."""
        for _ in range(n):
            anchor = nth_boundary(anchor, interval, 1)
        return anchor

    replace(renewals, "nth_boundary", boundary)


def what_is_due_now_is_past_due() -> None:
    judge = invoicing.update_past_due

    def judge_early(account: Account, at: datetime) -> None:
        judge(account, at + timedelta(days=1))

    replace(renewals, "judge", judge_early)


DEFECTS: dict[str, Callable[[], None]] = {
    defect.__name__: defect
    for defect in (
        a_share_is_rounded_down,
        a_credit_is_given_twice,
        a_retry_is_done_again,
        an_invoice_is_due_a_day_later,
        a_month_is_counted_from_the_period_before,
        what_is_due_now_is_past_due,
    )
}


def replace(module: object, name: str, value: object) -> None:
    assert hasattr(module, name), f"{module} has no {name} that could be replaced"
    setattr(module, name, value)


def put_in(name: str | None) -> None:
    """Puts a defect into this process; none where there is no name."""
    if name:
        DEFECTS[name]()
