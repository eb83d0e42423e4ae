"""Previews of operations: the same rules on an account that is neither locked nor stored."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.anchor_resets import AnchorReset
from billing.changes import ChangeMode, ChangeRequest, PendingChange
from billing.ids import CustomerId, SubscriptionId
from billing.limits import MAX_UPCOMING_INVOICES
from billing.money import rejecting_overflow
from billing.moving import TrialRequest, extend_period, move_start, start_if_due, update_trial
from billing.new_records import NewInvoice
from billing.renewals import bill_next_period, upcoming_invoices_of
from billing.subscribing import CancellationRequest, SubscriptionRequest, require_settlement_fits
from services.accounts.open import open_customer, open_subscription, require_caught_up
from services.accounts.read import read_accounts
from services.subscriptions import (
    decide_anchor_reset,
    decide_change,
    decide_subscription,
    decide_subscription_cancellation,
)


@dataclass(frozen=True, slots=True)
class ChangePreview:
    """The result that a change would have.

    `invoice` is the one created now, if any. `next_invoice` is that of the next period. It is None if the subscription
    ends before that, or if an amount is too large.
    """

    mode: ChangeMode
    effective_at: datetime
    invoice: NewInvoice | None
    next_invoice: NewInvoice | None
    withdrawn: PendingChange | None


@dataclass(frozen=True, slots=True)
class AnchorResetPreview:
    """The invoice that a reset of the billing anchor would create, if any, and that of the next period.

    `next_invoice` is None if an amount is too large.
    """

    invoice: NewInvoice | None
    next_invoice: NewInvoice | None


async def preview_subscription(
    session: AsyncSession, request: SubscriptionRequest, *, customer_id: CustomerId, now: datetime
) -> NewInvoice:
    """Returns the first invoice of a new subscription, as created when the subscription starts.

    Raises the errors of `create_subscription`.
    """
    account, at = await open_customer(session, customer_id, now=now, lock=False)
    await decide_subscription(session, account, request, at=at)
    if not account.invoices:
        with rejecting_overflow():
            bill_next_period(account)
    return account.invoices[0]


async def preview_subscription_change(
    session: AsyncSession, request: ChangeRequest, *, subscription_id: SubscriptionId, now: datetime
) -> ChangePreview:
    """Returns the result of `change_subscription` for the same request at the same time. Raises the same errors."""
    account, at = await open_subscription(session, subscription_id, now=now, lock=False)
    change = await decide_change(session, account, request, at)
    # The next invoice may contain credits that pay this one. Show this one as the change creates it.
    invoice = None if change.invoice is None else replace(change.invoice)
    upcoming = upcoming_invoices_of(account, 1)
    return ChangePreview(change.mode, change.effective_at, invoice, upcoming[0] if upcoming else None, change.withdrawn)


@dataclass(frozen=True, slots=True)
class DateChangePreview:
    """The result of moving the end of a trial or period.

    `invoice` is the one created now, if any. `next_invoice` is the next one. It is None if the subscription ends before
    that, or if an amount is too large.
    """

    invoice: NewInvoice | None
    next_invoice: NewInvoice | None


async def preview_trial_update(
    session: AsyncSession, request: TrialRequest, *, subscription_id: SubscriptionId, now: datetime
) -> DateChangePreview:
    """Returns the result of `update_subscription_trial` at the same time. Raises the same errors."""
    account, at = await open_subscription(session, subscription_id, now=now, lock=False)
    require_caught_up(account, at)
    created = update_trial(account, request, at)
    invoice = None if created is None else replace(created)
    upcoming = upcoming_invoices_of(account, 1)
    return DateChangePreview(invoice, upcoming[0] if upcoming else None)


async def preview_period_extension(
    session: AsyncSession, until: datetime, *, subscription_id: SubscriptionId, now: datetime
) -> DateChangePreview:
    """Returns the result of `extend_subscription_period` at the same time. Raises the same errors."""
    account, at = await open_subscription(session, subscription_id, now=now, lock=False)
    require_caught_up(account, at)
    extend_period(account, until, at)
    upcoming = upcoming_invoices_of(account, 1)
    return DateChangePreview(None, upcoming[0] if upcoming else None)


async def preview_subscription_update(
    session: AsyncSession, start_at: datetime, *, subscription_id: SubscriptionId, now: datetime
) -> NewInvoice:
    """Returns the first invoice of a PENDING subscription whose start `update_subscription` would move.

    Raises the same errors.
    """
    account, at = await open_subscription(session, subscription_id, now=now, lock=False)
    require_caught_up(account, at)
    move_start(account, start_at, at)
    if start_if_due(account, at) is None:
        with rejecting_overflow():
            bill_next_period(account)
    return account.invoices[0]


@dataclass(frozen=True, slots=True)
class CancellationPreview:
    """The result that a cancellation would have: the end, and the invoices until then, at most
    `MAX_UPCOMING_INVOICES`.
    """

    ends_at: datetime
    invoices: list[NewInvoice]


async def preview_cancellation(
    session: AsyncSession, request: CancellationRequest, *, subscription_id: SubscriptionId, now: datetime
) -> CancellationPreview:
    """Returns the result of `cancel_subscription` for the same request at the same time. Raises the same errors."""
    require_settlement_fits(request)
    account, at = await open_subscription(session, subscription_id, now=now, lock=False)
    final = await decide_subscription_cancellation(session, account, request, at)
    subscription = account.known_subscription
    ends_at = subscription.ended_at or subscription.cancel_at or subscription.current_period_end
    assert ends_at is not None, "the subscription is set to cancel"
    first = [] if final is None else [replace(final)]
    return CancellationPreview(ends_at, [*first, *upcoming_invoices_of(account, MAX_UPCOMING_INVOICES)])


async def preview_anchor_reset(
    session: AsyncSession, reset: AnchorReset, *, subscription_id: SubscriptionId, now: datetime
) -> AnchorResetPreview:
    """Returns the result of `reset_billing_anchor` for the same request at the same time. Raises the same errors."""
    account, at = await open_subscription(session, subscription_id, now=now, lock=False)
    invoice = await decide_anchor_reset(session, account, reset, at)
    # The next invoice may contain credits that pay this one. Show this one as the reset creates it.
    invoice = None if invoice is None else replace(invoice)
    upcoming = upcoming_invoices_of(account, 1)
    return AnchorResetPreview(invoice, upcoming[0] if upcoming else None)


async def upcoming_invoices(
    session: AsyncSession, subscription_ids: Sequence[SubscriptionId], *, count: int
) -> list[list[NewInvoice]]:
    """Returns at most `count` upcoming invoices for each subscription, in the order of `subscription_ids`."""
    accounts = await read_accounts(session, subscription_ids)
    found = {}
    for account in accounts:
        found[account.known_subscription.id] = upcoming_invoices_of(account, count)
        # There may be thousands of subscriptions: let other tasks run in between.
        await asyncio.sleep(0)
    return [found.get(subscription_id, []) for subscription_id in subscription_ids]
