"""Payments, credits and the balance: how an invoice is paid."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from tests.walk.model.arithmetic import LARGEST
from tests.walk.model.discounting import count_uses, discount, uses_elsewhere
from tests.walk.model.lines import Line
from tests.walk.model.shared import order, refuse
from tests.walk.model.taxing import tax
from tests.walk.model.world import Allocation, CreditNote, Customer, Entry, Invoice, Payment, Subscription

NET_DAYS = 14
MOST_LINES = 100


def fits(amount: int) -> int:
    refuse(AMOUNT_TOO_LARGE=abs(amount) > LARGEST)
    return amount


def first(*said: int | None) -> int:
    return next((days for days in said if days is not None), NET_DAYS)


def bill(
    customer: Customer,
    subscription: Subscription,
    kind: str,
    lines: list[Line],
    period: tuple[datetime, datetime],
    at: datetime,
    *,
    ordinal: int | None = None,
    replaces: Invoice | None = None,
) -> Invoice:
    """Creates a finalized invoice of a subscription. One that replaces another keeps the discounts of its lines."""
    refuse(TOO_MANY_LINES=len(lines) > MOST_LINES)
    invoice = Invoice(
        kind, subscription.plan.currency, lines, subscription=subscription, ordinal=ordinal, period=period
    )
    invoice.replaces = replaces
    customer.invoices.append(invoice)
    finalize(customer, invoice, first(customer.net_days, subscription.plan.net_days), at)
    return invoice


def finalize(customer: Customer, invoice: Invoice, net_days: int, at: datetime) -> None:
    if invoice.replaces:
        invoice.discounts = [replace(each) for each in invoice.replaces.discounts]
    else:
        discount(customer, invoice)
    invoice.tax_date = invoice.replaces.tax_date if invoice.replaces else at
    assert invoice.tax_date
    tax(customer, invoice, invoice.tax_date)
    fits(max(abs(invoice.subtotal), abs(invoice.tax), abs(invoice.amount)))
    count_uses(customer, invoice, uses_elsewhere(customer, invoice.replaces), at)
    invoice.sequence = 1 + max((other.sequence or 0 for other in customer.invoices), default=0)
    invoice.status, invoice.finalized = "OPEN", next(order)
    if invoice.replaces:
        invoice.po_number, invoice.memo = invoice.replaces.po_number, invoice.replaces.memo
    else:
        invoice.po_number = invoice.po_number or customer.po_number
        invoice.memo = invoice.memo or customer.invoice_memo
    invoice.issued_at, invoice.due_at = at, at + timedelta(days=net_days)
    invoice.bill_to = customer.name, customer.email
    invoice.due = max(0, invoice.amount)
    customer.note("INVOICE_FINALIZED", invoice, at)
    if invoice.amount > 0:
        spend_balance(customer, invoice, at)
        return
    pay_off(customer, invoice, at)
    rest = -invoice.amount
    for owed in in_order_of_credit(customer, invoice):
        if amount := min(rest, owed.due):
            allocate(customer, owed, "CREDIT", amount, at, invoice)
            rest -= amount
    if rest:
        add_to_balance(customer, "INVOICE_CREDIT", rest, at, invoice)


def in_order_of_credit(customer: Customer, credit: Invoice) -> Iterable[Invoice]:
    """Returns the unpaid invoices whose lines are credited, then the other open invoices."""
    given_back = {line.reverses for line in credit.lines if line.reverses}
    unpaid = customer.unpaid
    own = [invoice for invoice in unpaid if given_back & set(invoice.lines)]
    return [*own, *(invoice for invoice in unpaid if invoice not in own and invoice.status == "OPEN")]


def allocate(
    customer: Customer,
    invoice: Invoice,
    kind: str,
    amount: int,
    at: datetime,
    source: Invoice | Payment | CreditNote | None = None,
) -> None:
    assert 0 < amount <= invoice.due
    invoice.allocations.append(Allocation(kind, amount, at, source))
    invoice.due -= amount
    if invoice.due:
        customer.note("INVOICE_PARTIALLY_PAID", invoice, at)
    else:
        pay_off(customer, invoice, at)


def release(customer: Customer, invoice: Invoice, allocation: Allocation, amount: int, at: datetime) -> None:
    """Takes back an allocation, or a part of it: the invoice is owed again."""
    assert allocation.released_at is None
    assert 0 < amount <= allocation.amount
    if amount < allocation.amount:
        invoice.allocations.append(replace(allocation, amount=allocation.amount - amount))
    allocation.released_at = at
    invoice.due += amount
    if invoice.status == "PAID":
        invoice.status, invoice.paid_at = "OPEN", None
        customer.note("INVOICE_REOPENED", invoice, at)
    else:
        customer.note("INVOICE_AMOUNT_DUE_INCREASED", invoice, at)


def pay_off(customer: Customer, invoice: Invoice, at: datetime) -> None:
    invoice.status, invoice.paid_at = "PAID", at
    customer.note("INVOICE_PAID", invoice, at)


def add_ledger_entry(
    customer: Customer,
    kind: str,
    amount: int,
    at: datetime,
    about: Invoice | Payment | CreditNote | None = None,
    reason: str | None = None,
) -> None:
    """Adds a ledger entry."""
    balance = fits(customer.balance + amount)
    assert balance >= 0
    customer.ledger.append(Entry(kind, amount, balance, about, reason))
    customer.note("CUSTOMER_BALANCE_CHANGED", customer, at)


def add_to_balance(
    customer: Customer,
    kind: str,
    amount: int,
    at: datetime,
    about: Invoice | Payment | CreditNote | None = None,
    reason: str | None = None,
) -> None:
    """Adds to the customer's balance, which then pays open invoices."""
    add_ledger_entry(customer, kind, amount, at, about, reason)
    pay_what_is_open(customer, at)


def pay_what_is_open(customer: Customer, at: datetime) -> None:
    """Spends the balance on open invoices, oldest due first."""
    for owed in customer.unpaid:
        if owed.status == "OPEN":
            spend_balance(customer, owed, at)


def spend_balance(customer: Customer, invoice: Invoice, at: datetime) -> None:
    """Spends as much of the balance as the invoice needs."""
    if taken := min(customer.balance, invoice.due):
        add_ledger_entry(customer, "APPLIED", -taken, at, invoice)
        allocate(customer, invoice, "BALANCE", taken, at)


def midnight(at: datetime) -> datetime:
    """Returns the start of the day."""
    return at.replace(hour=0, minute=0, second=0)


def update_past_due(customer: Customer, subscription: Subscription | None, at: datetime) -> None:
    """Updates the past-due status: PAST_DUE if an open invoice's due date has passed."""
    if subscription is None or subscription.status not in ("ACTIVE", "PAST_DUE"):
        return
    assert subscription.updated_at is not None
    at = max(at, subscription.updated_at)
    due = first_due(customer, subscription)
    overdue = due is not None and due < midnight(at)
    if overdue and subscription.status == "ACTIVE":
        subscription.status = "PAST_DUE"
        customer.note("SUBSCRIPTION_PAST_DUE", subscription, at)
    elif not overdue and subscription.status == "PAST_DUE":
        subscription.status = "ACTIVE"
        customer.note("SUBSCRIPTION_RECOVERED", subscription, at)


def first_due(customer: Customer, subscription: Subscription) -> datetime | None:
    """Returns the earliest due date of the subscription's open invoices, or None."""
    due = [
        invoice.due_at
        for invoice in customer.invoices
        if invoice.status == "OPEN" and invoice.subscription is subscription and invoice.due_at
    ]
    return min(due, default=None)


def use_currency(customer: Customer, currency: str, at: datetime) -> None:
    """Sets the customer's currency, unless an earlier operation fixed it."""
    if customer.currency is None:
        customer.currency = currency
        customer.note("CUSTOMER_UPDATED", customer, at)


def receive(customer: Customer, payment: Payment, shares: list[tuple[Invoice, int]], at: datetime) -> None:
    customer.payments.append(payment)
    customer.note("PAYMENT_RECORDED", payment, at)
    for invoice, amount in shares:
        allocate(customer, invoice, "PAYMENT", amount, at, payment)
    if payment.overpayment:
        add_to_balance(customer, "OVERPAYMENT", payment.overpayment, at, payment)
