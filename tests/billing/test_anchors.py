"""Billing anchors: where periods end, and the price of a first period that is shorter than a whole one."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.account import Account
from billing.anchor_resets import AnchorReset, reset_anchor
from billing.anchors import AnchorRequest, BillingAnchor, anchor_instant, set_anchor
from billing.changes import ChangeMode, change_terms
from billing.crediting import credit_lines
from billing.enums import FirstPeriod, LineKind
from billing.errors import CancellationAlreadyScheduled, ChangeModeNotAllowed, InvalidInput
from billing.periods import Interval, next_boundary_number, nth_boundary
from billing.records import Terms
from billing.renewals import renew, upcoming_invoices_of
from billing.subscribing import CancellationRequest, decide_cancellation
from tests.billing.accounts import MONTH, WEEK, YEAR, an_account, some_terms

QUARTER = Interval(months=3)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def anchored(
    terms: Terms,
    starts_at: datetime,
    anchor: BillingAnchor,
    first_period: FirstPeriod | None = None,
    *,
    trial_end: datetime | None = None,
) -> Account:
    """Returns an account with a subscription that has just started, with a billing anchor."""
    account = an_account(terms, starts_at=starts_at, trial_end=trial_end)
    request = AnchorRequest(anchor, first_period)
    set_anchor(account.known_subscription, request, terms.interval, trial_end or starts_at)
    renew(account, starts_at)
    return account


def periods_of(account: Account) -> list[tuple[str, str]]:
    return [(f"{period.starts_at:%Y-%m-%d}", f"{period.ends_at:%Y-%m-%d}") for period in account.periods]


def amounts_of(account: Account) -> list[int]:
    return [invoice.amount_cents for invoice in account.invoices]


@pytest.mark.parametrize(
    ("price", "starts_at", "day", "amount"),
    [
        pytest.param(24_995, "2016-07-01", 10, 7499, id="test_case_C02"),
        pytest.param(59_995, "2012-03-02", 31, 56_124, id="test_case_C09_31"),
        pytest.param(59_995, "2012-03-02", 3, 2069, id="test_case_C09_3"),
    ],
)
def test_a_first_period_is_a_part_of_the_whole_period_that_ends_at_the_anchor(
    price: int, starts_at: str, day: int, amount: int
) -> None:
    account = anchored(some_terms(price), at(starts_at), BillingAnchor(day))

    [invoice] = account.invoices
    [line] = invoice.lines
    assert (invoice.amount_cents, line.kind) == (amount, LineKind.PRORATION_CHARGE)
    assert (line.period_start, line.period_end) == (at(starts_at), account.known_subscription.current_period_end)


def test_the_lines_of_a_part_of_a_period_say_so() -> None:
    account = anchored(some_terms(3000, quantity=3), at("2016-06-16"), BillingAnchor(1))

    [charge] = account.invoices[0].lines
    [credit] = credit_lines(account, at("2016-06-21"))

    assert (charge.description, charge.amount_cents) == ("Part of a period of 3 × Pro", 4500)
    assert (credit.description, credit.amount_cents) == ("Unused time on 3 × Pro", -3000)


def test_case_C02_a_credit_in_a_later_period() -> None:  # noqa: N802 - names the published case
    account = anchored(some_terms(24_995), at("2016-07-01"), BillingAnchor(10))
    renew(account, at("2016-08-01"))

    assert periods_of(account) == [("2016-07-01", "2016-07-10"), ("2016-07-10", "2016-08-10")]
    assert amounts_of(account) == [7499, 24_995]
    assert [line.amount_cents for line in credit_lines(account, at("2016-08-01"))] == [-7257]


@pytest.mark.parametrize(
    ("interval", "starts_at", "anchor", "boundaries"),
    [
        (MONTH, "2027-02-10", BillingAnchor(31), ["2027-02-28", "2027-03-31", "2027-04-30"]),
        (MONTH, "2027-02-28", BillingAnchor(31), ["2027-03-31", "2027-04-30", "2027-05-31"]),
        (MONTH, "2027-04-01", BillingAnchor(1), ["2027-05-01", "2027-06-01", "2027-07-01"]),
        (MONTH, "2027-04-02", BillingAnchor(1, month=9), ["2027-05-01", "2027-06-01", "2027-07-01"]),
        (QUARTER, "2027-04-10", BillingAnchor(31), ["2027-04-30", "2027-07-31", "2027-10-31"]),
        (QUARTER, "2027-01-10", BillingAnchor(31, month=2), ["2027-02-28", "2027-05-31", "2027-08-31"]),
        (QUARTER, "2027-01-10", BillingAnchor(15, month=12), ["2027-03-15", "2027-06-15", "2027-09-15"]),
        (YEAR, "2027-05-05", BillingAnchor(1, month=4), ["2028-04-01", "2029-04-01", "2030-04-01"]),
        (YEAR, "2026-05-05", BillingAnchor(29, month=2), ["2027-02-28", "2028-02-29", "2029-02-28"]),
        (Interval(months=60), "2025-01-10", BillingAnchor(29, month=2), ["2025-02-28", "2030-02-28", "2035-02-28"]),
        (YEAR, "2027-04-10", BillingAnchor(31), ["2027-05-31", "2028-05-31", "2029-05-31"]),
        (YEAR, "2026-05-05", BillingAnchor(20), ["2026-05-20", "2027-05-20", "2028-05-20"]),
        (WEEK, "2027-04-01", BillingAnchor(day_of_week=4), ["2027-04-08", "2027-04-15", "2027-04-22"]),
        (WEEK, "2027-04-01", BillingAnchor(day_of_week=1), ["2027-04-05", "2027-04-12", "2027-04-19"]),
        (Interval(days=14), "2027-04-01", BillingAnchor(day_of_week=1), ["2027-04-05", "2027-04-19", "2027-05-03"]),
    ],
)
def test_periods_end_at_the_anchor(
    interval: Interval, starts_at: str, anchor: BillingAnchor, boundaries: list[str]
) -> None:
    account = anchored(some_terms(interval=interval), at(starts_at), anchor)
    renew(account, at(boundaries[1]))

    assert [end for _, end in periods_of(account)] == boundaries


def test_the_time_of_day_counts() -> None:
    account = anchored(some_terms(3000), at("2027-04-01T12:00:00"), BillingAnchor(1, time=time(6, 30)))

    assert account.known_subscription.current_period_end == at("2027-05-01T06:30:00")
    # 29 days and 18.5 hours of a period of 30 days.
    assert amounts_of(account) == [2977]


@pytest.mark.parametrize(
    ("policy", "amount", "kind"),
    [
        (FirstPeriod.PRORATED, 1000, LineKind.PRORATION_CHARGE),
        (FirstPeriod.FREE, 0, LineKind.PRORATION_CHARGE),
        (FirstPeriod.FULL, 3000, LineKind.RECURRING),
    ],
)
def test_the_policy_decides_what_a_first_period_costs(policy: FirstPeriod, amount: int, kind: LineKind) -> None:
    account = anchored(some_terms(3000), at("2027-04-21"), BillingAnchor(1), policy)
    renew(account, at("2027-05-01"))

    assert amounts_of(account) == [amount, 3000]
    assert [invoice.lines[0].kind for invoice in account.invoices] == [kind, LineKind.RECURRING]
    assert [period.starts_at for period in account.periods] == [at("2027-04-21"), at("2027-05-01")]


@pytest.mark.parametrize(
    ("policy", "amounts"),
    [(FirstPeriod.PRORATED, [-500, 1000]), (FirstPeriod.FREE, []), (FirstPeriod.FULL, [-1500, 3000])],
)
def test_a_change_in_a_first_period_is_prorated_by_the_same_whole(policy: FirstPeriod, amounts: list[int]) -> None:
    account = anchored(some_terms(3000), at("2027-04-21"), BillingAnchor(1), policy)

    change = change_terms(account, some_terms(6000), None, mode=ChangeMode.IMMEDIATE, at=at("2027-04-26"))

    assert [line.amount_cents for line in (change.invoice.lines if change.invoice else [])] == amounts


def test_after_a_trial_the_first_period_ends_at_the_anchor() -> None:
    starts_at, trial_end = at("2027-04-01"), at("2027-04-21")
    account = anchored(some_terms(3000), starts_at, BillingAnchor(1), trial_end=trial_end)
    renew(account, at("2027-05-01"))

    assert periods_of(account) == [
        ("2027-04-01", "2027-04-21"),
        ("2027-04-21", "2027-05-01"),
        ("2027-05-01", "2027-06-01"),
    ]
    assert amounts_of(account) == [0, 1000, 3000]


def test_another_interval_in_the_trial_keeps_the_anchor() -> None:
    starts_at, trial_end = at("2027-04-01"), at("2027-04-21")
    account = anchored(some_terms(3000), starts_at, BillingAnchor(1), trial_end=trial_end)
    change_terms(account, some_terms(36_500, YEAR), None, mode=ChangeMode.IMMEDIATE, at=starts_at)
    renew(account, trial_end)

    assert periods_of(account)[-1] == ("2027-04-21", "2027-05-01")
    assert amounts_of(account)[-1] == 1000


def test_another_interval_starts_at_the_change() -> None:
    account = anchored(some_terms(3000), at("2027-04-21"), BillingAnchor(1))
    change_terms(account, some_terms(36_500, YEAR), None, mode=ChangeMode.IMMEDIATE, at=at("2027-04-25"))

    assert periods_of(account)[-1] == ("2027-04-25", "2028-04-25")


def test_an_anchor_is_reset_with_the_next_period() -> None:
    account = anchored(some_terms(3000), at("2027-04-01"), BillingAnchor(1))

    assert reset_anchor(account, AnchorReset(AnchorRequest(BillingAnchor(16))), at("2027-04-10")) is None
    shown = upcoming_invoices_of(account, 2)

    assert [invoice.amount_cents for invoice in shown] == [1500, 3000]
    assert periods_of(account) == [
        ("2027-04-01", "2027-05-01"),
        ("2027-05-01", "2027-05-16"),
        ("2027-05-16", "2027-06-16"),
    ]


def test_an_anchor_is_reset_now() -> None:
    account = anchored(some_terms(3000), at("2027-04-01"), BillingAnchor(1))

    invoice = reset_anchor(
        account, AnchorReset(AnchorRequest(BillingAnchor(16)), at_period_end=False), at("2027-04-11")
    )

    assert invoice is not None
    # 20 of 30 unused days; 5 of the 31 days until April 16.
    assert [line.amount_cents for line in invoice.lines] == [-2000, 484]
    assert periods_of(account) == [("2027-04-01", "2027-04-11"), ("2027-04-11", "2027-04-16")]
    assert {line.change_id for line in invoice.lines} == {invoice.lines[0].id}


def test_an_anchor_is_removed() -> None:
    account = anchored(some_terms(3000), at("2027-04-21"), BillingAnchor(1))

    invoice = reset_anchor(account, AnchorReset(AnchorRequest(), at_period_end=False), at("2027-04-26"))

    assert invoice is not None
    assert [line.amount_cents for line in invoice.lines] == [-500, 3000]
    assert periods_of(account)[-1] == ("2027-04-26", "2027-05-26")


def test_no_anchor_is_set_where_no_period_follows() -> None:
    account = anchored(some_terms(3000), at("2027-04-01"), BillingAnchor(1))
    decide_cancellation(account, CancellationRequest(), at("2027-04-02"))

    with pytest.raises(CancellationAlreadyScheduled):
        reset_anchor(account, AnchorReset(AnchorRequest(BillingAnchor(16))), at("2027-04-10"))


def test_a_trial_is_not_ended_by_an_anchor() -> None:
    account = anchored(some_terms(3000), at("2027-04-01"), BillingAnchor(1), trial_end=at("2027-04-21"))

    with pytest.raises(ChangeModeNotAllowed):
        reset_anchor(account, AnchorReset(AnchorRequest(BillingAnchor(16)), at_period_end=False), at("2027-04-10"))
    reset_anchor(account, AnchorReset(AnchorRequest(BillingAnchor(16))), at("2027-04-10"))
    renew(account, at("2027-04-21"))

    assert periods_of(account)[-1] == ("2027-04-21", "2027-05-16")


@pytest.mark.parametrize(
    ("interval", "anchor"),
    [
        (MONTH, BillingAnchor()),
        (MONTH, BillingAnchor(0)),
        (MONTH, BillingAnchor(32)),
        (MONTH, BillingAnchor(-1)),
        (MONTH, BillingAnchor(day_of_week=1)),
        (MONTH, BillingAnchor(1, day_of_week=1)),
        (MONTH, BillingAnchor(1, month=13)),
        (MONTH, BillingAnchor(1, month=0)),
        (YEAR, BillingAnchor(30, month=2)),
        (YEAR, BillingAnchor(31, month=4)),
        (WEEK, BillingAnchor(1)),
        (WEEK, BillingAnchor(month=1, day_of_week=1)),
        (Interval(days=30), BillingAnchor(1)),
        (Interval(days=30), BillingAnchor(day_of_week=1)),
    ],
)
def test_an_anchor_that_does_not_suit_is_refused(interval: Interval, anchor: BillingAnchor) -> None:
    with pytest.raises(InvalidInput) as refused:
        anchor_instant(anchor, interval, at("2027-04-01"))

    assert refused.value.field[0] == "billing_anchor"


def test_the_first_boundary_follows_from_the_stored_anchor_alone() -> None:
    """Servers of earlier releases know no policy: they bill until the same boundary, and a whole price."""
    for trial_end in (None, at("2027-04-21")):
        account = an_account(some_terms(), starts_at=at("2027-04-02"), trial_end=trial_end)
        subscription = account.known_subscription
        set_anchor(subscription, AnchorRequest(BillingAnchor(31)), MONTH, trial_end or at("2027-04-02"))
        ordinal = 1 if trial_end else 0

        end = nth_boundary(subscription.anchor_at, MONTH, ordinal + 1 - subscription.anchor_ordinal)

        assert end == at("2027-04-30")


def test_a_policy_needs_an_anchor() -> None:
    account = an_account(some_terms())

    with pytest.raises(InvalidInput):
        set_anchor(account.known_subscription, AnchorRequest(None, FirstPeriod.FREE), MONTH, at("2027-04-01"))


STARTS = st.integers(0, 20 * 366 * 86_400).map(lambda seconds: at("2020-01-01") + timedelta(seconds=seconds))
TIMES = st.integers(0, 86_399).map(lambda seconds: (datetime.min + timedelta(seconds=seconds)).time())  # noqa: DTZ901


@given(months=st.integers(1, 36), day=st.integers(1, 28), time_of_day=TIMES, starts_at=STARTS)
def test_the_first_boundary_is_the_next_such_day(months: int, day: int, time_of_day: time, starts_at: datetime) -> None:
    interval = Interval(months=months)

    instant = anchor_instant(BillingAnchor(day, time=time_of_day), interval, starts_at)
    number = next_boundary_number(instant, interval, starts_at)
    end, before = nth_boundary(instant, interval, number), nth_boundary(instant, interval, number - 1)

    assert before <= starts_at < end
    assert (end.day, end.time()) == (day, time_of_day)
    assert before == starts_at or end - starts_at <= timedelta(days=31)


@given(
    day=st.integers(1, 31),
    starts_at=STARTS,
    price=st.integers(0, 10**9),
    policy=st.sampled_from(FirstPeriod),
    count=st.sampled_from([1, 3, 6]),
)
def test_periods_tile_and_the_first_costs_no_more_than_a_whole_one(
    day: int, starts_at: datetime, price: int, policy: FirstPeriod, count: int
) -> None:
    account = anchored(some_terms(price, Interval(months=count)), starts_at, BillingAnchor(day), policy)
    renew(account, starts_at + timedelta(days=31 * count * 3))

    assert 0 <= account.invoices[0].amount_cents <= price
    assert {invoice.amount_cents for invoice in account.invoices[1:]} == {price}
    assert all(one.ends_at == other.starts_at for one, other in zip(account.periods, account.periods[1:], strict=False))
