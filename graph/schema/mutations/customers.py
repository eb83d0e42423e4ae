"""Mutations of customers."""

import strawberry
from strawberry import Maybe

from billing import limits
from billing.ids import CustomerId, TestClockId
from billing.validation import UNCHANGED
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, given, idempotency_key_field, made_customer, mutation, payload
from graph.schema.fields.scalars import parse_id
from graph.schema.types.common import AddressInput, MetadataEntryInput, metadata_input_field, metadata_of
from graph.schema.types.customers import Customer
from services import customers


@strawberry.input(description="A new customer.")
class CreateCustomerInput:
    name: str = strawberry.field(description=f"The name on invoices: 1 to {limits.MAX_NAME} characters.")
    email: str = strawberry.field(
        description="The e-mail address, unique among all customers, archived ones too, in upper and lower case alike."
    )
    external_id: str | None = strawberry.field(
        default=None,
        description=(
            f"The id that your own system has for this customer, unique: 1 to {limits.MAX_EXTERNAL_ID} characters."
        ),
    )
    address: AddressInput | None = strawberry.field(default=None, description="The postal address on invoices.")
    tax_id: str | None = strawberry.field(
        default=None, description=f"The tax number on invoices: 1 to {limits.MAX_TAX_ID} characters."
    )
    net_days: int | None = strawberry.field(
        default=None,
        description=(
            f"Days from the issue of an invoice to its due date, 0 to {limits.MAX_NET_DAYS}: by default the plan's, or "
            f"{limits.NET_DAYS}."
        ),
    )
    test_clock_id: strawberry.ID | None = strawberry.field(
        default=None, description="The test clock in whose time the customer lives, for good; by default the world's."
    )
    metadata: list[MetadataEntryInput] | None = metadata_input_field()
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="Changes of a customer. What is left out stays as it is; finalized invoices do too.")
class UpdateCustomerInput:
    id: strawberry.ID = strawberry.field(description="The customer.")
    name: Maybe[str | None] = strawberry.field(
        description=f"The new name: 1 to {limits.MAX_NAME} characters; null is refused."
    )
    email: Maybe[str | None] = strawberry.field(
        description="The new e-mail address, unique among all customers; null is refused."
    )
    external_id: Maybe[str | None] = strawberry.field(
        description=f"The new external id, unique: 1 to {limits.MAX_EXTERNAL_ID} characters; null for none."
    )
    address: Maybe[AddressInput | None] = strawberry.field(
        description="The new address, which takes the place of the old one as a whole; null for none."
    )
    tax_id: Maybe[str | None] = strawberry.field(
        description=f"The new tax number: 1 to {limits.MAX_TAX_ID} characters; null for none."
    )
    net_days: Maybe[int | None] = strawberry.field(
        description=(
            f"Days from the issue of a new invoice to its due date, 0 to {limits.MAX_NET_DAYS}; null for the plan's, "
            f"or {limits.NET_DAYS}."
        )
    )
    metadata: Maybe[list[MetadataEntryInput] | None] = strawberry.field(
        description=(
            f"The new pairs, at most {limits.MAX_METADATA_PAIRS}, which take the place of all old ones; null for none."
        )
    )


@strawberry.input(description="A customer to archive.")
class ArchiveCustomerInput:
    id: strawberry.ID = strawberry.field(description="The customer.")


@strawberry.input(description="A customer to put back into use.")
class UnarchiveCustomerInput:
    id: strawberry.ID = strawberry.field(description="The customer.")


@payload
class CreateCustomerPayload(Payload):
    customer: Customer | None = made_customer("The new customer.")


@payload
class UpdateCustomerPayload(Payload):
    customer: Customer | None = made_customer("The customer as it is now.")


@payload
class ArchiveCustomerPayload(Payload):
    customer: Customer | None = made_customer("The customer as it is now.")


@payload
class UnarchiveCustomerPayload(Payload):
    customer: Customer | None = made_customer("The customer as it is now.")


@strawberry.type
class CustomerMutations:
    @mutation("Stores a new customer.")
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
                net_days=input.net_days,
                test_clock_id=None if input.test_clock_id is None else TestClockId(parse_id(input.test_clock_id)),
                metadata=metadata,
                now=info.context.now(),
            ),
        )
        return CreateCustomerPayload(made=made)

    @mutation("Changes a customer.")
    async def update_customer(self, info: Info, input: UpdateCustomerInput) -> UpdateCustomerPayload:
        address, metadata = given(input.address), given(input.metadata)
        made = await info.context.change(
            lambda session: customers.update_customer(
                session,
                customer_id=CustomerId(parse_id(input.id)),
                name=given(input.name),
                email=given(input.email),
                external_id=given(input.external_id),
                address=address.value() if isinstance(address, AddressInput) else address,
                tax_id=given(input.tax_id),
                net_days=given(input.net_days),
                metadata=UNCHANGED if metadata is UNCHANGED else metadata_of(metadata),
                now=info.context.now(),
            )
        )
        return UpdateCustomerPayload(made=made)

    @mutation(
        "Takes a customer out of use who has no live subscription. The e-mail address stays taken, open invoices owed."
    )
    async def archive_customer(self, info: Info, input: ArchiveCustomerInput) -> ArchiveCustomerPayload:
        made = await info.context.change(
            lambda session: customers.archive_customer(
                session, customer_id=CustomerId(parse_id(input.id)), now=info.context.now()
            )
        )
        return ArchiveCustomerPayload(made=made)

    @mutation("Puts an archived customer back into use.")
    async def unarchive_customer(self, info: Info, input: UnarchiveCustomerInput) -> UnarchiveCustomerPayload:
        made = await info.context.change(
            lambda session: customers.unarchive_customer(
                session, customer_id=CustomerId(parse_id(input.id)), now=info.context.now()
            )
        )
        return UnarchiveCustomerPayload(made=made)
