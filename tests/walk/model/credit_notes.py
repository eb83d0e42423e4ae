"""Operations on credit notes. Each raises `Refused`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.walk.model.arithmetic import shared
from tests.walk.model.catalog import is_bad_memo
from tests.walk.model.creditable import credit_of_amount, credit_of_total, rest_of_line
from tests.walk.model.lines import Credit, Credited, Line
from tests.walk.model.money import (
    add_ledger_entry,
    add_to_balance,
    allocate,
    pay_what_is_open,
    release,
    update_past_due,
)
from tests.walk.model.shared import refuse
from tests.walk.model.subscriptions import opened
from tests.walk.model.world import CreditNote, Customer, Invoice, World

MOST_LINES = 100
LONGEST_REASON = 500


@dataclass(frozen=True)
class Wish:
    """A credit that is requested: an amount for each of some lines, an amount for all of them together, or everything.

    A line that is None does not belong to the invoice.
    """

    lines: Sequence[tuple[Line | None, int]] = ()
    amount: int | None = None
    whole: bool = False


@dataclass(frozen=True)
class Parts:
    """The distribution of what neither lowers the amount due nor goes back to the balance that had paid it."""

    refund: int = 0
    balance: int | None = None
    outside: int = 0


def is_bad_reason(text: str) -> bool:
    return not 1 <= len(text.strip()) <= LONGEST_REASON


def left_on(
    customer: Customer, invoice: Invoice, credited: Mapping[Line, Credited] | None = None
) -> tuple[int, dict[Line, Credit]]:
    """Returns the total that can still be credited on an invoice, and all that is left of each of its lines.

    `credited` are the customer's credits of each line, if they are known.
    """
    known = customer.credited() if credited is None else credited
    by_line = {line: rest_of_line(invoice, line, known.get(line) or Credited()) for line in invoice.lines}
    on_notes = sum(note.amount for note in customer.notes_on(invoice))
    lines_left = sum(rest.total for rest in by_line.values())
    return (max(0, min(invoice.amount - on_notes, lines_left)) if invoice.is_owed else 0), by_line


def issue(
    world: World,
    customer: Customer,
    invoice: Invoice,
    wish: Wish,
    parts: Parts | None,
    *,
    reason: str,
    memo: str | None,
) -> CreditNote:
    at = opened(world, customer)
    refuse(
        INVALID_INPUT=is_bad_reason(reason) or is_bad_memo(memo),
        **{f"INVOICE_{invoice.status}": not invoice.is_owed},
    )
    lines = credited(customer, invoice, wish)
    amount = sum(credit.total for credit in lines)
    applied = min(amount, invoice.due)
    restored = min(amount - applied, restorable(customer, invoice))
    refund, balance, outside = distributed(amount - applied - restored, parts or Parts())
    note = CreditNote(
        invoice,
        len(customer.credit_notes) + 1,
        lines,
        applied,
        restored,
        balance,
        refund,
        outside,
        reason.strip(),
        memo,
        (customer.name, customer.email),
        at,
    )
    customer.credit_notes.append(note)
    customer.note("CREDIT_NOTE_ISSUED", note, at)
    if applied:
        allocate(customer, invoice, "CREDIT_NOTE", applied, at, note)
    if restored + balance:
        add_to_balance(customer, "CREDIT_NOTE", restored + balance, at, note)
    update_past_due(customer, customer.live, at)
    return note


def credited(customer: Customer, invoice: Invoice, wish: Wish) -> list[Credit]:
    """Returns the credits of lines, in the order of the invoice."""
    refuse(INVALID_INPUT=[bool(wish.lines), wish.amount is not None, wish.whole].count(True) != 1)
    known = customer.credited()
    most, rests = left_on(customer, invoice, known)
    named = [line for line, _ in wish.lines]
    refuse(
        INVALID_INPUT=len(named) > MOST_LINES or None in named or len(set(named)) < len(named),
        AMOUNT_NOT_POSITIVE=any(cents <= 0 for _, cents in wish.lines)
        or (wish.amount is not None and wish.amount <= 0),
        CREDIT_EXCEEDS_LINE=any(cents > rests[line].amount for line, cents in wish.lines if line),
    )
    if wish.lines:
        wanted = {line: cents for line, cents in wish.lines if line}
        found = [credit_of_amount(line, known[line], wanted[line]) for line in invoice.lines if line in wanted]
        refuse(CREDIT_EXCEEDS_INVOICE=not 0 < sum(credit.total for credit in found) <= most)
        return found
    total = most if wish.amount is None else wish.amount
    refuse(CREDIT_EXCEEDS_INVOICE=total > most or most == 0)
    left = [line for line in invoice.lines if rests[line].total > 0]
    parts = shared(total, [rests[line].total for line in left])
    return [credit_of_total(line, known[line], part) for line, part in zip(left, parts, strict=True) if part]


def restorable(customer: Customer, invoice: Invoice) -> int:
    """Returns what the balance and the credits of other invoices paid, less what went back to the balance so far."""
    paid = sum(part.amount for part in invoice.standing if part.kind in ("BALANCE", "CREDIT"))
    return max(0, paid - sum(note.restored for note in customer.notes_on(invoice)))


def distributed(amount: int, parts: Parts) -> tuple[int, int, int]:
    """Returns what is refunded, what goes to the balance, and what is settled elsewhere."""
    balance = amount - parts.refund - parts.outside if parts.balance is None else parts.balance
    found = parts.refund, balance, parts.outside
    refuse(DISTRIBUTION_INVALID=min(found) < 0 or sum(found) != amount)
    return found


def void(world: World, customer: Customer, note: CreditNote) -> None:
    at = opened(world, customer)
    refuse(CREDIT_NOTE_VOID=note.voided_at)
    added = note.restored + note.balance
    refuse(CREDIT_NOTE_REFUNDED=note.refunds, BALANCE_SPENT=added > customer.balance)
    note.voided_at = at
    customer.note("CREDIT_NOTE_VOIDED", note, at)
    if added:
        add_ledger_entry(customer, "CREDIT_NOTE_VOIDED", -added, at, note)
    for allocation in note.invoice.standing:
        if allocation.source is note:
            release(customer, note.invoice, allocation, allocation.amount, at)
    pay_what_is_open(customer, at)
    update_past_due(customer, customer.live, at)
