"""Reads of what can still be credited on invoices and their lines."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from billing.creditable import Creditable, creditable_line_of, creditable_of
from billing.enums import InvoiceStatus
from billing.ids import InvoiceId
from billing.records import CreditedLine
from db.access.reads import Reads
from db.queries.creditable import credited_lines, credited_lines_of_invoice, restorable_cents

NOT_CREDITABLE = (InvoiceStatus.DRAFT, InvoiceStatus.VOID)
"""Statuses of invoices on which nothing can be credited."""


async def creditable_by_line(reads: Reads, ids: Sequence[Any]) -> list[int]:
    """Returns the cents that can still be credited for each line: 0 on drafts and void invoices."""
    found = {
        str(line.id): 0 if line.status in NOT_CREDITABLE else creditable_line_of(line).creditable_cents
        for line in await credited_lines(reads, "id", ids)
    }
    return [found.get(str(id_), 0) for id_ in ids]


async def creditable_by_invoice(reads: Reads, ids: Sequence[Any]) -> list[int]:
    """Returns the cents that can still be credited on each invoice: 0 for drafts and void invoices."""
    lines: defaultdict[str, list[CreditedLine]] = defaultdict(list)
    for line in await credited_lines(reads, "invoice_id", ids):
        if line.status not in NOT_CREDITABLE:
            lines[str(line.invoice_id)].append(line)
    return [creditable_of(lines[str(id_)]).creditable_cents if str(id_) in lines else 0 for id_ in ids]


async def read_creditable(session: AsyncSession, invoice_id: InvoiceId) -> Creditable:
    """Returns what can be credited on a finalized invoice."""
    lines = await credited_lines_of_invoice(session, invoice_id)
    return creditable_of(lines, await restorable_cents(session, invoice_id))
