"""FastAPI on the ORM: a resource for each operation, with pydantic models."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncSession

from bench.peers import billing, rows
from billing.enums import InvoiceStatus, PaymentMethod, PlanInterval, SubscriptionStatus
from db import models

SESSIONS = rows.sessions()


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, populate_by_name=True)


class PlanName(Out):
    id: UUID
    name: str


class Plan(PlanName):
    code: str
    amount_cents: int
    currency: str
    interval: PlanInterval


class Line(Out):
    id: UUID
    description: str
    quantity: int
    unit_amount_cents: int
    amount_cents: int


class Payment(Out):
    id: UUID
    amount_cents: int
    method: PaymentMethod
    received_at: datetime


class InvoiceTotal(Out):
    id: UUID
    number: str | None
    amount_cents: int


class InvoiceBrief(InvoiceTotal):
    status: InvoiceStatus


class Invoice(InvoiceBrief):
    period_start: datetime
    period_end: datetime


class InvoiceDue(InvoiceBrief):
    due_at: datetime | None


class InvoiceBilled(Invoice):
    lines: list[Line]


class InvoiceDeep(InvoiceTotal):
    lines: list[Line]
    payments: list[Payment]


class SubscriptionBrief(Out):
    id: UUID
    status: SubscriptionStatus
    plan: PlanName
    invoices: list[InvoiceBrief]


class SubscriptionDeep(Out):
    id: UUID
    status: SubscriptionStatus
    invoices: list[InvoiceDeep]


class SubscriptionCreated(Out):
    id: UUID
    status: SubscriptionStatus
    current_period_end: datetime | None


class Subscription(Out):
    id: UUID
    status: SubscriptionStatus
    quantity: int
    current_period_start: datetime | None
    current_period_end: datetime | None
    next_billing_at: datetime | None
    plan: Plan
    invoices: list[Invoice]


class CustomerBrief(Out):
    id: UUID
    name: str
    email: str
    subscriptions: list[SubscriptionBrief]


class CustomerDeep(Out):
    id: UUID
    name: str
    subscriptions: list[SubscriptionDeep]


class Customer(Out):
    id: UUID
    name: str
    email: str
    currency: str | None
    created_at: datetime
    version: int
    subscriptions: list[Subscription]


class PageInfo(Out):
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class InvoiceEdge(Out):
    cursor: str
    node: InvoiceDue


class InvoicePage(Out):
    total_count: int
    page_info: PageInfo
    edges: list[InvoiceEdge]


class SubscriptionIn(Out):
    customer_id: UUID
    plan_id: UUID


class Created(Out):
    subscription: SubscriptionCreated
    invoice: InvoiceBilled


async def a_session() -> AsyncIterator[AsyncSession]:
    async with SESSIONS() as session:
        yield session


Session = Annotated[AsyncSession, Depends(a_session)]

app = FastAPI()


@app.get("/customers")
async def customers(session: Session, first: int = 20) -> list[Customer]:
    """Returns customers with their subscriptions, plans and invoices."""
    found = (await rows.page(session, models.Customer, first)).rows
    subscriptions = await rows.subscriptions_by_customer(session, [row.id for row in found], 10)
    flat = [row for page in subscriptions for row in page.rows]
    invoices = await rows.invoices_by_subscription(session, [row.id for row in flat], 12)
    plans = await rows.plans_by_id(session, [row.plan_id for row in flat])
    made = {
        row.id: Subscription(
            id=row.id,
            status=row.status,
            quantity=row.quantity,
            current_period_start=row.current_period_start,
            current_period_end=row.current_period_end,
            next_billing_at=row.next_billing_at,
            plan=Plan.model_validate(plan),
            invoices=[Invoice.model_validate(invoice) for invoice in page.rows],
        )
        for row, page, plan in zip(flat, invoices, plans, strict=True)
    }
    return [
        Customer(
            id=row.id,
            name=row.name,
            email=row.email,
            currency=row.currency,
            created_at=row.created_at,
            version=row.version,
            subscriptions=[made[subscription.id] for subscription in page.rows],
        )
        for row, page in zip(found, subscriptions, strict=True)
    ]


@app.get("/customers/deep")
async def customers_deep(session: Session, first: int = 20) -> list[CustomerDeep]:
    """Returns customers with their subscriptions, and each invoice with its lines and payments."""
    found = (await rows.page(session, models.Customer, first)).rows
    subscriptions = await rows.subscriptions_by_customer(session, [row.id for row in found], 10)
    pages = await rows.invoices_by_subscription(session, [row.id for page in subscriptions for row in page.rows], 12)
    invoices = iter(pages)
    ids = [row.id for page in pages for row in page.rows]
    lines = dict(zip(ids, await rows.lines_by_invoice(session, ids), strict=True))
    payments = dict(zip(ids, await rows.payments_by_invoice(session, ids), strict=True))

    def deep(row: models.Invoice) -> InvoiceDeep:
        return InvoiceDeep(
            id=row.id,
            number=row.number,
            amount_cents=row.amount_cents,
            lines=[Line.model_validate(line) for line in lines[row.id]],
            payments=[Payment.model_validate(payment) for payment in payments[row.id]],
        )

    return [
        CustomerDeep(
            id=row.id,
            name=row.name,
            subscriptions=[
                SubscriptionDeep(id=each.id, status=each.status, invoices=[deep(i) for i in next(invoices).rows])
                for each in page.rows
            ],
        )
        for row, page in zip(found, subscriptions, strict=True)
    ]


@app.get("/customers/{id}")
async def customer(session: Session, id: UUID) -> CustomerBrief:
    [found] = await rows.customers_by_id(session, [id])
    if found is None:
        raise HTTPException(404, "There is no customer with this id.")
    [page] = await rows.subscriptions_by_customer(session, [id], 20)
    invoices = await rows.invoices_by_subscription(session, [row.id for row in page.rows], 20)
    plans = await rows.plans_by_id(session, [row.plan_id for row in page.rows])
    return CustomerBrief(
        id=found.id,
        name=found.name,
        email=found.email,
        subscriptions=[
            SubscriptionBrief(
                id=row.id,
                status=row.status,
                plan=PlanName.model_validate(plan),
                invoices=[InvoiceBrief.model_validate(invoice) for invoice in its.rows],
            )
            for row, plan, its in zip(page.rows, plans, invoices, strict=True)
        ],
    )


@app.get("/invoices")
async def invoices(session: Session, first: int = 20) -> list[Invoice]:
    return [Invoice.model_validate(row) for row in (await rows.page(session, models.Invoice, first)).rows]


@app.get("/invoices/page")
async def invoice_page(session: Session, first: int = 20) -> InvoicePage:
    page = await rows.page(session, models.Invoice, first)
    edges = [InvoiceEdge(cursor=rows.cursor(row), node=InvoiceDue.model_validate(row)) for row in page.rows]
    return InvoicePage(
        total_count=await rows.count(session, models.Invoice),
        page_info=PageInfo(
            has_next_page=page.has_more,
            has_previous_page=False,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        edges=edges,
    )


@app.post("/subscriptions", status_code=201)
async def create_subscription(session: Session, body: SubscriptionIn) -> Created:
    try:
        made = await billing.create_subscription(session, body.customer_id, body.plan_id)
    except billing.Refused as refused:
        raise HTTPException(409, {"code": refused.code, "message": str(refused)}) from None
    await session.commit()
    return Created(
        subscription=SubscriptionCreated.model_validate(made.subscription),
        invoice=InvoiceBilled(
            **Invoice.model_validate(made.invoice).model_dump(), lines=[Line.model_validate(made.line)]
        ),
    )
