"""Mutations of payments."""

from datetime import datetime

import strawberry
from strawberry import Maybe

from billing import limits
from billing.enums import PaymentMethod
from billing.ids import CustomerId, InvoiceId, PaymentId
from billing.paying import RequestedAllocation
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, idempotency_key_field, made_customer, made_payment, mutation, payload
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.common import (
    MetadataEntryInput,
    given_metadata,
    metadata_input_field,
    metadata_of,
    new_metadata_field,
)
from graph.schema.types.customers import Customer
from graph.schema.types.payments import Payment
from services import payments


@strawberry.input(description="The part of a payment to apply to one invoice.")
class AllocationInput:
    invoice_id: strawberry.ID = strawberry.field(
        description="The invoice. Must belong to the customer and be OPEN or UNCOLLECTIBLE."
    )
    amount_cents: Cents | None = strawberry.field(
        default=None,
        description=(
            "The amount to apply, in minor units of the payment's currency: more than 0 and at most the amount"
            " due. Defaults to the amount due or the remaining part of the payment, whichever is less."
        ),
    )

    def value(self) -> RequestedAllocation:
        return RequestedAllocation(InvoiceId(parse_id(self.invoice_id)), self.amount_cents)


@strawberry.input(description="A payment that was received outside this server.")
class RecordPaymentInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer who paid.")
    amount_cents: Cents = strawberry.field(description="The amount, in minor units of `currency`. Must be more than 0.")
    currency: Currency = strawberry.field(
        description=(
            "The currency. It must be the customer's currency. If the customer has none yet, this one is"
            " set permanently."
        )
    )
    method: PaymentMethod = strawberry.field(default=PaymentMethod.BANK_TRANSFER, description="The payment method.")
    reference: str | None = strawberry.field(
        default=None,
        description=(
            "Your reference for the payment, such as the bank's transfer id: at most"
            f" {limits.MAX_REFERENCE} characters."
        ),
    )
    received_at: datetime | None = strawberry.field(
        default=None,
        description=(
            f"When the money was received: within the last {limits.MAX_PAYMENT_AGE.days} days and not in the future."
            " Defaults to now."
        ),
    )
    allocations: list[AllocationInput] | None = strawberry.field(
        default=None,
        description=(
            f"The invoices to pay, in this order, at most {limits.MAX_ALLOCATIONS}. Defaults to all OPEN"
            " invoices, oldest due first."
        ),
    )
    allow_overpayment: bool = strawberry.field(
        default=False,
        description=(
            "True to accept a payment that exceeds the amount due on its invoices. The excess is added to the"
            " customer's balance."
        ),
    )
    metadata: list[MetadataEntryInput] | None = metadata_input_field()
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="Changes to a payment, of which only the metadata can change.")
class UpdatePaymentInput:
    id: strawberry.ID = strawberry.field(description="The payment.")
    metadata: Maybe[list[MetadataEntryInput] | None] = new_metadata_field()


@payload
class RecordPaymentPayload(Payload):
    payment: Payment | None = made_payment("The payment.")
    customer: Customer | None = made_customer("The updated customer.")


@payload
class UpdatePaymentPayload(Payload):
    payment: Payment | None = made_payment("The updated payment.")


@strawberry.type
class PaymentMutations:
    @mutation("Records a payment and applies it to the customer's invoices.")
    async def record_payment(self, info: Info, input: RecordPaymentInput) -> RecordPaymentPayload:
        metadata = metadata_of(input.metadata)
        made = await info.context.once(
            input,
            lambda session: payments.record_payment(
                session,
                customer_id=CustomerId(parse_id(input.customer_id)),
                amount_cents=input.amount_cents,
                currency=input.currency,
                method=input.method,
                reference=input.reference,
                received_at=input.received_at,
                allocations=None if input.allocations is None else [each.value() for each in input.allocations],
                allow_overpayment=input.allow_overpayment,
                metadata=metadata,
                now=info.context.now(),
            ),
        )
        return RecordPaymentPayload(made=made)

    @mutation("Updates the metadata of a payment.")
    async def update_payment(self, info: Info, input: UpdatePaymentInput) -> UpdatePaymentPayload:
        metadata = given_metadata(input.metadata)
        made = await info.context.change(
            lambda session: payments.update_payment(
                session, payment_id=PaymentId(parse_id(input.id)), metadata=metadata, now=info.context.now()
            )
        )
        return UpdatePaymentPayload(made=made)
