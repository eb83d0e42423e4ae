"""Voiding and reissuing invoices, and moving the credits that they contain. Pure: changes an `Account`.

The credit of a change is valid only together with the charge of the same change. The two may be on different invoices.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from billing.account import Account
from billing.changes import defer_to_next_invoice
from billing.discounting import give_back_uses
from billing.discounts import NO_PERIODS, AppliedDiscount, DiscountedPeriods
from billing.enums import CHARGES, AllocationKind, EventType, InvoiceStatus, LedgerEntryKind, LineKind
from billing.errors import InvoiceCredited, InvoiceHasPayments, InvoiceNotVoidable, InvoiceReversed
from billing.ids import InvoiceLineId
from billing.new_records import Line, OtherInvoiceLine, ReleasedAllocation
from billing.records import AllocationState, InvoiceState
from billing.renewals import bill_pending_lines
from billing.settling import add_to_balance, update_past_due


def void(
    account: Account,
    invoice: InvoiceState,
    allocations: Sequence[AllocationState],
    at: datetime,
    *,
    lines: Sequence[Line] = (),
    credited_elsewhere: bool,
    has_credit_note: bool = False,
    discounts: Sequence[AppliedDiscount] = (),
    discounted_elsewhere: DiscountedPeriods = NO_PERIODS,
) -> None:
    """Voids an unpaid invoice. Adds its `allocations`, from the balance or from credits, to the balance, and gives back
    the periods that its `discounts` used, except those that other invoices discount too.

    Credits among its `lines` that belong to other changes become pending again, or go on a new invoice if the
    subscription has ended. Pending credits of the changes that this invoice charges for are removed.

    `credited_elsewhere` must be True if a line of another invoice credits one of its lines, or is the credit of a
    change that this invoice charges for. `has_credit_note` must be True if one of its credit notes is not void. Raises
    `InvoiceHasPayments`, `InvoiceCredited`, `InvoiceReversed`, `InvoiceNotVoidable`, `TooManyLines`, `AmountOverflow`.
    """
    if any(allocation.kind is AllocationKind.PAYMENT for allocation in allocations):
        raise InvoiceHasPayments(
            "A payment is applied to this invoice: correct it with a credit note, or reverse the payment first."
        )
    if has_credit_note:
        raise InvoiceCredited("This invoice has a credit note: void the credit note first.")
    if credited_elsewhere:
        raise InvoiceReversed("Another invoice contains credits that belong to this one: it can no longer be voided.")
    if any(credits_later_time(line, lines) for line in lines):
        raise InvoiceNotVoidable(
            "This invoice credits time after the period that it charges for, which would then be billed twice: correct"
            " it with a credit note."
        )
    account.released_allocations.extend(ReleasedAllocation(allocation.id, at) for allocation in allocations)
    account.unpaid.remove(invoice)
    invoice.status = InvoiceStatus.VOID
    invoice.amount_due_cents = 0
    account.record_change(EventType.INVOICE_VOIDED, invoice, at)
    give_back_uses(account, discounts, invoice.subscription_id, at, discounted_elsewhere)
    returned_cents = sum(allocation.amount_cents for allocation in allocations)
    if returned_cents:
        add_to_balance(account, LedgerEntryKind.GIVEN_BACK, returned_cents, at, invoice_id=invoice.id)
    if account.subscription is not None and account.subscription.id == invoice.subscription_id:
        account.remove_pending_lines(line for line in account.pending_lines if has_charge_among(line, lines))
        defer_credits(account, carried_credits(lines), at)
    update_past_due(account, at)


def defer_credits(account: Account, credits_: Sequence[Line], at: datetime) -> None:
    """Makes copies of credits pending again, or invoices them now if the subscription has ended."""
    again = [replace(line, id=InvoiceLineId(account.make_id())) for line in credits_]
    if not again:
        return
    if account.known_subscription.is_live:
        defer_to_next_invoice(account, again, at)
    else:
        account.add_pending_lines(again, at)
        bill_pending_lines(account, at)


def carried_credits(lines: Sequence[Line]) -> list[Line]:
    """Returns the credits that belong to nothing else on their invoice: no reversed line, no charge of their change.

    Credits without a `change_id`, from older servers, are not included.
    """
    own = {line.id for line in lines}
    return [
        line
        for line in lines
        if line.kind is LineKind.PRORATION_CREDIT
        and line.change_id is not None
        and line.reverses_line_id not in own
        and not has_charge_among(line, lines)
    ]


def lines_to_reissue(account: Account, lines: Sequence[Line], elsewhere: Sequence[OtherInvoiceLine]) -> list[Line]:
    """Returns the lines for the invoice that replaces a void one.

    A credit that is pending again is moved to the new invoice. A credit is omitted if another invoice contains it or if
    all charges of its change are void. `elsewhere` must contain the lines of the same changes on other invoices of the
    subscription.
    """
    # A credit that reverses a line of the same invoice must reverse the copy of that line.
    new_ids = {line.id: InvoiceLineId(account.make_id()) for line in lines}
    found = []
    for line in lines:
        waiting = next((waits for waits in account.pending_lines if is_same_credit(waits, line)), None)
        if waiting is not None:
            account.remove_pending_lines([waiting])
            found.append(waiting)
        elif has_charge_among(line, lines) or not is_settled(line, elsewhere):
            copied = replace(line, id=new_ids[line.id])
            if line.tax is not None and line.kind is not LineKind.PRORATION_CREDIT:
                copied.tax = replace(line.tax, amounts=())
            if line.reverses_line_id in new_ids:
                copied.reverses_line_id, copied.reverses_invoice_id = new_ids[line.reverses_line_id], None
            found.append(copied)
    return found


def is_settled(line: Line, elsewhere: Sequence[OtherInvoiceLine]) -> bool:
    """Returns True for a credit that is on another invoice that is not void, or whose charges are all void."""
    charges = [other for other in elsewhere if is_credit_of(line, other.line)]
    return any(is_same_credit(other.line, line) and not other.is_void for other in elsewhere) or (
        bool(charges) and all(charge.is_void for charge in charges)
    )


def has_charge_among(line: Line, lines: Sequence[Line]) -> bool:
    """Returns True if `line` is a credit of a change and one of `lines` is a charge of the same change."""
    return any(is_credit_of(line, charge) for charge in lines)


def credits_later_time(line: Line, lines: Sequence[Line]) -> bool:
    """Returns True if `line` credits time after the charges of its change among `lines`."""
    ends = [charge.period_end for charge in lines if is_credit_of(line, charge) and charge.period_end is not None]
    return bool(ends) and line.period_end is not None and line.period_end > max(ends)


def is_credit_of(line: Line, charge: Line) -> bool:
    """Returns True if `line` is a credit of the change that `charge` belongs to."""
    if line.kind is not LineKind.PRORATION_CREDIT or charge.kind not in CHARGES:
        return False
    if line.change_id is not None and charge.change_id is not None:
        return line.change_id == charge.change_id
    # Lines from older servers have no change id.
    return charge.kind is LineKind.PRORATION_CHARGE and (line.period_ordinal, line.period_start) == (
        charge.period_ordinal,
        charge.period_start,
    )


def is_same_credit(one: Line, other: Line) -> bool:
    """Returns True if both lines are the same credit: same change, same reversed line. Copies have different ids."""
    if one.change_id is None or one.reverses_line_id is None:
        return False
    return (one.change_id, one.reverses_line_id) == (other.change_id, other.reverses_line_id)
