"""The main workflow: a customer, a plan, a subscription and its invoice, all read back in one nested query."""

from datetime import timedelta

from db.access.transactions import Sessions
from db.models import BillingPeriod, Invoice, InvoiceLine, Subscription
from tests.support import NOW, Api, TestClock, count

CREATE_SUBSCRIPTION = """
    subscription {
      status quantity startedAt currentPeriodStart currentPeriodEnd nextBillingAt cancelAtPeriodEnd canceledAt endedAt
      version customer { name currency } plan { code }
      latestInvoice { number }
    }
    invoice {
      number kind status currency subtotalCents taxCents amountCents amountDueCents
      billTo { name email taxId address { line1 city country } }
      periodStart periodEnd issuedAt dueAt paidAt
      lines { kind description quantity unitAmountCents amountCents periodStart periodEnd plan { code } }
      customer { name } subscription { status }
    }
"""


async def test_a_subscription_comes_with_the_invoice_of_its_first_period(api: Api) -> None:
    customer_id = await api.a_customer(
        name="Ada Lovelace",
        email="Ada@Example.com",
        taxId="GB 123",
        address={"line1": "12 St James's Square", "city": "London", "country": "GB"},
    )
    plan_id = await api.a_plan(code="pro", name="Pro", amountCents=2900, currency="EUR")

    payload = await api.mutate(
        "createSubscription", CREATE_SUBSCRIPTION, customerId=customer_id, planId=plan_id, quantity=3
    )

    number = payload["invoice"].pop("number")
    assert number.endswith("-0001")
    start, end = "2026-01-31T12:00:00Z", "2026-03-02T12:00:00Z"
    assert payload == {
        "subscription": {
            "status": "ACTIVE",
            "quantity": 3,
            "startedAt": start,
            "currentPeriodStart": start,
            "currentPeriodEnd": end,
            "nextBillingAt": end,
            "cancelAtPeriodEnd": False,
            "canceledAt": None,
            "endedAt": None,
            "version": 1,
            "customer": {"name": "Ada Lovelace", "currency": "EUR"},
            "plan": {"code": "pro"},
            "latestInvoice": {"number": number},
        },
        "invoice": {
            "kind": "RECURRING",
            "status": "OPEN",
            "currency": "EUR",
            "subtotalCents": 8700,
            "taxCents": 0,
            "amountCents": 8700,
            "amountDueCents": 8700,
            "billTo": {
                "name": "Ada Lovelace",
                "email": "Ada@example.com",
                "taxId": "GB 123",
                "address": {"line1": "12 St James's Square", "city": "London", "country": "GB"},
            },
            "periodStart": start,
            "periodEnd": end,
            "issuedAt": start,
            "dueAt": "2026-02-14T12:00:00Z",
            "paidAt": None,
            "lines": [
                {
                    "kind": "RECURRING",
                    "description": "3 × Pro",
                    "quantity": 3,
                    "unitAmountCents": 2900,
                    "amountCents": 8700,
                    "periodStart": start,
                    "periodEnd": end,
                    "plan": {"code": "pro"},
                }
            ],
            "customer": {"name": "Ada Lovelace"},
            "subscription": {"status": "ACTIVE"},
        },
        "userErrors": [],
    }


async def test_what_was_stored_is_read_back_nested(api: Api, sessions: Sessions) -> None:
    subscription_id = await api.a_subscription()

    data = await api(
        """
        { customers { totalCount nodes {
            subscription { id }
            subscriptions { totalCount nodes {
              id plan { code } invoices { totalCount nodes { number lines { description } } }
            } }
            invoices { nodes { amountCents } }
        } } }
        """
    )

    [customer] = data["customers"]["nodes"]
    assert data["customers"]["totalCount"] == 1
    assert customer["subscription"] == {"id": subscription_id}
    assert customer["subscriptions"]["totalCount"] == 1
    assert customer["subscriptions"]["nodes"][0]["invoices"]["totalCount"] == 1
    assert customer["invoices"] == {"nodes": [{"amountCents": 2900}]}
    assert await count(sessions, Subscription, BillingPeriod, Invoice, InvoiceLine) == 4


async def test_a_free_plan_is_paid_at_once(api: Api) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan(amountCents=0)

    payload = await api.mutate(
        "createSubscription",
        "invoice { status amountCents amountDueCents paidAt lines { amountCents } }",
        customerId=customer_id,
        planId=plan_id,
    )

    assert payload["invoice"] == {
        "status": "PAID",
        "amountCents": 0,
        "amountDueCents": 0,
        "paidAt": "2026-01-31T12:00:00Z",
        "lines": [{"amountCents": 0}],
    }


async def test_the_period_is_the_plans_interval(api: Api, clock: TestClock) -> None:
    ends = {}
    for interval, count_ in (("DAY", None), ("DAY", 1), ("WEEK", None), ("MONTH", None), ("MONTH", 3), ("YEAR", None)):
        plan_id = await api.a_plan(interval=interval, intervalCount=count_)
        payload = await api.mutate(
            "createSubscription",
            "subscription { currentPeriodEnd }",
            customerId=await api.a_customer(),
            planId=plan_id,
        )
        ends[interval, count_] = payload["subscription"]["currentPeriodEnd"]

    assert ends == {
        ("DAY", None): "2026-03-02T12:00:00Z",
        ("DAY", 1): "2026-02-01T12:00:00Z",
        ("WEEK", None): "2026-02-07T12:00:00Z",
        ("MONTH", None): "2026-02-28T12:00:00Z",
        ("MONTH", 3): "2026-04-30T12:00:00Z",
        ("YEAR", None): "2027-01-31T12:00:00Z",
    }


async def test_numbers_run_on_over_a_customers_subscriptions(api: Api, clock: TestClock) -> None:
    customer_id, plan_id = await api.a_customer(), await api.a_plan()
    for _ in range(3):
        subscription_id = await api.a_subscription(customer_id, plan_id)
        await api.mutate("cancelSubscription", "subscription { id }", id=subscription_id, atPeriodEnd=False)
        clock.forward(hours=1)

    data = await api(
        "query ($id: ID!) { customer(id: $id) { invoices { nodes { number } } subscription { id } } }", id=customer_id
    )

    assert [node["number"][-5:] for node in data["customer"]["invoices"]["nodes"]] == ["-0001", "-0002", "-0003"]
    assert data["customer"]["subscription"] is None


async def test_an_invoice_keeps_what_it_said_when_names_change(api: Api) -> None:
    customer_id, plan_id = await api.a_customer(name="Ada"), await api.a_plan(name="Pro")
    await api.a_subscription(customer_id, plan_id)

    await api.mutate("updateCustomer", "customer { name }", id=customer_id, name="Countess of Lovelace")
    await api.mutate("updatePlan", "plan { name }", id=plan_id, name="Pro (old)")

    data = await api("{ invoices { nodes { billTo { name } customer { name } lines { description plan { name } } } } }")
    assert data["invoices"]["nodes"] == [
        {
            "billTo": {"name": "Ada"},
            "customer": {"name": "Countess of Lovelace"},
            "lines": [{"description": "Pro", "plan": {"name": "Pro (old)"}}],
        }
    ]


async def test_time_is_kept_in_whole_seconds(api: Api, clock: TestClock) -> None:
    clock.now = NOW + timedelta(microseconds=999_999)

    await api.a_subscription()

    data = await api("{ subscriptions { nodes { startedAt createdAt } } }")
    assert data["subscriptions"]["nodes"] == [
        {"startedAt": "2026-01-31T12:00:00Z", "createdAt": "2026-01-31T12:00:00Z"}
    ]
