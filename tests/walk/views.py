"""A customer as the API shows it and as the model has it, in one format, to be compared after each step."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.walk.client import Client, Failed
from tests.walk.model.credit_notes import left_on
from tests.walk.model.world import (
    Clock,
    CreditNote,
    Customer,
    Entry,
    Invoice,
    Key,
    Line,
    Payment,
    Plan,
    Refund,
    Seller,
    Shared,
    Subscription,
    TaxRate,
    World,
)

View = dict[str, Any]

CUSTOMER = """
    id name email externalId netDays poNumber invoiceMemo currency balanceCents archivedAt version testClock { id }
    subscription { id }
    subscriptions(first: 100) { nodes {
        id status quantity plan { code } startedAt anchorAt currentPeriodStart currentPeriodEnd trialStart trialEnd
        nextBillingAt cancelAtPeriodEnd cancelAt canceledAt endedAt version
        metadata { key value }
        pendingChange { quantity plan { code } requestedAt effectiveAt }
        pendingLines { kind description quantity unitAmountCents amountCents periodOrdinal periodStart periodEnd
            plan { code } }
        billingHold { reason }
        latestInvoice { id }
    } }
    ledger(last: 50) { nodes { sequence kind amountCents balanceAfterCents currency reason
        invoice { id } payment { id } creditNote { id } } totalCount }
"""
PAGE = "pageInfo { hasNextPage endCursor }"
LISTS = {
    "invoices": """nodes {
            id number kind status currency subtotalCents taxCents amountCents amountDueCents billTo { name email }
            periodStart periodEnd issuedAt dueAt netDays poNumber memo metadata { key value } paidAt version
            creditableCents subscription { id } replaces { id } creditNotes(first: 20) { nodes { id } }
            lines { id kind description quantity unitAmountCents amountCents periodOrdinal periodStart periodEnd
                creditableCents plan { code } reverses { id } }
            allocations { kind amountCents createdAt releasedAt payment { id } sourceInvoice { id } creditNote { id } }
        }""",
    "payments": """nodes {
            id amountCents overpaymentCents currency method reference receivedAt version refundedCents reversedCents
            reversedAt metadata { key value }
            allocations { amountCents createdAt releasedAt invoice { id } }
            reversals { amountCents reason }
            refunds { amountCents reference payment { id } creditNote { id } }
        }""",
    "creditNotes": """nodes {
            id number status currency amountCents appliedCents restoredCents balanceCents refundCents refundedCents
            outsideCents reason memo billTo { name email } issuedAt voidedAt version
            customer { id } invoice { id } testClock { id }
            lines { description amountCents invoiceLine { id } }
            refunds { amountCents reference payment { id } creditNote { id } }
        }""",
}
"""Selection of each list of a customer, which is read in pages."""

FIRST_PAGES = " ".join(f"{name}(first: 60) {{ {PAGE} {selection} }}" for name, selection in LISTS.items())

EVENTS = """
    query ($id: ID!, $after: String) { customer(id: $id) { events(first: 100, after: $after) {
        pageInfo { hasNextPage endCursor } nodes { type objectId version }
    } } }
"""


def seen(client: Client, customer_id: str) -> View:
    """Reads a customer with everything that belongs to it from the API."""
    query = f"query ($id: ID!) {{ customer(id: $id) {{ {CUSTOMER} {FIRST_PAGES} }} }}"
    found: View = client.query(query, id=customer_id)["customer"]
    for name in LISTS:
        page = found[name]
        found[name] = page["nodes"]
        if page["pageInfo"]["hasNextPage"]:
            found[name] += pages(client, page_of(name), customer_id, name, after=page["pageInfo"]["endCursor"])
    return found


def page_of(name: str) -> str:
    selection = f"{name}(first: 60, after: $after) {{ {PAGE} {LISTS[name]} }}"
    return f"query ($id: ID!, $after: String) {{ customer(id: $id) {{ {selection} }} }}"


def pages(client: Client, query: str, customer_id: str, name: str, after: str | None = None) -> Iterator[Any]:
    while True:
        page = client.query(query, id=customer_id, after=after)["customer"][name]
        yield from page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def event_differences(client: Client, customer: Customer) -> list[str]:
    """Describes the events that only the API or only the model has: type, object and its version."""
    assert customer.id
    happened = Counter(
        (event["type"], event["objectId"], event["version"]) for event in pages(client, EVENTS, customer.id, "events")
    )
    wanted = Counter((event, thing.id, version) for event, thing, version in customer.events)
    more, fewer = happened - wanted, wanted - happened
    return [f"Events of {customer.name}: {dict(more)} too many, {dict(fewer)} too few."] if more or fewer else []


def learn(customer: Customer, found: View) -> None:
    """Copies ids from the API's result to the model.

    Later objects have larger ids; invoices and credit notes are matched by number, lines by their order.
    """
    drafts = [each for each in customer.invoices if not each.sequence]
    learned: list[tuple[Sequence[Subscription | Payment | Invoice], list[View]]] = [
        (customer.subscriptions, found["subscriptions"]["nodes"]),
        (customer.payments, found["payments"]),
        (drafts, [row for row in found["invoices"] if row["number"] is None]),
    ]
    for things, rows in learned:
        for thing, row in zip(things, sorted(rows, key=lambda row: str(row["id"])), strict=False):
            thing.id = row["id"]
    by_number = {number_of(row): row["id"] for row in found["invoices"]}
    lines_of = {row["id"]: row["lines"] for row in found["invoices"]}
    for invoice in customer.invoices:
        if invoice.sequence is not None:
            invoice.id = by_number.get(invoice.sequence)
        for line, row in zip(invoice.lines, lines_of.get(invoice.id, ()), strict=False):
            line.id = row["id"]
    notes = {note_name(row): row["id"] for row in found["creditNotes"]}
    for note in customer.credit_notes:
        note.id = notes.get(noted_as(note))


def number_of(row: View) -> int | None:
    """Returns the sequence number of an invoice, or None for a draft."""
    return None if row["number"] is None else int(row["number"].rpartition("-")[2])


def note_name(row: View) -> str:
    """Returns the number of a credit note without the customer's prefix."""
    return str(row["number"].rpartition("-")[2])


def noted_as(note: CreditNote) -> str:
    return f"C{note.sequence:04}"


def plain(found: View) -> View:
    """Converts the API's result to the format of `expected`, in which ids of invoices and lines are
    replaced by names.
    """
    numbers = {row["id"]: invoice_name(number_of(row), row["id"]) for row in found["invoices"]}
    lines = {
        line["id"]: (numbers[row["id"]], position)
        for row in found["invoices"]
        for position, line in enumerate(row["lines"])
    }
    view = {**found, "archived": found["archivedAt"] is not None}
    del view["archivedAt"]
    view["subscriptions"] = {row["id"]: without(row, "id") for row in found["subscriptions"]["nodes"]}
    for row in view["subscriptions"].values():
        row["latestInvoice"] = row["latestInvoice"] and numbers[row["latestInvoice"]["id"]]
    names = {**numbers, **{row["id"]: note_name(row) for row in found["creditNotes"]}}
    view["ledger"]["nodes"] = [named_refs(row, names, "invoice", "creditNote") for row in found["ledger"]["nodes"]]
    view["payments"] = {row["id"]: without(row, "id") for row in found["payments"]}
    for row in view["payments"].values():
        row["allocations"] = in_order(named_refs(part, names, "invoice") for part in row["allocations"])
        row["refunds"] = [named_refs(refund, names, "creditNote") for refund in row["refunds"]]
    view["creditNotes"] = {
        note_name(row): named_refs(without(without(row, "id"), "number"), names, "invoice")
        for row in found["creditNotes"]
    }
    prefixes = {
        row["number"].rpartition("-")[0] for row in (*found["invoices"], *found["creditNotes"]) if row["number"]
    }
    view["prefixes"] = len(prefixes)
    for row in view["creditNotes"].values():
        row["lines"] = [
            {**without(line, "invoiceLine"), "line": lines[line["invoiceLine"]["id"]]} for line in row["lines"]
        ]
        row["refunds"] = [named_refs(refund, names, "creditNote") for refund in row["refunds"]]
    view["invoices"] = {numbers[row["id"]]: without(row, "number") for row in found["invoices"]}
    for row in view["invoices"].values():
        row["replaces"] = row["replaces"] and numbers[row["replaces"]["id"]]
        row["creditNotes"] = [names[note["id"]] for note in row["creditNotes"]["nodes"]]
        row["lines"] = [
            {**without(line, "id"), "reverses": line["reverses"] and lines[line["reverses"]["id"]]}
            for line in row["lines"]
        ]
        row["allocations"] = in_order(
            named_refs(part, names, "sourceInvoice", "creditNote") for part in row["allocations"]
        )
    return view


def named_refs(row: View, names: dict[str, str], *fields: str) -> View:
    """Replaces the objects in these fields with their names."""
    return {**row, **{field: row[field] and names[row[field]["id"]] for field in fields}}


def in_order(rows: Iterable[View]) -> list[View]:
    """Sorts the rows independently of time: a clock may have been set back, which changes the API's order."""
    return sorted(rows, key=repr)


def without(row: View, name: str) -> View:
    return {key: value for key, value in row.items() if key != name}


def invoice_name(number: int | None, draft_id: str | None) -> str:
    return f"draft {draft_id}" if number is None else f"#{number}"


def expected(world: World, customer: Customer) -> View:
    """Returns a customer of the model in the format of `plain`."""
    credited = customer.noted(), customer.given_back()
    return {
        "id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "externalId": customer.external_id,
        "netDays": customer.net_days,
        "poNumber": customer.po_number,
        "invoiceMemo": customer.invoice_memo,
        "currency": customer.currency,
        "balanceCents": customer.balance,
        "archived": customer.archived,
        "version": customer.version,
        "testClock": customer.clock and {"id": customer.clock.id},
        "subscription": customer.live and {"id": customer.live.id},
        "subscriptions": {each.id: subscription_view(customer, each) for each in customer.subscriptions},
        "invoices": {named(each): invoice_view(customer, each, credited) for each in customer.invoices},
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
        "reversals": [{"amountCents": amount, "reason": reason} for amount, reason in payment.reversals],
        "refunds": [refund_view(refund) for refund in payment.refunds],
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
        "lines": [
            {"description": line.description, "amountCents": amount, "line": place_of(customer, line)}
            for line, amount in note.lines
        ],
        "refunds": [refund_view(refund) for refund in note.refunds],
    }


def note_amounts(note: CreditNote) -> View:
    return {
        "amountCents": note.amount,
        "appliedCents": note.applied,
        "restoredCents": note.restored,
        "balanceCents": note.balance,
        "refundCents": note.refund,
        "outsideCents": note.outside,
    }


PREVIEW = """query ($input: PreviewCreditNoteInput!) { previewCreditNote(input: $input) {
    toDistributeCents userErrors { code }
    creditNote { currency amountCents appliedCents restoredCents balanceCents refundCents outsideCents
        lines { description amountCents invoiceLine { id } } }
} }"""


def preview_view(note: CreditNote) -> View:
    """Returns the preview of a credit note, as the API shows it."""
    return {
        "toDistributeCents": note.refund + note.balance + note.outside,
        "userErrors": [],
        "creditNote": {
            "currency": note.invoice.currency,
            **note_amounts(note),
            "lines": [
                {"description": line.description, "amountCents": amount, "invoiceLine": {"id": line.id}}
                for line, amount in note.lines
            ],
        },
    }


def named(invoice: Invoice) -> str:
    return invoice_name(invoice.sequence, invoice.id)


def instant(at: datetime | None) -> str | None:
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def pairs(metadata: dict[str, str]) -> list[View]:
    return [{"key": key, "value": value} for key, value in sorted(metadata.items())]


def code(plan: Plan | None) -> View | None:
    return None if plan is None else {"code": plan.code}


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
        "pendingLines": [without(line_view(customer, line), "reverses") for line in subscription.waiting],
        "billingHold": None,
        "latestInvoice": named(max(invoices, key=lambda each: each.sequence or 0)) if invoices else None,
    }


def invoice_view(customer: Customer, invoice: Invoice, credited: tuple[Counter[Line], Counter[Line]]) -> View:
    begins, ends = invoice.period or (None, None)
    name, email = invoice.bill_to or (None, None)
    left, left_by_line = left_on(customer, invoice, credited)
    return {
        "id": invoice.id,
        "kind": invoice.kind,
        "status": invoice.status,
        "currency": invoice.currency,
        "subtotalCents": invoice.amount,
        "taxCents": 0,
        "amountCents": invoice.amount,
        "amountDueCents": invoice.due,
        "billTo": invoice.bill_to and {"name": name, "email": email},
        "periodStart": instant(begins),
        "periodEnd": instant(ends),
        "issuedAt": instant(invoice.issued_at),
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
        "lines": [{**line_view(customer, line), "creditableCents": left_by_line[line]} for line in invoice.lines],
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


def line_view(customer: Customer, line: Line) -> View:
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
        "reverses": line.reverses and place_of(customer, line.reverses),
    }


def place_of(customer: Customer, line: Line) -> tuple[str, int] | None:
    """Returns the invoice that a line is on and its index there, or None if it is on no invoice."""
    for invoice in customer.invoices:
        if line in invoice.lines:
            return named(invoice), invoice.lines.index(line)
    return None


def differences(found: Any, wanted: Any, path: str = "") -> Iterator[str]:
    """Describes each value in which the API's result differs from the model."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in [*found, *(key for key in wanted if key not in found)]:
            yield from differences(found.get(key, "nothing"), wanted.get(key, "nothing"), f"{path}.{key}")
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif found != wanted:
        yield f"{path}: the API shows {found!r}, the model has {wanted!r}"


def compare(client: Client, world: World, customer: Customer) -> None:
    """Raises `Failed` if the API and the model disagree."""
    if found := list(disagreements(client, world, customer)):
        raise Failed("\n".join(["The API and the model do not agree.", *found]))


def disagreements(client: Client, world: World, customer: Customer) -> list[str]:
    assert customer.id
    found = seen(client, customer.id)
    learn(customer, found)
    return list(differences(plain(found), expected(world, customer)))


PLAN = """query ($id: ID!) { plan(id: $id) {
    code name description amountCents currency interval intervalCount trialDays netDays archivedAt version
} }"""
CLOCK = "query ($id: ID!) { testClock(id: $id) { status frozenAt targetAt } }"
SELLER = "{ seller { id legalName homeCountry phone } }"
TAX_RATE = "query ($id: ID!) { taxRate(id: $id) { kind category percent archivedAt version } }"
KEYS = "{ apiKeys { id name scope revokedAt } }"


def thing_differs(client: Client, thing: Shared) -> list[str]:
    """Describes how the API and the model disagree on an object that does not belong to a customer."""
    if thing.id is None:
        return []
    match thing:
        case Plan():
            found = client.query(PLAN, id=thing.id)["plan"]
            found["archivedAt"] = found["archivedAt"] is not None
            return list(differences(found, plan_view(thing), "plan"))
        case Clock():
            wanted = {
                "status": "ADVANCING" if thing.target else "READY",
                "frozenAt": instant(thing.frozen_at),
                "targetAt": instant(thing.target),
            }
            return list(differences(client.query(CLOCK, id=thing.id)["testClock"], wanted, "test clock"))
        case Seller():
            wanted = {"id": thing.id, "legalName": thing.name, "homeCountry": "DE", "phone": thing.phone}
            return list(differences(client.query(SELLER)["seller"], wanted, "seller"))
        case TaxRate():
            found = client.query(TAX_RATE, id=thing.id)["taxRate"]
            found["archivedAt"] = found["archivedAt"] is not None
            rate = {"kind": thing.kind, "category": thing.category, "percent": thing.percent}
            return list(
                differences(found, {**rate, "archivedAt": thing.archived, "version": thing.version}, "tax rate")
            )
        case Key():
            key = {"id": thing.id, "name": thing.name, "scope": thing.scope, "revokedAt": instant(thing.revoked_at)}
            found = next((row for row in client.query(KEYS)["apiKeys"] if row["id"] == thing.id), None)
            return list(differences(found, key, "API key"))


def plan_view(plan: Plan) -> View:
    return {
        "code": plan.code,
        "name": plan.name,
        "description": plan.description,
        "amountCents": plan.amount,
        "currency": plan.currency,
        "interval": plan.unit,
        "intervalCount": plan.count,
        "trialDays": plan.trial_days,
        "netDays": plan.net_days,
        "archivedAt": plan.archived,
        "version": plan.version,
    }
