"""Operations on invoices and payments. Each raises `Refused`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.walk.model.arithmetic import LARGEST
from tests.walk.model.catalog import is_bad_memo, is_bad_po_number
from tests.walk.model.crediting import CHARGES
from tests.walk.model.discounting import discount, return_uses
from tests.walk.model.lines import Line, NewLine
from tests.walk.model.money import (
    MOST_LINES,
    add_to_balance,
    bill,
    finalize,
    first,
    receive,
    update_past_due,
    use_currency,
)
from tests.walk.model.passing import bill_waiting
from tests.walk.model.shared import order, refuse
from tests.walk.model.subscriptions import opened, wait_for_next
from tests.walk.model.taxes import are_too_many, wrong_rates
from tests.walk.model.taxing import tax
from tests.walk.model.world import Customer, Invoice, Payment, Subscription, World

OLDEST_MONEY = timedelta(days=3660)


def create(
    world: World,
    customer: Customer,
    currency: str,
    lines: Sequence[NewLine],
    *,
    net_days: int | None,
    po_number: str | None,
    memo: str | None,
    metadata: dict[str, str],
) -> Invoice:
    at = opened(world, customer)
    refuse(
        CUSTOMER_ARCHIVED=customer.archived,
        CURRENCY_UNKNOWN=currency == "XXX",
        CURRENCY_MISMATCH=customer.currency not in (None, currency),
        INVALID_INPUT=is_badly_described(net_days, po_number, memo, metadata),
        TOO_MANY_LINES=len(lines) > MOST_LINES,
    )
    use_currency(customer, currency, at)
    invoice = Invoice(
        "ONE_OFF",
        currency,
        [],
        net_days=net_days,
        po_number=po_number,
        memo=memo,
        metadata=metadata,
        period=(at, at),
    )
    customer.invoices.append(invoice)
    for line in lines:
        put(invoice, line)
        refuse(AMOUNT_TOO_LARGE=abs(sum(each.amount for each in invoice.lines)) > LARGEST)
    show_amounts(customer, invoice, at)
    customer.note("INVOICE_CREATED", invoice, at)
    return invoice


def is_badly_described(
    net_days: int | None = None,
    po_number: str | None = None,
    memo: str | None = None,
    metadata: dict[str, str] | None = None,
) -> bool:
    return (
        (net_days is not None and not 0 <= net_days <= 365)
        or is_bad_po_number(po_number)
        or is_bad_memo(memo)
        or any(len(key) > 64 for key in metadata or {})
    )


def update(world: World, customer: Customer, invoice: Invoice, values: dict[str, Any]) -> None:
    """Updates the fields in `values`, which are named as in the model."""
    at = opened(world, customer)
    if values.keys() - {"metadata"}:
        is_in_state(invoice, "DRAFT")
    refuse(INVALID_INPUT=is_badly_described(**values))
    if any(getattr(invoice, name) != value for name, value in values.items()):
        vars(invoice).update(values)
        customer.note("INVOICE_UPDATED", invoice, at)


def update_payment(world: World, customer: Customer, payment: Payment, metadata: dict[str, str]) -> None:
    at = opened(world, customer)
    refuse(INVALID_INPUT=is_badly_described(metadata=metadata))
    if payment.metadata != metadata:
        payment.metadata = metadata
        customer.note("PAYMENT_UPDATED", payment, at)


def put(invoice: Invoice, line: NewLine) -> None:
    amount = line.unit_amount * line.quantity
    refuse(
        QUANTITY_OUT_OF_RANGE=not 1 <= line.quantity <= 10**9,
        AMOUNT_TOO_LARGE=abs(amount) > LARGEST,
        INVALID_INPUT=not line.description.strip() or are_too_many(line.rates),
        TOO_MANY_LINES=len(invoice.lines) >= MOST_LINES,
        **wrong_rates([line.rates]),
    )
    made = Line("ONE_OFF", line.description, amount, line.unit_amount, line.quantity)
    made.inclusive, made.rates = line.inclusive, line.rates
    invoice.lines.append(made)


def show_amounts(customer: Customer, invoice: Invoice, at: datetime) -> None:
    """Sets the discounts and taxes of a draft to what they would be now."""
    discount(customer, invoice)
    tax(customer, invoice, at)
    refuse(AMOUNT_TOO_LARGE=max(abs(invoice.subtotal), abs(invoice.tax), abs(invoice.amount)) > LARGEST)
    invoice.due = max(0, invoice.amount)


def is_in_state(invoice: Invoice, *states: str) -> None:
    """Raises `Refused` with the status of the invoice unless it is one of `states`."""
    refuse(**{f"INVOICE_{invoice.status}": invoice.status not in states})


def add_line(world: World, customer: Customer, invoice: Invoice, line: NewLine) -> None:
    at = opened(world, customer)
    is_in_state(invoice, "DRAFT")
    put(invoice, line)
    show_amounts(customer, invoice, at)
    customer.note("INVOICE_UPDATED", invoice, at)


def delete_draft(world: World, customer: Customer, invoice: Invoice) -> None:
    opened(world, customer)
    is_in_state(invoice, "DRAFT")
    customer.invoices.remove(invoice)
    customer.events.append(("INVOICE_DELETED", invoice, invoice.version + 1))


def finalize_draft(world: World, customer: Customer, invoice: Invoice) -> None:
    at = opened(world, customer)
    is_in_state(invoice, "DRAFT")
    refuse(INVOICE_EMPTY=not invoice.lines)
    finalize(customer, invoice, first(invoice.net_days, customer.net_days), at)
    update_past_due(customer, customer.live, at)


def void(world: World, customer: Customer, invoice: Invoice) -> None:
    at = opened(world, customer)
    is_in_state(invoice, "OPEN", "UNCOLLECTIBLE")
    counted = invoice.standing
    own = set(invoice.lines)
    subscription = invoice.subscription
    refuse(
        INVOICE_HAS_PAYMENTS=any(allocation.kind == "PAYMENT" for allocation in counted),
        INVOICE_CREDITED=customer.notes_on(invoice),
        INVOICE_REVERSED=any(
            line.reverses in own
            for subscription in customer.subscriptions
            for line, on in customer.lines_on(subscription)
            if on is not invoice
        )
        or any(
            is_credit_of(line, invoice)
            for line, on in (customer.lines_on(subscription) if subscription else ())
            if on is not None and on is not invoice
        ),
    )
    refuse(INVOICE_NOT_VOIDABLE=any(credits_later_time(line, invoice) for line in invoice.lines))
    again = [
        again_of(line)
        for line in invoice.lines
        if line.kind == "PRORATION_CREDIT" and line.reverses not in own and not is_credit_of(line, invoice)
    ]
    if again and subscription and subscription.updated_at:
        at = max(at, subscription.updated_at)
    for allocation in counted:
        allocation.released_at = at
    invoice.status, invoice.due, invoice.voided = "VOID", 0, next(order)
    customer.note("INVOICE_VOIDED", invoice, at)
    return_uses(customer, invoice, at)
    if given_back := sum(allocation.amount for allocation in counted):
        add_to_balance(customer, "GIVEN_BACK", given_back, at, invoice)
    if subscription:
        subscription.dropped |= {line.change for line in subscription.waiting if is_credit_of(line, invoice)}
        subscription.waiting = [line for line in subscription.waiting if not is_credit_of(line, invoice)]
    if again and subscription and subscription.is_live:
        wait_for_next(subscription, again)
    elif again and subscription:
        subscription.waiting += again
        bill_waiting(customer, subscription, at)
    update_past_due(customer, customer.live, at)


def credits_later_time(line: Line, invoice: Invoice) -> bool:
    """Returns True if a line credits time after everything that the invoice charges for the same change."""
    ends = [other.end for other in invoice.lines if other.kind in CHARGES and other.change == line.change and other.end]
    return bool(is_credit_of(line, invoice) and line.end and ends and line.end > max(ends))


def again_of(line: Line) -> Line:
    """Returns a copy of a line, to be billed once more."""
    return replace(line, id=None, made=next(order))


def is_credit_of(line: Line, invoice: Invoice) -> bool:
    """Returns True if a line is the credit of a change that the invoice charges for."""
    charged = {other.change for other in invoice.lines if other.kind in CHARGES}
    return line.kind == "PRORATION_CREDIT" and line.change in charged


def mark_uncollectible(world: World, customer: Customer, invoice: Invoice) -> None:
    at = opened(world, customer)
    is_in_state(invoice, "OPEN")
    invoice.status = "UNCOLLECTIBLE"
    customer.note("INVOICE_MARKED_UNCOLLECTIBLE", invoice, at)
    update_past_due(customer, customer.live, at)


def reissue(world: World, customer: Customer, invoice: Invoice) -> Invoice:
    at = opened(world, customer)
    is_in_state(invoice, "VOID")
    subscription = invoice.subscription
    refuse(
        INVOICE_NOT_RECURRING=invoice.kind == "ONE_OFF",
        INVOICE_ALREADY_REISSUED=any(other.replaces is invoice for other in customer.invoices),
    )
    assert subscription
    assert subscription.updated_at
    assert invoice.period
    at = max(at, subscription.updated_at)
    begins, ends = invoice.period
    copies = lines_again(customer, subscription, invoice)
    refuse(
        INVOICE_NOT_REISSUABLE=(
            is_for_changed_period(invoice)
            or ended_since(invoice)
            or any(line.kind in CHARGES and line.change in subscription.dropped for line in invoice.lines)
            or gives_too_much_back(customer, list(copies.values()))
        )
    )
    again = bill(
        customer,
        subscription,
        invoice.kind,
        list(copies.values()),
        (begins, ends),
        at,
        ordinal=invoice.ordinal,
        replaces=invoice,
    )
    update_past_due(customer, subscription, at)
    if customer.live is not subscription:
        update_past_due(customer, customer.live, opened(world, customer))
    return again


def lines_again(customer: Customer, subscription: Subscription, invoice: Invoice) -> dict[Line, Line]:
    """Maps the lines of a void invoice to their replacements: copies, or credits that are pending since then."""
    copies = {}
    for line in invoice.lines:
        waits = [other for other in subscription.waiting if is_same_credit(line, other)]
        if waits:
            subscription.waiting.remove(waits[0])
            copies[line] = waits[0]
        elif line.kind != "PRORATION_CREDIT" or is_credit_of(line, invoice) or is_open(customer, line, invoice):
            copies[line] = again_of(line)
    for copied in copies.values():
        copied.reverses = copied.reverses and copies.get(copied.reverses, copied.reverses)
    return copies


def is_open(customer: Customer, line: Line, invoice: Invoice) -> bool:
    """Returns True if a credit is on no other invoice and the charge of its change is not void."""
    others = [other for other in customer.invoices if other is not invoice]
    charged = [other for other in others if is_credit_of(line, other)]
    stands = any(other.status != "VOID" and any(is_same_credit(line, each) for each in other.lines) for other in others)
    return not stands and (not charged or any(other.status != "VOID" for other in charged))


def is_same_credit(line: Line, other: Line) -> bool:
    return line.reverses is not None and (line.change, line.reverses) == (other.change, other.reverses)


def is_for_changed_period(invoice: Invoice) -> bool:
    """Returns True if the plan or quantity of the invoice's period changed, or if it was cut short.

    An invoice for a change within a period is not affected by the changes before it, or by its own.
    """
    assert invoice.subscription
    assert invoice.period
    if invoice.ordinal is not None:
        return invoice.ordinal in invoice.subscription.changed
    since = invoice.finalized or 0
    return any(made > since and at < invoice.period[1] for made, at in invoice.subscription.changes)


def ended_since(invoice: Invoice) -> bool:
    """Returns True if the subscription ended within the invoice's period, and after the invoice was voided."""
    subscription = invoice.subscription
    assert subscription
    assert invoice.period
    if subscription.ended_at is None or subscription.ended_at >= invoice.period[1]:
        return False
    return (subscription.ended or 0) > (invoice.voided or 0)


def gives_too_much_back(customer: Customer, lines: list[Line]) -> bool:
    """Returns True if the lines credit more of other lines than remains. Nothing remains of lines on void invoices."""
    standing = {
        line
        for subscription in customer.subscriptions
        for line, on in customer.lines_on(subscription)
        if on is not None
    }
    elsewhere = {line.reverses for line in lines if line.reverses and line.reverses not in lines}
    credited = customer.credited()
    return any(
        credited[line].given_back - sum(other.amount for other in lines if other.reverses is line)
        > (line.discounted - credited[line].noted if line in standing else 0)
        for line in elsewhere
    )


def pay(
    world: World,
    customer: Customer,
    *,
    amount: int,
    currency: str,
    method: str,
    reference: str | None,
    received_at: datetime | None,
    allocations: Sequence[tuple[Invoice, int | None]] | None,
    allow_overpayment: bool,
    metadata: dict[str, str],
) -> Payment:
    at = opened(world, customer)
    refuse(
        AMOUNT_NOT_POSITIVE=amount <= 0,
        CURRENCY_UNKNOWN=currency == "XXX",
        CURRENCY_MISMATCH=customer.currency not in (None, currency),
        INVALID_INPUT=(received_at and not at - OLDEST_MONEY <= received_at <= at)
        or is_badly_described(metadata=metadata),
    )
    shares = shares_of(customer, amount) if allocations is None else wanted_shares(allocations, amount)
    rest = amount - sum(share for _, share in shares)
    refuse(OVERPAYMENT=rest and not allow_overpayment, AMOUNT_TOO_LARGE=customer.balance + rest > LARGEST)
    use_currency(customer, currency, at)
    payment = Payment(amount, rest, method, reference, received_at or at, metadata)
    receive(customer, payment, shares, at)
    update_past_due(customer, customer.live, at)
    return payment


def shares_of(customer: Customer, amount: int) -> list[tuple[Invoice, int]]:
    """Allocates a payment to the open invoices, oldest due first."""
    shares = []
    for invoice in customer.unpaid:
        share = min(amount, invoice.due)
        if invoice.status == "OPEN" and share:
            shares.append((invoice, share))
            amount -= share
    return shares


def wanted_shares(allocations: Sequence[tuple[Invoice, int | None]], amount: int) -> list[tuple[Invoice, int]]:
    """Allocates a payment to the invoices that were named. Raises `Refused`."""
    named = [invoice for invoice, _ in allocations]
    reasons = {"ALLOCATION_INVALID": len(set(named)) < len(named)}
    shares = []
    for invoice, wanted in allocations:
        if not invoice.is_unpaid:
            reasons[f"INVOICE_{invoice.status}"] = True
            continue
        share = min(amount, invoice.due) if wanted is None else wanted
        reasons["AMOUNT_NOT_POSITIVE"] = reasons.get("AMOUNT_NOT_POSITIVE", False) or share < 0 or wanted == 0
        reasons["OVERPAYMENT"] = reasons.get("OVERPAYMENT", False) or share > invoice.due
        reasons["ALLOCATION_INVALID"] = reasons["ALLOCATION_INVALID"] or share > amount or share == 0
        shares.append((invoice, share))
        amount -= share
    refuse(**reasons)
    return shares
