"""Taking invoices back, issuing them again, and where the credits of changes go meanwhile. Pure: changes an `Account`.

The credit of a change stands and falls with what the change charges for. The two may be on different invoices.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from billing.account import Account
from billing.changes import defer_to_next_invoice
from billing.errors import InvoiceHasPayments, InvoiceReversed
from billing.ids import InvoiceLineId
from billing.invoicing import add_to_balance, update_past_due
from billing.records import AllocationState, InvoiceState, Line, OtherInvoiceLine
from billing.renewals import bill_pending_lines
from billing.words import CHARGES, AllocationKind, EventType, InvoiceStatus, LedgerEntryKind, LineKind


def void(
    account: Account,
    invoice: InvoiceState,
    allocations: Sequence[AllocationState],
    at: datetime,
    *,
    lines: Sequence[Line] = (),
    credited_elsewhere: bool,
) -> None:
    """Takes back an unpaid invoice, and returns to the balance what the invoice used of it: its `allocations`.

    Of its `lines`, the credits of other changes wait for the next invoice again; of an ended subscription, they make
    one. The credits of the changes that it charges for go with it, also those that wait. `credited_elsewhere` is True
    if a line of another invoice credits one of its lines, or is the credit of such a change. Raises
    `InvoiceHasPayments`, `InvoiceReversed`, `TooManyLines`, `AmountOverflow`.
    """
    if any(allocation.kind is AllocationKind.PAYMENT for allocation in allocations):
        raise InvoiceHasPayments("Money was received for this invoice.")
    if credited_elsewhere:
        raise InvoiceReversed("Lines of this invoice are given back elsewhere: it can no longer be taken back.")
    account.released_allocations.extend((allocation.id, at) for allocation in allocations)
    account.unpaid.remove(invoice)
    invoice.status = InvoiceStatus.VOID
    invoice.amount_due_cents = 0
    account.record_change(EventType.INVOICE_VOIDED, invoice, at)
    given_back = sum(allocation.amount_cents for allocation in allocations)
    if given_back:
        add_to_balance(account, LedgerEntryKind.GIVEN_BACK, given_back, at, invoice_id=invoice.id)
    if account.subscription is not None and account.subscription.id == invoice.subscription_id:
        account.remove_pending_lines(line for line in account.pending_lines if has_charge_among(line, lines))
        defer_credits(account, carried_credits(lines), at)
    update_past_due(account, at)


def defer_credits(account: Account, credits_: Sequence[Line], at: datetime) -> None:
    """Lets credits wait that were on an invoice; of an ended subscription, they make one."""
    again = [replace(line, id=InvoiceLineId(account.make_id())) for line in credits_]
    if not again:
        return
    if account.known_subscription.is_live:
        defer_to_next_invoice(account, again, at)
    else:
        account.add_pending_lines(again, at)
        bill_pending_lines(account, at)


def carried_credits(lines: Sequence[Line]) -> list[Line]:
    """The credits among the lines of an invoice that have waited for it, and are for nothing on it: neither for a line
    that they reverse, nor for the charge of their change.
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
    """The lines of a void invoice for the one that replaces it. A credit that waits again is taken from there.

    A credit is left out that another invoice has taken over since, or whose charge is void: `elsewhere` are the lines
    of the changes that its credits belong to, on other invoices of the subscription.
    """
    # A credit may reverse a charge on the same invoice: then it is for the charge's copy.
    new_ids = {line.id: InvoiceLineId(account.make_id()) for line in lines}
    found = []
    for line in lines:
        waiting = next((waits for waits in account.pending_lines if is_same_credit(waits, line)), None)
        if waiting is not None:
            account.remove_pending_lines([waiting])
            found.append(waiting)
        elif has_charge_among(line, lines) or not is_settled(line, elsewhere):
            copied = replace(line, id=new_ids[line.id])
            if line.reverses_line_id in new_ids:
                copied.reverses_line_id, copied.reverses_invoice_id = new_ids[line.reverses_line_id], None
            found.append(copied)
    return found


def is_settled(line: Line, elsewhere: Sequence[OtherInvoiceLine]) -> bool:
    """True of a credit that is on another invoice, or all of whose charges are void."""
    charges = [other for other in elsewhere if is_credit_of(line, other.line)]
    return any(is_same_credit(other.line, line) and not other.is_void for other in elsewhere) or (
        bool(charges) and all(charge.is_void for charge in charges)
    )


def has_charge_among(line: Line, lines: Sequence[Line]) -> bool:
    """True of the credit of a change that one of the lines charges for."""
    return any(is_credit_of(line, charge) for charge in lines)


def is_credit_of(line: Line, charge: Line) -> bool:
    """True if the line is the credit of the change that `charge` is for."""
    if line.kind is not LineKind.PRORATION_CREDIT or charge.kind not in CHARGES:
        return False
    if line.change_id is not None and charge.change_id is not None:
        return line.change_id == charge.change_id
    # An older server writes no changes.
    return charge.kind is LineKind.PRORATION_CHARGE and (line.period_ordinal, line.period_start) == (
        charge.period_ordinal,
        charge.period_start,
    )


def is_same_credit(one: Line, other: Line) -> bool:
    """True if both are what one change gives back of one line: where one was moved, it has another id."""
    if one.change_id is None or one.reverses_line_id is None:
        return False
    return (one.change_id, one.reverses_line_id) == (other.change_id, other.reverses_line_id)
