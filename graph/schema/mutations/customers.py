"""Mutations of customers."""

import strawberry
from strawberry import Maybe

from billing import limits
from billing.enums import TaxStatus
from billing.ids import CustomerId, TestClockId
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, given, idempotency_key_field, made_customer, mutation, payload
from graph.schema.fields.scalars import parse_id
from graph.schema.types.common import (
    AddressInput,
    MetadataEntryInput,
    given_metadata,
    metadata_input_field,
    metadata_of,
    new_metadata_field,
)
from graph.schema.types.customers import Customer
from graph.schema.types.taxes import TaxIdInput, given_tax_rate_ids, tax_rate_ids_input_field, tax_rate_ids_of
from services import customers


@strawberry.input(description="A new customer.")
class CreateCustomerInput:
    name: str = strawberry.field(description=f"The name on invoices: 1 to {limits.MAX_NAME} characters.")
    email: str = strawberry.field(
        description=(
            "The e-mail address. No other customer may have it, ignoring case, except archived ones. Customers in real"
            " time and those on each test clock are checked separately."
        )
    )
    external_id: str | None = strawberry.field(
        default=None,
        description=(
            f"The customer's id in your own system, 1 to {limits.MAX_EXTERNAL_ID} characters. Must be unique."
        ),
    )
    address: AddressInput | None = strawberry.field(default=None, description="The postal address on invoices.")
    tax_id: str | None = strawberry.field(
        default=None, description=f"The tax id on invoices: 1 to {limits.MAX_TAX_ID} characters."
    )
    tax_status: TaxStatus = strawberry.field(default=TaxStatus.TAXABLE, description="The tax status.")
    tax_exemption_reason: str | None = strawberry.field(
        default=None,
        description=(
            f"The reason why the customer is exempt from tax: 1 to {limits.MAX_TAX_REASON} characters. Required if"
            " `taxStatus` is EXEMPT, and not allowed otherwise."
        ),
    )
    tax_ids: list[TaxIdInput] = strawberry.field(
        default_factory=list,
        description=f"VAT numbers, at most {limits.MAX_TAX_IDS}. They are not verified: see `confirmTaxId`.",
    )
    tax_rate_ids: list[strawberry.ID] = tax_rate_ids_input_field(
        "for lines that have none of their own", "those of the customer's place apply"
    )
    net_days: int | None = strawberry.field(
        default=None,
        description=(
            f"Payment terms: days from issue to due date of the customer's invoices, 0 to {limits.MAX_NET_DAYS}."
            f" Defaults to the plan's value, else {limits.NET_DAYS}."
        ),
    )
    po_number: str | None = strawberry.field(
        default=None,
        description=(
            f"Purchase order number to show on the customer's invoices: one line of 1 to {limits.MAX_PO_NUMBER}"
            " characters."
        ),
    )
    invoice_memo: str | None = strawberry.field(
        default=None,
        description=f"Memo to show on the customer's invoices: 1 to {limits.MAX_MEMO} characters, with line breaks.",
    )
    test_clock_id: strawberry.ID | None = strawberry.field(
        default=None,
        description=(
            "The test clock to create the customer on. It cannot be changed later. By"
            " default, the customer is in real time."
        ),
    )
    metadata: list[MetadataEntryInput] | None = metadata_input_field()
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description=("Changes to a customer. Omitted fields stay unchanged, and so do finalized invoices."))
class UpdateCustomerInput:
    id: strawberry.ID = strawberry.field(description="The customer.")
    expected_version: int | None = strawberry.field(
        default=None,
        description=(
            "The `version` of the customer that you read. If it has changed since, the update is rejected with"
            " VERSION_CONFLICT, so that you do not overwrite the changes of others. Null to skip this check."
        ),
    )
    name: Maybe[str | None] = strawberry.field(
        description=f"The new name: 1 to {limits.MAX_NAME} characters. Null is rejected."
    )
    email: Maybe[str | None] = strawberry.field(
        description=(
            "The new e-mail address. No other customer may have it, ignoring case, except archived ones. Customers in"
            " real time and those on each test clock are checked separately. Null is rejected."
        )
    )
    external_id: Maybe[str | None] = strawberry.field(
        description=(f"The new external id, 1 to {limits.MAX_EXTERNAL_ID} characters. Must be unique. Null removes it.")
    )
    address: Maybe[AddressInput | None] = strawberry.field(
        description="The new address. It replaces the whole old address. Null removes it."
    )
    tax_id: Maybe[str | None] = strawberry.field(
        description=f"The new tax id: 1 to {limits.MAX_TAX_ID} characters. Null removes it."
    )
    tax_status: Maybe[TaxStatus | None] = strawberry.field(description="The new tax status. Null means TAXABLE.")
    tax_exemption_reason: Maybe[str | None] = strawberry.field(
        description=(
            f"The reason why the customer is exempt from tax: 1 to {limits.MAX_TAX_REASON} characters. Required if"
            " `taxStatus` becomes EXEMPT. Removed with any other status."
        )
    )
    tax_ids: Maybe[list[TaxIdInput] | None] = strawberry.field(
        description=(
            f"The VAT numbers, at most {limits.MAX_TAX_IDS}. They replace all others; numbers that stay keep their"
            " verification. Null removes all."
        )
    )
    tax_rate_ids: Maybe[list[strawberry.ID] | None] = strawberry.field(
        description=(
            f"Tax rates for lines that have none of their own: at most {limits.MAX_TAX_RATES_OF_A_LINE}, at most one of"
            " them a VAT. They replace all others. Null removes all."
        )
    )
    net_days: Maybe[int | None] = strawberry.field(
        description=(
            f"Payment terms of new invoices: days from issue to due date, 0 to {limits.MAX_NET_DAYS}. With null,"
            f" the plan's value applies, else {limits.NET_DAYS}."
        )
    )
    po_number: Maybe[str | None] = strawberry.field(
        description=(
            f"Purchase order number to show on future invoices: one line of 1 to {limits.MAX_PO_NUMBER} characters."
            " Null removes it."
        )
    )
    invoice_memo: Maybe[str | None] = strawberry.field(
        description=(
            f"Memo to show on future invoices: 1 to {limits.MAX_MEMO} characters, with line breaks. Null removes it."
        )
    )
    metadata: Maybe[list[MetadataEntryInput] | None] = new_metadata_field()


@strawberry.input(description="The customer to archive.")
class ArchiveCustomerInput:
    id: strawberry.ID = strawberry.field(description="The customer.")


@strawberry.input(description="The customer to unarchive.")
class UnarchiveCustomerInput:
    id: strawberry.ID = strawberry.field(description="The customer.")


@payload
class CreateCustomerPayload(Payload):
    customer: Customer | None = made_customer("The new customer.")


@payload
class UpdateCustomerPayload(Payload):
    customer: Customer | None = made_customer("The updated customer.")


@payload
class ArchiveCustomerPayload(Payload):
    customer: Customer | None = made_customer("The updated customer.")


@payload
class UnarchiveCustomerPayload(Payload):
    customer: Customer | None = made_customer("The updated customer.")


@strawberry.type
class CustomerMutations:
    @mutation("Creates a customer.")
    async def create_customer(self, info: Info, input: CreateCustomerInput) -> CreateCustomerPayload:
        metadata = metadata_of(input.metadata)
        made = await info.context.once(
            input,
            lambda session: customers.create_customer(
                session,
                name=input.name,
                email=input.email,
                external_id=input.external_id,
                address=input.address.value() if input.address else None,
                tax_id=input.tax_id,
                tax_status=input.tax_status,
                tax_exemption_reason=input.tax_exemption_reason,
                tax_ids=[each.as_record() for each in input.tax_ids],
                tax_rate_ids=tax_rate_ids_of(input.tax_rate_ids),
                net_days=input.net_days,
                po_number=input.po_number,
                invoice_memo=input.invoice_memo,
                test_clock_id=None if input.test_clock_id is None else TestClockId(parse_id(input.test_clock_id)),
                metadata=metadata,
                now=info.context.now(),
            ),
        )
        return CreateCustomerPayload(made=made)

    @mutation("Updates a customer.")
    async def update_customer(self, info: Info, input: UpdateCustomerInput) -> UpdateCustomerPayload:
        address, metadata, tax_ids = given(input.address), given_metadata(input.metadata), given(input.tax_ids)
        made = await info.context.change(
            lambda session: customers.update_customer(
                session,
                customer_id=CustomerId(parse_id(input.id)),
                expected_version=input.expected_version,
                name=given(input.name),
                email=given(input.email),
                external_id=given(input.external_id),
                address=address.value() if isinstance(address, AddressInput) else address,
                tax_id=given(input.tax_id),
                tax_status=given(input.tax_status),
                tax_exemption_reason=given(input.tax_exemption_reason),
                tax_ids=[each.as_record() for each in tax_ids] if isinstance(tax_ids, list) else tax_ids,
                tax_rate_ids=given_tax_rate_ids(input.tax_rate_ids),
                net_days=given(input.net_days),
                po_number=given(input.po_number),
                invoice_memo=given(input.invoice_memo),
                metadata=metadata,
                now=info.context.now(),
            )
        )
        return UpdateCustomerPayload(made=made)

    @mutation(
        "Archives a customer without a live subscription. Another customer may then take the e-mail address. Open"
        " invoices stay owed, and customer sessions end."
    )
    async def archive_customer(self, info: Info, input: ArchiveCustomerInput) -> ArchiveCustomerPayload:
        made = await info.context.change(
            lambda session: customers.archive_customer(
                session, customer_id=CustomerId(parse_id(input.id)), now=info.context.now()
            )
        )
        return ArchiveCustomerPayload(made=made)

    @mutation("Unarchives a customer. Rejected if another customer has taken the e-mail address.")
    async def unarchive_customer(self, info: Info, input: UnarchiveCustomerInput) -> UnarchiveCustomerPayload:
        made = await info.context.change(
            lambda session: customers.unarchive_customer(
                session, customer_id=CustomerId(parse_id(input.id)), now=info.context.now()
            )
        )
        return UnarchiveCustomerPayload(made=made)
