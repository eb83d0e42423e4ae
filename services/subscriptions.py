"""Subscriptions: a customer on a plan, from the start to the cancellation."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account, use_currency
from billing.changes import Change, ChangeMode, change_terms
from billing.errors import (
    CancellationNotScheduled,
    ChangeNotScheduled,
    CreditNotAllowed,
    CurrencyMismatch,
    CustomerAlreadySubscribed,
    CustomerArchived,
    InvalidInput,
    PlanArchived,
    PlanNotFound,
    TrialAlreadyUsed,
    TrialInvalid,
)
from billing.ids import CustomerId, PlanId, SubscriptionId
from billing.invoicing import judge
from billing.limits import MAX_TRIAL_DAYS
from billing.money import amounts_that_fit, times
from billing.records import PlanState
from billing.renewals import drop_pending_change, renew, start
from billing.subscribing import Settlement, add_subscription, plan_cancellation, valid_start
from billing.validation import valid_metadata, valid_quantity
from billing.words import EventType
from db.queries.accounts import had_trial, read_plan
from services.accounts.open import caught_up, open_customer, open_subscription
from services.accounts.read import read_billed_lines
from services.accounts.write import store
from services.idempotency import Outcome


async def create_subscription(
    session: AsyncSession,
    *,
    customer_id: CustomerId,
    plan_id: PlanId,
    quantity: int = 1,
    start_at: datetime | None = None,
    trial_days: int | None = None,
    trial_end: datetime | None = None,
    metadata: Mapping[str, str] | None = None,
    now: datetime,
) -> Outcome:
    """Puts a customer on a plan, at once or from `start_at` on, and bills the first period when it begins.

    `trial_days`, or the instant `trial_end`, take the place of the plan's own trial; 0 days are none. Where the plan's
    own trial was used by the customer before, there is none.

    Raises `CustomerNotFound`, `CustomerArchived`, `CustomerAlreadySubscribed`, `PlanNotFound`, `PlanArchived`,
    `CurrencyMismatch`, `QuantityOutOfRange`, `AmountTooLarge`, `InvalidInput`, `StartInThePast`, `TrialInvalid`,
    `TrialAlreadyUsed`, `TestClockAdvancing`.
    """
    custom_metadata = valid_metadata(metadata)
    account, at = await open_customer(session, customer_id, now=now)
    await plan_subscription(
        session,
        account,
        plan_id=plan_id,
        quantity=quantity,
        start_at=start_at,
        trial_days=trial_days,
        trial_end=trial_end,
        metadata=custom_metadata,
        at=at,
    )
    await store(session, [account])
    return Outcome(
        customer_id=customer_id,
        subscription_id=account.known_subscription.id,
        invoice_id=account.invoices[0].id if account.invoices else None,
    )


async def plan_subscription(
    session: AsyncSession,
    account: Account,
    *,
    plan_id: PlanId,
    quantity: int,
    start_at: datetime | None,
    trial_days: int | None,
    trial_end: datetime | None,
    metadata: dict[str, str] | None = None,
    at: datetime,
) -> None:
    """Decides of a new subscription, and changes nothing but the account. Raises what `create_subscription` does."""
    valid_quantity(quantity)
    customer = account.customer
    if customer.archived_at is not None:
        raise CustomerArchived("This customer is archived.")
    plan = await open_plan(session, plan_id)
    if customer.currency not in (None, plan.currency):
        raise CurrencyMismatch(f"This customer is billed in {customer.currency}, the plan in {plan.currency}.")
    if account.subscription is not None:
        raise CustomerAlreadySubscribed("This customer already has a live subscription.")
    starts_at = valid_start(start_at, at)
    trial = await valid_trial(session, account, plan, starts_at, trial_days, trial_end)
    account.terms = plan.terms(quantity)
    subscription = add_subscription(account, starts_at, trial, at, metadata=metadata)
    use_currency(account, plan.currency, at)
    with amounts_that_fit("quantity"):
        times(account.terms.unit_amount_cents, quantity)
        if starts_at <= at:
            start(account, starts_at, at, created=True)
        else:
            account.note(EventType.SUBSCRIPTION_CREATED, subscription, at)


async def valid_trial(
    session: AsyncSession,
    account: Account,
    plan: PlanState,
    starts_at: datetime,
    trial_days: int | None,
    trial_end: datetime | None,
) -> datetime | None:
    """When the trial ends that begins at `starts_at`; None where there is none."""
    if trial_days is not None and trial_end is not None:
        raise TrialInvalid("Give the days of the trial or its end, not both.")
    if trial_days is not None and not 0 <= trial_days <= MAX_TRIAL_DAYS:
        raise TrialInvalid(f"A trial must have 0 to {MAX_TRIAL_DAYS} days.", "trial_days")
    if trial_end is not None and not starts_at < trial_end <= starts_at + timedelta(days=MAX_TRIAL_DAYS):
        raise TrialInvalid(f"A trial must end after it begins, within {MAX_TRIAL_DAYS} days.")
    asked_for = bool(trial_days) or trial_end is not None
    days = plan.trial_days if trial_days is None and trial_end is None else trial_days
    if not asked_for and not days:
        return None
    if await had_trial(session, account.customer.id, plan.id):
        if asked_for:
            raise TrialAlreadyUsed("This customer was on trial of this plan before.")
        return None
    return trial_end or starts_at + timedelta(days=days or 0)


async def open_plan(session: AsyncSession, plan_id: PlanId) -> PlanState:
    """A plan that takes new subscriptions. Raises `PlanNotFound`, `PlanArchived`."""
    plan = await read_plan(session, plan_id)
    if plan is None:
        raise PlanNotFound("There is no plan with this id.")
    if plan.archived_at is not None:
        raise PlanArchived("This plan is archived: it takes no new subscriptions.")
    return plan


async def change_subscription(
    session: AsyncSession,
    *,
    subscription_id: SubscriptionId,
    plan_id: PlanId | None = None,
    quantity: int | None = None,
    mode: ChangeMode | None = None,
    as_of: datetime | None = None,
    may_credit: bool = True,
    now: datetime,
) -> Outcome:
    """Changes plan or quantity; what is None stays. The invoice is the one that was made now, if any.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `PlanNotFound`, `PlanArchived`, `QuantityOutOfRange`,
    `RenewalDue`, `TestClockAdvancing`, `AmountTooLarge`, what `change_terms` does, and, unless it `may_credit`,
    `CreditNotAllowed` for a change that gives more back than it charges.
    """
    account, at = await open_subscription(session, subscription_id, now=now)
    change = await plan_change(session, account, plan_id=plan_id, quantity=quantity, mode=mode, as_of=as_of, at=at)
    if not may_credit and change.invoice is not None and change.invoice.amount_cents < 0:
        raise CreditNotAllowed("This change gives more back than it charges.")
    await store(session, [account])
    return Outcome(subscription_id=subscription_id, invoice_id=change.invoice.id if change.invoice else None)


async def plan_change(
    session: AsyncSession,
    account: Account,
    *,
    plan_id: PlanId | None,
    quantity: int | None,
    mode: ChangeMode | None,
    as_of: datetime | None,
    at: datetime,
) -> Change:
    """Decides of a change, and changes nothing but the account."""
    subscription = account.known_subscription
    caught_up(account, at)
    quantity = valid_quantity(subscription.quantity if quantity is None else quantity)
    if plan_id in (None, subscription.plan_id):
        plan = await read_plan(session, subscription.plan_id)
        assert plan is not None, "a subscription's plan is never deleted"
    else:
        assert plan_id is not None
        plan = await open_plan(session, plan_id)
    if subscription.current_period_start is not None:
        await add_billed_lines(session, account, as_of or at)
    with amounts_that_fit("quantity"):
        change = change_terms(account, plan.terms(quantity), mode=mode, as_of=as_of, at=at)
        # A new period that began in the past may be over already.
        renew(account, at)
    return change


async def add_billed_lines(session: AsyncSession, account: Account, at: datetime) -> None:
    """Reads what may be given back; what was planned meanwhile and is not stored stays beside it."""
    planned = account.billed_lines
    await read_billed_lines(session, account, at)
    account.billed_lines += planned


async def withdraw_subscription_change(
    session: AsyncSession, *, subscription_id: SubscriptionId, now: datetime
) -> Outcome:
    """Takes back a change that waits for the period's end.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `ChangeNotScheduled`, `TestClockAdvancing`.
    """
    account, at = await open_subscription(session, subscription_id, now=now)
    if account.pending_terms is None:
        raise ChangeNotScheduled("No change of this subscription is waiting.")
    drop_pending_change(account)
    account.note(
        EventType.SUBSCRIPTION_CHANGE_WITHDRAWN,
        account.known_subscription,
        at,
        ["pending_plan_id", "pending_quantity"],
    )
    await store(session, [account])
    return Outcome(subscription_id=subscription_id)


async def cancel_subscription(
    session: AsyncSession,
    *,
    subscription_id: SubscriptionId,
    at_period_end: bool = True,
    settlement: Settlement = Settlement.NONE,
    now: datetime,
) -> Outcome:
    """Cancels a subscription, at the end of its current period or at once; one that has not begun, at once.

    At once, `settlement` says whether the unused rest is given back; lines that wait for an invoice go on a last one,
    which is returned. It also overtakes a cancellation that waits for the period's end. Open invoices stay owed. A
    subscription on hold, with periods that could not be billed, ends with the last one that was.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled`, `CancellationAlreadyScheduled`, `InvalidInput`,
    `TestClockAdvancing`.
    """
    if at_period_end and settlement is Settlement.CREDIT:
        raise InvalidInput("At the end of a period nothing is left to give back.", "settlement")
    account, at = await open_subscription(session, subscription_id, now=now)
    if settlement is Settlement.CREDIT and account.known_subscription.started_at is not None:
        await add_billed_lines(session, account, at)
    invoice = plan_cancellation(account, at_period_end=at_period_end, settlement=settlement, at=at)
    await store(session, [account])
    return Outcome(subscription_id=subscription_id, invoice_id=invoice.id if invoice else None)


async def undo_subscription_cancellation(
    session: AsyncSession, *, subscription_id: SubscriptionId, now: datetime
) -> Outcome:
    """Takes back a cancellation that waits for the period's end.

    Raises `SubscriptionNotFound`, `SubscriptionCanceled` (also once the period is over), `CancellationNotScheduled`,
    `TestClockAdvancing`.
    """
    account, at = await open_subscription(session, subscription_id, now=now)
    subscription = account.known_subscription
    if not subscription.cancel_at_period_end:
        raise CancellationNotScheduled("This subscription is not going to be canceled.")
    subscription.cancel_at_period_end = False
    subscription.canceled_at = None
    account.note(EventType.SUBSCRIPTION_CANCELLATION_UNDONE, subscription, at, ["cancel_at_period_end"])
    judge(account, at)
    await store(session, [account])
    return Outcome(subscription_id=subscription_id)
