"""Invoices: voiding, reissuing and marking as uncollectible. For one-off drafts, see `services.drafts`.

Allowed transitions: DRAFT → OPEN → PAID | VOID | UNCOLLECTIBLE; UNCOLLECTIBLE → PAID | VOID.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.discounts import AppliedDiscount
from billing.enums import CHARGES, EventType, InvoiceKind, InvoiceStatus, LineKind
from billing.errors import (
    InvoiceAlreadyReissued,
    InvoiceNotFound,
    InvoiceNotRecurring,
    InvoiceNotReissuable,
)
from billing.ids import InvoiceId, InvoiceLineId, SubscriptionId
from billing.invoicing import ReplacedInvoice, bill
from billing.money import rejecting_overflow
from billing.mrr import count
from billing.new_records import Line
from billing.periods import Period
from billing.records import InvoiceState
from billing.settling import mark_uncollectible, status_error, update_past_due
from billing.voiding import carried_credits, has_charge_among, lines_to_reissue, void
from db.models import Invoice
from db.queries.accounts import allocations_of_invoice, is_later_event, period_was_changed, was_changed_since
from db.queries.corrections import has_credit_note
from db.queries.discounts import discounted_periods, discounts_by_id, discounts_of_invoice
from db.queries.lines import (
    billed_by_line,
    credited_by_line,
    existing_lines,
    lines_of_changes,
    lines_of_invoice,
)
from services.accounts.clock import customer_time
from services.accounts.open import open_customer
from services.accounts.read import read_accounts
from services.accounts.write import store
from services.idempotency import Outcome
from services.repairs import repair_periods

NO_INVOICE = "There is no invoice with this id."


async def void_invoice(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Voids an invoice without payments. It was never owed.

    The part of the balance that it used is added back. Credits that it carried for other changes become pending again.

    Raises `InvoiceNotFound`, `InvoiceDraft`, `InvoicePaid`, `InvoiceVoid`, `InvoiceHasPayments`, `InvoiceCredited`,
    `InvoiceReversed`, `InvoiceNotVoidable`, `TooManyLines`, `AmountTooLarge`, `TestClockAdvancing`.
    """
    live, state, at = await open_unpaid(
        session,
        invoice_id,
        now,
        rule="only an OPEN or UNCOLLECTIBLE invoice can be voided",
        draft_rule="call deleteDraftInvoice",
    )
    lines = await lines_of_invoice(session, invoice_id)
    account = live
    if state.subscription_id is not None and carried_credits(lines):
        account, at = await account_of_subscription(session, live, state.subscription_id, at=at, now=now)
        [state] = [unpaid for unpaid in account.unpaid if unpaid.id == invoice_id]
    allocations = await allocations_of_invoice(session, invoice_id)
    elsewhere = await is_credited_elsewhere(session, state, lines)
    discounts = await with_discounts(session, account, await discounts_of_invoice(session, invoice_id))
    discounted = await discounted_periods(session, state.subscription_id, discounts, elsewhere_than=invoice_id)
    with rejecting_overflow():
        void(
            account,
            state,
            allocations,
            at,
            lines=lines,
            credited_elsewhere=elsewhere,
            has_credit_note=await has_credit_note(session, invoice_id),
            discounts=discounts,
            discounted_elsewhere=discounted,
        )
    await store_both(session, account, live, now=now)
    return Outcome(invoice_id=invoice_id)


async def is_credited_elsewhere(session: AsyncSession, invoice: InvoiceState, lines: Sequence[Line]) -> bool:
    """Returns True if this invoice must not be voided because of credits that are not on it.

    Either a line of another invoice, or a pending line, credits one of its lines, or another invoice contains the
    credit of a change that this one charges for.
    """
    if await credited_by_line(session, [line.id for line in lines], elsewhere_than=invoice.id):
        return True
    if invoice.subscription_id is None:
        return False
    charges = [line for line in lines if line.kind in CHARGES]
    elsewhere = await lines_of_changes(session, invoice.subscription_id, charges, elsewhere_than=invoice.id)
    return any(has_charge_among(other.line, charges) for other in elsewhere if not other.is_void)


async def mark_invoice_uncollectible(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Marks an OPEN invoice as UNCOLLECTIBLE. It stays owed and can still be paid or voided.

    Raises `InvoiceNotFound`, `InvoiceDraft`, `InvoicePaid`, `InvoiceVoid`, `InvoiceUncollectible`,
    `TestClockAdvancing`.
    """
    rule = "only an OPEN invoice can be marked as UNCOLLECTIBLE"
    account, state, at = await open_unpaid(session, invoice_id, now, rule=rule)
    mark_uncollectible(account, state, at)
    await store(session, [account])
    return Outcome(invoice_id=invoice_id)


async def reissue_invoice(session: AsyncSession, *, invoice_id: InvoiceId, now: datetime) -> Outcome:
    """Creates the replacement of a VOID invoice of a subscription: same period and lines, next number. Returns its id.

    Raises `InvoiceNotFound`, `InvoiceNotRecurring`, the error from `status_error` if the invoice is not VOID,
    `InvoiceAlreadyReissued`, `InvoiceNotReissuable`, `AmountTooLarge`, `TestClockAdvancing`.
    """
    invoice = await read_existing_invoice(session, invoice_id)
    live, at = await open_customer(session, invoice.customer_id, now=now)
    invoice = await reread_invoice(session, invoice)
    if invoice.status is not InvoiceStatus.VOID:
        raise status_error(invoice.status, "only a VOID invoice can be reissued")
    if invoice.kind is InvoiceKind.ONE_OFF:
        raise InvoiceNotRecurring("Only an invoice of a subscription can be reissued: create another one-off invoice.")
    if await session.scalar(select(Invoice.id).where(Invoice.replaces_id == invoice_id)):
        raise InvoiceAlreadyReissued("This invoice has already been reissued.")
    issued_at = invoice.issued_at
    assert issued_at is not None, "it is not a draft"
    assert invoice.subscription_id is not None, "it is not a one-off invoice"
    account, at = await account_of_subscription(session, live, invoice.subscription_id, at=at, now=now)
    await require_period_intact(session, account, invoice)
    lines = await reissued_lines(session, account, invoice_id)
    discounts = await with_discounts(session, account, invoice.discounts or ())
    with rejecting_overflow():
        bill(
            account,
            invoice.kind,
            lines,
            period=Period(invoice.period_start, invoice.period_end),
            period_ordinal=invoice.period_ordinal,
            at=at,
            replaces=ReplacedInvoice(
                invoice.id,
                invoice.po_number,
                invoice.memo,
                invoice.tax_date or issued_at,
                discounts,
                await discounted_periods(session, invoice.subscription_id, discounts, elsewhere_than=invoice_id),
            ),
        )
    update_past_due(account, at)
    await store_both(session, account, live, now=now)
    return Outcome(invoice_id=account.invoices[0].id)


async def require_period_intact(session: AsyncSession, account: Account, invoice: Invoice) -> None:
    """Raises `InvoiceNotReissuable` if the period of a void invoice can no longer be billed as a whole.

    The period was shortened, its terms were changed, or the subscription was canceled in it after the invoice was
    voided, so that nothing could be credited. For a PRORATION invoice, its own change does not count, only later ones.
    """
    subscription = account.known_subscription
    assert subscription.id == invoice.subscription_id, "the account has the invoice's subscription"
    ended = subscription.ended_at is not None and subscription.ended_at < invoice.period_end
    ended_since = ended and await is_later_event(
        session,
        (subscription.id, EventType.SUBSCRIPTION_CANCELED),
        (invoice.id, EventType.INVOICE_VOIDED),
    )
    await repair_periods(session, subscription.id)
    if invoice.period_ordinal is None:
        changed = await was_changed_since(session, subscription.id, invoice.id, before=invoice.period_end)
    else:
        changed = await period_was_changed(session, subscription.id, invoice.period_ordinal, invoice.period_end)
    if ended_since or changed:
        raise InvoiceNotReissuable("The period has changed since: create a one-off invoice for what is owed.")


async def reissued_lines(session: AsyncSession, account: Account, invoice_id: InvoiceId) -> list[Line]:
    """Returns new lines for the replacement of a void invoice.

    Raises `InvoiceNotReissuable` if a credit is now more than its line has left to credit, or if voiding the invoice
    dropped the pending credit of a change.
    """
    lines = await lines_of_invoice(session, invoice_id)
    if await is_credit_dropped(session, account, lines):
        raise InvoiceNotReissuable("Voiding this invoice dropped the pending credit of its change.")
    credits_ = [line for line in lines if line.kind is LineKind.PRORATION_CREDIT]
    elsewhere = await lines_of_changes(session, account.known_subscription.id, credits_, elsewhere_than=invoice_id)
    counted = {line.id for line in account.pending_lines}
    again = lines_to_reissue(account, lines, elsewhere)
    counted |= {line.id for line in again if line.reverses_line_id in {own.id for own in again}}
    added = [line for line in again if line.reverses_line_id is not None and line.id not in counted]
    reversed_ids = [line.reverses_line_id for line in added if line.reverses_line_id is not None]
    billed = await billed_by_line(session, reversed_ids) if reversed_ids else {}
    credited = await credited_by_line(session, reversed_ids) if reversed_ids else {}
    for line_id in reversed_ids:
        more = -sum(line.amount_cents for line in added if line.reverses_line_id == line_id)
        if credited.get(line_id, 0) + more > billed.get(line_id, 0):
            raise InvoiceNotReissuable("A line that this invoice credited has been credited elsewhere or voided.")
    return again


async def is_credit_dropped(session: AsyncSession, account: Account, lines: Sequence[Line]) -> bool:
    """Returns True if the credits of a change among `lines` were pending and dropped when the invoice was voided.

    The id of a change is that of its first line, which is a credit if it has any.
    """
    known = {line.id for line in [*lines, *account.pending_lines]}
    firsts = {InvoiceLineId(line.change_id) for line in lines if line.kind in CHARGES and line.change_id is not None}
    missing = firsts - known
    return bool(missing) and not missing <= await existing_lines(session, list(missing))


async def account_of_subscription(
    session: AsyncSession, live: Account, subscription_id: SubscriptionId, *, at: datetime, now: datetime
) -> tuple[Account, datetime]:
    """Returns the account of one of the customer's subscriptions, and its current time.

    This is `live`, or the account of a subscription that has ended.
    """
    if live.subscription is not None and live.subscription.id == subscription_id:
        return live, at
    [account] = await read_accounts(session, [subscription_id])
    return account, max(at, await customer_time(session, account, now, lock=True))


async def with_discounts(
    session: AsyncSession, account: Account, applied: Sequence[AppliedDiscount]
) -> Sequence[AppliedDiscount]:
    """Adds the discounts of an invoice that the account lacks, such as removed ones. Returns `applied` unchanged."""
    missing = {each.discount_id for each in applied} - {discount.id for discount in account.discounts}
    if missing:
        account.discounts += await discounts_by_id(session, sorted(missing))
    return applied


async def store_both(session: AsyncSession, account: Account, live: Account, *, now: datetime) -> None:
    """Stores the decisions of `account`, and updates the customer's `live` subscription if it is another one."""
    await store(session, [account])
    if live is not account and live.subscription is not None:
        # A credit may have paid an overdue invoice of the live subscription.
        again, at = await open_customer(session, account.customer.id, now=now)
        update_past_due(again, at)
        # It may have given back a period of a discount of the customer.
        count(again, at)
        await store(session, [again])


async def open_unpaid(
    session: AsyncSession, invoice_id: InvoiceId, now: datetime, *, rule: str, draft_rule: str | None = None
) -> tuple[Account, InvoiceState, datetime]:
    """Returns the account of an OPEN or UNCOLLECTIBLE invoice, the invoice in that account, and the customer's current
    time.

    Raises `InvoiceNotFound`, `TestClockAdvancing`, and for any other status the error from `status_error` with `rule`,
    or with `draft_rule` for a DRAFT.
    """
    invoice = await read_existing_invoice(session, invoice_id)
    account, at = await open_customer(session, invoice.customer_id, now=now)
    for state in account.unpaid:
        if state.id == invoice_id:
            return account, state, at
    # The status may have changed before the customer was locked.
    status = (await reread_invoice(session, invoice)).status
    raise status_error(status, draft_rule if draft_rule and status is InvoiceStatus.DRAFT else rule)


async def read_existing_invoice(session: AsyncSession, invoice_id: InvoiceId) -> Invoice:
    """Returns the invoice, without a lock. Raises `InvoiceNotFound`."""
    invoice = await session.scalar(select(Invoice).where(Invoice.id == invoice_id))
    if invoice is None:
        raise InvoiceNotFound(NO_INVOICE)
    return invoice


async def reread_invoice(session: AsyncSession, invoice: Invoice) -> Invoice:
    """Reads the invoice again after its customer was locked: it may have changed until then.

    Raises `InvoiceNotFound` for a draft that was deleted.
    """
    present = await session.get(Invoice, (invoice.id, invoice.customer_id), populate_existing=True)
    if present is None:
        raise InvoiceNotFound(NO_INVOICE)
    return present
