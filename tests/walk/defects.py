"""Bugs that the walk must find. Each breaks a billing rule, in the server under test only."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing import crediting, discounting, invoicing, proration, renewals, reversing, rounding, settling, totals
from billing.account import Account
from billing.discounts import AppliedDiscount, DiscountState
from billing.ids import InvoiceLineId, SubscriptionId
from billing.new_records import Line
from billing.periods import Interval, Period, nth_boundary
from billing.records import AllocationState
from billing.rounding import divide
from db.queries import lines
from graph.schema.fields import context
from services import idempotency
from services.idempotency import Outcome

VARIABLE = "_BILLING_WALK_DEFECT"
"""Environment variable that tells the server under test which bug to apply."""


def a_share_is_rounded_down() -> None:
    def share(amount_cents: int, part: int, whole: int) -> int:
        return amount_cents * part // whole

    replace(proration, proration.share, share)


def a_credit_is_given_twice() -> None:
    def credit_due(billed_cents: int, _credited_cents: int, span: Period, at: datetime) -> int:
        return proration.prorated(billed_cents, span, at)

    replace(crediting, proration.credit_due, credit_due)


def a_retry_is_done_again() -> None:
    async def run_again(
        session: AsyncSession, _request: object, operation: Callable[[AsyncSession], Awaitable[Outcome]], **_: object
    ) -> Outcome:
        return await operation(session)

    replace(context, idempotency.run_once, run_again)


def an_invoice_is_due_a_day_later() -> None:
    due_date = invoicing.due_date

    def due_later(issued_at: datetime, *days: int | None) -> datetime:
        return due_date(issued_at, *days) + timedelta(days=1)

    replace(invoicing, due_date, due_later)


def a_month_is_counted_from_the_period_before() -> None:
    def boundary(anchor: datetime, interval: Interval, n: int) -> datetime:
        """Returns the same boundary as the original, unless a day is clamped to the length of a month."""
        for _ in range(n):
            anchor = nth_boundary(anchor, interval, 1)
        return anchor

    replace(renewals, nth_boundary, boundary)


def what_is_due_now_is_past_due() -> None:
    update_past_due = settling.update_past_due

    def update_early(account: Account, at: datetime) -> None:
        update_past_due(account, at + timedelta(days=1))

    replace(renewals, update_past_due, update_early)


def a_proration_does_not_see_credit_notes() -> None:
    async def noted_by_line(_session: AsyncSession, _line_ids: Sequence[InvoiceLineId]) -> dict[InvoiceLineId, int]:
        return {}

    replace(lines, lines.noted_by_line, noted_by_line)


def a_reversal_takes_back_the_oldest_first() -> None:
    def oldest_first(
        allocations: Sequence[AllocationState], amount_cents: int
    ) -> Iterator[tuple[AllocationState, int]]:
        for allocation in sorted(allocations, key=lambda each: (each.created_at, each.id)):
            if amount_cents > 0:
                yield allocation, min(amount_cents, allocation.amount_cents)
                amount_cents -= allocation.amount_cents

    replace(reversing, reversing.latest_first, oldest_first)


def a_discount_is_not_counted() -> None:
    def count_uses(*_: object) -> None:
        pass

    replace(invoicing, discounting.count_uses, count_uses)


def a_discount_sees_no_earlier_one() -> None:
    take_off = discounting.take_off

    def take_off_all(
        discount: DiscountState,
        lines: Sequence[Line],
        charged: Mapping[InvoiceLineId, int],
        left: dict[InvoiceLineId, int],
        subscription_id: SubscriptionId | None,
    ) -> AppliedDiscount:
        return take_off(discount, lines, charged, dict(left), subscription_id)

    replace(discounting, take_off, take_off_all)


def a_tax_is_rounded_on_each_line() -> None:
    def rounded_each(cents: Sequence[int], whole: int) -> list[int]:
        return [divide(each, whole) for each in cents]

    replace(totals, rounding.rounded_once, rounded_each)


DEFECTS: dict[str, Callable[[], None]] = {
    defect.__name__: defect
    for defect in (
        a_share_is_rounded_down,
        a_credit_is_given_twice,
        a_retry_is_done_again,
        an_invoice_is_due_a_day_later,
        a_month_is_counted_from_the_period_before,
        what_is_due_now_is_past_due,
        a_proration_does_not_see_credit_notes,
        a_reversal_takes_back_the_oldest_first,
        a_discount_is_not_counted,
        a_discount_sees_no_earlier_one,
        a_tax_is_rounded_on_each_line,
    )
}


def replace(module: ModuleType, function: Callable[..., Any], other: Callable[..., Any]) -> None:
    """Replaces a function that a module imports or defines."""
    assert getattr(module, function.__name__) is function
    setattr(module, function.__name__, other)


def put_in(name: str | None) -> None:
    """Applies a bug to this process. Does nothing without a name."""
    if name:
        DEFECTS[name]()
