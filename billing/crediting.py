"""Credits for the unused time of charges. Pure: changes an `Account`."""

from collections.abc import Sequence
from datetime import datetime

from billing.account import Account
from billing.enums import LineKind
from billing.ids import ChangeId, InvoiceLineId
from billing.new_records import Line
from billing.proration import credit_due

UNUSED = "Unused time on "
"""Prefix of the description of a credit. It replaces `REMAINING` and `PART`."""
REMAINING = "Remaining time on "
PART = "Part of a period of "


def credit_lines(account: Account, at: datetime) -> list[Line]:
    """Returns one credit line for each charge with unused time at `at`. Amounts are negative.

    Adds the credits to `credited_cents` of the charges.
    """
    lines = []
    for billed in account.billed_lines:
        credit = credit_due(billed.amount_cents, billed.credited_cents, billed.span, at)
        if credit == 0:
            continue
        billed.credited_cents += credit
        lines.append(
            Line(
                id=InvoiceLineId(account.make_id()),
                customer_id=account.customer.id,
                kind=LineKind.PRORATION_CREDIT,
                description=UNUSED + billed.description.removeprefix(REMAINING).removeprefix(PART),
                plan_id=billed.plan_id,
                quantity=billed.quantity,
                unit_amount_cents=billed.unit_amount_cents,
                amount_cents=-credit,
                period_ordinal=billed.period_ordinal,
                period_start=max(at, billed.span.start),
                period_end=billed.span.end,
                reverses_line_id=billed.id,
                reverses_invoice_id=billed.invoice_id,
                tax=billed.tax,
            )
        )
    return lines


def link_lines(lines: Sequence[Line]) -> None:
    """Marks lines as belonging to one change. The id of the first line becomes the change id."""
    for line in lines:
        line.change_id = ChangeId(lines[0].id)


def credit_unused_time(account: Account, ended_at: datetime, at: datetime) -> None:
    """Makes credits for the time after `ended_at` pending, for the final invoice of a subscription."""
    credits_ = credit_lines(account, ended_at)
    link_lines(credits_)
    account.add_pending_lines(credits_, at)
