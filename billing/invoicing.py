"""Finalizing and settling invoices: numbers, due dates, allocations, the balance, and past due subscriptions.

Pure: changes an `Account`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from billing.account import Account
from billing.discounting import count_uses, discount_lines
from billing.discounts import NO_PERIODS, AppliedDiscount, DiscountedPeriods
from billing.enums import (
    AllocationKind,
    EventType,
    InvoiceKind,
    InvoiceStatus,
    LedgerEntryKind,
)
from billing.errors import (
    TooManyLines,
)
from billing.ids import InvoiceId, SubscriptionId
from billing.limits import MAX_LINES, NET_DAYS
from billing.new_records import Line, NewInvoice
from billing.periods import Period
from billing.records import BillTo, CustomerState, InvoiceState
from billing.settling import add_to_balance, allocate, apply_balance, mark_paid, oldest_due_first
from billing.taxing import assign_taxes
from billing.totals import Totals, totals_of


@dataclass(frozen=True, slots=True)
class ReplacedInvoice:
    """The parts of a void invoice that its replacement copies.

    `discounts` are those on its lines. `discounted_elsewhere` are periods that other invoices discount too.
    """

    id: InvoiceId
    po_number: str | None
    memo: str | None
    tax_date: datetime
    discounts: Sequence[AppliedDiscount]
    discounted_elsewhere: DiscountedPeriods


@dataclass(slots=True)
class Draft:
    """An invoice before it is finalized. `version` is 0 unless it is stored already, as a DRAFT.

    `net_days` are payment terms, in order of precedence: the first that is not None counts.
    """

    id: InvoiceId
    subscription_id: SubscriptionId | None
    kind: InvoiceKind
    currency: str
    lines: Sequence[Line]
    period: Period
    net_days: tuple[int | None, ...]
    po_number: str | None
    memo: str | None
    created_at: datetime
    period_ordinal: int | None = None
    replaces: ReplacedInvoice | None = None
    version: int = 0
    stored: Mapping[str, object] = field(default_factory=dict)
    """The values of columns of a stored draft. Its event lists those that change."""


def bill(
    account: Account,
    kind: InvoiceKind,
    lines: Sequence[Line],
    *,
    period: Period,
    period_ordinal: int | None = None,
    at: datetime,
    replaces: ReplacedInvoice | None = None,
) -> NewInvoice:
    """Creates and finalizes an invoice of the subscription.

    It has the purchase order number and memo of the invoice that it replaces, else those of the customer. Raises the
    errors of `finalize`.
    """
    customer, terms = account.customer, account.known_terms
    draft = Draft(
        id=InvoiceId(account.make_id()),
        subscription_id=account.known_subscription.id,
        kind=kind,
        currency=terms.currency,
        lines=lines,
        period=period,
        net_days=(customer.net_days, terms.net_days),
        po_number=customer.po_number if replaces is None else replaces.po_number,
        memo=customer.invoice_memo if replaces is None else replaces.memo,
        created_at=at,
        period_ordinal=period_ordinal,
        replaces=replaces,
    )
    return finalize(account, draft, at)


def finalize(account: Account, draft: Draft, at: datetime) -> NewInvoice:
    """Finalizes an invoice, and settles it.

    This is the order of money: lines, discounts, taxes, rounding, total, balance, amount due. Raises `AmountOverflow`
    if the total is too large, and `TooManyLines`.
    """
    require_lines_fit(len(draft.lines))
    replaces = draft.replaces
    tax_date = at if replaces is None else replaces.tax_date
    totals = compute_totals(
        account,
        draft.lines,
        draft.currency,
        tax_date,
        subscription_id=draft.subscription_id,
        discounts=None if replaces is None else replaces.discounts,
    )
    if totals.discounts:
        elsewhere = NO_PERIODS if replaces is None else replaces.discounted_elsewhere
        count_uses(account, totals.discounts, draft.subscription_id, at, elsewhere)
    invoice = numbered(account, draft, totals, tax_date, at)
    if draft.version:
        account.finalized_drafts.append(invoice)
    else:
        account.add_invoice(invoice)
    changed = [name for name, value in draft.stored.items() if getattr(invoice, name) != value]
    account.record_change(EventType.INVOICE_FINALIZED, invoice, at, changed)
    settle_new_invoice(account, invoice, draft.lines, at)
    return invoice


def numbered(account: Account, draft: Draft, totals: Totals, tax_date: datetime, at: datetime) -> NewInvoice:
    """Returns the invoice with the customer's next number, as it is before it is settled."""
    customer, sequence = account.customer, next_number(account)
    return NewInvoice(
        id=draft.id,
        subscription_id=draft.subscription_id,
        kind=draft.kind,
        status=InvoiceStatus.OPEN,
        currency=draft.currency,
        amount_cents=totals.amount_cents,
        amount_due_cents=max(0, totals.amount_cents),
        due_at=due_date(at, *draft.net_days),
        paid_at=None,
        version=draft.version,
        updated_at=at,
        customer_id=customer.id,
        period_ordinal=draft.period_ordinal,
        sequence=sequence,
        number=invoice_number(customer.invoice_prefix, sequence),
        subtotal_cents=totals.subtotal_cents,
        discount_cents=totals.discount_cents,
        tax_cents=totals.tax_cents,
        rounding_cents=totals.rounding_cents,
        discounts=totals.discounts or None,
        taxes=totals.taxes or None,
        seller_id=customer.seller_id,
        tax_date=tax_date,
        bill_to=billing_details(customer),
        period_start=draft.period.start,
        period_end=draft.period.end,
        issued_at=at,
        replaces_id=None if draft.replaces is None else draft.replaces.id,
        po_number=draft.po_number,
        memo=draft.memo,
        test_clock_id=customer.test_clock_id,
        created_at=draft.created_at,
        lines=list(draft.lines),
    )


def billing_details(customer: CustomerState) -> BillTo:
    """Returns the customer's details for a document that is issued now."""
    profile = customer.tax_profile
    return replace(customer.bill_to, tax_ids=profile.ids if profile else ())


def compute_totals(
    account: Account,
    lines: Sequence[Line],
    currency: str,
    tax_date: datetime,
    *,
    subscription_id: SubscriptionId | None = None,
    discounts: Sequence[AppliedDiscount] | None = None,
) -> Totals:
    """Decides the discounts of the lines, then their taxes, and computes the totals. Raises `AmountOverflow`.

    Give `discounts` if the lines are already discounted, as those of a reissued invoice are.
    """
    if discounts is None:
        discounts = discount_lines(lines, account.discounts, subscription_id=subscription_id, currency=currency)
    rules, increment = account.tax_rules, 1
    if rules is not None:
        increment = rules.cash_rounding.get(currency, 1)
        if rules.rates:
            assign_taxes(lines, account.customer, rules, tax_date)
    return totals_of(lines, increment, tuple(discounts))


def require_lines_fit(count: int, *field: str) -> None:
    """Raises `TooManyLines` for the input `field` if an invoice may not have `count` lines."""
    if count > MAX_LINES:
        raise TooManyLines(f"An invoice has at most {MAX_LINES} lines, this one would have {count}.", *field)


def next_number(account: Account) -> int:
    """Increments and returns the customer's last invoice number."""
    account.customer.last_invoice_number += 1
    account.customer_changed = True
    return account.customer.last_invoice_number


SEQUENCE_DIGITS = 4
"""Minimum number of digits of the sequence in an invoice number."""


def invoice_number(prefix: str, sequence: int) -> str:
    return f"{prefix}-{sequence:0{SEQUENCE_DIGITS}d}"


def first_sequence(digits: str) -> int | None:
    """Returns the smallest sequence whose digits in an invoice number start with `digits`. None if there is none.

    A customer has such an invoice if the last sequence is at least this one, because sequences have no gaps.
    """
    missing = max(0, SEQUENCE_DIGITS - len(digits))
    least = max(1, int(digits + "0" * missing))
    return least if f"{least:0{SEQUENCE_DIGITS}d}".startswith(digits) else None


def due_date(issued_at: datetime, *net_days: int | None) -> datetime:
    """Returns `issued_at` plus the first number of days that is set, else `NET_DAYS`."""
    return issued_at + timedelta(days=next((days for days in net_days if days is not None), NET_DAYS))


def settle_new_invoice(account: Account, invoice: InvoiceState, lines: Sequence[Line], at: datetime) -> None:
    """Settles an invoice that has just been finalized.

    A positive total is paid from the balance as far as possible. An invoice with a total of 0 or less is PAID. A
    negative total is applied to the customer's unpaid invoices; the remainder is added to the balance.
    """
    if invoice.amount_cents > 0:
        account.unpaid.append(invoice)
        apply_balance(account, invoice, at)
        return
    mark_paid(account, invoice, at)
    rest = -invoice.amount_cents
    for unpaid in invoices_to_credit(account, lines):
        amount = min(rest, unpaid.amount_due_cents)
        if amount:
            allocate(account, unpaid, AllocationKind.CREDIT, amount, at, source_invoice_id=invoice.id)
            rest -= amount
    if rest:
        add_to_balance(account, LedgerEntryKind.INVOICE_CREDIT, rest, at, invoice_id=invoice.id)


def invoices_to_credit(account: Account, lines: Sequence[Line]) -> Iterator[InvoiceState]:
    """Yields the unpaid invoices to which a credit is applied, in this order.

    First those with lines that `lines` reverse, even if UNCOLLECTIBLE, then the other OPEN ones; each group oldest due
    first.
    """
    reversed_ids = {line.reverses_invoice_id for line in lines}
    unpaid = oldest_due_first(account)
    yield from (invoice for invoice in unpaid if invoice.id in reversed_ids)
    yield from (
        invoice for invoice in unpaid if invoice.id not in reversed_ids and invoice.status is InvoiceStatus.OPEN
    )
