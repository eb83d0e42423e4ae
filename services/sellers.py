"""The profile of the seller. An update stores a new version, and invoices refer to the one in force."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import EventType
from billing.errors import VersionConflict
from billing.ids import SellerId, new_id
from billing.limits import MAX_LEGAL_NAME, MAX_PHONE
from billing.records import Address
from billing.tax_validation import (
    valid_bank_account,
    valid_cash_rounding,
    valid_registrations,
    valid_tax_ids,
    valid_time_zone,
)
from billing.taxes import BankAccount, TaxId, TaxRegistration
from billing.validation import optional_text, required_text, valid_address, valid_country, valid_email
from db.models import Seller
from services.events import record
from services.idempotency import Outcome
from services.tax_rates import read_tax_rates


class SellerChanges(TypedDict, total=False):
    """The fields of the profile that an update gives. None clears a field that is not required."""

    legal_name: str | None
    address: Address | None
    home_country: str | None
    tax_ids: Sequence[TaxId] | None
    time_zone: str | None
    email: str | None
    phone: str | None
    bank_account: BankAccount | None
    registrations: Sequence[TaxRegistration] | None
    cash_rounding: Mapping[str, int] | None


NO_SELLER = dict.fromkeys(SellerChanges.__annotations__)
"""The profile before its first version. A name and a home country must replace its own."""


async def update_seller(
    session: AsyncSession, changes: SellerChanges, *, expected_revision: int | None = None, now: datetime
) -> Outcome:
    """Stores a new version of the seller's profile: the latest one with the given fields changed.

    The first version needs `legal_name` and `home_country`; the revision before it is 0.

    Raises `VersionConflict` if the latest revision is not `expected_revision`, `InvalidInput`, `CountryUnknown`,
    `CurrencyUnknown`, `EmailInvalid`, `TaxIdInvalid`, `BankAccountInvalid`, `TaxRegistrationsOverlap`,
    `TaxRateNotFound`, `TaxRateArchived`, `TaxRatesConflict`.
    """
    # Two versions must not have the same number. Readers, and invoices that refer to a version, do not wait.
    await session.execute(text("LOCK TABLE sellers IN SHARE ROW EXCLUSIVE MODE"))
    before = await latest_seller(session)
    revision = before.revision if before else 0
    if expected_revision is not None and revision != expected_revision:
        message = f"The profile has changed: its revision is {revision}, not {expected_revision}. Nothing was stored."
        raise VersionConflict(message, "expected_revision")
    rates, archived = await read_tax_rates(session) if changes.get("registrations") else ({}, set())
    if before is not None:
        # A rate that was archived since stays where it was chosen.
        archived -= {id_ for registration in before.registrations for id_ in registration.rate_ids}
    validators: dict[str, Callable[[Any], Any]] = {
        "legal_name": lambda name: required_text(name, "legal_name", MAX_LEGAL_NAME),
        "address": valid_address,
        "home_country": lambda code: valid_country(required_text(code, "home_country", 2), "home_country"),
        "tax_ids": lambda ids: valid_tax_ids(ids or (), before.tax_ids if before else ()),
        "time_zone": lambda name: valid_time_zone(name or "UTC"),
        "email": lambda email: valid_email(email).normalized if email else None,
        "phone": lambda phone: optional_text(phone, "phone", MAX_PHONE),
        "bank_account": valid_bank_account,
        "registrations": lambda each: valid_registrations(each or (), rates, archived),
        "cash_rounding": lambda increments: valid_cash_rounding(increments or {}),
    }
    given: Mapping[str, object] = changes if before is not None else {**NO_SELLER, **changes}
    values = {} if before is None else {name: getattr(before, name) for name in validators}
    for name, value in given.items():
        values[name] = validators[name](value)
    if before is not None and all(getattr(before, name) == value for name, value in values.items()):
        return Outcome(seller_id=before.id)
    seller = Seller(id=SellerId(new_id()), revision=revision + 1, created_at=now, **values)
    session.add(seller)
    await record(session, EventType.SELLER_UPDATED, seller, at=now, now=now)
    return Outcome(seller_id=seller.id)


async def latest_seller(session: AsyncSession) -> Seller | None:
    """Returns the version of the seller's profile that is in force, or None."""
    return await session.scalar(select(Seller).order_by(Seller.revision.desc()).limit(1))
