"""Subscriptions, from creation to cancellation."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account, require_currency, require_not_archived
from billing.anchor_resets import AnchorReset, reset_anchor
from billing.changes import Change, ChangeRequest, change_terms, withdraw_change
from billing.enums import Settlement, SubscriptionStatus
from billing.errors import (
    CreditNotAllowed,
    PlanArchived,
    PlanNotFound,
    TrialAlreadyUsed,
)
from billing.ids import CustomerId, PlanId, SubscriptionId
from billing.money import rejecting_overflow
from billing.new_records import NewInvoice
from billing.records import PlanState
from billing.renewals import renew
from billing.subscribing import (
    CancellationRequest,
    SubscriptionRequest,
    decide_cancellation,
    require_no_live_subscription,
    require_settlement_fits,
    subscribe,
    trial_of,
    undo_cancellation,
    valid_start,
)
from billing.validation import valid_metadata, valid_quantity
from db.queries.accounts import read_plan, trial_subscription
from services.accounts.open import open_customer, open_subscription, require_caught_up
from services.accounts.read import read_billed_lines
from services.accounts.write import store
from services.discounts import find_coupons, store_redemptions
from services.idempotency import Outcome


async def create_subscription(
    session: AsyncSession, request: SubscriptionRequest, *, customer_id: CustomerId, now: datetime
) -> Outcome:
    """Creates a subscription. Bills the first period immediately if the subscription starts now, else when it starts.

    The plan's own trial is skipped if the customer has already had a trial of the plan.

    Raises `CustomerNotFound`, `CustomerArchived`, `CustomerAlreadySubscribed`, `PlanNotFound`, `PlanArchived`,
    `CurrencyMismatch`, `QuantityOutOfRange`, `AmountTooLarge`, `InvalidInput`, `StartInThePast`, `TrialInvalid`,
    `TrialAlreadyUsed`, `TestClockAdvancing`, `CouponNotFound` and the errors of `redeem`.
    """
    metadata = valid_metadata(request.metadata)
    account, at = await open_customer(session, customer_id, now=now)
    await decide_subscription(session, account, request, metadata=metadata, at=at)
    await store_redemptions(session, account)
    return Outcome(
        customer_id=customer_id,
        subscription_id=account.known_subscription.id,
        invoice_id=account.invoices[0].id if account.invoices else None,
    )


async def decide_subscription(
    session: AsyncSession,
    account: Account,
    request: SubscriptionRequest,
    *,
    metadata: dict[str, str] | None = None,
    at: datetime,
) -> None:
    """Adds a new subscription to the account. Stores nothing. Raises the same errors as `create_subscription`."""
    valid_quantity(request.quantity)
    require_not_archived(account.customer.archived_at)
    plan = await open_plan(session, request.plan_id)
    require_currency(account, plan.currency)
    require_no_live_subscription(account)
    starts_at = valid_start(request.start_at, at)
    trial = trial_of(plan, request, starts_at)
    if trial is not None and await trial_subscription(session, account.customer.id, plan.id):
        if trial.asked_for:
            raise TrialAlreadyUsed(
                "This customer has already had a trial of this plan: leave the trial out, or give `trialDays: 0`.",
                "trial_days" if request.trial_end is None else "trial_end",
            )
        trial = None
    trial_end = trial.ends_at if trial else None
    terms = plan.terms(request.quantity)
    coupons = await find_coupons(session, account, request.coupon_codes)
    subscribe(
        account, terms, starts_at, at, trial_end=trial_end, anchor=request.anchor, coupons=coupons, metadata=metadata
    )


async def open_plan(session: AsyncSession, plan_id: PlanId) -> PlanState:
    """Returns a plan that accepts new subscriptions. Raises `PlanNotFound`, `PlanArchived`."""
    plan = await read_plan(session, plan_id)
    if plan is None:
        raise PlanNotFound("There is no plan with this id.")
    if plan.archived_at is not None:
        raise PlanArchived("This plan is archived and accepts no new subscriptions.")
    return plan


async def change_subscription(
    session: AsyncSession, request: ChangeRequest, *, subscription_id: SubscriptionId, now: datetime
) -> Outcome:
    """Changes plan or quantity. `invoice_id` is the invoice that was created now, if any.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `PlanNotFound`, `PlanArchived`, `QuantityOutOfRange`,
    `RenewalDue`, `TestClockAdvancing`, `AmountTooLarge`, `CreditNotAllowed` and the errors of `change_terms`.
    """
    account, at = await open_subscription(session, subscription_id, now=now)
    change = await decide_change(session, account, request, at)
    await store(session, [account])
    return Outcome(
        subscription_id=subscription_id,
        invoice_id=change.invoice.id if change.invoice else None,
        withdrawn_change=change.withdrawn,
    )


async def decide_change(session: AsyncSession, account: Account, request: ChangeRequest, at: datetime) -> Change:
    """Applies a change to the account. Stores nothing."""
    subscription = account.known_subscription
    require_caught_up(account, at)
    quantity = None if request.quantity is None else valid_quantity(request.quantity)
    plan = None
    if request.plan_id == subscription.plan_id:
        plan = account.known_terms
    elif request.plan_id is not None:
        plan = (await open_plan(session, request.plan_id)).terms(subscription.quantity)
    if subscription.status is SubscriptionStatus.TRIALING and plan is not None:
        before = await trial_subscription(session, subscription.customer_id, plan.plan_id)
        account.trials_before = {plan.plan_id: before} if before else {}
    if subscription.current_period_start is not None:
        await add_billed_lines(session, account, request.as_of or at)
    with rejecting_overflow("quantity"):
        change = change_terms(account, plan, quantity, mode=request.mode, as_of=request.as_of, at=at)
        # A new period that starts in the past may already be over.
        renew(account, at)
    if not request.may_credit and change.invoice is not None and change.invoice.amount_cents < 0:
        raise CreditNotAllowed("This change credits more than it charges.")
    return change


async def add_billed_lines(session: AsyncSession, account: Account, at: datetime) -> None:
    """Loads the stored charges that can be credited. Keeps those planned in this operation."""
    planned = account.billed_lines
    await read_billed_lines(session, account, at)
    loaded = {line.id for line in account.billed_lines}
    account.billed_lines += [line for line in planned if line.id not in loaded]


async def reset_billing_anchor(
    session: AsyncSession, reset: AnchorReset, *, subscription_id: SubscriptionId, now: datetime
) -> Outcome:
    """Resets the billing anchor. `invoice_id` is the invoice of the new period, if one starts now.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `RenewalDue`, `TestClockAdvancing`, `AmountTooLarge` and the
    errors of `reset_anchor`.
    """
    account, at = await open_subscription(session, subscription_id, now=now)
    invoice = await decide_anchor_reset(session, account, reset, at)
    await store(session, [account])
    return Outcome(subscription_id=subscription_id, invoice_id=invoice.id if invoice else None)


async def decide_anchor_reset(
    session: AsyncSession, account: Account, reset: AnchorReset, at: datetime
) -> NewInvoice | None:
    """Resets the billing anchor of the account. Stores nothing."""
    require_caught_up(account, at)
    if not reset.at_period_end:
        await add_billed_lines(session, account, at)
    with rejecting_overflow():
        return reset_anchor(account, reset, at)


async def withdraw_subscription_change(
    session: AsyncSession, *, subscription_id: SubscriptionId, now: datetime
) -> Outcome:
    """Withdraws the pending change.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `ChangeNotScheduled`, `TestClockAdvancing`.
    """
    account, at = await open_subscription(session, subscription_id, now=now)
    withdraw_change(account, at)
    await store(session, [account])
    return Outcome(subscription_id=subscription_id)


async def cancel_subscription(
    session: AsyncSession, request: CancellationRequest, *, subscription_id: SubscriptionId, now: datetime
) -> Outcome:
    """Cancels a subscription: immediately, at the end of the current period, or at a given time.

    A subscription that has not started ends immediately. An immediate cancellation credits the unused part of the
    period if `settlement` is CREDIT, and puts pending lines on a final invoice, whose id is returned. It also replaces
    a scheduled cancellation. Open invoices stay owed. A subscription on hold ends with its last billed period.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `SubscriptionPending`, `CancellationAlreadyScheduled`,
    `RenewalDue`, `AmountTooLarge`, `InvalidInput`, `TestClockAdvancing`.
    """
    require_settlement_fits(request)
    account, at = await open_subscription(session, subscription_id, now=now)
    invoice = await decide_subscription_cancellation(session, account, request, at)
    await store(session, [account])
    return Outcome(subscription_id=subscription_id, invoice_id=invoice.id if invoice else None)


async def decide_subscription_cancellation(
    session: AsyncSession, account: Account, request: CancellationRequest, at: datetime
) -> NewInvoice | None:
    """Cancels the subscription of the account. Stores nothing. Returns the final invoice, if there is one."""
    subscription = account.known_subscription
    if request.cancel_at is not None:
        require_caught_up(account, at)
    if request.settlement is Settlement.CREDIT and subscription.started_at is not None:
        await add_billed_lines(session, account, min(at, subscription.next_billing_at or at))
    return decide_cancellation(account, request, at)


async def undo_subscription_cancellation(
    session: AsyncSession, *, subscription_id: SubscriptionId, now: datetime
) -> Outcome:
    """Undoes a scheduled cancellation.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled` (also if the period is over), `CancellationNotScheduled`,
    `TestClockAdvancing`.
    """
    account, at = await open_subscription(session, subscription_id, now=now)
    undo_cancellation(account, at)
    await store(session, [account])
    return Outcome(subscription_id=subscription_id)
