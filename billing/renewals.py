"""What a subscription owes next. Pure: the state goes in, periods and invoices come out, nothing is stored.

The first period of a new subscription and every later one are planned here, and only here.
"""

from dataclasses import dataclass
from datetime import datetime

from billing.invoices import PlannedInvoice, PlannedLine, finalized_invoice
from billing.money import times
from billing.periods import Interval, Period, nth_boundary
from db.values import BillTo, CustomerId, InvoiceKind, LineKind, PeriodKind, PlanId, SubscriptionId

MAX_PERIODS_PER_RUN = 12
"""So many missed periods of one subscription are caught up in one run; the rest wait for the next."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is billed for each period."""

    plan_id: PlanId
    plan_name: str
    unit_amount_cents: int
    currency: str
    interval: Interval
    quantity: int


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """All that decides what a subscription owes next.

    `next_ordinal` and `next_start` are those of the first period that is not billed yet.
    """

    subscription_id: SubscriptionId
    customer_id: CustomerId
    terms: Terms
    anchor_at: datetime
    anchor_ordinal: int
    next_ordinal: int
    next_start: datetime
    bill_to: BillTo
    invoice_prefix: str
    last_invoice_number: int


@dataclass(frozen=True, slots=True)
class PlannedPeriod:
    """A link of the subscription's timeline that is about to be stored."""

    ordinal: int
    kind: PeriodKind
    period: Period
    plan_id: PlanId
    quantity: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a run stores for one subscription: its new periods and one invoice for each, in order."""

    state: SubscriptionState
    periods: tuple[PlannedPeriod, ...]
    invoices: tuple[PlannedInvoice, ...]

    @property
    def current_period(self) -> Period:
        return self.periods[-1].period


def plan_renewal(state: SubscriptionState, as_of: datetime) -> Renewal:
    """The periods that have begun by `as_of` and are not billed yet, each with its invoice: at most the oldest
    `MAX_PERIODS_PER_RUN`.

    Invoices are issued at `as_of`, however long ago their period began. Raises `AmountOverflow` when price × quantity
    is more than an amount can be.
    """
    periods: list[PlannedPeriod] = []
    invoices: list[PlannedInvoice] = []
    start, ordinal = state.next_start, state.next_ordinal
    while start <= as_of and len(periods) < MAX_PERIODS_PER_RUN:
        end = nth_boundary(state.anchor_at, state.terms.interval, ordinal + 1 - state.anchor_ordinal)
        period = Period(start, end)
        periods.append(PlannedPeriod(ordinal, PeriodKind.BILLING, period, state.terms.plan_id, state.terms.quantity))
        invoices.append(
            finalized_invoice(
                InvoiceKind.RECURRING,
                [recurring_line(state.terms, period, ordinal)],
                currency=state.terms.currency,
                invoice_prefix=state.invoice_prefix,
                sequence=state.last_invoice_number + len(invoices) + 1,
                bill_to=state.bill_to,
                period=period,
                period_ordinal=ordinal,
                issued_at=as_of,
            )
        )
        start, ordinal = end, ordinal + 1
    return Renewal(state, tuple(periods), tuple(invoices))


def recurring_line(terms: Terms, period: Period, ordinal: int) -> PlannedLine:
    """The charge of one whole period. Raises `AmountOverflow`."""
    return PlannedLine(
        kind=LineKind.RECURRING,
        description=terms.plan_name if terms.quantity == 1 else f"{terms.quantity} × {terms.plan_name}",
        plan_id=terms.plan_id,
        quantity=terms.quantity,
        unit_amount_cents=terms.unit_amount_cents,
        amount_cents=times(terms.unit_amount_cents, terms.quantity),
        period_ordinal=ordinal,
        period=period,
    )
