"""Mutations of invoices."""

import strawberry

from billing import limits
from billing.ids import CustomerId, InvoiceId
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, idempotency_key_field, made_invoice, mutation, payload
from graph.schema.fields.scalars import Cents, Currency, parse_id
from graph.schema.types.invoices import Invoice
from services import drafts, invoices
from services.drafts import OneOffLine


@strawberry.input(description="A line of a one-off invoice.")
class InvoiceLineInput:
    description: str = strawberry.field(description=f"What it is for: 1 to {limits.MAX_LINE_DESCRIPTION} characters.")
    unit_amount_cents: Cents = strawberry.field(
        description="The price of one unit in minor units of the invoice's currency: more than 0."
    )
    quantity: int = strawberry.field(
        default=1, description=f"How many units: 1 to {limits.with_thousands(limits.MAX_QUANTITY)}."
    )

    def value(self) -> OneOffLine:
        return OneOffLine(self.description, self.unit_amount_cents, self.quantity)


@strawberry.input(description="A new invoice outside any subscription, as a DRAFT.")
class CreateInvoiceInput:
    customer_id: strawberry.ID = strawberry.field(description="Who is billed: a customer in use.")
    currency: Currency = strawberry.field(
        description="The currency: the customer's, who takes this one for good where it has none yet."
    )
    lines: list[InvoiceLineInput] = strawberry.field(
        default_factory=list, description=f"The first lines, in order; at most {limits.MAX_LINES}."
    )
    net_days: int | None = strawberry.field(
        default=None,
        description=(
            f"Days until it is due once it is finalized, 0 to {limits.MAX_NET_DAYS}: by default the customer's, or "
            f"{limits.NET_DAYS}."
        ),
    )
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="A line for a DRAFT.")
class AddInvoiceLineInput:
    invoice_id: strawberry.ID = strawberry.field(description="The invoice: a DRAFT.")
    description: str = strawberry.field(description=f"What it is for: 1 to {limits.MAX_LINE_DESCRIPTION} characters.")
    unit_amount_cents: Cents = strawberry.field(
        description="The price of one unit in minor units of the invoice's currency: more than 0."
    )
    quantity: int = strawberry.field(
        default=1, description=f"How many units: 1 to {limits.with_thousands(limits.MAX_QUANTITY)}."
    )
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="A DRAFT to delete.")
class DeleteDraftInvoiceInput:
    id: strawberry.ID = strawberry.field(description="The invoice: a DRAFT.")


@strawberry.input(description="A DRAFT to finalize.")
class FinalizeInvoiceInput:
    id: strawberry.ID = strawberry.field(description="The invoice: a DRAFT with a line at least.")
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="An invoice to take back.")
class VoidInvoiceInput:
    id: strawberry.ID = strawberry.field(description="The invoice: OPEN or UNCOLLECTIBLE, and nothing paid on it.")
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="A voided invoice to issue again.")
class ReissueInvoiceInput:
    id: strawberry.ID = strawberry.field(description="The invoice: VOID, and of a subscription's period.")
    idempotency_key: str | None = idempotency_key_field()


@strawberry.input(description="An invoice to give up on.")
class MarkInvoiceUncollectibleInput:
    id: strawberry.ID = strawberry.field(description="The invoice: OPEN.")
    idempotency_key: str | None = idempotency_key_field()


@payload
class CreateInvoicePayload(Payload):
    invoice: Invoice | None = made_invoice("The new DRAFT.")


@payload
class AddInvoiceLinePayload(Payload):
    invoice: Invoice | None = made_invoice("The DRAFT as it is now.")


@payload
class DeleteDraftInvoicePayload(Payload):
    deleted_invoice_id: strawberry.ID | None = strawberry.field(default=None, description="The id it had.")


@payload
class FinalizeInvoicePayload(Payload):
    invoice: Invoice | None = made_invoice("The invoice as it is now.")


@payload
class VoidInvoicePayload(Payload):
    invoice: Invoice | None = made_invoice("The invoice as it is now.")


@payload
class ReissueInvoicePayload(Payload):
    invoice: Invoice | None = made_invoice("The new invoice.")


@payload
class MarkInvoiceUncollectiblePayload(Payload):
    invoice: Invoice | None = made_invoice("The invoice as it is now.")


@strawberry.type
class InvoiceMutations:
    @mutation("Begins a one-off invoice: a DRAFT, without a number, to which lines are added until it is finalized.")
    async def create_invoice(self, info: Info, input: CreateInvoiceInput) -> CreateInvoicePayload:
        made = await info.context.once(
            input,
            lambda session: drafts.create_invoice(
                session,
                customer_id=CustomerId(parse_id(input.customer_id)),
                currency=input.currency,
                lines=[line.value() for line in input.lines],
                net_days=input.net_days,
                now=info.context.now(),
            ),
        )
        return CreateInvoicePayload(made=made)

    @mutation("Adds a line to a DRAFT.")
    async def add_invoice_line(self, info: Info, input: AddInvoiceLineInput) -> AddInvoiceLinePayload:
        made = await info.context.once(
            input,
            lambda session: drafts.add_invoice_line(
                session,
                invoice_id=InvoiceId(parse_id(input.invoice_id)),
                line=OneOffLine(input.description, input.unit_amount_cents, input.quantity),
                now=info.context.now(),
            ),
        )
        return AddInvoiceLinePayload(made=made)

    @mutation("Deletes a DRAFT with its lines. What is finalized is never deleted.")
    async def delete_draft_invoice(self, info: Info, input: DeleteDraftInvoiceInput) -> DeleteDraftInvoicePayload:
        await info.context.change(
            lambda session: drafts.delete_draft_invoice(
                session, invoice_id=InvoiceId(parse_id(input.id)), now=info.context.now()
            )
        )
        return DeleteDraftInvoicePayload(deleted_invoice_id=input.id)

    @mutation(
        "Makes a DRAFT OPEN: it gets its number and its due date, never changes again, and takes what the balance has."
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
        "Voids an invoice, as if it had never been owed. The part that the balance paid goes back to the balance."
        " Credits of other changes on it go to the next invoice; credits of changes that it charges for go with it."
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
        "Issues the voided invoice of a subscription's period again, for the same period and with the next number. A"
        " credit that another invoice has used since is left out."
    )
    async def reissue_invoice(self, info: Info, input: ReissueInvoiceInput) -> ReissueInvoicePayload:
        made = await info.context.once(
            input,
            lambda session: invoices.reissue_invoice(
                session, invoice_id=InvoiceId(parse_id(input.id)), now=info.context.now()
            ),
        )
        return ReissueInvoicePayload(made=made)

    @mutation("Gives up on an OPEN invoice. It is still owed, and can still be paid or voided.")
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
