"""Invoice numbers: 1, 2, 3 … for each customer, with concurrent finalizations and rollbacks."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, TypeAlias

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.enums import InvoiceStatus
from billing.errors import InvoiceNotFound, InvoiceOpen
from billing.ids import InvoiceId
from db.access.transactions import Sessions
from db.database import Database
from db.models import Invoice
from services.demo.accounts import DemoCustomer
from services.drafts import OneOffLine, add_invoice_line, create_invoice, delete_draft_invoice, finalize_invoice
from services.idempotency import Outcome
from tests.faults.locks import are_waiting
from tests.faults.processes import until
from tests.races.fingerprints import assert_sound, fingerprints
from tests.races.lives import a_newcomer, store_customers
from tests.support import NOW, Api, refusal

CUSTOMERS = 5
DRAFTS = 200
UNDONE = 20

Operation: TypeAlias = Callable[[AsyncSession], Awaitable[Outcome]]


class PowerCut(Exception):
    """Rolls back a transaction just before its commit."""


async def test_numbers_have_neither_gaps_nor_doubles(api: Api, database: Database) -> None:
    customers = [a_newcomer() for _ in range(CUSTOMERS)]
    await store_customers(database, customers)
    drafts = await stored_drafts(database.sessions, customers, DRAFTS)
    draw = random.Random(10)
    draw.shuffle(drafts)
    undone = set(draw.sample(drafts, UNDONE))

    await asyncio.gather(*(finalized(database.sessions, draft, undone=draft in undone) for draft in drafts))

    for made in customers:
        invoices = await invoices_of(database.sessions, made)
        numbered = [invoice for invoice in invoices if invoice.status is not InvoiceStatus.DRAFT]
        assert {invoice.id for invoice in invoices if invoice.status is InvoiceStatus.DRAFT} <= undone
        assert numbers(numbered) == numbers_until(made, len(numbered))
    await assert_sound(database)

    # A rollback leaves no trace: the draft can be finalized later and gets the next number.
    await asyncio.gather(*(finalized(database.sessions, draft, undone=False) for draft in undone))

    for made in customers:
        invoices = await invoices_of(database.sessions, made)
        assert numbers(invoices) == numbers_until(made, DRAFTS // CUSTOMERS)
    await assert_sound(database)
    await assert_finalized_never_change(api, database, drafts[:10])


async def assert_finalized_never_change(api: Api, database: Database, invoice_ids: list[InvoiceId]) -> None:
    before = await fingerprints(database)
    for invoice_id in invoice_ids:
        line = {"invoiceId": str(invoice_id), "description": "One more", "unitAmountCents": 1}
        added = await api.mutate("addInvoiceLine", "invoice { id }", **line)
        deleted = await api.mutate("deleteDraftInvoice", "deletedInvoiceId", id=str(invoice_id))
        again = await api.mutate("finalizeInvoice", "invoice { id }", id=str(invoice_id))
        assert refusal(added) == ("INVOICE_OPEN", ["input", "invoiceId"])
        assert refusal(deleted) == refusal(again) == ("INVOICE_OPEN", ["input", "id"])
    assert await fingerprints(database) == before


async def test_a_line_is_on_the_finalized_invoice_or_is_refused(database: Database) -> None:
    """Finalizes each draft, adds a line to it and deletes it, all at the same time."""
    customers = [a_newcomer() for _ in range(CUSTOMERS)]
    await store_customers(database, customers)
    drafts = await stored_drafts(database.sessions, customers, 60)
    line = OneOffLine("One more", 1000)

    async def at_once(draft: InvoiceId) -> str:
        """Returns the initials of the operations that succeeded, in alphabetical order."""
        operations: list[tuple[str, Operation]] = [
            ("f", lambda session: finalize_invoice(session, invoice_id=draft, now=NOW)),
            ("a", lambda session: add_invoice_line(session, invoice_id=draft, line=line, now=NOW)),
            ("d", lambda session: delete_draft_invoice(session, invoice_id=draft, now=NOW)),
        ]
        random.Random(draft.int).shuffle(operations)
        done = await asyncio.gather(*(succeeds(database.sessions, operation) for _, operation in operations))
        return "".join(sorted(name for (name, _), succeeded in zip(operations, done, strict=True) if succeeded))

    done = await asyncio.gather(*(at_once(draft) for draft in drafts))

    async with database.sessions() as session:
        found = {
            invoice_id: (status, amount, lines)
            for invoice_id, status, amount, lines in await session.execute(
                text(
                    "SELECT invoices.id, status, invoices.amount_cents, count(*) FROM invoices"
                    " JOIN invoice_lines ON invoice_id = invoices.id GROUP BY 1, 2, 3"
                )
            )
        }
    expected = {"f": ("OPEN", 500, 1), "af": ("OPEN", 1500, 2), "d": None, "ad": None}
    assert [found.get(draft) for draft in drafts] == [expected[each] for each in done]
    assert len(set(done)) > 1, "they did not meet"
    for made in customers:
        invoices = await invoices_of(database.sessions, made)
        assert numbers(invoices) == numbers_until(made, len(invoices))
    await assert_sound(database)


WITH_AN_INVOICE: dict[str, dict[str, Any]] = {
    "finalizeInvoice": {},
    "addInvoiceLine": {"description": "One more", "unitAmountCents": 1},
    "deleteDraftInvoice": {},
    "voidInvoice": {},
    "markInvoiceUncollectible": {},
    "reissueInvoice": {},
}


@pytest.mark.parametrize("mutation", WITH_AN_INVOICE)
async def test_who_waits_while_a_draft_is_deleted_finds_none(api: Api, database: Database, mutation: str) -> None:
    made = a_newcomer()
    await store_customers(database, [made])
    [draft] = await stored_drafts(database.sessions, [made], 1)
    id_field = "invoiceId" if mutation == "addInvoiceLine" else "id"

    async with database.sessions.begin() as session:
        await delete_draft_invoice(session, invoice_id=draft, now=NOW)
        late = asyncio.create_task(
            api.mutate(mutation, "__typename", **{id_field: str(draft)}, **WITH_AN_INVOICE[mutation])
        )
        await until(lambda: are_waiting(database, 1), what="it waits for the customer")

    assert refusal(await late) == ("INVOICE_NOT_FOUND", ["input", id_field])
    assert await invoices_of(database.sessions, made) == []


async def stored_drafts(sessions: Sessions, customers: list[DemoCustomer], count: int) -> list[InvoiceId]:
    """Creates `count` drafts of 5.00 EUR, distributed evenly among the customers."""
    drafts: list[InvoiceId] = []
    async with sessions.begin() as session:
        for made in customers:
            for _ in range(count // len(customers)):
                outcome = await create_invoice(
                    session,
                    customer_id=made.customer.id,
                    currency="EUR",
                    lines=[OneOffLine("Set-up", 500)],
                    now=NOW,
                )
                assert outcome.invoice_id is not None
                drafts.append(outcome.invoice_id)
    return drafts


async def finalized(sessions: Sessions, draft: InvoiceId, *, undone: bool) -> None:
    """Finalizes a draft. If `undone`, the transaction is rolled back afterwards."""
    with suppress(PowerCut):
        async with sessions.begin() as session:
            await finalize_invoice(session, invoice_id=draft, now=NOW)
            if undone:
                raise PowerCut


async def succeeds(sessions: Sessions, operation: Operation) -> bool:
    """Returns True if the operation is not rejected."""
    try:
        async with sessions.begin() as session:
            await operation(session)
    except (InvoiceOpen, InvoiceNotFound):
        return False
    return True


async def invoices_of(sessions: Sessions, made: DemoCustomer) -> list[Invoice]:
    async with sessions() as session:
        statement = select(Invoice).where(Invoice.customer_id == made.customer.id).order_by(Invoice.sequence)
        return list(await session.scalars(statement))


def numbers(invoices: Iterable[Invoice]) -> list[tuple[int | None, str | None]]:
    return [(invoice.sequence, invoice.number) for invoice in invoices]


def numbers_until(made: DemoCustomer, last: int) -> list[tuple[int, str]]:
    return [(number, f"{made.customer.invoice_prefix}-{number:04d}") for number in range(1, last + 1)]
