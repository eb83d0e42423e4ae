"""The main job with the client that ariadne-codegen generates from `operations.graphql`."""

import json
import sys
from uuid import uuid4

from billing_client import (  # type: ignore[import-not-found]
    Client,
    CreateCustomerInput,
    CreatePlanInput,
    CreateSubscriptionInput,
    GraphQLClientGraphQLMultiError,
)


def create_customer(client: Client, name: str) -> str:
    new = CreateCustomerInput(name=name, email=f"{uuid4()}@example.com")
    payload = client.create_customer(new).create_customer
    # After a rejection it is null, and the user errors say why.
    assert payload.customer, payload.user_errors
    return str(payload.customer.id)


def create_plan(client: Client) -> str:
    new = CreatePlanInput(code=str(uuid4()), name="Pro", amountCents=2900, currency="EUR")
    payload = client.create_plan(new).create_plan
    assert payload.plan, payload.user_errors
    return str(payload.plan.id)


def pages_of_subscriptions(client: Client, plan_id: str) -> list[list[str]]:
    """Returns the ids of a plan's subscriptions, in pages of two."""
    pages: list[list[str]] = []
    after: str | None = None
    while True:
        plan = client.subscriptions_of_plan(id=plan_id, first=2, after=after).plan
        assert plan
        pages.append([edge.node.id for edge in plan.subscriptions.edges])
        if not plan.subscriptions.page_info.has_next_page:
            return pages
        after = plan.subscriptions.page_info.end_cursor


def code_of_wrong_cursor(client: Client, plan_id: str) -> object:
    try:
        return client.subscriptions_of_plan(id=plan_id, first=2, after="x")
    except GraphQLClientGraphQLMultiError as refused:
        return (refused.errors[0].extensions or {})["code"]


def main_job(client: Client) -> dict[str, object]:
    plan_id = create_plan(client)
    customer_id = create_customer(client, "Ada Lovelace")

    # The idempotency key is created before the first attempt, and every retry uses the same one.
    new = CreateSubscriptionInput(customerId=customer_id, planId=plan_id, quantity=2, idempotencyKey=str(uuid4()))
    created = client.create_subscription(new).create_subscription
    retried = client.create_subscription(new).create_subscription

    again = CreateSubscriptionInput(customerId=customer_id, planId=plan_id)
    refused = client.create_subscription(again).create_subscription

    customer = client.customer_with_invoices(customer_id).customer
    assert customer

    for name in ("Grace Hopper", "Joan Clarke"):
        one = CreateSubscriptionInput(customerId=create_customer(client, name), planId=plan_id)
        client.create_subscription(one)
    pages = pages_of_subscriptions(client, plan_id)

    models = {"created": created, "retried": retried, "refused": refused, "customer": customer}
    return {
        **{name: model.model_dump(mode="json", by_alias=True) for name, model in models.items()},
        "sizes": [*map(len, pages), len({subscription for page in pages for subscription in page})],
        "failed": code_of_wrong_cursor(client, plan_id),
    }


if __name__ == "__main__":
    with Client(sys.argv[1]) as client:
        json.dump(main_job(client), sys.stdout)
