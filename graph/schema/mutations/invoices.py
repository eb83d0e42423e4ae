"""Mutations of invoices."""

import strawberry
from strawberry import Maybe

from billing import limits
from billing.enums import TaxBehavior
from billing.ids import CustomerId, InvoiceId
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, given, idempotency_key_field, made_invoice, mutation, payload
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.common import (
    MetadataEntryInput,
    given_metadata,
    metadata_input_field,
    metadata_of,
    new_metadata_field,
)
from graph.schema.types.invoices import Invoice
from graph.schema.types.taxes import tax_behavior_input_field, tax_rate_ids_input_field, tax_rate_ids_of
from services import drafts, invoices
from services.drafts import OneOffLine


@strawberry.input(description="A line of a one-off invoice.")
class InvoiceLineInput:
    description: str = strawberry.field(
        description=f"Description of the line: 1 to {limits.MAX_LINE_DESCRIPTION} characters."
    )
    unit_amount_cents: Cents = strawberry.field(
        description="Price of one unit, in minor units of the invoice's currency. Negative for a credit."
    )
    quantity: int = strawberry.field(
        default=1, description=f"Number of units, 1 to {limits.with_thousands(limits.MAX_QUANTITY)}."
    )
    tax_behavior: TaxBehavior = tax_behavior_input_field()
    tax_rate_ids: list[strawberry.ID] = tax_rate_ids_input_field("of the line")

    def value(self) -> OneOffLine:
        return one_off_line(self)


@strawberry.input(description="A new one-off invoice, created as a DRAFT.")
class CreateInvoiceInput:
    customer_id: strawberry.ID = strawberry.field(description="The customer to bill. Must not be archived.")
    currency: Currency = strawberry.field(
        description=(
            "The currency. It must be the customer's currency. If the customer has none yet, this one is"
            " set permanently."
        )
    )
    lines: list[InvoiceLineInput] = strawberry.field(
        default_factory=list, description=f"The initial lines, in order. At most {limits.MAX_LINES}."
    )
    net_days: int | None = strawberry.field(
        default=None,
        description=(
            f"Payment terms: days from finalization to the due date, 0 to {limits.MAX_NET_DAYS}. Defaults to the"
            f" customer's value, else {limits.NET_DAYS}."
        ),
    )
    po_number: str | None = strawberry.field(
        default=None,
        description=(
            f"Purchase order number to show on the invoice: one line of 1 to {limits.MAX_PO_NUMBER} characters."
            " Defaults to the customer's when the invoice is finalized."
        ),
    )
    memo: str | None = strawberry.field(
        default=None,
        description=(
            f"Text to show on the invoice: 1 to {limits.MAX_MEMO} characters, with line breaks. Defaults to the"
            " customer's `invoiceMemo` when the invoice is finalized."
        ),
    )
    metadata: list[MetadataEntryInput] | None = metadata_input_field()
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(
    description=(
        "Changes to an invoice. Omitted fields stay unchanged. Only `metadata` can be changed after the invoice is"
        " finalized."
    )
)
class UpdateInvoiceInput:
    id: strawberry.ID = strawberry.field(description="The invoice, with any status.")
    net_days: Maybe[int | None] = strawberry.field(
        description=(
            f"Payment terms: days from finalization to the due date, 0 to {limits.MAX_NET_DAYS}. With null, the"
            f" customer's value applies, else {limits.NET_DAYS}. Only for a DRAFT."
        )
    )
    po_number: Maybe[str | None] = strawberry.field(
        description=(
            f"Purchase order number to show on the invoice: one line of 1 to {limits.MAX_PO_NUMBER} characters. With"
            " null, the customer's value is copied when the invoice is finalized. Only for a DRAFT."
        )
    )
    memo: Maybe[str | None] = strawberry.field(
        description=(
            f"Text to show on the invoice: 1 to {limits.MAX_MEMO} characters, with line breaks. With null, the"
            " customer's `invoiceMemo` is copied when the invoice is finalized. Only for a DRAFT."
        )
    )
    metadata: Maybe[list[MetadataEntryInput] | None] = new_metadata_field()


@strawberry.input(description="A line to add to a DRAFT invoice.")
class AddInvoiceLineInput:
    invoice_id: strawberry.ID = strawberry.field(description="The invoice. Must be a DRAFT.")
    description: str = strawberry.field(
        description=f"Description of the line: 1 to {limits.MAX_LINE_DESCRIPTION} characters."
    )
    unit_amount_cents: Cents = strawberry.field(
        description="Price of one unit, in minor units of the invoice's currency. Negative for a credit."
    )
    quantity: int = strawberry.field(
        default=1, description=f"Number of units, 1 to {limits.with_thousands(limits.MAX_QUANTITY)}."
    )
    tax_behavior: TaxBehavior = tax_behavior_input_field()
    tax_rate_ids: list[strawberry.ID] = tax_rate_ids_input_field("of the line")
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The DRAFT invoice to delete.")
class DeleteDraftInvoiceInput:
    id: strawberry.ID = strawberry.field(description="The invoice. Must be a DRAFT.")


@strawberry.input(description="The DRAFT invoice to finalize.")
class FinalizeInvoiceInput:
    id: strawberry.ID = strawberry.field(description="The invoice. Must be a DRAFT with at least one line.")
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The invoice to void.")
class VoidInvoiceInput:
    id: strawberry.ID = strawberry.field(
        description="The invoice. Must be OPEN or UNCOLLECTIBLE, without payments applied to it."
    )
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The voided invoice to reissue.")
class ReissueInvoiceInput:
    id: strawberry.ID = strawberry.field(description="The invoice. Must be VOID, and of kind RECURRING or PRORATION.")
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="The invoice to mark as uncollectible.")
class MarkInvoiceUncollectibleInput:
    id: strawberry.ID = strawberry.field(description="The invoice. Must be OPEN.")
    idempotency_key: str | None = idempotency_key_field()


def one_off_line(line: InvoiceLineInput | AddInvoiceLineInput) -> OneOffLine:
    return OneOffLine(
        line.description,
        line.unit_amount_cents,
        line.quantity,
        line.tax_behavior,
        tax_rate_ids_of(line.tax_rate_ids),
    )


@payload
class CreateInvoicePayload(Payload):
    invoice: Invoice | None = made_invoice("The new DRAFT invoice.")


@payload
class UpdateInvoicePayload(Payload):
    invoice: Invoice | None = made_invoice("The updated invoice.")


@payload
class AddInvoiceLinePayload(Payload):
    invoice: Invoice | None = made_invoice("The updated DRAFT invoice.")


@payload
class DeleteDraftInvoicePayload(Payload):
    deleted_invoice_id: strawberry.ID | None = strawberry.field(
        default=None, description="The id of the deleted invoice."
    )


@payload
class FinalizeInvoicePayload(Payload):
    invoice: Invoice | None = made_invoice("The updated invoice.")


@payload
class VoidInvoicePayload(Payload):
    invoice: Invoice | None = made_invoice("The updated invoice.")


@payload
class ReissueInvoicePayload(Payload):
    invoice: Invoice | None = made_invoice("The new invoice.")


@payload
class MarkInvoiceUncollectiblePayload(Payload):
    invoice: Invoice | None = made_invoice("The updated invoice.")


@strawberry.type
class InvoiceMutations:
    @mutation("Creates a one-off invoice as a DRAFT, without a number. You can add lines until you finalize it.")
    async def create_invoice(self, info: Info, input: CreateInvoiceInput) -> CreateInvoicePayload:
        metadata = metadata_of(input.metadata)
        made = await info.context.once(
            input,
            lambda session: drafts.create_invoice(
                session,
                customer_id=CustomerId(parse_id(input.customer_id)),
                currency=input.currency,
                lines=[line.value() for line in input.lines],
                net_days=input.net_days,
                po_number=input.po_number,
                memo=input.memo,
                metadata=metadata,
                now=info.context.now(),
            ),
        )
        return CreateInvoicePayload(made=made)

    @mutation("Updates a DRAFT invoice, or the metadata of any invoice.")
    async def update_invoice(self, info: Info, input: UpdateInvoiceInput) -> UpdateInvoicePayload:
        metadata = given_metadata(input.metadata)
        made = await info.context.change(
            lambda session: drafts.update_invoice(
                session,
                invoice_id=InvoiceId(parse_id(input.id)),
                net_days=given(input.net_days),
                po_number=given(input.po_number),
                memo=given(input.memo),
                metadata=metadata,
                now=info.context.now(),
            )
        )
        return UpdateInvoicePayload(made=made)

    @mutation("Adds a line to a DRAFT invoice.")
    async def add_invoice_line(self, info: Info, input: AddInvoiceLineInput) -> AddInvoiceLinePayload:
        made = await info.context.once(
            input,
            lambda session: drafts.add_invoice_line(
                session,
                invoice_id=InvoiceId(parse_id(input.invoice_id)),
                line=one_off_line(input),
                now=info.context.now(),
            ),
        )
        return AddInvoiceLinePayload(made=made)

    @mutation("Deletes a DRAFT invoice and its lines. Finalized invoices cannot be deleted.")
    async def delete_draft_invoice(self, info: Info, input: DeleteDraftInvoiceInput) -> DeleteDraftInvoicePayload:
        await info.context.change(
            lambda session: drafts.delete_draft_invoice(
                session, invoice_id=InvoiceId(parse_id(input.id)), now=info.context.now()
            )
        )
        return DeleteDraftInvoicePayload(deleted_invoice_id=input.id)

    @mutation(
        "Finalizes a DRAFT invoice: it becomes OPEN, gets its number and due date, and can no longer be changed."
        " The customer's balance is applied to it."
    )
    async def finalize_invoice(self, info: Info, input: FinalizeInvoiceInput) -> FinalizeInvoicePayload:
        made = await info.context.once(
            input,
            lambda session: drafts.finalize_invoice(
                session, invoice_id=InvoiceId(parse_id(input.id)), now=info.context.now()
            ),
        )
        return FinalizeInvoicePayload(made=made)

    @mutation(
        "Voids an invoice: it counts as never owed. Amounts that the balance or credits paid on it are added"
        " back to the balance. Credits on it that belong to other changes become pending lines again; pending"
        " credits of the changes that it charges for are dropped. Rejected if a payment is applied to the invoice or it"
        " was credited: use `createCreditNote` instead. After the invoice of a change is voided, the change stays in"
        " force, but the rest of the period is not billed until `reissueInvoice` bills it again."
    )
    async def void_invoice(self, info: Info, input: VoidInvoiceInput) -> VoidInvoicePayload:
        made = await info.context.once(
            input,
            lambda session: invoices.void_invoice(
                session, invoice_id=InvoiceId(parse_id(input.id)), now=info.context.now()
            ),
        )
        return VoidInvoicePayload(made=made)

    @mutation(
        "Reissues a voided invoice of a subscription, with the same period and lines, and the next number. Credits that"
        " another invoice has used since are omitted."
    )
    async def reissue_invoice(self, info: Info, input: ReissueInvoiceInput) -> ReissueInvoicePayload:
        made = await info.context.once(
            input,
            lambda session: invoices.reissue_invoice(
                session, invoice_id=InvoiceId(parse_id(input.id)), now=info.context.now()
            ),
        )
        return ReissueInvoicePayload(made=made)

    @mutation("Marks an OPEN invoice as uncollectible. It is still owed, and can still be paid or voided.")
    async def mark_invoice_uncollectible(
        self, info: Info, input: MarkInvoiceUncollectibleInput
    ) -> MarkInvoiceUncollectiblePayload:
        made = await info.context.once(
            input,
            lambda session: invoices.mark_invoice_uncollectible(
                session, invoice_id=InvoiceId(parse_id(input.id)), now=info.context.now()
            ),
        )
        return MarkInvoiceUncollectiblePayload(made=made)
