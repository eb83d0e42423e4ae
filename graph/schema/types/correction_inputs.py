"""Inputs that describe a credit note, shared by the mutation and its preview."""

import strawberry

from billing import limits
from billing.credit_notes import Distribution, RequestedCredit
from billing.ids import InvoiceId, InvoiceLineId
from graph.schema.fields.scalars import Cents, parse_id


@strawberry.input(description="An amount to credit for a line of an invoice.")
class CreditNoteLineInput:
    line_id: strawberry.ID = strawberry.field(description="The invoice line. Each line may be given only once.")
    amount_cents: Cents = strawberry.field(
        description="The amount, in minor units of the invoice's currency: more than 0, at most `creditableCents`."
    )


@strawberry.input(
    description=(
        "The distribution of the rest of a credit note, after it has lowered the amount due and returned to the balance"
        " what the balance and credits had paid. The parts must add up to `toDistributeCents` of `previewCreditNote`."
    )
)
class CreditNoteDistributionInput:
    refund_cents: Cents = strawberry.field(
        default=0, description="The part to refund, in minor units. Record the refund with `recordRefund`."
    )
    balance_cents: Cents | None = strawberry.field(
        default=None,
        description="The part to add to the customer's balance, in minor units. Defaults to the remainder.",
    )
    outside_cents: Cents = strawberry.field(
        default=0, description="The part that you settle outside this server, in minor units."
    )

    def value(self) -> Distribution:
        return Distribution(self.refund_cents, self.balance_cents, self.outside_cents)


@strawberry.input
class CreditInput:
    """The part of a credit note's inputs that the mutation and the preview share."""

    invoice_id: strawberry.ID = strawberry.field(description="The invoice. It must be OPEN, PAID or UNCOLLECTIBLE.")
    lines: list[CreditNoteLineInput] | None = strawberry.field(
        default=None,
        description=(
            f"The lines to credit, at most {limits.MAX_LINES}. Give exactly one of `lines`, `amountCents` and `whole`."
        ),
    )
    amount_cents: Cents | None = strawberry.field(
        default=None,
        description=(
            "The total to credit, in minor units: more than 0, at most the invoice's `creditableCents`. It is split"
            " over the lines in proportion to what is left to credit on each."
        ),
    )
    whole: bool = strawberry.field(default=False, description="True to credit the invoice's whole `creditableCents`.")
    distribution: CreditNoteDistributionInput | None = strawberry.field(
        default=None,
        description="The distribution of `toDistributeCents`. By default, all of it is added to the balance.",
    )

    def credit(self) -> RequestedCredit:
        lines = tuple((InvoiceLineId(parse_id(line.line_id)), line.amount_cents) for line in self.lines or ())
        return RequestedCredit(lines, self.amount_cents, self.whole)

    def parts(self) -> Distribution | None:
        return None if self.distribution is None else self.distribution.value()

    def invoice(self) -> InvoiceId:
        return InvoiceId(parse_id(self.invoice_id))
