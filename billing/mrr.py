"""Monthly recurring revenue (MRR): what a subscription counts as in the figures, and the movements of a customer.

Pure: changes an `Account`. See docs/decisions/0019-figures-are-sums-of-movements.md for the definitions.
"""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from billing.account import Account
from billing.discounts import DiscountState
from billing.enums import LineKind, SubscriptionStatus, TaxBehavior
from billing.figures import month_of
from billing.money import PERCENT_UNITS, percent_units
from billing.movements import CountedChange, MovementState, NewMovement
from billing.periods import NOMINAL_MONTH
from billing.rounding import divide
from billing.taxing import taxes_of_price

PAYING = (SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE)
"""Statuses of subscriptions that have MRR."""


def recurring_cents(account: Account, at: datetime) -> int:
    """Returns the revenue of the subscription in an average month: its price after discounts, without tax.

    `at` is the date of the taxes that an inclusive price contains. It is rounded once, half away from zero.
    """
    terms = account.terms
    assert terms is not None, "an account with a subscription has terms"
    # Each renewal computes this, so the usual case takes few function calls.
    cents, whole = terms.unit_amount_cents * terms.quantity, 1
    if account.discounts:
        for discount in discounts_in_force(account):
            if discount.percent_off is not None:
                cents *= PERCENT_UNITS - percent_units(discount.percent_off)
                whole *= PERCENT_UNITS
            elif discount.amount_off_cents is not None:
                cents = max(0, cents - discount.amount_off_cents * whole)
    if terms.tax is not None and terms.tax.behavior is TaxBehavior.INCLUSIVE and account.tax_rules is not None:
        taxes = taxes_of_price(terms.tax, account.customer, account.tax_rules, at)
        cents *= PERCENT_UNITS
        whole *= PERCENT_UNITS + sum(percent_units(tax.percent) for tax in taxes)
    return divide(cents * NOMINAL_MONTH, whole * terms.interval.nominal_seconds)


def discounts_in_force(account: Account) -> Sequence[DiscountState]:
    """Returns the discounts that lower the recurring price, in the order in which an invoice applies them.

    A discount for several periods counts until the end of the last period that it covers. One for a single period is
    not recurring, and never counts.
    """
    subscription, terms = account.known_subscription, account.known_terms
    found = []
    for discount in account.discounts:
        # A discount that was removed by its id is not the same record.
        latest = account.changed_discounts.get(discount.id, discount)
        if latest.periods == 1 or not latest.is_for_invoice(subscription.id, terms.currency):
            continue
        is_for_price = latest.is_for_line(LineKind.RECURRING, terms.plan_id)
        if is_for_price and (latest.has_periods_left or latest.covers(subscription.id, subscription.next_ordinal - 1)):
            found.append(latest)
    return found if len(found) < 2 else sorted(found, key=attrgetter("place_in_order"))


def count(account: Account, at: datetime) -> None:
    """Notes the change at `at` if the MRR or the status of the subscription is not what it is counted as.

    The end of a subscription is dated `ended_at` instead. Subscriptions on test clocks are never counted.
    """
    account.is_counted = True
    subscription = account.subscription
    if subscription is None or subscription.test_clock_id is not None:
        return
    status = subscription.status
    cents = recurring_cents(account, at) if status in PAYING else 0
    if cents != (subscription.mrr_cents or 0) or status != subscription.counted_status:
        note(account, subscription.ended_at or at, cents, status)


def note(account: Account, at: datetime, cents: int, status: SubscriptionStatus) -> None:
    """Counts the subscription as `status` with an MRR of `cents` from `at` on."""
    subscription = account.known_subscription
    account.counted_changes.append(
        CountedChange(at, cents - (subscription.mrr_cents or 0), subscription.counted_status, status)
    )
    subscription.mrr_cents, subscription.counted_status = cents, status


def count_as_stored(account: Account) -> None:
    """Notes the changes of a subscription that servers of earlier releases have stored without counting them.

    If it was never counted, all of its life is noted, with the terms of now: earlier terms are not known.
    """
    subscription = account.known_subscription
    if subscription.test_clock_id is not None or subscription.counted_status == subscription.status:
        return
    if subscription.counted_status is None and subscription.started_at is not None:
        paid_from = subscription.started_at
        if subscription.trial_end is not None and subscription.trial_end > paid_from:
            note(account, paid_from, 0, SubscriptionStatus.TRIALING)
            paid_from = subscription.trial_end
        was_paid = subscription.ended_at is None or paid_from < subscription.ended_at
        if was_paid and subscription.status is not SubscriptionStatus.TRIALING:
            note(account, paid_from, recurring_cents(account, paid_from), SubscriptionStatus.ACTIVE)
    count(account, subscription.updated_at)


def movements_of(account: Account, last: MovementState | None) -> list[NewMovement]:
    """Returns the movements for the noted changes. `last` is the customer's latest movement, if there is one."""
    found: list[NewMovement] = []
    for change in account.counted_changes:
        last = movement_of(account, change, last)
        found.append(last)
    return found


def movement_of(account: Account, change: CountedChange, last: MovementState | None) -> NewMovement:
    """Returns the movement for a change. It is never earlier than the customer's last one.

    Its amounts are the differences that it makes to the customer's movement of the month.
    """
    at = change.at if last is None else max(change.at, last.at)
    month = month_of(at)
    before = 0 if last is None else last.after_cents
    start = before if last is None or last.at < month else last.month_start_cents
    after = before + change.mrr_cents
    first_at = None if last is None else last.first_at
    if first_at is None and after > 0:
        first_at = at
    returns = first_at is not None and first_at < month
    was, is_ = kinds_of_movement(start, before, returns=returns), kinds_of_movement(start, after, returns=returns)
    new, expansion, contraction, churned, reactivated = (now - then for now, then in zip(is_, was, strict=True))

    def difference(status: SubscriptionStatus) -> int:
        return (change.status == status) - (change.before == status)

    return NewMovement(
        customer_id=account.customer.id,
        sequence=1 if last is None else last.sequence + 1,
        at=at,
        after_cents=after,
        month_start_cents=start,
        first_at=first_at,
        subscription_id=account.known_subscription.id,
        currency=account.known_terms.currency,
        mrr_cents=change.mrr_cents,
        new_cents=new,
        expansion_cents=expansion,
        contraction_cents=contraction,
        churned_cents=churned,
        reactivated_cents=reactivated,
        active=difference(SubscriptionStatus.ACTIVE),
        trialing=difference(SubscriptionStatus.TRIALING),
        past_due=difference(SubscriptionStatus.PAST_DUE),
    )


def kinds_of_movement(start: int, cents: int, *, returns: bool) -> tuple[int, int, int, int, int]:
    """Returns the movement of a customer in a month as new, expansion, contraction, churned and reactivated cents.

    The MRR is `start` at the start of the month and `cents` after it. All but one of them are 0. `returns` is True if
    the customer had MRR before the month.
    """
    change = cents - start
    if start == 0:
        return (0, 0, 0, 0, change) if returns else (change, 0, 0, 0, 0)
    if cents == 0:
        return 0, 0, 0, -change, 0
    return (0, change, 0, 0, 0) if change > 0 else (0, 0, -change, 0, 0)
