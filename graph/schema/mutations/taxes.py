"""Mutations of the seller, tax rates and tax ids."""

from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import strawberry
from strawberry import Maybe

from billing import limits, taxes
from billing.enums import ApiKeyScope, TaxCategory, TaxKind
from billing.errors import InvalidInput
from billing.ids import CustomerId, TaxRateId
from billing.validation import UNCHANGED
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import (
    Payload,
    given,
    idempotency_key_field,
    made_customer,
    made_seller,
    made_tax_rate,
    mutation,
    payload,
)
from graph.schema.fields.scalars import Currency, parse_id
from graph.schema.types.common import AddressInput
from graph.schema.types.customers import Customer
from graph.schema.types.taxes import Seller, TaxIdInput, TaxRate, tax_rate_ids_of
from services import customers, sellers, tax_rates
from services.sellers import SellerChanges


@strawberry.input(description="A bank account that customers pay to.")
class BankAccountInput:
    iban: str = strawberry.field(description="The IBAN, with or without spaces. Its check digits are verified.")
    bic: str | None = strawberry.field(
        default=None, description=f"The BIC of the bank: at most {limits.MAX_BIC} characters."
    )
    bank_name: str | None = strawberry.field(
        default=None, description=f"The name of the bank: at most {limits.MAX_ADDRESS_LINE} characters."
    )


@strawberry.input(description="A place in which the seller is registered for taxes.")
class TaxRegistrationInput:
    country: str = strawberry.field(description="The country (ISO 3166-1 alpha-2).")
    region: str | None = strawberry.field(
        default=None,
        description=(
            "The region, as in the `region` of customers' addresses, regardless of case. Omit it for the whole country."
        ),
    )
    valid_from: datetime = strawberry.field(
        description="When the registration begins to apply. Registrations for the same place must differ in this."
    )
    tax_rate_ids: list[strawberry.ID] = strawberry.field(
        description=f"The tax rates: 1 to {limits.MAX_TAX_RATES_OF_A_LINE}, at most one of them a VAT."
    )

    def as_record(self) -> taxes.TaxRegistration:
        return taxes.TaxRegistration(self.country, self.valid_from, tax_rate_ids_of(self.tax_rate_ids), self.region)


@strawberry.input(description="The increment to which totals in a currency are rounded.")
class CashRoundingInput:
    currency: Currency = strawberry.field(description="The currency. Each may be given only once.")
    increment_cents: int = strawberry.field(
        description=f"The increment, in minor units: 1 (no rounding) to {limits.MAX_ROUNDING_INCREMENT}."
    )


@strawberry.input(
    description=(
        "Changes to the profile of the seller. Omitted fields stay unchanged, and so do finalized invoices. The first"
        " update must give `legalName` and `homeCountry`."
    )
)
class UpdateSellerInput:
    expected_revision: int | None = strawberry.field(
        default=None,
        description=(
            "The `revision` of the profile that you read, 0 if there was none. If it has changed since, the update is"
            " rejected with VERSION_CONFLICT, so that you do not overwrite the changes of others. Null to skip this"
            " check."
        ),
    )
    legal_name: Maybe[str | None] = strawberry.field(
        description=f"The legal name: 1 to {limits.MAX_LEGAL_NAME} characters. Null is rejected."
    )
    address: Maybe[AddressInput | None] = strawberry.field(
        description="The postal address. It replaces the whole old address. Null removes it."
    )
    home_country: Maybe[str | None] = strawberry.field(
        description="The country of the seller (ISO 3166-1 alpha-2). Null is rejected."
    )
    tax_ids: Maybe[list[TaxIdInput] | None] = strawberry.field(
        description=f"The VAT numbers, at most {limits.MAX_TAX_IDS}. They replace all others. Null removes all."
    )
    time_zone: Maybe[str | None] = strawberry.field(
        description="The time zone for dates on documents, such as `Europe/Berlin`. Null means `UTC`."
    )
    email: Maybe[str | None] = strawberry.field(description="The e-mail address for questions. Null removes it.")
    phone: Maybe[str | None] = strawberry.field(
        description=f"The phone number for questions: at most {limits.MAX_PHONE} characters. Null removes it."
    )
    bank_account: Maybe[BankAccountInput | None] = strawberry.field(
        description="The account that customers pay to. Null removes it."
    )
    registrations: Maybe[list[TaxRegistrationInput] | None] = strawberry.field(
        description=(
            f"The tax registrations, at most {limits.MAX_REGISTRATIONS}. They replace all others. Null removes all."
        )
    )
    cash_rounding: Maybe[list[CashRoundingInput] | None] = strawberry.field(
        description="The increments to which totals are rounded. They replace all others. Null removes all."
    )

    def changes(self) -> SellerChanges:
        """Returns the fields that are given. Raises `InvalidInput` if a currency is given twice."""
        found: dict[str, Any] = {}
        for name in ("legal_name", "home_country", "time_zone", "email", "phone"):
            found[name] = given(getattr(self, name))
        address, account, rounding = given(self.address), given(self.bank_account), given(self.cash_rounding)
        ids, registrations = given(self.tax_ids), given(self.registrations)
        found["address"] = address.value() if isinstance(address, AddressInput) else address
        if isinstance(account, BankAccountInput):
            found["bank_account"] = taxes.BankAccount(account.iban, account.bic, account.bank_name)
        else:
            found["bank_account"] = account
        found["tax_ids"] = [each.as_record() for each in ids] if isinstance(ids, list) else ids
        found["registrations"] = (
            [each.as_record() for each in registrations] if isinstance(registrations, list) else registrations
        )
        found["cash_rounding"] = increments_of(rounding) if isinstance(rounding, list) else rounding
        return cast("SellerChanges", {name: value for name, value in found.items() if value is not UNCHANGED})


def increments_of(rounding: list[CashRoundingInput]) -> dict[str, int]:
    """Returns the increments by currency. Raises `InvalidInput` if a currency is given twice."""
    increments = {str(each.currency): each.increment_cents for each in rounding}
    if len(increments) != len(rounding):
        raise InvalidInput("Each currency may be given only once.", "cash_rounding")
    return increments


@strawberry.input(description="A new tax rate.")
class CreateTaxRateInput:
    name: str = strawberry.field(
        description=f"The name of the tax on invoices, such as `VAT`: 1 to {limits.MAX_NAME} characters."
    )
    kind: TaxKind = strawberry.field(description="The kind of the tax.")
    category: TaxCategory | None = strawberry.field(
        default=None, description="The category. Required for a VAT, and not allowed for a sales tax."
    )
    percent: Decimal = strawberry.field(
        description=(
            f"The percentage of the net amount, 0 to {limits.MAX_PERCENT}. More than 0 in category S, and 0 in"
            " the other categories of VAT."
        )
    )
    reason: str | None = strawberry.field(
        default=None,
        description=(
            f"The reason why the tax is 0, to show on invoices: at most {limits.MAX_TAX_REASON} characters. Required in"
            " category E."
        ),
    )
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The tax rate to archive.")
class ArchiveTaxRateInput:
    id: strawberry.ID = strawberry.field(description="The tax rate.")


@strawberry.input(description="The tax id to confirm.")
class ConfirmTaxIdInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer.")
    country: str = strawberry.field(description="The country of the number, as in the customer's `taxIds`.")
    value: str = strawberry.field(description="The number, as in the customer's `taxIds`.")


@payload
class UpdateSellerPayload(Payload):
    seller: Seller | None = made_seller("The new version of the seller's profile.")


@payload
class CreateTaxRatePayload(Payload):
    tax_rate: TaxRate | None = made_tax_rate("The new tax rate.")


@payload
class ArchiveTaxRatePayload(Payload):
    tax_rate: TaxRate | None = made_tax_rate("The updated tax rate.")


@payload
class ConfirmTaxIdPayload(Payload):
    customer: Customer | None = made_customer("The updated customer.")


@strawberry.type
class TaxMutations:
    @mutation(
        "Updates the profile of the seller by storing a new version, which is in force from now on. Requires an API key"
        " with scope ADMIN.",
        scope=ApiKeyScope.ADMIN,
    )
    async def update_seller(self, info: Info, input: UpdateSellerInput) -> UpdateSellerPayload:
        changes = input.changes()
        made = await info.context.change(
            lambda session: sellers.update_seller(
                session, changes, expected_revision=input.expected_revision, now=info.context.now()
            )
        )
        return UpdateSellerPayload(made=made)

    @mutation(
        "Creates a tax rate. It applies where it is chosen: for a line, a plan, a customer, or a registration of the"
        " seller. Requires a seller."
    )
    async def create_tax_rate(self, info: Info, input: CreateTaxRateInput) -> CreateTaxRatePayload:
        made = await info.context.once(
            input,
            lambda session: tax_rates.create_tax_rate(
                session,
                name=input.name,
                kind=input.kind,
                category=input.category,
                percent=input.percent,
                reason=input.reason,
                now=info.context.now(),
            ),
        )
        return CreateTaxRatePayload(made=made)

    @mutation("Archives a tax rate, so that it cannot be chosen again. Where it was chosen, it still applies.")
    async def archive_tax_rate(self, info: Info, input: ArchiveTaxRateInput) -> ArchiveTaxRatePayload:
        made = await info.context.change(
            lambda session: tax_rates.archive_tax_rate(
                session, tax_rate_id=TaxRateId(parse_id(input.id)), now=info.context.now()
            )
        )
        return ArchiveTaxRatePayload(made=made)

    @mutation(
        "Marks a customer's VAT number as verified. Check it first, for example with the EU's VIES service. A verified"
        " number of another EU country makes the reverse charge apply. A changed number must be confirmed again."
    )
    async def confirm_tax_id(self, info: Info, input: ConfirmTaxIdInput) -> ConfirmTaxIdPayload:
        made = await info.context.change(
            lambda session: customers.confirm_tax_id(
                session,
                customer_id=CustomerId(parse_id(input.customer_id)),
                country=input.country,
                value=input.value,
                now=info.context.now(),
            )
        )
        return ConfirmTaxIdPayload(made=made)
