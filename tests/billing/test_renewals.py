"""The planner: what a subscription owes, as values alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.money import MAX_CENTS, AmountOverflow
from billing.periods import Interval, nth_period
from billing.renewals import MAX_PERIODS_PER_RUN, Renewal, SubscriptionState, Terms, plan_renewal
from db.values import BillTo, CustomerId, InvoiceStatus, PlanId, SubscriptionId

ANCHOR = datetime(2026, 1, 31, 12, tzinfo=UTC)
STATE = SubscriptionState(
    subscription_id=SubscriptionId(uuid4()),
    customer_id=CustomerId(uuid4()),
    terms=Terms(PlanId(uuid4()), "Pro", 2900, "EUR", Interval(days=30), 3),
    anchor_at=ANCHOR,
    anchor_ordinal=0,
    next_ordinal=0,
    next_start=ANCHOR,
    bill_to=BillTo("Ada Lovelace", "ada@example.com", None, None),
    invoice_prefix="ADA",
    last_invoice_number=7,
)


def test_nothing_is_owed_before_the_period_begins() -> None:
    renewal = plan_renewal(STATE, ANCHOR - timedelta(seconds=1))

    assert (renewal.periods, renewal.invoices) == ((), ())


def test_a_period_is_owed_from_its_first_second_on() -> None:
    renewal = plan_renewal(STATE, ANCHOR)

    [period], [invoice] = renewal.periods, renewal.invoices
    assert period.period == invoice.period == nth_period(ANCHOR, Interval(days=30), 0)
    assert (invoice.number, invoice.sequence, invoice.status) == ("ADA-0008", 8, InvoiceStatus.OPEN)
    assert (invoice.amount_cents, invoice.amount_due_cents, invoice.tax_cents) == (8700, 8700, 0)
    assert (invoice.issued_at, invoice.due_at) == (ANCHOR, ANCHOR + timedelta(days=14))
    [line] = invoice.lines
    assert (line.description, line.quantity, line.unit_amount_cents, line.amount_cents) == ("3 × Pro", 3, 2900, 8700)


def test_missed_periods_are_billed_one_by_one_and_in_order() -> None:
    as_of = ANCHOR + timedelta(days=95)

    renewal = plan_renewal(STATE, as_of)

    assert [period.ordinal for period in renewal.periods] == [0, 1, 2, 3]
    assert [invoice.sequence for invoice in renewal.invoices] == [8, 9, 10, 11]
    assert {invoice.issued_at for invoice in renewal.invoices} == {as_of}
    assert as_of in renewal.current_period


def test_a_run_catches_up_a_bounded_number_of_periods() -> None:
    renewal = plan_renewal(STATE, ANCHOR + timedelta(days=3000))

    assert [period.ordinal for period in renewal.periods] == list(range(MAX_PERIODS_PER_RUN))


def test_what_costs_nothing_is_paid_at_once() -> None:
    free = replace(STATE, terms=replace(STATE.terms, unit_amount_cents=0))

    [invoice] = plan_renewal(free, ANCHOR).invoices

    assert (invoice.status, invoice.paid_at, invoice.amount_due_cents) == (InvoiceStatus.PAID, ANCHOR, 0)


@given(st.integers(0, MAX_CENTS), st.integers(1, 10**9))
def test_price_times_quantity_is_exact_or_refused(unit_amount_cents: int, quantity: int) -> None:
    state = replace(STATE, terms=replace(STATE.terms, unit_amount_cents=unit_amount_cents, quantity=quantity))

    if unit_amount_cents * quantity > MAX_CENTS:
        with pytest.raises(AmountOverflow):
            plan_renewal(state, ANCHOR)
    else:
        assert plan_renewal(state, ANCHOR).invoices[0].amount_cents == unit_amount_cents * quantity


@given(st.integers(1, 3), st.integers(0, 40))
def test_runs_in_steps_bill_what_one_run_bills(step_days: int, steps: int) -> None:
    weekly = replace(STATE, terms=replace(STATE.terms, interval=Interval(days=7)))
    end = ANCHOR + timedelta(days=step_days * steps)
    once = [period for run in catch_up(weekly, [end] * 3) for period in run.periods]

    by_steps = catch_up(weekly, [ANCHOR + timedelta(days=step_days * step) for step in range(steps + 1)])

    assert [period for run in by_steps for period in run.periods] == once


def catch_up(state: SubscriptionState, runs: list[datetime]) -> list[Renewal]:
    """The renewals of consecutive runs."""
    renewals = []
    for as_of in runs:
        renewal = plan_renewal(state, as_of)
        if renewal.periods:
            last = renewal.periods[-1]
            state = replace(
                state,
                next_ordinal=last.ordinal + 1,
                next_start=last.period.end,
                last_invoice_number=renewal.invoices[-1].sequence,
            )
            renewals.append(renewal)
    return renewals
