"""The figures of the business, through the API."""

from tests.support import Api

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
