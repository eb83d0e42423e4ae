"""A customer as the model has it, in the format of the API, to be compared after each step."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from tests.walk.api import TAX, learn, plain, seen
from tests.walk.client import Client, Failed
from tests.walk.formats import View, code, differences, in_order, instant, named, noted_as, pairs
from tests.walk.model import figures
from tests.walk.model.credit_notes import left_on
from tests.walk.model.lines import Credit, Credited, Line, Tax
from tests.walk.model.world import (
    Applied,
    CreditNote,
    Customer,
    Discount,
    Entry,
    Invoice,
    Payment,
    Refund,
    Subscription,
    World,
)


def expected(world: World, customer: Customer) -> View:
    """Returns a customer of the model in the format of `plain`."""
    credited = customer.credited()
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "externalId": customer.external_id,
        "netDays": customer.net_days,
        "poNumber": customer.po_number,
        "invoiceMemo": customer.invoice_memo,
        "currency": customer.currency,
        "address": customer.address and dict(zip(("country", "region"), customer.address, strict=True)),
        "taxStatus": customer.tax_status,
        "taxExemptionReason": customer.exemption_reason,
        "taxIds": [
            {"country": country, "value": value, "verifiedAt": instant(at)} for country, value, at in customer.tax_ids
        ],
        "taxRates": [{"id": rate.id} for rate in customer.tax_rates],
        "balanceCents": customer.balance,
        "archived": customer.archived,
        "version": customer.version,
        "testClock": customer.clock and {"id": customer.clock.id},
        "subscription": customer.live and {"id": customer.live.id},
        "subscriptions": {each.id: subscription_view(customer, each) for each in customer.subscriptions},
        "invoices": {named(each): invoice_view(customer, each, credited) for each in customer.invoices},
        "discounts": {each.id: discount_view(each) for each in customer.discounts},
        "payments": {each.id: payment_view(customer, each) for each in customer.payments},
        "creditNotes": {noted_as(each): note_view(customer, each) for each in customer.credit_notes},
        "prefixes": 1 if any(each.sequence for each in customer.invoices) else 0,
        "ledger": {
            "nodes": [entry_view(customer, number, entry) for number, entry in enumerate(customer.ledger, start=1)][
                -50:
            ],
            "totalCount": len(customer.ledger),
        },
    }


def discount_view(discount: Discount) -> View:
    coupon = discount.coupon
    return {
        "coupon": {"code": coupon.code},
        "subscription": discount.subscription and {"id": discount.subscription.id},
        "periodsLeft": None if coupon.periods is None else max(0, coupon.periods - discount.used),
        "removedAt": instant(discount.removed_at),
        "version": discount.version,
    }


def applied_view(applied: Applied) -> View:
    discount = applied.discount
    return {"name": discount.coupon.name, "amountCents": applied.amount, "discount": {"id": discount.id}}


def tax_views(lines: Iterable[Line | Credit]) -> list[View]:
    """Returns the taxes of lines by group, in the order in which they appear. A group is named after its first line."""
    groups: dict[object, tuple[Tax, list[tuple[int, int]]]] = {}
    for line in lines:
        for tax, cents in line.taxes:
            groups.setdefault(tax.group, (tax, []))[1].append((line.net, cents))
    return [
        {
            "name": tax.name,
            "kind": tax.kind,
            "category": tax.category,
            "percent": percent_view(tax.percent),
            "taxableCents": sum(net for net, _ in parts),
            "amountCents": sum(cents for _, cents in parts),
            "reason": tax.reason,
        }
        for tax, parts in groups.values()
    ]


def percent_view(percent: Fraction) -> str:
    return f"{(Decimal(percent.numerator) / Decimal(percent.denominator)).normalize():f}"


def entry_view(customer: Customer, number: int, entry: Entry) -> View:
    about = entry.about
    return {
        "sequence": number,
        "kind": entry.kind,
        "amountCents": entry.amount,
        "balanceAfterCents": entry.balance,
        "currency": customer.currency,
        "reason": entry.reason,
        "invoice": named(about) if isinstance(about, Invoice) else None,
        "payment": {"id": about.id} if isinstance(about, Payment) else None,
        "creditNote": noted_as(about) if isinstance(about, CreditNote) else None,
    }


def payment_view(customer: Customer, payment: Payment) -> View:
    return {
        "amountCents": payment.amount,
        "overpaymentCents": payment.overpayment,
        "currency": customer.currency,
        "method": payment.method,
        "reference": payment.reference,
        "receivedAt": instant(payment.received_at),
        "version": payment.version,
        "metadata": pairs(payment.metadata),
        "refundedCents": sum(refund.amount for refund in payment.refunds),
        "reversedCents": payment.reversed,
        "reversedAt": instant(payment.reversed_at),
        "allocations": in_order(
            {
                "amountCents": part.amount,
                "createdAt": instant(part.at),
                "releasedAt": instant(part.released_at),
                "invoice": named(invoice),
            }
            for invoice in customer.invoices
            for part in invoice.allocations
            if part.source is payment
        ),
        "reversals": in_order({"amountCents": amount, "reason": reason} for amount, reason in payment.reversals),
        "refunds": in_order(map(refund_view, payment.refunds)),
    }


def refund_view(refund: Refund) -> View:
    return {
        "amountCents": refund.amount,
        "reference": refund.reference,
        "payment": {"id": refund.payment.id},
        "creditNote": refund.note and noted_as(refund.note),
    }


def note_view(customer: Customer, note: CreditNote) -> View:
    name, email = note.bill_to
    return {
        "status": "VOID" if note.voided_at else "ISSUED",
        "currency": note.invoice.currency,
        **note_amounts(note),
        "refundedCents": note.refunded,
        "reason": note.reason,
        "memo": note.memo,
        "billTo": {"name": name, "email": email},
        "issuedAt": instant(note.issued_at),
        "voidedAt": instant(note.voided_at),
        "version": note.version,
        "customer": {"id": customer.id},
        "invoice": named(note.invoice),
        "testClock": customer.clock and {"id": customer.clock.id},
        "lines": [{**credit_view(credit), "line": place_of(customer, credit.line)} for credit in note.lines],
        "refunds": in_order(map(refund_view, note.refunds)),
    }


def credit_view(credit: Credit) -> View:
    return {
        "description": credit.line.description,
        "amountCents": credit.amount,
        "discountCents": credit.discount,
        "netCents": credit.net,
        "taxes": tax_views([credit]),
    }


def note_amounts(note: CreditNote) -> View:
    return {
        "taxCents": note.tax,
        "taxes": tax_views(note.lines),
        "amountCents": note.amount,
        "appliedCents": note.applied,
        "restoredCents": note.restored,
        "balanceCents": note.balance,
        "refundCents": note.refund,
        "outsideCents": note.outside,
    }


PREVIEW = (
    """query ($input: PreviewCreditNoteInput!) { previewCreditNote(input: $input) {
    toDistributeCents userErrors { code }
    creditNote { currency taxCents taxes { ...tax }
        amountCents appliedCents restoredCents balanceCents refundCents outsideCents
        lines { description amountCents discountCents netCents taxes { ...tax } invoiceLine { id } } }
} } """
    + TAX
)


def preview_view(note: CreditNote) -> View:
    """Returns the preview of a credit note, as the API shows it."""
    return {
        "toDistributeCents": note.refund + note.balance + note.outside,
        "userErrors": [],
        "creditNote": {
            "currency": note.invoice.currency,
            **note_amounts(note),
            "lines": [{**credit_view(credit), "invoiceLine": {"id": credit.line.id}} for credit in note.lines],
        },
    }


def subscription_view(customer: Customer, subscription: Subscription) -> View:
    begins, ends = subscription.periods[-1] if subscription.periods else (None, None)
    invoices = [each for each in customer.invoices if each.subscription is subscription]
    pending = subscription.pending
    return {
        "status": subscription.status,
        "quantity": subscription.quantity,
        "plan": code(subscription.plan),
        "startedAt": instant(subscription.periods[0][0] if subscription.periods else None),
        "anchorAt": instant(subscription.anchor),
        "currentPeriodStart": instant(begins),
        "currentPeriodEnd": instant(ends),
        "trialStart": instant(subscription.trial and subscription.trial[0]),
        "trialEnd": instant(subscription.trial and subscription.trial[1]),
        "nextBillingAt": instant(subscription.next_at),
        "cancelAtPeriodEnd": subscription.cancel_at_period_end,
        "cancelAt": instant(subscription.cancel_at),
        "canceledAt": instant(subscription.canceled_at),
        "endedAt": instant(subscription.ended_at),
        "version": subscription.version,
        "metadata": [{"key": key, "value": value} for key, value in subscription.metadata.items()],
        "pendingChange": pending
        and {
            "plan": code(pending[0]),
            "quantity": pending[1],
            "requestedAt": instant(pending[2]),
            "effectiveAt": instant(ends),
        },
        "pendingLines": [line_view(line) for line in subscription.waiting],
        "billingHold": None,
        "latestInvoice": named(max(invoices, key=lambda each: each.sequence or 0)) if invoices else None,
    }


def invoice_view(customer: Customer, invoice: Invoice, credited: Mapping[Line, Credited]) -> View:
    begins, ends = invoice.period or (None, None)
    name, email = invoice.bill_to or (None, None)
    left, left_by_line = left_on(customer, invoice, credited)
    return {
        "id": invoice.id,
        "kind": invoice.kind,
        "status": invoice.status,
        "currency": invoice.currency,
        "subtotalCents": invoice.subtotal,
        "discountCents": sum(line.discount for line in invoice.lines),
        "discounts": list(map(applied_view, invoice.discounts)),
        "taxCents": invoice.tax,
        "taxes": tax_views(invoice.lines),
        "amountCents": invoice.amount,
        "amountDueCents": invoice.due,
        "billTo": invoice.bill_to and {"name": name, "email": email},
        "periodStart": instant(begins),
        "periodEnd": instant(ends),
        "issuedAt": instant(invoice.issued_at),
        "taxDate": instant(invoice.tax_date),
        "dueAt": instant(invoice.due_at),
        "netDays": invoice.net_days,
        "poNumber": invoice.po_number,
        "memo": invoice.memo,
        "metadata": pairs(invoice.metadata),
        "paidAt": instant(invoice.paid_at),
        "version": invoice.version,
        "subscription": invoice.subscription and {"id": invoice.subscription.id},
        "creditableCents": left,
        "creditNotes": [noted_as(note) for note in customer.credit_notes if note.invoice is invoice][:20],
        "replaces": invoice.replaces and named(invoice.replaces),
        "lines": [
            {
                **line_view(line),
                "discountCents": line.discount,
                "netCents": line.net,
                "taxBehavior": "INCLUSIVE" if line.inclusive else "EXCLUSIVE",
                "taxes": tax_views([line]),
                "reverses": line.reverses and place_of(customer, line.reverses),
                "creditableCents": left_by_line[line].amount,
            }
            for line in invoice.lines
        ],
        "allocations": in_order(
            {
                "kind": part.kind,
                "amountCents": part.amount,
                "createdAt": instant(part.at),
                "releasedAt": instant(part.released_at),
                "payment": {"id": part.source.id} if isinstance(part.source, Payment) else None,
                "sourceInvoice": named(part.source) if isinstance(part.source, Invoice) else None,
                "creditNote": noted_as(part.source) if isinstance(part.source, CreditNote) else None,
            }
            for part in invoice.allocations
        ),
    }


def line_view(line: Line) -> View:
    return {
        "kind": line.kind,
        "description": line.description,
        "quantity": line.quantity,
        "unitAmountCents": line.unit_amount,
        "amountCents": line.amount,
        "periodOrdinal": line.ordinal,
        "periodStart": instant(line.start),
        "periodEnd": instant(line.end),
        "plan": code(line.plan),
    }


def place_of(customer: Customer, line: Line) -> tuple[str, int] | None:
    """Returns the invoice that a line is on and its index there, or None if it is on no invoice."""
    for invoice in customer.invoices:
        if line in invoice.lines:
            return named(invoice), invoice.lines.index(line)
    return None


def compare(client: Client, world: World, customer: Customer) -> None:
    """Raises `Failed` if the API and the model disagree."""
    if found := list(disagreements(client, world, customer)):
        raise Failed("\n".join(["The API and the model do not agree.", *found]))


def disagreements(client: Client, world: World, customer: Customer) -> list[str]:
    assert customer.id
    found = seen(client, customer.id)
    learn(customer, found)
    return list(differences(plain(found), expected(world, customer)))


FIGURES = """
    currency mrrCents activeSubscriptions trialing pastDue outstandingCents
    months(first: 60) {
      month startMrrCents newMrrCents expansionCents contractionCents churnedCents reactivatedCents endMrrCents
    }
"""


def figure_differences(client: Client, world: World) -> list[str]:
    """Describes each figure of the business in which the API and the model differ."""
    for customer in world.customers:
        figures.settle(customer)
    found = client.query(f"{{ analytics {{ currencies {{ {FIGURES} }} }} }}")["analytics"]["currencies"]
    wrong: list[str] = []
    for shown in found:
        months = [datetime.fromisoformat(month["month"]) for month in shown["months"]]
        wrong += differences(shown, figures.figures(world, shown["currency"], months), "figures")
    return wrong
