"""A customer as the API shows it: read, and brought into the format of the model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tests.walk.client import Client
from tests.walk.formats import View, in_order, invoice_name, noted_as, without
from tests.walk.model.world import Customer, Discount, Invoice, Payment, Subscription

TAX = "fragment tax on AppliedTax { name kind category percent taxableCents amountCents reason }"
CUSTOMER = """
    id name email externalId netDays poNumber invoiceMemo currency balanceCents archivedAt version testClock { id }
    address { country region } taxStatus taxExemptionReason taxIds { country value verifiedAt } taxRates { id }
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
    discounts(first: 100) { nodes { id periodsLeft removedAt version coupon { code } subscription { id } } }
    ledger(last: 50) { nodes { sequence kind amountCents balanceAfterCents currency reason
        invoice { id } payment { id } creditNote { id } } totalCount }
"""
PAGE = "pageInfo { hasNextPage endCursor }"
LISTS = {
    "invoices": """nodes {
            id number kind status currency subtotalCents discountCents taxCents amountCents amountDueCents
            billTo { name email } periodStart periodEnd issuedAt dueAt netDays poNumber memo metadata { key value }
            paidAt taxDate version creditableCents discounts { name amountCents discount { id } } taxes { ...tax }
            subscription { id } replaces { id } creditNotes(first: 20) { nodes { id } }
            lines { id kind description quantity unitAmountCents amountCents periodOrdinal periodStart periodEnd
                creditableCents discountCents netCents taxBehavior taxes { ...tax } plan { code } reverses { id } }
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
            id number status currency taxCents taxes { ...tax } amountCents appliedCents restoredCents balanceCents
            refundCents refundedCents outsideCents reason memo billTo { name email } issuedAt voidedAt version
            customer { id } invoice { id } testClock { id }
            lines { description amountCents discountCents netCents taxes { ...tax } invoiceLine { id } }
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
    query = f"query ($id: ID!) {{ customer(id: $id) {{ {CUSTOMER} {FIRST_PAGES} }} }} {TAX}"
    found: View = client.query(query, id=customer_id)["customer"]
    for name in LISTS:
        page = found[name]
        found[name] = page["nodes"]
        if page["pageInfo"]["hasNextPage"]:
            found[name] += pages(client, page_of(name), customer_id, name, after=page["pageInfo"]["endCursor"])
    return found


def page_of(name: str) -> str:
    selection = f"{name}(first: 60, after: $after) {{ {PAGE} {LISTS[name]} }}"
    fragment = TAX if "...tax" in selection else ""
    return f"query ($id: ID!, $after: String) {{ customer(id: $id) {{ {selection} }} }} {fragment}"


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
    learned: list[tuple[Sequence[Subscription | Payment | Invoice | Discount], list[View]]] = [
        (customer.subscriptions, found["subscriptions"]["nodes"]),
        (customer.payments, found["payments"]),
        (customer.discounts, found["discounts"]["nodes"]),
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
    view["discounts"] = {row["id"]: without(row, "id") for row in found["discounts"]["nodes"]}
    for row in view["subscriptions"].values():
        row["latestInvoice"] = row["latestInvoice"] and numbers[row["latestInvoice"]["id"]]
    names = {**numbers, **{row["id"]: note_name(row) for row in found["creditNotes"]}}
    view["ledger"]["nodes"] = [named_refs(row, names, "invoice", "creditNote") for row in found["ledger"]["nodes"]]
    view["payments"] = {row["id"]: without(row, "id") for row in found["payments"]}
    for row in view["payments"].values():
        row["allocations"] = in_order(named_refs(part, names, "invoice") for part in row["allocations"])
        row["reversals"] = in_order(row["reversals"])
        row["refunds"] = in_order(named_refs(refund, names, "creditNote") for refund in row["refunds"])
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
        row["refunds"] = in_order(named_refs(refund, names, "creditNote") for refund in row["refunds"])
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
