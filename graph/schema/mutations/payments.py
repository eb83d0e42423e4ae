"""Mutations of payments."""

from datetime import datetime

import strawberry

from billing import limits
from billing.ids import CustomerId, InvoiceId
from billing.paying import RequestedAllocation
from billing.words import PaymentMethod
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, idempotency_key_field, made_customer, made_payment, mutation, payload
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.customers import Customer
from graph.schema.types.payments import Payment
from services import payments


@strawberry.input(description="What of a payment is for one invoice.")
class AllocationInput:
    invoice_id: strawberry.ID = strawberry.field(description="The invoice: the customer's, and OPEN or UNCOLLECTIBLE.")
    amount_cents: Cents | None = strawberry.field(
        default=None,
        description=(
            "How much, in minor units of the payment's currency: more than 0, and at most what is due. By default what "
            "is due, or what is left of the payment."
        ),
    )

    def value(self) -> RequestedAllocation:
        return RequestedAllocation(InvoiceId(parse_id(self.invoice_id)), self.amount_cents)


@strawberry.input(description="Money that was received outside this server.")
class RecordPaymentInput:
    customer_id: strawberry.ID = strawberry.field(description="Who paid.")
    amount_cents: Cents = strawberry.field(description="How much, in minor units of `currency`: more than 0.")
    currency: Currency = strawberry.field(
        description="The currency: the customer's, who takes this one for good where there is none yet."
    )
    method: PaymentMethod = strawberry.field(default=PaymentMethod.BANK_TRANSFER, description="How the money came.")
    reference: str | None = strawberry.field(
        default=None, description=f"What identifies it where it came from: at most {limits.MAX_REFERENCE} characters."
    )
    received_at: datetime | None = strawberry.field(
        default=None,
        description=(
            f"When the money was received: within the last {limits.OLDEST_MONEY.days} days, not after now, which is "
            "the default."
        ),
    )
    allocations: list[AllocationInput] | None = strawberry.field(
        default=None,
        description=(
            f"Which invoices it pays, in this order; at most {limits.MAX_ALLOCATIONS}. By default the OPEN ones, "
            "oldest due first."
        ),
    )
    allow_overpayment: bool = strawberry.field(
        default=False, description="Whether more than the invoices take is welcome: the rest becomes balance."
    )
    idempotency_key: str | None = idempotency_key_field()


@payload
class RecordPaymentPayload(Payload):
    payment: Payment | None = made_payment("The payment.")
    customer: Customer | None = made_customer("The customer as it is now.")


@strawberry.type
class PaymentMutations:
    @mutation("Records money that was received, and pays the customer's invoices with it.")
    async def record_payment(self, info: Info, input: RecordPaymentInput) -> RecordPaymentPayload:
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
                now=info.context.now(),
            ),
        )
        return RecordPaymentPayload(made=made)
