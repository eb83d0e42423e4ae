"""The mutation that creates demo data."""

import strawberry

from billing.enums import ApiKeyScope
from billing.limits import DEMO_CUSTOMERS, MAX_DEMO_CUSTOMERS
from graph.schema.fields.context import Info
from graph.schema.fields.payloads import Payload, mutation, payload
from services.demo.fill import create_demo_data


@strawberry.input(description="Demo data for an empty database.")
class CreateDemoDataInput:
    customers: int = strawberry.field(
        default=DEMO_CUSTOMERS, description=f"Number of customers, 1 to {MAX_DEMO_CUSTOMERS}."
    )


@payload
class CreateDemoDataPayload(Payload):
    customers: int | None = strawberry.field(default=None, description="Number of customers created.")


@strawberry.type
class DemoMutations:
    @mutation(
        "Fills an empty database with demo data: plans, taxes, a coupon, and customers with months of invoices. It"
        " cannot be undone. Requires an API key with scope ADMIN, or a server that needs no key.",
        scope=ApiKeyScope.ADMIN,
    )
    async def create_demo_data(self, info: Info, input: CreateDemoDataInput) -> CreateDemoDataPayload:
        await info.context.change(
            lambda session: create_demo_data(session, customers=input.customers, now=info.context.now())
        )
        return CreateDemoDataPayload(customers=input.customers)
