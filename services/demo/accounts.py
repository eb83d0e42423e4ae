"""Demo customers, with accounts that are billed and stored by the same code as all others."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.changes import ChangeMode, change_terms
from billing.credit_notes import RequestedCredit, issue_credit_note
from billing.creditable import Creditable, CreditableLine
from billing.enums import (
    EventType,
    InvoiceStatus,
    PaymentMethod,
)
from billing.ids import CustomerId, NewId
from billing.limits import NET_DAYS
from billing.paying import apply_payment
from billing.records import Address, BillTo, CustomerState, Price, Terms
from billing.renewals import renew
from billing.subscribing import CancellationRequest, decide_cancellation, subscribe
from billing.taxes import TaxRules
from billing.voiding import void
from db.access.records import from_row
from db.models import Customer, Plan
from services.accounts.write import store
from services.customers import PREFIX_LENGTH, PREFIX_LETTERS
from services.demo.terms import OLDEST_DAYS, DemoTerms, redeemed

PAYS_AFTER = timedelta(days=3)
LATE = 0.06

TRIALING, PENDING = 0, 1
"""Numbers of the customers whose subscriptions are in their trial, and not started yet."""
DEMO_TRIAL = timedelta(days=14)

FIRST_NAMES = (
    *("Ada", "Alan", "Barbara", "Chandra", "Dorothy", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "José"),
    *("Katherine", "Leslie", "Margaret", "Niklaus", "Olga", "Peter", "Quinn", "Radia", "Søren", "Tim", "Ursula"),
    *("Vera", "Wei", "Xiao", "Yukihiro", "Zoë"),
)
LAST_NAMES = (
    *("Ångström", "Backus", "Curie", "Dijkstra", "Euler", "Fourier", "García", "Hopper", "Ivanova", "Johnson"),
    *("Knuth", "Lovelace", "Müller", "Noether", "Okafor", "Perlman", "Quine", "Ramanujan", "Shannon", "Turing"),
    *("Ueda", "Voss", "Wirth", "Xu", "Yang", "Zuse"),
)
CITIES = (
    ("Berlin", "10115", "DE"),
    ("Lyon", "69001", "FR"),
    ("Kraków", "31-001", "PL"),
    ("Austin", "78701", "US"),
    ("Osaka", "530-0001", "JP"),
    ("Lagos", "100001", "NG"),
)


@dataclass(frozen=True, slots=True)
class DemoCustomer:
    """A customer and the account with its history."""

    customer: Customer
    account: Account


async def store_made(session: AsyncSession, made: list[DemoCustomer]) -> None:
    await session.execute(insert(Customer), [values(each.customer) for each in made])
    await store(session, [each.account for each in made])


def values(row: Customer | Plan) -> dict[str, object]:
    """Returns the values of all columns of `row`, for an INSERT."""
    return {name: getattr(row, name) for name in row.__mapper__.column_attrs.keys()}  # noqa: SIM118


def demo_customer(number: int, demo: DemoTerms, draw: random.Random, make_id: NewId, as_of: datetime) -> DemoCustomer:
    plans = demo.plans
    first, last = draw.choice(FIRST_NAMES), draw.choice(LAST_NAMES)
    city, postal_code, country = draw.choice(CITIES)
    plan = draw.choice(plans)
    subscribed = draw.random() < 0.9
    started_at = as_of - timedelta(seconds=draw.randrange(3600, OLDEST_DAYS * 86_400))
    customer = Customer(
        id=CustomerId(make_id()),
        name=f"{first} {last}",
        email=f"customer-{number + 1}@demo.example.com",
        email_key=f"customer-{number + 1}@demo.example.com",
        external_id=f"demo-{number + 1}",
        address=Address(
            line1=f"{draw.randrange(1, 200)} {last} Street", postal_code=postal_code, city=city, country=country
        ),
        tax_id=None,
        currency=None,
        invoice_prefix="".join(draw.choices(PREFIX_LETTERS, k=PREFIX_LENGTH)),
        last_invoice_number=0,
        balance_cents=0,
        last_ledger_number=0,
        net_days=None,
        test_clock_id=None,
        custom_metadata={"source": draw.choice(("web", "sales", "partner"))},
        archived_at=None,
        version=1,
        created_at=started_at,
        updated_at=started_at,
    )
    account = new_account(customer, make_id, demo.tax_rules)
    if number in (TRIALING, PENDING):
        start_soon(account, terms_of(plan, 1), as_of, is_pending=number == PENDING)
    elif subscribed:
        terms = terms_of(plan, draw.choice((1, 1, 1, 2, 5, 12)))
        invited = number % 4 == 0
        subscribe(
            account,
            terms,
            started_at,
            started_at,
            coupons=[redeemed(demo.coupon)] if invited and demo.coupon else [],
            metadata={"campaign": "spring"} if invited else None,
        )
        pays = draw.random() >= LATE
        changes_at, ends_at = sorted(later_than(started_at, as_of, draw) for _ in range(2))
        live_until(account, changes_at, pays=pays)
        make_exception(account, plans, draw, changes_at)
        live_until(account, ends_at, pays=pays)
        cancel_some(account, draw, ends_at)
        live_until(account, as_of, pays=pays)
        void_some(account, draw, as_of)
    elif draw.random() < 0.5:
        customer.archived_at = as_of
        account.record_change(EventType.CUSTOMER_ARCHIVED, account.customer, as_of, ["archived_at"])
    return DemoCustomer(customer, account)


def new_account(customer: Customer, make_id: NewId, tax_rules: TaxRules | None = None) -> Account:
    """Returns the account of a new customer."""
    state = CustomerState(
        id=customer.id,
        currency=None,
        invoice_prefix=customer.invoice_prefix,
        last_invoice_number=0,
        balance_cents=0,
        last_ledger_number=0,
        net_days=None,
        po_number=None,
        invoice_memo=None,
        test_clock_id=None,
        archived_at=None,
        tax_profile=None,
        seller_id=None if tax_rules is None else tax_rules.seller_id,
        subscription_status=None,
        subscription_plan_id=None,
        version=0,
        updated_at=customer.created_at,
        bill_to=BillTo(customer.name, customer.email, customer.address, customer.tax_id),
    )
    account = Account(state, actor="demo", make_id=make_id, tax_rules=tax_rules)
    account.record_change(EventType.CUSTOMER_CREATED, state, customer.created_at)
    return account


def later_than(at: datetime, as_of: datetime, draw: random.Random) -> datetime:
    """Returns an instant after `at`, up to `as_of`."""
    return at + timedelta(seconds=draw.randrange(1, 1 + int((as_of - at).total_seconds())))


def terms_of(plan: Plan, quantity: int) -> Terms:
    return from_row(Price, plan).terms(quantity)


def start_soon(account: Account, terms: Terms, as_of: datetime, *, is_pending: bool) -> None:
    """Subscribes the customer an hour before `as_of`: from then on, with a trial, or from a week later."""
    at = as_of - timedelta(hours=1)
    starts_at = at + timedelta(days=7) if is_pending else at
    subscribe(account, terms, starts_at, at, trial_end=None if is_pending else at + DEMO_TRIAL)


def reference_of(account: Account) -> str:
    """Returns the reference of the customer's next payment."""
    return f"{account.customer.invoice_prefix} {len(account.payments) + 1}"


def live_until(account: Account, as_of: datetime, *, pays: bool) -> None:
    """Bills each period at its start, up to `as_of`. If `pays`, each invoice is paid three days after it is issued."""
    subscription = account.known_subscription
    while True:
        for invoice in list(account.unpaid):
            assert invoice.due_at is not None, "unpaid invoices are finalized"
            paid_at = invoice.due_at - timedelta(days=NET_DAYS) + PAYS_AFTER
            if pays and paid_at <= as_of:
                due = invoice.amount_due_cents
                apply_payment(
                    account,
                    due,
                    [(invoice, due)],
                    method=PaymentMethod.BANK_TRANSFER,
                    reference=reference_of(account),
                    received_at=paid_at,
                    at=paid_at,
                )
        boundary = subscription.next_billing_at
        if boundary is None or boundary > as_of:
            break
        renew(account, boundary)
    renew(account, as_of)


def make_exception(account: Account, plans: list[Plan], draw: random.Random, as_of: datetime) -> None:
    """Changes one subscription in ten, records an advance payment for one customer in twenty, and credits a part of an
    invoice for as many.

    A change of plan credits unused time. If the credit exceeds the price of the new plan, the rest stays as balance.
    """
    chance = draw.random()
    terms = account.known_terms
    if chance < 0.05:
        change_terms(account, None, terms.quantity + 1, mode=ChangeMode.IMMEDIATE, at=as_of)
    elif chance < 0.1:
        others = [plan for plan in plans if plan.currency == terms.currency and plan.id != terms.plan_id]
        if others:
            change_terms(account, terms_of(draw.choice(others), 1), 1, mode=ChangeMode.IMMEDIATE, at=as_of)
    elif chance < 0.15:
        card, reference = PaymentMethod.CARD, reference_of(account)
        apply_payment(account, 5000, [], method=card, reference=reference, received_at=as_of, at=as_of)
    elif chance < 0.2:
        credit_some(account, as_of)


def void_some(account: Account, draw: random.Random, as_of: datetime) -> None:
    """Voids the latest overdue invoice of some customers."""
    late = [each for each in account.unpaid if each.due_at and each.due_at < as_of]
    if late and draw.random() > 0.7:
        [invoice] = [each for each in account.invoices if each.id == late[-1].id]
        void(account, invoice, [], as_of, credited_elsewhere=False, discounts=invoice.discounts or ())


def credit_some(account: Account, as_of: datetime) -> None:
    """Credits a tenth of the latest invoice that is paid, to the balance."""
    paid = [each for each in account.invoices if each.status is InvoiceStatus.PAID and each.amount_cents > 0]
    if paid:
        lines = [
            CreditableLine(line.id, line.description, line.amount_cents, line.discount_cents, line.tax)
            for line in paid[-1].lines
        ]
        creditable = Creditable(paid[-1].amount_cents, lines, noted_cents=0)
        request = RequestedCredit(amount_cents=creditable.creditable_cents // 10)
        issue_credit_note(account, paid[-1], creditable, request, None, sequence=1, reason="Goodwill", at=as_of)


def cancel_some(account: Account, draw: random.Random, as_of: datetime) -> None:
    """Cancels one subscription in five at `as_of`, and one in twenty at the end of its period then."""
    chance = draw.random()
    if chance > 0.25:
        return
    decide_cancellation(account, CancellationRequest(at_period_end=chance > 0.2), as_of)
