"""Idiomatic Strawberry: its own executor and ASGI app, types created from ORM rows, a dataloader for each relation.

The baseline: the part of the schema that the operations use, written as in Strawberry's documentation.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Generic, NewType, TypeAlias, TypeVar
from uuid import UUID

import strawberry
from aiodataloader import DataLoader
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig

from bench.peers import billing, rows
from billing.enums import InvoiceStatus, PaymentMethod, PlanInterval, SubscriptionStatus
from db import models

SESSIONS = rows.sessions()

Item = TypeVar("Item")
BatchedRead: TypeAlias = Callable[..., Any]

Cents = NewType("Cents", int)
for enum in (InvoiceStatus, PaymentMethod, PlanInterval, SubscriptionStatus):
    strawberry.enum(enum)


class Loaders:
    """The dataloaders of one request."""

    def __init__(self) -> None:
        self._loaders: dict[Any, DataLoader[UUID, Any]] = {}

    def of(self, read: BatchedRead, **arguments: int) -> DataLoader[UUID, Any]:
        key = (read, *arguments.items())
        if key not in self._loaders:
            self._loaders[key] = DataLoader(partial(self._load, partial(read, **arguments)))
        return self._loaders[key]

    async def _load(self, read: BatchedRead, keys: Sequence[UUID]) -> Any:
        async with SESSIONS() as session:
            return await read(session, keys)


Info: TypeAlias = strawberry.Info[Loaders, None]


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Edge(Generic[Item]):
    node: Item
    cursor: str


@strawberry.type
class Connection(Generic[Item]):
    page: strawberry.Private[rows.Page[Any]]
    nodes: list[Item]
    count: strawberry.Private[Callable[[], Any] | None] = None

    @strawberry.field
    def edges(self) -> list[Edge[Item]]:
        return [Edge(node=node, cursor=rows.cursor(row)) for node, row in zip(self.nodes, self.page.rows, strict=True)]

    @strawberry.field
    def page_info(self) -> PageInfo:
        found = self.page.rows
        return PageInfo(
            has_next_page=self.page.has_more,
            has_previous_page=False,
            start_cursor=rows.cursor(found[0]) if found else None,
            end_cursor=rows.cursor(found[-1]) if found else None,
        )

    @strawberry.field
    async def total_count(self) -> int | None:
        return None if self.count is None else await self.count()

    @classmethod
    def of(cls, page: rows.Page[Any], make: Callable[[Any], Item], count: Any = None) -> "Connection[Item]":
        return cls(page=page, nodes=[make(row) for row in page.rows], count=count)


@strawberry.type
class Plan:
    id: strawberry.ID
    code: str
    name: str
    amount_cents: Cents
    currency: str
    interval: PlanInterval

    @classmethod
    def of(cls, row: models.Plan) -> "Plan":
        return cls(
            id=strawberry.ID(str(row.id)),
            code=row.code,
            name=row.name,
            amount_cents=Cents(row.amount_cents),
            currency=row.currency,
            interval=row.interval,
        )


@strawberry.type
class InvoiceLine:
    id: strawberry.ID
    description: str
    quantity: int
    unit_amount_cents: Cents
    amount_cents: Cents

    @classmethod
    def of(cls, row: models.InvoiceLine) -> "InvoiceLine":
        return cls(
            id=strawberry.ID(str(row.id)),
            description=row.description,
            quantity=row.quantity,
            unit_amount_cents=Cents(row.unit_amount_cents),
            amount_cents=Cents(row.amount_cents),
        )


@strawberry.type
class Payment:
    id: strawberry.ID
    amount_cents: Cents
    method: PaymentMethod
    received_at: datetime

    @classmethod
    def of(cls, row: models.Payment) -> "Payment":
        return cls(
            id=strawberry.ID(str(row.id)),
            amount_cents=Cents(row.amount_cents),
            method=row.method,
            received_at=row.received_at,
        )


@strawberry.type
class Invoice:
    key: strawberry.Private[UUID]
    id: strawberry.ID
    number: str | None
    status: InvoiceStatus
    amount_cents: Cents
    period_start: datetime
    period_end: datetime
    due_at: datetime | None

    @classmethod
    def of(cls, row: models.Invoice) -> "Invoice":
        return cls(
            key=row.id,
            id=strawberry.ID(str(row.id)),
            number=row.number,
            status=row.status,
            amount_cents=Cents(row.amount_cents),
            period_start=row.period_start,
            period_end=row.period_end,
            due_at=row.due_at,
        )

    @strawberry.field
    async def lines(self, info: Info) -> list[InvoiceLine]:
        return [InvoiceLine.of(row) for row in await info.context.of(rows.lines_by_invoice).load(self.key)]

    @strawberry.field
    async def payments(self, info: Info) -> list[Payment]:
        return [Payment.of(row) for row in await info.context.of(rows.payments_by_invoice).load(self.key)]


@strawberry.type
class Subscription:
    key: strawberry.Private[UUID]
    plan_key: strawberry.Private[UUID]
    id: strawberry.ID
    status: SubscriptionStatus
    quantity: int
    current_period_start: datetime | None
    current_period_end: datetime | None
    next_billing_at: datetime | None

    @classmethod
    def of(cls, row: models.Subscription) -> "Subscription":
        return cls(
            key=row.id,
            plan_key=row.plan_id,
            id=strawberry.ID(str(row.id)),
            status=row.status,
            quantity=row.quantity,
            current_period_start=row.current_period_start,
            current_period_end=row.current_period_end,
            next_billing_at=row.next_billing_at,
        )

    @strawberry.field
    async def plan(self, info: Info) -> Plan:
        return Plan.of(await info.context.of(rows.plans_by_id).load(self.plan_key))

    @strawberry.field
    async def invoices(self, info: Info, first: int = 20) -> Connection[Invoice]:
        page = await info.context.of(rows.invoices_by_subscription, first=first).load(self.key)
        return Connection[Invoice].of(page, Invoice.of)


@strawberry.type
class Customer:
    key: strawberry.Private[UUID]
    id: strawberry.ID
    name: str
    email: str
    currency: str | None
    created_at: datetime
    version: int

    @classmethod
    def of(cls, row: models.Customer) -> "Customer":
        return cls(
            key=row.id,
            id=strawberry.ID(str(row.id)),
            name=row.name,
            email=row.email,
            currency=row.currency,
            created_at=row.created_at,
            version=row.version,
        )

    @strawberry.field
    async def subscriptions(self, info: Info, first: int = 20) -> Connection[Subscription]:
        page = await info.context.of(rows.subscriptions_by_customer, first=first).load(self.key)
        return Connection[Subscription].of(page, Subscription.of)


@strawberry.type
class Query:
    @strawberry.field
    async def customer(self, info: Info, id: strawberry.ID) -> Customer | None:
        row = await info.context.of(rows.customers_by_id).load(UUID(id))
        return None if row is None else Customer.of(row)

    @strawberry.field
    async def customers(self, first: int = 20) -> Connection[Customer]:
        async with SESSIONS() as session:
            page = await rows.page(session, models.Customer, first)
        return Connection[Customer].of(page, Customer.of, partial(counted, models.Customer))

    @strawberry.field
    async def invoices(self, first: int = 20) -> Connection[Invoice]:
        async with SESSIONS() as session:
            page = await rows.page(session, models.Invoice, first)
        return Connection[Invoice].of(page, Invoice.of, partial(counted, models.Invoice))


async def counted(model: type[models.Base]) -> int:
    async with SESSIONS() as session:
        return await rows.count(session, model)


@strawberry.type
class UserError:
    code: str
    message: str


@strawberry.type
class CreateSubscriptionPayload:
    subscription: Subscription | None
    invoice: Invoice | None
    user_errors: list[UserError]


@strawberry.input
class CreateSubscriptionInput:
    customer_id: strawberry.ID
    plan_id: strawberry.ID


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def create_subscription(self, input: CreateSubscriptionInput) -> CreateSubscriptionPayload:
        try:
            async with SESSIONS.begin() as session:
                made = await billing.create_subscription(session, UUID(input.customer_id), UUID(input.plan_id))
        except billing.Refused as refused:
            return CreateSubscriptionPayload(
                subscription=None, invoice=None, user_errors=[UserError(code=refused.code, message=str(refused))]
            )
        return CreateSubscriptionPayload(
            subscription=Subscription.of(made.subscription), invoice=Invoice.of(made.invoice), user_errors=[]
        )


class Server(GraphQL[Loaders, None]):
    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Loaders:
        return Loaders()


CENTS = strawberry.scalar(name="Cents", serialize=int, parse_value=int)
app = Server(strawberry.Schema(Query, Mutation, config=StrawberryConfig(scalar_map={Cents: CENTS})))
