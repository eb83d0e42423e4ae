"""Validation and normalization of input: names, codes, e-mail addresses, postal addresses, metadata and numbers."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from decimal import Decimal
from enum import Enum
from typing import Final

from email_validator import EmailNotValidError, ValidatedEmail, validate_email
from iso4217 import Currency

from billing.enums import PlanInterval
from billing.errors import (
    AmountNegative,
    AmountTooLarge,
    CountryUnknown,
    CurrencyUnknown,
    EmailInvalid,
    InvalidInput,
    QuantityOutOfRange,
)
from billing.limits import (
    MAX_ADDRESS_LINE,
    MAX_CENTS,
    MAX_EMAIL,
    MAX_INTERVAL_COUNT,
    MAX_MEMO,
    MAX_METADATA_KEY,
    MAX_METADATA_PAIRS,
    MAX_METADATA_VALUE,
    MAX_NET_DAYS,
    MAX_PERCENT,
    MAX_PLAN_CODE,
    MAX_PO_NUMBER,
    MAX_QUANTITY,
    MAX_TRIAL_DAYS,
    PERCENT_DECIMALS,
    PLAN_DAYS,
)
from billing.records import Address


def required_text(text: str | None, field: str, longest: int) -> str:
    """Returns `text` without surrounding white space.

    Raises `InvalidInput` if it is empty or has more than `longest` characters.
    """
    stripped = (text or "").strip()
    if not stripped:
        raise InvalidInput(f"{field_label(field)} must not be empty.", field)
    if len(stripped) > longest:
        raise InvalidInput(f"{field_label(field)} must have at most {longest} characters.", field)
    return stripped


def optional_text(text: str | None, field: str, longest: int) -> str | None:
    """Returns None if `text` is None or only white space, else the same as `required_text`."""
    if text is None or not text.strip():
        return None
    return required_text(text, field, longest)


def text_in(text: str | None, longest: int, *field: str) -> str | None:
    """Returns the text of an input inside of another one, like `optional_text`. Raises `InvalidInput` for its path."""
    try:
        return optional_text(text, field[-1], longest)
    except InvalidInput as error:
        raise InvalidInput(str(error), *field) from None


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def valid_po_number(text: str | None) -> str | None:
    """Returns the purchase order number like `optional_text`. Raises `InvalidInput`, also for control characters."""
    number = optional_text(text, "po_number", MAX_PO_NUMBER)
    if number is not None and CONTROL.search(number):
        raise InvalidInput("PO number must be one line without control characters.", "po_number")
    return number


def valid_memo(text: str | None, field: str) -> str | None:
    """Returns the memo like `optional_text`, with `\n` as line break.

    Raises `InvalidInput`, also for control characters other than tabs and line breaks.
    """
    memo = optional_text(None if text is None else text.replace("\r\n", "\n"), field, MAX_MEMO)
    if memo is not None and CONTROL_IN_LINES.search(memo):
        raise InvalidInput(f"{field_label(field)} must not contain control characters except line breaks.", field)
    return memo


def is_percentage(percent: Decimal) -> bool:
    """Returns True for 0 to `MAX_PERCENT` with at most `PERCENT_DECIMALS` decimals."""
    exponent = percent.normalize().as_tuple().exponent
    return isinstance(exponent, int) and 0 <= percent <= MAX_PERCENT and -exponent <= PERCENT_DECIMALS


def field_label(field: str) -> str:
    """Returns the field's name for a message: "Net days", but "PO number"."""
    label = field.replace("_", " ").capitalize()
    return label.replace("Po ", "PO ")


def valid_email(text: str | None) -> ValidatedEmail:
    """Returns the normalized address (RFC 5321, RFC 6531). Does not look up the domain. Raises `EmailInvalid`."""
    text = (text or "").strip()
    # Check this first: Unicode normalization of a very long text takes seconds.
    if len(text) > MAX_EMAIL:
        raise EmailInvalid(f"An e-mail address has at most {MAX_EMAIL} characters.")
    try:
        # `test_environment` accepts the domain `.test`, which RFC 2606 reserves for testing.
        return validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise EmailInvalid(str(error).replace("email address", "e-mail address")) from None


def email_key(email: ValidatedEmail) -> str:
    """Returns the form in which an address must be unique: local part lower case and NFC, domain in IDNA (RFC 5891)."""
    local = unicodedata.normalize("NFC", email.local_part.lower())
    return f"{local}@{(email.ascii_domain or email.domain).lower()}"


def email_key_or_none(text: str) -> str | None:
    """Returns the `email_key` of an address, or None if it is not valid."""
    try:
        return email_key(valid_email(text))
    except EmailInvalid:
        return None


def valid_address(address: Address | None) -> Address | None:
    """Returns the address with surrounding white space removed, or None if all its fields are empty.

    Raises `InvalidInput` if a field is too long, and `CountryUnknown`.
    """
    if address is None:
        return None
    names = [line.name for line in fields(Address)]
    lines = {name: text_in(getattr(address, name), MAX_ADDRESS_LINE, "address", name) for name in names}
    stripped = replace(address, **lines)
    if stripped == Address():
        return None
    if stripped.country is not None:
        valid_country(stripped.country)
    return stripped


MINOR_UNITS = {
    currency.code: currency.exponent
    for currency in sorted(Currency, key=lambda currency: currency.code)
    if currency.exponent is not None
}
"""Number of digits after the decimal point, by currency code in alphabetical order: 2 for EUR, 0 for JPY.

Contains the codes in ISO 4217's active list that have a minor unit. Gold, funds and test codes have none.
"""

CURRENCIES = frozenset(MINOR_UNITS)
"""Codes of the currencies that are accepted."""


def valid_currency(code: str, *field: str) -> str:
    """Returns the code. Raises `CurrencyUnknown` if it is not in `CURRENCIES`, by default for the field `currency`."""
    if code not in CURRENCIES:
        raise CurrencyUnknown(unknown_code(code, "ISO 4217 currency code", CURRENCIES), *field)
    return code


def unknown_code(code: str, kind: str, codes: Collection[str]) -> str:
    """Returns the message about a code that is not one of `codes`, with a hint if only its case is wrong."""
    hint = f": codes are upper case, such as {code.upper()!r}" if code.upper() in codes else ""
    return f"{code!r} is not an {kind}{hint}."


def valid_metadata(pairs: Mapping[str, str] | None) -> dict[str, str]:
    """Returns a copy of the pairs, or an empty dict for None.

    Raises `InvalidInput` if there are too many pairs, or if a key or value is too long.
    """
    pairs = pairs or {}
    if len(pairs) > MAX_METADATA_PAIRS:
        raise InvalidInput(f"Metadata must have at most {MAX_METADATA_PAIRS} pairs.", "metadata")
    for key, value in pairs.items():
        if not 1 <= len(key) <= MAX_METADATA_KEY:
            raise InvalidInput(f"A metadata key must have 1 to {MAX_METADATA_KEY} characters.", "metadata")
        if len(value) > MAX_METADATA_VALUE:
            raise InvalidInput(f"A metadata value must have at most {MAX_METADATA_VALUE} characters.", "metadata")
    return dict(pairs)


COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY
    BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK
    FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR
    IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK
    ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
    PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF
    TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905
)
"""The 249 officially assigned codes of ISO 3166-1 alpha-2."""


def valid_country(code: str, *field: str) -> str:
    """Returns the code. Raises `CountryUnknown` if it is not in `COUNTRIES`, by default for that of `address`."""
    if code not in COUNTRIES:
        raise CountryUnknown(unknown_code(code, "ISO 3166-1 alpha-2 country code", COUNTRIES), *field)
    return code


class Unchanged(Enum):
    UNCHANGED = "UNCHANGED"


UNCHANGED: Final = Unchanged.UNCHANGED
"""Default for parameters of updates: keep the stored value. None means to clear it."""


def valid_net_days(days: int | None) -> int | None:
    if days is not None and not 0 <= days <= MAX_NET_DAYS:
        raise InvalidInput(f"Net days must be 0 to {MAX_NET_DAYS}.", "net_days")
    return days


def valid_trial_days(days: int) -> int:
    if not 0 <= days <= MAX_TRIAL_DAYS:
        raise InvalidInput(f"Trial days must be 0 to {MAX_TRIAL_DAYS}.", "trial_days")
    return days


def valid_quantity(quantity: int) -> int:
    if not 1 <= quantity <= MAX_QUANTITY:
        raise QuantityOutOfRange(f"Quantity must be 1 to {MAX_QUANTITY}.")
    return quantity


def valid_interval_count(interval: PlanInterval, count: int | None) -> int:
    """Returns the number of intervals in a period. Without a `count`: `PLAN_DAYS` for days, 1 for other intervals.

    Raises `InvalidInput`.
    """
    if count is None:
        return PLAN_DAYS if interval is PlanInterval.DAY else 1
    if not 1 <= count <= MAX_INTERVAL_COUNT[interval]:
        raise InvalidInput(
            f"The interval count for {interval} must be 1 to {MAX_INTERVAL_COUNT[interval]}.", "interval_count"
        )
    return count


def valid_price(amount_cents: int) -> int:
    """Returns the price. Raises `AmountNegative`, `AmountTooLarge`."""
    if amount_cents < 0:
        raise AmountNegative("A price must not be negative.")
    if amount_cents > MAX_CENTS:
        raise AmountTooLarge(f"A price must be at most {MAX_CENTS} minor units.", "amount_cents")
    return amount_cents


CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def valid_plan_code(code: str) -> str:
    return valid_code(code, MAX_PLAN_CODE)


def valid_code(code: str, longest: int) -> str:
    """Returns the code without surrounding white space. Raises `InvalidInput`."""
    stripped = required_text(code, "code", longest)
    if not CODE.fullmatch(stripped):
        raise InvalidInput(
            "Code must start with a letter or digit and contain only letters, digits, dots, dashes and underscores.",
            "code",
        )
    return stripped
