"""Customers. They are archived, never deleted."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import EventType, SubscriptionStatus, TaxStatus
from billing.errors import (
    BillingError,
    CustomerArchived,
    CustomerHasLiveSubscription,
    CustomerNotArchived,
    CustomerNotFound,
    EmailTaken,
    ExternalIdTaken,
    TaxIdNotFound,
    VersionConflict,
)
from billing.ids import CustomerId, TaxRateId, TestClockId, new_id
from billing.limits import MAX_EXTERNAL_ID, MAX_NAME, MAX_TAX_ID
from billing.records import Address
from billing.tax_validation import valid_tax_id, valid_tax_profile
from billing.taxes import NO_PROFILE, TaxId, TaxProfile
from billing.validation import (
    UNCHANGED,
    Unchanged,
    email_key,
    optional_text,
    required_text,
    valid_address,
    valid_email,
    valid_memo,
    valid_metadata,
    valid_net_days,
    valid_po_number,
)
from db.driver.errors import violated_constraint
from db.models import Customer, Subscription
from db.models.base import mark_changed
from db.queries.locks import locked_customer
from services.accounts.clock import clock_time
from services.accounts.open import open_customer
from services.customer_sessions import end_customer_sessions
from services.events import record
from services.idempotency import Outcome
from services.tax_rates import checked_rate_ids
from services.test_clocks import read_existing_test_clock

PREFIX_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32, which leaves out letters that look like digits."""
PREFIX_LENGTH = 10


async def create_customer(
    session: AsyncSession,
    *,
    name: str,
    email: str,
    external_id: str | None = None,
    address: Address | None = None,
    tax_id: str | None = None,
    tax_status: TaxStatus = TaxStatus.TAXABLE,
    tax_exemption_reason: str | None = None,
    tax_ids: Sequence[TaxId] = (),
    tax_rate_ids: Sequence[TaxRateId] = (),
    net_days: int | None = None,
    po_number: str | None = None,
    invoice_memo: str | None = None,
    test_clock_id: TestClockId | None = None,
    metadata: Mapping[str, str] | None = None,
    now: datetime,
) -> Outcome:
    """Creates a customer, on a test clock if one is given.

    Raises `InvalidInput`, `EmailInvalid`, `EmailTaken`, `ExternalIdTaken`, `CountryUnknown`, `TestClockNotFound`,
    `TestClockAdvancing`, `TaxIdInvalid`, `TaxRateNotFound`, `TaxRateArchived`, `TaxRatesConflict`.
    """
    at = now
    if test_clock_id is not None:
        await read_existing_test_clock(session, test_clock_id)
        at = await clock_time(session, test_clock_id)
    valid = valid_email(email)
    customer = Customer(
        id=CustomerId(new_id()),
        name=required_text(name, "name", MAX_NAME),
        email=valid.normalized,
        email_key=email_key(valid),
        external_id=optional_text(external_id, "external_id", MAX_EXTERNAL_ID),
        address=valid_address(address),
        tax_id=optional_text(tax_id, "tax_id", MAX_TAX_ID),
        tax_profile=valid_tax_profile(
            None,
            status=tax_status,
            exemption_reason=tax_exemption_reason,
            ids=tax_ids,
            rate_ids=await checked_rate_ids(session, tax_rate_ids, "tax_rate_ids"),
        ),
        currency=None,
        invoice_prefix=new_invoice_prefix(),
        last_invoice_number=0,
        balance_cents=0,
        last_ledger_number=0,
        net_days=valid_net_days(net_days),
        po_number=valid_po_number(po_number),
        invoice_memo=valid_memo(invoice_memo, "invoice_memo"),
        test_clock_id=test_clock_id,
        custom_metadata=valid_metadata(metadata),
        archived_at=None,
        version=1,
        created_at=at,
        updated_at=at,
    )
    session.add(customer)
    with unique_customer():
        await record(session, EventType.CUSTOMER_CREATED, customer, at=at, now=now)
    return Outcome(customer_id=customer.id)


async def update_customer(
    session: AsyncSession,
    *,
    customer_id: CustomerId,
    expected_version: int | None = None,
    name: str | None | Unchanged = UNCHANGED,
    email: str | None | Unchanged = UNCHANGED,
    external_id: str | None | Unchanged = UNCHANGED,
    address: Address | None | Unchanged = UNCHANGED,
    tax_id: str | None | Unchanged = UNCHANGED,
    tax_status: TaxStatus | None | Unchanged = UNCHANGED,
    tax_exemption_reason: str | None | Unchanged = UNCHANGED,
    tax_ids: Sequence[TaxId] | None | Unchanged = UNCHANGED,
    tax_rate_ids: Sequence[TaxRateId] | None | Unchanged = UNCHANGED,
    net_days: int | None | Unchanged = UNCHANGED,
    po_number: str | None | Unchanged = UNCHANGED,
    invoice_memo: str | None | Unchanged = UNCHANGED,
    metadata: Mapping[str, str] | None | Unchanged = UNCHANGED,
    now: datetime,
) -> Outcome:
    """Updates the given fields. `metadata` is replaced as a whole. Finalized invoices do not change.

    A name or e-mail address of None is rejected like an empty one. Raises `CustomerNotFound`, `VersionConflict` if the
    version of the customer is not `expected_version`, and the errors of `create_customer`.
    """
    customer, at = await lock_existing_customer(session, customer_id, now)
    if expected_version is not None and customer.version != expected_version:
        raise VersionConflict(
            f"The customer has changed: its version is {customer.version}, not {expected_version}. Nothing was stored."
        )
    if name is not UNCHANGED:
        customer.name = required_text(name, "name", MAX_NAME)
    if email is not UNCHANGED:
        valid = valid_email(email)
        customer.email, customer.email_key = valid.normalized, email_key(valid)
    if external_id is not UNCHANGED:
        customer.external_id = optional_text(external_id, "external_id", MAX_EXTERNAL_ID)
    if address is not UNCHANGED:
        customer.address = valid_address(address)
    if tax_id is not UNCHANGED:
        customer.tax_id = optional_text(tax_id, "tax_id", MAX_TAX_ID)
    before = customer.tax_profile or NO_PROFILE
    status = before.status if tax_status is UNCHANGED else tax_status or TaxStatus.TAXABLE
    # A reason belongs to the status EXEMPT, and ends with it.
    kept_reason = before.exemption_reason if status is TaxStatus.EXEMPT else None
    profile = valid_tax_profile(
        before,
        status=status,
        exemption_reason=kept_reason if tax_exemption_reason is UNCHANGED else tax_exemption_reason,
        ids=before.ids if tax_ids is UNCHANGED else tax_ids or (),
        rate_ids=before.rate_ids
        if tax_rate_ids is UNCHANGED
        else await checked_rate_ids(session, tax_rate_ids or (), "tax_rate_ids", chosen_before=before.rate_ids),
    )
    also = changed_tax_fields(before, profile or NO_PROFILE)
    if also:
        customer.tax_profile = profile
    if net_days is not UNCHANGED:
        customer.net_days = valid_net_days(net_days)
    if po_number is not UNCHANGED:
        customer.po_number = valid_po_number(po_number)
    if invoice_memo is not UNCHANGED:
        customer.invoice_memo = valid_memo(invoice_memo, "invoice_memo")
    if metadata is not UNCHANGED:
        customer.custom_metadata = valid_metadata(metadata)

    if session.is_modified(customer):
        mark_changed(customer, at)
        with unique_customer():
            await record(session, EventType.CUSTOMER_UPDATED, customer, also=also, at=at, now=now)
    return Outcome(customer_id=customer.id)


def changed_tax_fields(before: TaxProfile, after: TaxProfile) -> list[str]:
    """Returns the names of the fields that show what differs between two tax profiles."""
    fields = {
        "tax_status": (before.status, after.status),
        "tax_exemption_reason": (before.exemption_reason, after.exemption_reason),
        "tax_ids": (before.ids, after.ids),
        "tax_rates": (before.rate_ids, after.rate_ids),
    }
    return [name for name, (was, is_) in fields.items() if was != is_]


async def confirm_tax_id(
    session: AsyncSession, *, customer_id: CustomerId, country: str, value: str, now: datetime
) -> Outcome:
    """Marks a tax id of a customer as verified, so that it changes the customer's taxes.

    Raises `CustomerNotFound`, `TaxIdNotFound`, `TestClockAdvancing`.
    """
    customer, at = await lock_existing_customer(session, customer_id, now)
    profile = customer.tax_profile or NO_PROFILE
    wanted = official_form(country, value)
    if not any((each.country, each.value) == wanted for each in profile.ids):
        raise TaxIdNotFound("This customer has no such tax id: see `taxIds`.")
    ids = tuple(
        replace(each, verified_at=each.verified_at or at) if (each.country, each.value) == wanted else each
        for each in profile.ids
    )
    if ids != profile.ids:
        customer.tax_profile = replace(profile, ids=ids)
        mark_changed(customer, at)
        await record(session, EventType.CUSTOMER_UPDATED, customer, also=["tax_ids"], at=at, now=now)
    return Outcome(customer_id=customer_id)


def official_form(country: str, value: str) -> tuple[str, str]:
    """Returns country and number of a tax id in the form in which they are stored, or unchanged if they have none."""
    try:
        valid = valid_tax_id(TaxId(country, value))
    except BillingError:
        return country, value
    return valid.country, valid.value


async def archive_customer(session: AsyncSession, *, customer_id: CustomerId, now: datetime) -> Outcome:
    """Archives a customer without a live subscription, and ends the customer's sessions.

    The e-mail address becomes available to others, and invoices stay owed. Raises `CustomerNotFound`,
    `CustomerArchived`, `CustomerHasLiveSubscription`, `TestClockAdvancing`.
    """
    await open_customer(session, customer_id, now=now)
    customer, at = await lock_existing_customer(session, customer_id, now)
    if customer.archived_at is not None:
        raise CustomerArchived("This customer is already archived.")
    live = exists().where(Subscription.customer_id == customer_id, Subscription.status != SubscriptionStatus.CANCELED)
    if await session.scalar(select(live)):
        raise CustomerHasLiveSubscription("This customer has a live subscription: cancel the subscription first.")

    customer.archived_at = at
    mark_changed(customer, at)
    await record(session, EventType.CUSTOMER_ARCHIVED, customer, at=at, now=now)
    await end_customer_sessions(session, customer_id, now=now)
    return Outcome(customer_id=customer.id)


async def unarchive_customer(session: AsyncSession, *, customer_id: CustomerId, now: datetime) -> Outcome:
    """Unarchives a customer.

    Raises `CustomerNotFound`, `CustomerNotArchived`, `EmailTaken`, `TestClockAdvancing`.
    """
    customer, at = await lock_existing_customer(session, customer_id, now)
    if customer.archived_at is None:
        raise CustomerNotArchived("This customer is not archived.")

    customer.archived_at = None
    mark_changed(customer, at)
    taken = EmailTaken(
        "Another customer has this e-mail address: change the e-mail address of this archived customer with"
        " updateCustomer first.",
        "customer_id",
    )
    with unique_customer(taken):
        await record(session, EventType.CUSTOMER_UNARCHIVED, customer, at=at, now=now)
    return Outcome(customer_id=customer.id)


async def lock_existing_customer(
    session: AsyncSession, customer_id: CustomerId, now: datetime
) -> tuple[Customer, datetime]:
    """Returns the customer, locked, and the customer's current time.

    Raises `CustomerNotFound`, `TestClockAdvancing`.
    """
    customer = await locked_customer(session, customer_id)
    if customer is None:
        raise CustomerNotFound("There is no customer with this id.")
    at = now if customer.test_clock_id is None else await clock_time(session, customer.test_clock_id)
    return customer, max(at, customer.updated_at)


def new_invoice_prefix() -> str:
    """Returns the random prefix of a customer's invoice numbers: 10 letters and digits, 50 bits of entropy."""
    return "".join(secrets.choice(PREFIX_LETTERS) for _ in range(PREFIX_LENGTH))


@contextmanager
def unique_customer(taken: EmailTaken | None = None) -> Iterator[None]:
    """Turns violations of unique constraints inside the block into `ExternalIdTaken`, or into `taken`."""
    try:
        yield
    except IntegrityError as error:
        match violated_constraint(error):
            case "uq_customers_email_key":
                raise taken or EmailTaken("Another customer has this e-mail address.") from None
            case "uq_customers_external_id":
                raise ExternalIdTaken("Another customer has this external id.") from None
            case _:
                raise
