"""Validation of input about taxes: percentages, tax rates, tax ids, bank accounts, registrations and cash rounding."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from zoneinfo import available_timezones

from stdnum import get_cc_module, iban
from stdnum.exceptions import ValidationError

from billing.enums import ZERO_RATED, TaxBehavior, TaxCategory, TaxKind, TaxStatus
from billing.errors import (
    BankAccountInvalid,
    InvalidInput,
    TaxIdInvalid,
    TaxPercentInvalid,
    TaxRateArchived,
    TaxRateNotFound,
    TaxRatesConflict,
    TaxRegistrationsOverlap,
)
from billing.ids import TaxRateId
from billing.limits import (
    MAX_ADDRESS_LINE,
    MAX_BIC,
    MAX_PERCENT,
    MAX_REGISTRATIONS,
    MAX_ROUNDING_INCREMENT,
    MAX_TAX_ID,
    MAX_TAX_IDS,
    MAX_TAX_RATES_OF_A_LINE,
    MAX_TAX_REASON,
    PERCENT_DECIMALS,
)
from billing.taxes import NO_PROFILE, BankAccount, LineTax, Tax, TaxId, TaxProfile, TaxRegistration
from billing.taxing import EU_COUNTRIES, REASONS
from billing.validation import is_percentage, optional_text, text_in, valid_country, valid_currency


@cache
def time_zones() -> Set[str]:
    """Returns the names of the time zones of the IANA database. The first call reads the file names of the database."""
    return available_timezones()


def valid_percent(percent: Decimal, category: TaxCategory | None) -> Decimal:
    """Returns the percentage of a tax. Raises `TaxPercentInvalid`."""
    if not is_percentage(percent):
        raise TaxPercentInvalid(f"A percentage must be 0 to {MAX_PERCENT}, with at most {PERCENT_DECIMALS} decimals.")
    if category in ZERO_RATED and percent != 0:
        raise TaxPercentInvalid(f"A VAT of category {category} must be 0 %.")
    if category is TaxCategory.S and percent == 0:
        raise TaxPercentInvalid("A VAT of category S must be more than 0 %: use category Z.")
    return percent


def valid_category(kind: TaxKind, category: TaxCategory | None) -> TaxCategory | None:
    """Returns the category of a tax. Raises `InvalidInput` for a VAT without one, and for a sales tax with one."""
    if (kind is TaxKind.VAT) != (category is not None):
        raise InvalidInput("A VAT needs a category, and a sales tax has none.", "category")
    return category


def valid_tax_reason(reason: str | None, category: TaxCategory | None) -> str | None:
    """Returns the reason why a tax is 0: by default that of `REASONS`. Raises `InvalidInput`."""
    reason = optional_text(reason, "reason", MAX_TAX_REASON)
    if category is TaxCategory.E and reason is None:
        raise InvalidInput("A VAT of category E needs a reason.", "reason")
    return reason or (category and REASONS.get(category))


def valid_rate_ids(
    rate_ids: Sequence[TaxRateId], rates: Mapping[TaxRateId, Tax], archived: Set[TaxRateId], *field: str
) -> tuple[TaxRateId, ...]:
    """Returns the ids of rates that apply together. `field` is the input that names them.

    Raises `InvalidInput`, `TaxRateNotFound`, `TaxRateArchived`, `TaxRatesConflict`.
    """
    if len(rate_ids) > MAX_TAX_RATES_OF_A_LINE:
        raise InvalidInput(f"At most {MAX_TAX_RATES_OF_A_LINE} tax rates may apply together.", *field)
    for rate_id in rate_ids:
        if rate_id not in rates:
            raise TaxRateNotFound("There is no tax rate with this id.", *field)
        if rate_id in archived:
            raise TaxRateArchived("This tax rate is archived.", *field)
    vat = [rate_id for rate_id in rate_ids if rates[rate_id].kind is TaxKind.VAT]
    if len(vat) > 1 or len({*rate_ids}) != len(rate_ids):
        raise TaxRatesConflict("Each rate may be given only once, and only one of them may be a VAT.", *field)
    return tuple(rate_ids)


def valid_line_tax(behavior: TaxBehavior | None, rate_ids: tuple[TaxRateId, ...]) -> LineTax | None:
    """Returns the requested taxation of a line or plan, or None if it is the default."""
    tax = LineTax(behavior or TaxBehavior.EXCLUSIVE, rate_ids)
    return None if tax == LineTax() else tax


def valid_tax_ids(ids: Sequence[TaxId], before: Sequence[TaxId] = ()) -> tuple[TaxId, ...]:
    """Returns tax ids in their official format. An id that is among `before` keeps its verification.

    Raises `InvalidInput`, `CountryUnknown`, `TaxIdInvalid`.
    """
    if len(ids) > MAX_TAX_IDS:
        raise InvalidInput(f"At most {MAX_TAX_IDS} tax ids are allowed.", "tax_ids")
    known = {(each.country, each.value): each for each in before}
    found: dict[tuple[str, str], TaxId] = {}
    for place, each in enumerate(ids):
        given = (each.country, each.value)
        valid = known[given] if given in known else valid_tax_id(each, "tax_ids", str(place))
        key = (valid.country, valid.value)
        if key in found:
            raise InvalidInput("Each tax id may be given only once.", "tax_ids", str(place))
        found[key] = known.get(key, valid)
    return tuple(found.values())


def valid_tax_id(tax_id: TaxId, *field: str) -> TaxId:
    """Returns a VAT number, not verified, in its official format. Those of the EU begin with the country.

    Raises `CountryUnknown`, `TaxIdInvalid`.
    """
    country = tax_id.country
    valid_country(country, *field, "country")
    if len(tax_id.value) > MAX_TAX_ID:
        raise TaxIdInvalid(f"A tax id has at most {MAX_TAX_ID} characters.", *field, "value")
    module = get_cc_module(country.lower(), "vat")
    if module is None:
        raise TaxIdInvalid(f"The format of VAT numbers of {country} is not known.", *field, "country")
    try:
        number = str(module.validate(tax_id.value))
    except ValidationError:
        raise TaxIdInvalid(f"This is not a VAT number of {country}.", *field, "value") from None
    if country not in EU_COUNTRIES:
        return TaxId(country, number)
    prefix = "EL" if country == "GR" else country
    return TaxId(country, number if number.startswith(prefix) else prefix + number)


def valid_tax_profile(
    before: TaxProfile | None,
    *,
    status: TaxStatus,
    exemption_reason: str | None,
    ids: Sequence[TaxId],
    rate_ids: tuple[TaxRateId, ...],
) -> TaxProfile | None:
    """Returns the tax profile of a customer, or None if it is the default.

    Raises `InvalidInput`, `CountryUnknown`, `TaxIdInvalid`.
    """
    reason = optional_text(exemption_reason, "tax_exemption_reason", MAX_TAX_REASON)
    if (status is TaxStatus.EXEMPT) != (reason is not None):
        raise InvalidInput("An exempt customer needs a reason, and no other customer has one.", "tax_exemption_reason")
    profile = TaxProfile(status, reason, valid_tax_ids(ids, (before or NO_PROFILE).ids), rate_ids)
    return None if profile == NO_PROFILE else profile


def valid_bank_account(account: BankAccount | None) -> BankAccount | None:
    """Returns the account with its IBAN without spaces. Raises `BankAccountInvalid`, `InvalidInput`."""
    if account is None:
        return None
    if len(account.iban) > MAX_TAX_ID:
        raise BankAccountInvalid("This is not an IBAN.")
    try:
        number = iban.validate(account.iban)
    except ValidationError:
        raise BankAccountInvalid("This is not an IBAN.") from None
    return BankAccount(
        str(number),
        text_in(account.bic, MAX_BIC, "bank_account", "bic"),
        text_in(account.bank_name, MAX_ADDRESS_LINE, "bank_account", "bank_name"),
    )


def valid_registrations(
    registrations: Sequence[TaxRegistration], rates: Mapping[TaxRateId, Tax], archived: Set[TaxRateId]
) -> tuple[TaxRegistration, ...]:
    """Returns registrations, ordered by place and time. Regions are compared regardless of case.

    Raises `InvalidInput`, `CountryUnknown`, `TaxRegistrationsOverlap` and the errors of `valid_rate_ids`.
    """
    if len(registrations) > MAX_REGISTRATIONS:
        raise InvalidInput(f"At most {MAX_REGISTRATIONS} registrations are allowed.", "registrations")
    found: dict[tuple[str, str, datetime], TaxRegistration] = {}
    for place, each in enumerate(registrations):
        field = ("registrations", str(place))
        valid_country(each.country, *field, "country")
        region = text_in(each.region, MAX_ADDRESS_LINE, *field, "region")
        if not each.rate_ids:
            raise InvalidInput("A registration needs at least one tax rate.", *field, "tax_rate_ids")
        valid_rate_ids(each.rate_ids, rates, archived, *field, "tax_rate_ids")
        key = (each.country, (region or "").casefold(), each.valid_from)
        if key in found:
            raise TaxRegistrationsOverlap(
                "Another registration for the same place begins at the same time.", *field, "valid_from"
            )
        found[key] = replace(each, region=region)
    return tuple(found[key] for key in sorted(found))


def valid_cash_rounding(increments: Mapping[str, int]) -> dict[str, int]:
    """Returns the increments by currency, without those of 1. Raises `CurrencyUnknown`, `InvalidInput`."""
    for currency, increment in increments.items():
        valid_currency(currency, "cash_rounding")
        if not 1 <= increment <= MAX_ROUNDING_INCREMENT:
            raise InvalidInput(
                f"A rounding increment must be 1 to {MAX_ROUNDING_INCREMENT} minor units.", "cash_rounding"
            )
    return {currency: increment for currency, increment in sorted(increments.items()) if increment > 1}


def valid_time_zone(name: str) -> str:
    """Returns the name of a time zone of the IANA database, such as `Europe/Berlin`. Raises `InvalidInput`."""
    if name not in time_zones():
        raise InvalidInput(f"{name[:50]!r} is not a time zone of the IANA database.", "time_zone")
    return name
