"""Credit notes: corrections of finalized invoices. Pure: changes an `Account`.

A credit note credits lines of one invoice. First, it lowers the amount due on the invoice. Then it returns to the
balance what the balance and credits had paid on the invoice. The caller distributes the rest: to refunds, to the
balance, or outside this server.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.account import Account
from billing.creditable import Creditable, CreditableLine, LineCredit
from billing.enums import AllocationKind, CreditNoteStatus, EventType, LedgerEntryKind
from billing.errors import (
    AmountNotPositive,
    BalanceSpent,
    CreditExceedsInvoice,
    CreditExceedsLine,
    CreditNoteRefunded,
    CreditNoteVoid,
    DistributionInvalid,
    InvalidInput,
)
from billing.ids import CreditNoteId, CreditNoteLineId, InvoiceLineId
from billing.invoicing import SEQUENCE_DIGITS, billing_details
from billing.limits import MAX_LINES
from billing.new_records import NewCreditNote, NewCreditNoteLine
from billing.proration import split
from billing.records import AllocationState, CreditNoteState, InvoiceState
from billing.settling import add_ledger_entry, add_to_balance, allocate, apply_balance_to_open, release, update_past_due
from billing.totals import group_taxes


@dataclass(frozen=True, slots=True)
class RequestedCredit:
    """A requested credit: amounts for lines, an amount that is split over all lines, or the whole invoice.

    Exactly one of `lines`, `amount_cents` and `whole` must be given.
    """

    lines: Sequence[tuple[InvoiceLineId, int]] = ()
    amount_cents: int | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Distribution:
    """The parts of a credit note that are refunded, added to the balance, and settled outside this server.

    If `balance_cents` is None, the remainder is added to the balance.
    """

    refund_cents: int = 0
    balance_cents: int | None = None
    outside_cents: int = 0


def credit_note_number(prefix: str, sequence: int) -> str:
    return f"{prefix}-C{sequence:0{SEQUENCE_DIGITS}d}"


def issue_credit_note(
    account: Account,
    invoice: InvoiceState,
    creditable: Creditable,
    request: RequestedCredit,
    distribution: Distribution | None,
    *,
    sequence: int,
    reason: str,
    memo: str | None = None,
    at: datetime,
) -> NewCreditNote:
    """Issues a credit note for a finalized invoice, and settles it.

    `sequence` is the sequence number of the customer's next credit note. Without a `distribution`, the part to
    distribute is added to the balance. Raises `InvalidInput`, `AmountNotPositive`, `CreditExceedsLine`,
    `CreditExceedsInvoice`, `DistributionInvalid`, `AmountOverflow`.
    """
    credited = credited_lines(creditable, request)
    lines_total = sum(credit.total_cents for _, credit in credited)
    rounding = creditable.rounding_with(lines_total)
    total = lines_total + rounding
    applied = min(total, invoice.amount_due_cents)
    restored = min(total - applied, creditable.restorable_cents)
    refund, to_balance, outside = distributed(total - applied - restored, distribution or Distribution())
    taxes = group_taxes([credit.tax for _, credit in credited])
    note = NewCreditNote(
        id=CreditNoteId(account.make_id()),
        customer_id=account.customer.id,
        invoice_id=invoice.id,
        status=CreditNoteStatus.ISSUED,
        tax_cents=sum(tax.amount_cents for tax in taxes),
        rounding_cents=rounding,
        taxes=taxes or None,
        amount_cents=total,
        applied_cents=applied,
        restored_cents=restored,
        balance_cents=to_balance,
        refund_cents=refund,
        outside_cents=outside,
        refunded_cents=0,
        voided_at=None,
        version=0,
        updated_at=at,
        sequence=sequence,
        number=credit_note_number(account.customer.invoice_prefix, sequence),
        currency=invoice.currency,
        reason=reason,
        memo=memo,
        bill_to=billing_details(account.customer),
        issued_at=at,
        test_clock_id=account.customer.test_clock_id,
        created_at=at,
        lines=[],
    )
    note.lines = [
        NewCreditNoteLine(
            id=CreditNoteLineId(account.make_id()),
            customer_id=note.customer_id,
            credit_note_id=note.id,
            invoice_line_id=line.id,
            position=position,
            description=line.description,
            amount_cents=credit.amount_cents,
            discount_cents=credit.discount_cents,
            tax=credit.tax,
        )
        for position, (line, credit) in enumerate(credited, start=1)
    ]
    account.credit_notes.append(note)
    account.record_change(EventType.CREDIT_NOTE_ISSUED, note, at)
    if applied:
        allocate(account, invoice, AllocationKind.CREDIT_NOTE, applied, at, credit_note_id=note.id)
    if restored + to_balance:
        add_to_balance(account, LedgerEntryKind.CREDIT_NOTE, restored + to_balance, at, credit_note_id=note.id)
    update_past_due(account, at)
    return note


def credited_lines(creditable: Creditable, request: RequestedCredit) -> list[tuple[CreditableLine, LineCredit]]:
    """Returns the lines that a request credits, with the credit of each.

    Raises `InvalidInput`, `AmountNotPositive`, `CreditExceedsLine`, `CreditExceedsInvoice`.
    """
    most = creditable.creditable_cents
    if (request.amount_cents is not None) + request.whole + bool(request.lines) != 1:
        raise InvalidInput("Give exactly one of `lines`, `amountCents` and `whole: true`.", "lines")
    if request.amount_cents is not None and request.amount_cents <= 0:
        raise AmountNotPositive("A credit note must be more than 0.")
    requested = requested_lines(creditable.lines, request.lines)
    left = [line for line in creditable.lines if line.rest.total_cents > 0]
    lines_left = creditable.lines_left_cents
    if requested:
        total = sum(credit.total_cents for _, credit in requested)
        total += creditable.rounding_with(total)
    else:
        total = most if request.amount_cents is None else request.amount_cents
    rounding = creditable.rounding_left_cents
    if request.amount_cents is not None and lines_left <= total < lines_left + rounding:
        raise CreditExceedsInvoice(
            f"Credit less than {lines_left} minor units, or all {lines_left + rounding}, which include the rounding.",
            "amount_cents",
        )
    if total <= 0 or total > most:
        raise CreditExceedsInvoice(
            f"Only {most} minor units of this invoice can still be credited."
            if most
            else "Nothing on this invoice is left to credit.",
            "lines" if request.lines else "amount_cents" if request.amount_cents is not None else "whole",
        )
    if requested:
        return requested
    if total == lines_left + creditable.rounding_left_cents:
        total = lines_left
    parts = split(total, [line.rest.total_cents for line in left])
    return [(line, line.credit_total(cents)) for line, cents in zip(left, parts, strict=True) if cents]


def requested_lines(
    lines: Sequence[CreditableLine], requested: Sequence[tuple[InvoiceLineId, int]]
) -> list[tuple[CreditableLine, LineCredit]]:
    """Returns the requested lines with their credits, in the order of the invoice.

    Raises `InvalidInput`, `AmountNotPositive`, `CreditExceedsLine`.
    """
    if len(requested) > MAX_LINES:
        raise InvalidInput(f"A credit note has at most {MAX_LINES} lines.", "lines")
    known = {line.id: line for line in lines}
    amounts: dict[InvoiceLineId, int] = {}
    for place, (line_id, cents) in enumerate(requested):
        line = known.get(line_id)
        if line is None:
            raise InvalidInput("The invoice has no such line.", "lines", str(place), "line_id")
        if line_id in amounts:
            raise InvalidInput("Each line may be named only once.", "lines", str(place), "line_id")
        if cents <= 0:
            raise AmountNotPositive("A credit must be more than 0.", "lines", str(place), "amount_cents")
        if cents > line.creditable_cents:
            raise CreditExceedsLine(
                f"Only {line.creditable_cents} minor units of this line can still be credited.",
                *("lines", str(place), "amount_cents"),
            )
        amounts[line_id] = cents
    return [(line, line.credit(amounts[line.id])) for line in lines if line.id in amounts]


def distributed(to_distribute_cents: int, distribution: Distribution) -> tuple[int, int, int]:
    """Returns the parts of an amount for refunds, for the balance, and outside. Raises `DistributionInvalid`."""
    refund, outside = distribution.refund_cents, distribution.outside_cents
    left = to_distribute_cents - refund - outside
    to_balance = left if distribution.balance_cents is None else distribution.balance_cents
    if min(refund, outside, to_balance) < 0 or to_balance != left:
        raise DistributionInvalid(f"The parts must be 0 or more, and add up to {to_distribute_cents}.")
    return refund, to_balance, outside


def void_credit_note(
    account: Account,
    note: CreditNoteState,
    invoice: InvoiceState,
    allocation: AllocationState | None,
    at: datetime,
) -> None:
    """Voids a credit note: releases its allocation, and subtracts what it had added to the balance.

    `allocation` is the credit note's allocation to its invoice, or None. Raises `CreditNoteVoid`,
    `CreditNoteRefunded`, `BalanceSpent`.
    """
    if note.status is CreditNoteStatus.VOID:
        raise CreditNoteVoid("This credit note is already VOID.")
    if note.refunded_cents:
        raise CreditNoteRefunded(
            f"{note.refunded_cents} minor units of this credit note were refunded: it can no longer be voided."
        )
    added = note.restored_cents + note.balance_cents
    if added > account.customer.balance_cents:
        raise BalanceSpent(
            f"This credit note added {added} minor units to the customer's balance, which is now only"
            f" {account.customer.balance_cents}."
        )
    note.status = CreditNoteStatus.VOID
    note.voided_at = at
    account.record_change(EventType.CREDIT_NOTE_VOIDED, note, at)
    if added:
        add_ledger_entry(account, LedgerEntryKind.CREDIT_NOTE_VOIDED, -added, at, credit_note_id=note.id)
    if allocation is not None:
        release(account, invoice, allocation, allocation.amount_cents, at)
        apply_balance_to_open(account, at)
    update_past_due(account, at)
