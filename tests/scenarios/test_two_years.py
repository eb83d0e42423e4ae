"""Two years of one customer on a test clock, through the API alone: invoices, balance, ledger and intermediate
states.

As after each scenario, `billing verify` must then find no violation: see conftest.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain, cycle, repeat
from typing import Any

from tests.scenarios.story import INVOICE, SUBSCRIPTION, Story, amounts, written
from tests.support import NOW, Api


async def two_years(api: Api, pace: Iterator[timedelta] | None = None) -> Story:
    """Runs the story of Ada Lovelace from January 2024 to January 2026, in one jump per event or at a given pace."""
    basic = await api.a_plan(name="Basic", amountCents=2900, interval="MONTH", trialDays=14)
    pro = await api.a_plan(name="Pro", amountCents=5900, interval="MONTH")
    story = await Story.begin(api, "2024-01-17", name="Ada Lovelace")
    story.pace = pace or story.pace
    await a_trial_and_a_late_payment(story, basic)
    await an_upgrade_and_too_much_money(story, pro)
    await more_units_and_an_invoice_issued_again(story)
    await less(story, basic)
    await two_units_and_one_again(story)
    await an_invoice_is_given_up_and_half_a_year_paid_ahead(story)
    await the_end(story)
    return story


async def a_trial_and_a_late_payment(story: Story, basic: str) -> None:
    """The trial ends and the first period starts on January 31."""
    await story.subscribe(basic)
    await story.look()
    await story.advance("2024-01-31")
    await story.look()
    await story.advance("2024-02-10")
    await story.pay(2900)
    await story.advance("2024-03-10")
    await story.pay(1000)
    await story.advance("2024-03-15")
    await story.look()
    await story.advance("2024-03-20")
    await story.pay(1900)
    await story.look()


async def an_upgrade_and_too_much_money(story: Story, pro: str) -> None:
    """Ada upgrades in the middle of April. Her overpayment covers most of the invoice for May."""
    await story.advance("2024-04-15")
    await story.change(planId=pro)
    await story.advance("2024-04-16")
    await story.pay(10000, allowOverpayment=True)
    await story.look()
    await story.advance("2024-05-02")
    await story.pay(300)
    await story.look()


async def more_units_and_an_invoice_issued_again(story: Story) -> None:
    await story.advance("2024-06-10")
    await story.change(quantity=3)
    await story.advance("2024-06-12")
    await story.pay(13767)
    await story.advance("2024-07-05")
    await void_and_reissue(story, 9)
    await story.advance("2024-07-06")
    await story.pay(17700)


async def less(story: Story, basic: str) -> None:
    """Ada reduces the quantity from the next period, then downgrades immediately. The credit is applied to the
    unpaid invoice.
    """
    await story.advance("2024-08-15")
    assert await story.change(quantity=1) is None
    await story.pay(17700)
    await story.advance("2024-09-15")
    await story.look()
    await story.change(planId=basic, mode="IMMEDIATE")
    await story.advance("2024-09-20")
    await story.pay(4400)
    await story.look()


async def two_units_and_one_again(story: Story) -> None:
    """The second unit is billed with the next invoice. It is credited after its period was paid, and the resulting
    balance pays a part of a reissued invoice.
    """
    await story.advance("2024-10-01")
    await story.pay(2900)
    await story.advance("2024-10-16")
    assert await story.change(quantity=2, mode="NEXT_INVOICE") is None
    await story.advance("2024-11-01")
    await story.pay(7203)
    await story.advance("2024-12-01")
    await story.pay(5800)
    await story.advance("2024-12-10")
    await story.change(quantity=1, mode="IMMEDIATE")
    await story.look()
    await story.advance("2025-01-05")
    await story.look()
    await void_and_reissue(story, 18)
    await story.look()
    await story.pay(936)


async def an_invoice_is_given_up_and_half_a_year_paid_ahead(story: Story) -> None:
    """Ada pays half a year in advance. The uncovered part is paid late, and the uncollectible invoice is paid at the
    end.
    """
    await story.advance("2025-02-15")
    await story.look()
    await story.advance("2025-02-20")
    given_up = (await story.invoice(20))["id"]
    await story.do("markInvoiceUncollectible", "invoice { id }", id=given_up)
    await story.look()
    await story.advance("2025-03-05")
    await story.pay(2900)
    await story.advance("2025-04-02")
    await story.pay(20000, allowOverpayment=True)
    await story.look()
    await story.advance("2025-09-01")
    await story.look()
    await story.advance("2025-10-15")
    await story.look()
    await story.advance("2025-10-20")
    await story.pay(300)
    await story.look()
    await story.advance("2025-11-10")
    latest = (await story.invoice(29))["id"]
    await story.pay(5800, allocations=[{"invoiceId": given_up}, {"invoiceId": latest}])


async def the_end(story: Story) -> None:
    """Ada cancels at the end of the period, undoes the cancellation, and cancels again."""
    await story.advance("2025-12-10")
    await story.pay(2900)
    await story.cancel(atPeriodEnd=True)
    await story.advance("2025-12-12")
    await story.do("undoSubscriptionCancellation", "subscription { id }", id=story.subscription_id)
    await story.advance("2026-01-10")
    await story.pay(2900)
    await story.cancel(atPeriodEnd=True)
    await story.look()
    await story.advance("2026-02-01")
    await story.look()


async def void_and_reissue(story: Story, number: int) -> None:
    invoice_id = (await story.invoice(number))["id"]
    await story.do("voidInvoice", "invoice { id }", id=invoice_id)
    await story.do("reissueInvoice", "invoice { id }", id=invoice_id)


# Invoices: sequence, kind, final status, total, period, and lines.
INVOICES = [
    (1, "RECURRING", "PAID", 0, "2024-01-17", "2024-01-31", [0]),
    (2, "RECURRING", "PAID", 2900, "2024-01-31", "2024-02-29", [2900]),
    (3, "RECURRING", "PAID", 2900, "2024-02-29", "2024-03-31", [2900]),
    (4, "RECURRING", "PAID", 2900, "2024-03-31", "2024-04-30", [2900]),
    (5, "PRORATION", "PAID", 1500, "2024-04-15", "2024-04-30", [-1450, 2950]),
    (6, "RECURRING", "PAID", 5900, "2024-04-30", "2024-05-31", [5900]),
    (7, "RECURRING", "PAID", 5900, "2024-05-31", "2024-06-30", [5900]),
    (8, "PRORATION", "PAID", 7867, "2024-06-10", "2024-06-30", [-3933, 11800]),
    (9, "RECURRING", "VOID", 17700, "2024-06-30", "2024-07-31", [17700]),
    (10, "RECURRING", "PAID", 17700, "2024-06-30", "2024-07-31", [17700]),
    (11, "RECURRING", "PAID", 17700, "2024-07-31", "2024-08-31", [17700]),
    (12, "RECURRING", "PAID", 5900, "2024-08-31", "2024-09-30", [5900]),
    (13, "PRORATION", "PAID", -1500, "2024-09-15", "2024-09-30", [-2950, 1450]),
    (14, "RECURRING", "PAID", 2900, "2024-09-30", "2024-10-31", [2900]),
    (15, "RECURRING", "PAID", 7203, "2024-10-31", "2024-11-30", [-1403, 2806, 5800]),
    (16, "RECURRING", "PAID", 5800, "2024-11-30", "2024-12-31", [5800]),
    (17, "PRORATION", "PAID", -1964, "2024-12-10", "2024-12-31", [-3929, 1965]),
    (18, "RECURRING", "VOID", 2900, "2024-12-31", "2025-01-31", [2900]),
    (19, "RECURRING", "PAID", 2900, "2024-12-31", "2025-01-31", [2900]),
    (20, "RECURRING", "PAID", 2900, "2025-01-31", "2025-02-28", [2900]),
    (21, "RECURRING", "PAID", 2900, "2025-02-28", "2025-03-31", [2900]),
    (22, "RECURRING", "PAID", 2900, "2025-03-31", "2025-04-30", [2900]),
    (23, "RECURRING", "PAID", 2900, "2025-04-30", "2025-05-31", [2900]),
    (24, "RECURRING", "PAID", 2900, "2025-05-31", "2025-06-30", [2900]),
    (25, "RECURRING", "PAID", 2900, "2025-06-30", "2025-07-31", [2900]),
    (26, "RECURRING", "PAID", 2900, "2025-07-31", "2025-08-31", [2900]),
    (27, "RECURRING", "PAID", 2900, "2025-08-31", "2025-09-30", [2900]),
    (28, "RECURRING", "PAID", 2900, "2025-09-30", "2025-10-31", [2900]),
    (29, "RECURRING", "PAID", 2900, "2025-10-31", "2025-11-30", [2900]),
    (30, "RECURRING", "PAID", 2900, "2025-11-30", "2025-12-31", [2900]),
    (31, "RECURRING", "PAID", 2900, "2025-12-31", "2026-01-31", [2900]),
]
# Recorded states: day, status of the subscription, balance of the customer.
SEEN = [
    ("2024-01-17", "TRIALING", 0),
    ("2024-01-31", "ACTIVE", 0),
    ("2024-03-15", "PAST_DUE", 0),
    ("2024-03-20", "ACTIVE", 0),
    ("2024-04-16", "ACTIVE", 5600),
    ("2024-05-02", "ACTIVE", 0),
    ("2024-09-15", "PAST_DUE", 0),
    ("2024-09-20", "ACTIVE", 0),
    ("2024-12-10", "ACTIVE", 1964),
    ("2025-01-05", "ACTIVE", 0),
    ("2025-01-05", "ACTIVE", 0),
    ("2025-02-15", "PAST_DUE", 0),
    ("2025-02-20", "ACTIVE", 0),
    ("2025-04-02", "ACTIVE", 17100),
    ("2025-09-01", "ACTIVE", 2600),
    ("2025-10-15", "PAST_DUE", 0),
    ("2025-10-20", "ACTIVE", 0),
    ("2026-01-10", "ACTIVE", 0),
    ("2026-02-01", "CANCELED", 0),
]
# Ledger entries: kind, amount, balance after the entry, and time.
LEDGER = [
    ("OVERPAYMENT", 5600, 5600, "2024-04-16"),
    ("APPLIED", -5600, 0, "2024-04-30"),
    ("INVOICE_CREDIT", 1964, 1964, "2024-12-10"),
    ("APPLIED", -1964, 0, "2024-12-31"),
    ("GIVEN_BACK", 1964, 1964, "2025-01-05"),
    ("APPLIED", -1964, 0, "2025-01-05"),
    ("OVERPAYMENT", 17100, 17100, "2025-04-02"),
    ("APPLIED", -2900, 14200, "2025-04-30"),
    ("APPLIED", -2900, 11300, "2025-05-31"),
    ("APPLIED", -2900, 8400, "2025-06-30"),
    ("APPLIED", -2900, 5500, "2025-07-31"),
    ("APPLIED", -2900, 2600, "2025-08-31"),
    ("APPLIED", -2600, 0, "2025-09-30"),
]


async def test_two_years_of_a_customer(api: Api) -> None:
    story = await two_years(api)

    invoices = await story.invoices()
    assert [
        (
            *(invoice[name] for name in ("number", "kind", "status", "amountCents", "periodStart", "periodEnd")),
            amounts(invoice),
        )
        for invoice in invoices
    ] == INVOICES
    assert story.seen == SEEN
    customer = await story.customer(
        "balanceCents subscription { id } ledger(first: 100) { nodes { kind amountCents balanceAfterCents createdAt } }"
    )
    assert [tuple(entry.values()) for entry in customer["ledger"]["nodes"]] == LEDGER
    assert (customer["balanceCents"], customer["subscription"]) == (0, None)
    subscription = await story.subscription("status startedAt anchorAt trialEnd canceledAt endedAt nextBillingAt")
    assert subscription == {
        "status": "CANCELED",
        "startedAt": "2024-01-17",
        "anchorAt": "2024-01-31",
        "trialEnd": "2024-01-31",
        "canceledAt": "2026-01-10",
        "endedAt": "2026-01-31",
        "nextBillingAt": None,
    }
    # Total of all invoices that are not void equals the payments received.
    billed = sum(invoice["amountCents"] for invoice in invoices if invoice["status"] != "VOID")
    received = await story.customer("payments(first: 100) { nodes { amountCents } }")
    assert billed == sum(payment["amountCents"] for payment in received["payments"]["nodes"])


PICTURE = f"""
    version currency balanceCents updatedAt
    ledger(first: 100) {{ nodes {{ sequence kind amountCents balanceAfterCents createdAt invoice {{ number }} }} }}
    payments(first: 100) {{ nodes {{
      amountCents overpaymentCents receivedAt allocations {{ kind amountCents createdAt invoice {{ number }} }}
    }} }}
    subscriptions {{ nodes {{ {SUBSCRIPTION} }} }}
    invoices(first: 100) {{ nodes {{
      {INVOICE}
      allocations {{ kind amountCents createdAt releasedAt sourceInvoice {{ number }} }}
      replaces {{ number }} replacedBy {{ number }}
    }} }}
"""


def without_ids(picture: Any) -> Any:
    match picture:
        case dict():
            return {name: without_ids(value) for name, value in picture.items() if name != "id"}
        case list():
            return [without_ids(value) for value in picture]
        case _:
            return picture


DAY = timedelta(days=1)


async def test_it_is_the_same_story_at_any_pace(api: Api) -> None:
    jumped = await two_years(api)
    picture = without_ids(await jumped.customer(PICTURE))

    for pace in (
        chain(repeat(DAY, 200), repeat(7 * DAY)),
        cycle([timedelta(seconds=1), timedelta(hours=25), 11 * DAY, timedelta(days=6, minutes=1), 40 * DAY]),
    ):
        walked = await two_years(api, pace)

        assert walked.seen == jumped.seen
        assert without_ids(await walked.customer(PICTURE)) == picture


async def test_a_year_that_nobody_looks_after_is_the_same_at_any_pace(api: Api) -> None:
    """Invoices remain unpaid and become past due between renewals. A balance and pending lines are used up."""
    plan_id = await api.a_plan(amountCents=2900, interval="MONTH", trialDays=30)

    async def a_year(pace: Iterator[timedelta]) -> Any:
        story = await Story.begin(api, "2024-01-01")
        story.pace = pace
        await story.pay(7777, allowOverpayment=True)
        await story.subscribe(plan_id, quantity=2, startAt="2024-01-15T06:07:08Z")
        await story.advance("2024-03-20")
        await story.change(quantity=3, mode="CHARGE_NOW_CREDIT_LATER")
        await story.change(quantity=1)
        await story.advance("2025-01-31")
        return without_ids(await story.customer(PICTURE))

    jumped = await a_year(repeat(timedelta.max))

    assert [await a_year(repeat(pace)) for pace in (5 * DAY, 31 * DAY, 100 * DAY)] == [jumped] * 3
    assert len(jumped["invoices"]["nodes"]) == 14
    assert jumped["subscriptions"]["nodes"][0]["status"] == "PAST_DUE"


async def test_a_test_clock_moves_its_own_customers_and_no_others(api: Api) -> None:
    plan_id = await api.a_plan()
    real = await Story.in_real_time(api)
    other = await Story.begin(api, written(NOW))
    mine = await Story.begin(api, written(NOW))
    for story in (real, other, mine):
        await story.subscribe(plan_id)
    before = [await story.customer(PICTURE) for story in (real, other)]

    await mine.advance("2026-06-01")

    assert [await story.customer(PICTURE) for story in (real, other)] == before
    assert len(await mine.invoices()) == 5


async def test_the_lists_leave_out_who_lives_on_a_test_clock_unless_it_is_named(api: Api) -> None:
    plan_id = await api.a_plan()
    real, story = await Story.in_real_time(api), await Story.begin(api, written(NOW))
    for one in (real, story):
        await one.subscribe(plan_id)
    lists = """query ($clock: ID, $plan: ID!) {
        customers(filter: {testClockId: $clock}) { totalCount nodes { id } }
        subscriptions(filter: {testClockId: $clock}) { totalCount nodes { id } }
        invoices(filter: {testClockId: $clock}) { totalCount nodes { customer { id } } }
        plan(id: $plan) { subscriptions(filter: {testClockId: $clock}) { totalCount nodes { id } } }
    }"""

    def lists_of(one: Story) -> Any:
        customers = {"totalCount": 1, "nodes": [{"id": one.customer_id}]}
        subscriptions = {"totalCount": 1, "nodes": [{"id": one.subscription_id}]}
        return {
            "customers": customers,
            "subscriptions": subscriptions,
            "invoices": {"totalCount": 1, "nodes": [{"customer": {"id": one.customer_id}}]},
            "plan": {"subscriptions": subscriptions},
        }

    assert await api(lists, plan=plan_id) == lists_of(real)
    assert await api(lists, plan=plan_id, clock=story.test_clock_id) == lists_of(story)


DATES = """
    createdAt payments { nodes { createdAt receivedAt } } subscription { createdAt pendingLines { createdAt } }
    invoices { nodes { createdAt allocations { createdAt } } } ledger { nodes { createdAt } }
"""


async def test_what_is_made_on_a_test_clock_is_dated_in_its_time(api: Api) -> None:
    story = await Story.begin(api, "2024-01-17")
    await story.pay(500, allowOverpayment=True)
    await story.subscribe(await api.a_plan())
    await story.change(quantity=2, mode="NEXT_INVOICE")

    assert await story.customer(DATES) == {
        "createdAt": "2024-01-17",
        "payments": {"nodes": [{"createdAt": "2024-01-17", "receivedAt": "2024-01-17"}]},
        "subscription": {"createdAt": "2024-01-17", "pendingLines": [{"createdAt": "2024-01-17"}] * 2},
        "invoices": {"nodes": [{"createdAt": "2024-01-17", "allocations": [{"createdAt": "2024-01-17"}]}]},
        "ledger": {"nodes": [{"createdAt": "2024-01-17"}] * 2},
    }
