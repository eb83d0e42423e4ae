"""Mutations that correct: credit notes, reversals and refunds of payments, and adjustments of balances."""

import strawberry

from billing import limits
from billing.ids import CreditNoteId, CustomerId, PaymentId
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import (
    Payload,
    idempotency_key_field,
    made_credit_note,
    made_customer,
    made_invoice,
    made_payment,
    mutation,
    payload,
)
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.correction_inputs import CreditInput
from graph.schema.types.corrections import CreditNote
from graph.schema.types.customers import Customer
from graph.schema.types.invoices import Invoice
from graph.schema.types.payments import Payment
from services import corrections, credit_notes

REASON = f"The reason: 1 to {limits.MAX_REASON} characters. It is visible to the customer."


@strawberry.input(
    description="The reversal of a payment that failed, such as a returned direct debit, or that another customer made."
)
class ReversePaymentInput:
    id: strawberry.ID = strawberry.field(description="The payment.")
    amount_cents: Cents | None = strawberry.field(
        default=None,
        description=(
            "The amount to take back, in minor units of the payment's currency: more than 0. Defaults to all that is"
            " left of the payment."
        ),
    )
    reason: str = strawberry.field(description=REASON)
    idempotency_key: str | None = idempotency_key_field()


@payload
class ReversePaymentPayload(Payload):
    payment: Payment | None = made_payment("The updated payment.")
    customer: Customer | None = made_customer("The updated customer.")


@strawberry.input(description="A refund of a payment, in whole or in part, that you made outside this server.")
class RecordRefundInput:
    payment_id: strawberry.ID = strawberry.field(description="The refunded payment.")
    amount_cents: Cents = strawberry.field(
        description=(
            "The amount, in minor units of the payment's currency: more than 0, at most what is left of the payment."
        )
    )
    credit_note_id: strawberry.ID | None = strawberry.field(
        default=None,
        description=(
            "The credit note whose `refundCents` this refunds. Without one, the amount is taken from the customer's"
            " balance."
        ),
    )
    reference: str | None = strawberry.field(
        default=None,
        description=(
            f"Your reference for the refund, such as the bank's transfer id: at most {limits.MAX_REFERENCE} characters."
        ),
    )
    idempotency_key: str | None = idempotency_key_field()


@payload
class RecordRefundPayload(Payload):
    payment: Payment | None = made_payment("The updated payment.")
    credit_note: CreditNote | None = made_credit_note("The updated credit note. Null if none was given.")
    customer: Customer | None = made_customer("The updated customer.")


@strawberry.input(description="An adjustment of a customer's balance, for example as goodwill.")
class AdjustBalanceInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer.")
    amount_cents: Cents = strawberry.field(
        description=(
            "The change, in minor units of `currency`: positive to raise the balance, negative to lower it. Must not be"
            " 0 and must not make the balance negative."
        )
    )
    currency: Currency = strawberry.field(
        description=(
            "The currency. It must be the customer's currency. If the customer has none yet, this one is"
            " set permanently."
        )
    )
    reason: str = strawberry.field(description=REASON)
    idempotency_key: str | None = idempotency_key_field()


@payload
class AdjustBalancePayload(Payload):
    customer: Customer | None = made_customer("The updated customer.")


@strawberry.input(description="A credit note to issue. Give exactly one of `lines`, `amountCents` and `whole`.")
class CreateCreditNoteInput(CreditInput):
    reason: str = strawberry.field(description=REASON)
    memo: str | None = strawberry.field(
        default=None,
        description=f"Text to show on the credit note: 1 to {limits.MAX_MEMO} characters, with line breaks.",
    )
    idempotency_key: str | None = idempotency_key_field()


@payload
class CreateCreditNotePayload(Payload):
    credit_note: CreditNote | None = made_credit_note("The new credit note.")
    invoice: Invoice | None = made_invoice("The updated invoice.")
    customer: Customer | None = made_customer("The updated customer.")


@strawberry.input(description="The credit note to void.")
class VoidCreditNoteInput:
    id: strawberry.ID = strawberry.field(description="The credit note. It must not be VOID or have refunds.")
    idempotency_key: str | None = idempotency_key_field()


@payload
class VoidCreditNotePayload(Payload):
    credit_note: CreditNote | None = made_credit_note("The updated credit note.")
    invoice: Invoice | None = made_invoice("The updated invoice.")
    customer: Customer | None = made_customer("The updated customer.")


@strawberry.type
class CorrectionMutations:
    @mutation(
        "Reverses a payment, in whole or in part. First, the overpayment is subtracted from the customer's balance. If"
        " the balance is too small, amounts that it paid on invoices are first returned to it, latest first. Then the"
        " amounts that the payment paid on invoices are released, latest first. Affected PAID invoices become OPEN. The"
        " remaining balance first returns to the invoice that it was taken from, and is then applied to OPEN invoices,"
        " oldest due first."
    )
    async def reverse_payment(self, info: Info, input: ReversePaymentInput) -> ReversePaymentPayload:
        made = await info.context.once(
            input,
            lambda session: corrections.reverse_recorded_payment(
                session,
                payment_id=PaymentId(parse_id(input.id)),
                amount_cents=input.amount_cents,
                reason=input.reason,
                now=info.context.now(),
            ),
        )
        return ReversePaymentPayload(made=made)

    @mutation(
        "Records a refund that you made outside this server. With a credit note, it counts towards `refundCents`"
        " of the note. Without one, the amount is subtracted from the customer's balance. No amount due changes."
    )
    async def record_refund(self, info: Info, input: RecordRefundInput) -> RecordRefundPayload:
        note_id = input.credit_note_id
        made = await info.context.once(
            input,
            lambda session: corrections.refund_payment(
                session,
                payment_id=PaymentId(parse_id(input.payment_id)),
                amount_cents=input.amount_cents,
                credit_note_id=None if note_id is None else CreditNoteId(parse_id(note_id)),
                reference=input.reference,
                now=info.context.now(),
            ),
        )
        return RecordRefundPayload(made=made)

    @mutation("Raises or lowers a customer's balance. An increase is applied to OPEN invoices, oldest due first.")
    async def adjust_balance(self, info: Info, input: AdjustBalanceInput) -> AdjustBalancePayload:
        made = await info.context.once(
            input,
            lambda session: corrections.adjust_customer_balance(
                session,
                customer_id=CustomerId(parse_id(input.customer_id)),
                amount_cents=input.amount_cents,
                currency=input.currency,
                reason=input.reason,
                now=info.context.now(),
            ),
        )
        return AdjustBalancePayload(made=made)

    @mutation(
        "Issues a credit note for a finalized invoice. First, it lowers the amount due. Then it returns to the"
        " customer's balance what the balance and credits had paid on it. The rest is distributed as requested."
    )
    async def create_credit_note(self, info: Info, input: CreateCreditNoteInput) -> CreateCreditNotePayload:
        made = await info.context.once(
            input,
            lambda session: credit_notes.create_credit_note(
                session,
                invoice_id=input.invoice(),
                request=input.credit(),
                distribution=input.parts(),
                reason=input.reason,
                memo=input.memo,
                now=info.context.now(),
            ),
        )
        return CreateCreditNotePayload(made=made)

    @mutation(
        "Voids a credit note that has no refunds. The amount due on the invoice rises again, and what the credit note"
        " had added to the customer's balance is subtracted. Rejected if the balance is too small for that."
    )
    async def void_credit_note(self, info: Info, input: VoidCreditNoteInput) -> VoidCreditNotePayload:
        made = await info.context.once(
            input,
            lambda session: credit_notes.void_issued_credit_note(
                session, credit_note_id=CreditNoteId(parse_id(input.id)), now=info.context.now()
            ),
        )
        return VoidCreditNotePayload(made=made)
