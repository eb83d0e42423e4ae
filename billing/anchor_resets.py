"""Resets of the billing anchor of a subscription. Pure: changes an `Account`."""

from dataclasses import dataclass
from datetime import datetime

from billing.account import Account
from billing.anchors import AnchorRequest, set_anchor
from billing.changes import mark_period_changed
from billing.crediting import credit_lines, link_lines
from billing.enums import EventType, SubscriptionStatus
from billing.errors import CancellationAlreadyScheduled, ChangeModeNotAllowed
from billing.new_records import NewInvoice
from billing.renewals import bill_period
from billing.settling import update_past_due


@dataclass(frozen=True, slots=True)
class AnchorReset:
    """A requested reset of the billing anchor: with the next period, or else with a new period that starts now."""

    request: AnchorRequest
    at_period_end: bool = True


def reset_anchor(account: Account, reset: AnchorReset, at: datetime) -> NewInvoice | None:
    """Resets the billing anchor. Returns the invoice of the new period, if one starts now.

    A subscription that is PENDING or TRIALING has the new anchor from its first billing period on. An immediate reset
    ends the current period, credits its unused part and bills a new period, until the anchor.

    Raises `InvalidInput`, `CancellationAlreadyScheduled`, `ChangeModeNotAllowed` for an immediate reset before the
    first billing period, and `AmountOverflow` or `TooManyLines` if the invoice exceeds a limit.
    """
    subscription, interval = account.known_subscription, account.known_terms.interval
    if subscription.is_set_to_cancel:
        raise CancellationAlreadyScheduled(
            "This subscription is set to cancel: call undoSubscriptionCancellation first."
        )
    if reset.at_period_end:
        pending = subscription.status is SubscriptionStatus.PENDING
        starts_at = subscription.trial_end if pending and subscription.trial_end else subscription.next_billing_at
        assert starts_at is not None, "a live subscription has a next boundary"
        if account.pending_terms is not None:
            interval = account.pending_terms.interval
        set_anchor(subscription, reset.request, interval, starts_at)
        account.record_change(EventType.SUBSCRIPTION_ANCHOR_RESET, subscription, at)
        return None
    if subscription.status in (SubscriptionStatus.PENDING, SubscriptionStatus.TRIALING):
        raise ChangeModeNotAllowed(
            "This subscription has no billing period yet: use `atPeriodEnd: true`.", "at_period_end"
        )
    credits_ = credit_lines(account, at)
    account.add_pending_lines(credits_, at)
    mark_period_changed(account, at, ends_at=at)
    set_anchor(subscription, reset.request, interval, at)
    invoice = bill_period(account, at, EventType.SUBSCRIPTION_ANCHOR_RESET, at)
    link_lines([*credits_, invoice.lines[-1]])
    update_past_due(account, at)
    return invoice
