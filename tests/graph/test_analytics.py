"""The figures of the business, through the API."""

from datetime import timedelta
from typing import Any

import pytest

from db.database import Database
from tests.support import NOW, Api, TestClock, counted_statements, day

FIGURES = """
    currency mrrCents arrCents activeSubscriptions trialing pastDue outstandingCents
    overdue { minDays maxDays amountCents invoices }
    months(first: 2) {
      month startMrrCents newMrrCents expansionCents contractionCents churnedCents reactivatedCents endMrrCents
      invoicedCents collectedCents
    }
"""


async def test_figures_by_currency(api: Api) -> None:
    await api.a_subscription(plan_id=await api.a_plan(interval="MONTH", intervalCount=1))

    found = (await api(f"{{ analytics {{ holds runLagSeconds currencies {{ {FIGURES} }} }} }}"))["analytics"]

    nothing = {
        "expansionCents": 0,
        "contractionCents": 0,
        "churnedCents": 0,
        "reactivatedCents": 0,
        "collectedCents": 0,
    }
    assert found == {
        "holds": 0,
        "runLagSeconds": 0,
        "currencies": [
            {
                "currency": "EUR",
                "mrrCents": 2900,
                "arrCents": 12 * 2900,
                "activeSubscriptions": 1,
                "trialing": 0,
                "pastDue": 0,
                "outstandingCents": 2900,
                "overdue": [
                    {"minDays": 1, "maxDays": 30, "amountCents": 0, "invoices": 0},
                    {"minDays": 31, "maxDays": 60, "amountCents": 0, "invoices": 0},
                    {"minDays": 61, "maxDays": 90, "amountCents": 0, "invoices": 0},
                    {"minDays": 91, "maxDays": None, "amountCents": 0, "invoices": 0},
                ],
                "months": [
                    {
                        "month": "2025-12-01T00:00:00Z",
                        "startMrrCents": 0,
                        "newMrrCents": 0,
                        "endMrrCents": 0,
                        "invoicedCents": 0,
                        **nothing,
                    },
                    {
                        "month": "2026-01-01T00:00:00Z",
                        "startMrrCents": 0,
                        "newMrrCents": 2900,
                        "endMrrCents": 2900,
                        "invoicedCents": 2900,
                        **nothing,
                    },
                ],
            }
        ],
    }


async def test_overdue_invoices_by_age(api: Api, clock: TestClock) -> None:
    """An invoice is overdue for as many days as have begun since its due day was over."""
    clock.now = NOW - timedelta(days=200)
    customer_id = await api.a_customer()
    for place, days in enumerate((100, 91, 90, 61, 31, 30, 1, 0)):
        clock.now = NOW - timedelta(days=days)
        await an_invoice(api, customer_id, 10**place, netDays=0)
    clock.now = NOW

    found = (await api("{ analytics { currencies { outstandingCents overdue { amountCents invoices } } } }"))[
        "analytics"
    ]

    assert found["currencies"] == [
        {
            "outstandingCents": 11_111_111,
            "overdue": [
                {"amountCents": 1_100_000, "invoices": 2},
                {"amountCents": 10_000, "invoices": 1},
                {"amountCents": 1_100, "invoices": 2},
                {"amountCents": 11, "invoices": 2},
            ],
        }
    ]


async def an_invoice(api: Api, customer_id: str, amount_cents: int, **fields: Any) -> None:
    made = await api.mutate("createInvoice", "invoice { id }", customerId=customer_id, currency="EUR", **fields)
    invoice_id = made["invoice"]["id"]
    await api.mutate(
        "addInvoiceLine", "invoice { id }", invoiceId=invoice_id, description="Work", unitAmountCents=amount_cents
    )
    assert (await api.mutate("finalizeInvoice", "invoice { id }", id=invoice_id))["userErrors"] == []


async def test_a_currency_is_listed_once_anything_is_billed_or_subscribed(api: Api) -> None:
    assert (await api("{ analytics { currencies { currency } } }"))["analytics"]["currencies"] == []
    await an_invoice(api, await api.a_customer(), 100)
    await api.a_subscription(plan_id=await api.a_plan(currency="JPY"), startAt=day(3))

    found = (await api("{ analytics { currencies { currency mrrCents activeSubscriptions } } }"))["analytics"]

    assert found["currencies"] == [
        {"currency": "EUR", "mrrCents": 0, "activeSubscriptions": 0},
        {"currency": "JPY", "mrrCents": 0, "activeSubscriptions": 0},
    ]


async def test_the_lag_of_runs(api: Api, clock: TestClock) -> None:
    await api.a_subscription()
    clock.forward(days=30, seconds=77)

    assert (await api("{ analytics { holds runLagSeconds } }"))["analytics"] == {"holds": 0, "runLagSeconds": 77}


@pytest.mark.parametrize("first", [0, 61, -1])
async def test_the_number_of_months_is_limited(api: Api, first: int) -> None:
    await api.a_subscription()

    answer = (await api.post(f"{{ analytics {{ currencies {{ months(first: {first}) {{ month }} }} }} }}")).json()

    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]


async def test_months_cost_as_many_nodes(api: Api) -> None:
    for argument, months in (("", 12), ("(first: 60)", 60)):
        answer = await api.post(f"{{ analytics {{ currencies {{ months{argument} {{ month }} }} }} }}")
        assert answer.json()["extensions"]["cost"]["nodes"] == 2 + months


async def test_figures_are_read_with_few_statements(api: Api, database: Database) -> None:
    """The number of statements does not depend on the number of currencies."""
    for code in ("EUR", "USD", "JPY"):
        await api.a_subscription(plan_id=await api.a_plan(currency=code))

    with counted_statements(database) as sent:
        await api(
            f'{{ analytics {{ holds runLagSeconds currencies {{ {FIGURES} then: mrrCents(at: "{day(9)}") }} }} }}'
        )

    # The watermark twice, the sums, the MRR at a time, what is outstanding, and what waits.
    assert len(sent) == 6
