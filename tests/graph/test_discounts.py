"""Coupons and discounts: who may redeem which coupon, what it takes off, and which billing periods it covers."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from billing.limits import MAX_DISCOUNTS
from db.database import Database
from tests.graph.test_credits_of_changes import assert_sound
from tests.scenarios.story import Story, amounts
from tests.support import Api, TestClock, refusal, run

COUPON = """
    id code name percentOff amountOffCents currency duration periods plans { id } maxRedemptions expiresAt archivedAt
    version
"""


@pytest.fixture(autouse=True)
async def books_in_order(database: Database, events_name_changes: None) -> AsyncIterator[None]:
    """After the test, `billing verify` finds no violation, and all events name what they changed."""
    yield
    await assert_sound(database)


async def create(api: Api, **fields: Any) -> Any:
    fields = {"code": uuid4().hex, "name": "Welcome", **fields}
    return await api.mutate("createCoupon", f"coupon {{ {COUPON} }}", **fields)


async def a_coupon(api: Api, **fields: Any) -> Any:
    payload = await create(api, **fields)
    assert payload["userErrors"] == [], payload
    return payload["coupon"]


INVOICE = """
    id subtotalCents discountCents amountCents discounts { name amountCents discount { id } }
    lines { id kind amountCents discountCents }
"""


async def redeemed(api: Api, code: str, **target: str) -> Any:
    payload = await api.mutate("redeemCoupon", "discount { id version periodsLeft }", code=code, **target)
    assert payload["userErrors"] == [], payload
    return payload["discount"]


async def subscribed(api: Api, plan_id: str, *codes: str, **fields: Any) -> Any:
    """Creates a subscription with coupons. Returns its payload."""
    payload = await api.mutate(
        "createSubscription",
        f"subscription {{ id }} invoice {{ {INVOICE} }}",
        customerId=fields.pop("customerId", None) or await api.a_customer(),
        planId=plan_id,
        couponCodes=list(codes),
        **fields,
    )
    assert payload["userErrors"] == [], payload
    return payload


async def invoices_of(api: Api, subscription_id: str) -> list[Any]:
    query = f"query ($id: ID!) {{ subscription(id: $id) {{ invoices {{ nodes {{ {INVOICE} }} }} }} }}"
    found: list[Any] = (await api(query, id=subscription_id))["subscription"]["invoices"]["nodes"]
    return found


async def left(api: Api, subscription_id: str) -> list[int | None]:
    """Returns how many periods each discount of the subscription can still cover."""
    query = "query ($id: ID!) { subscription(id: $id) { discounts { nodes { periodsLeft } } } }"
    found = (await api(query, id=subscription_id))["subscription"]["discounts"]["nodes"]
    return [each["periodsLeft"] for each in found]


async def one_off(api: Api, customer_id: str, *cents: int) -> Any:
    """Creates and finalizes a one-off invoice with a line for each amount. The draft must have the same amounts."""
    lines = [{"description": "Work", "unitAmountCents": each} for each in cents]
    draft = await api.mutate(
        "createInvoice", f"invoice {{ {INVOICE} }}", customerId=customer_id, currency="EUR", lines=lines
    )
    assert draft["userErrors"] == [], draft
    done = await api.mutate("finalizeInvoice", f"invoice {{ {INVOICE} }}", id=draft["invoice"]["id"])
    assert done["userErrors"] == [], done
    assert done["invoice"] == draft["invoice"]
    return done["invoice"]


def off(invoice: Any) -> list[int]:
    """Returns the discount of each line of an invoice."""
    return [line["discountCents"] for line in invoice["lines"]]


# The amounts


@pytest.mark.parametrize(
    ("amount", "cents", "expected"),
    [
        (1500, (1000, 1000), [750, 750]),
        (750, (300, 1200), [150, 600]),
        (2500, (1000, 1000), [1000, 1000]),
        (100, (100, 200), [33, 67]),
    ],
)
async def test_case_k03_an_amount_is_split_in_proportion_to_the_lines(
    api: Api, amount: int, cents: tuple[int, ...], expected: list[int]
) -> None:
    coupon = await a_coupon(api, amountOffCents=amount, currency="EUR")
    customer_id = await api.a_customer()
    await redeemed(api, coupon["code"], customerId=customer_id)

    invoice = await one_off(api, customer_id, *cents)

    assert off(invoice) == expected
    assert invoice["discountCents"] == sum(expected) == sum(cents) - invoice["amountCents"]


async def test_case_k05_lines_of_equal_amounts_get_equal_parts(api: Api) -> None:
    """100 off 1000 over 333, 333 and 334: 900 are left."""
    coupon = await a_coupon(api, amountOffCents=100, currency="EUR")
    customer_id = await api.a_customer()
    await redeemed(api, coupon["code"], customerId=customer_id)

    invoice = await one_off(api, customer_id, 333, 333, 334)

    assert [line["amountCents"] - line["discountCents"] for line in invoice["lines"]] == [300, 300, 300]


@pytest.mark.parametrize(
    ("coupon", "expected"),
    [
        ({"percentOff": "20"}, [3920, 3920, 3920, 3920]),
        ({"amountOffCents": 1000, "currency": "EUR"}, [3900, 3900, 3900, 3900]),
        ({"percentOff": "20", "duration": "PERIODS", "periods": 2}, [3920, 3920, 4900, 4900]),
        ({"percentOff": "20", "duration": "ONCE"}, [3920, 4900, 4900, 4900]),
        ({"amountOffCents": 6000, "currency": "EUR", "duration": "ONCE"}, [0, 4900, 4900, 4900]),
    ],
)
async def test_case_k07_a_coupon_lowers_as_many_periods_as_it_says(
    api: Api, clock: TestClock, database: Database, coupon: dict[str, Any], expected: list[int]
) -> None:
    code = (await a_coupon(api, **coupon))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=4900), code)
    upcoming = await api(
        "query ($id: ID!) { subscription(id: $id) { upcomingInvoices(count: 3) { amountCents } } }",
        id=made["subscription"]["id"],
    )
    for _ in range(3):
        clock.forward(days=30)
        await run(database, clock)

    amounts = [invoice["amountCents"] for invoice in await invoices_of(api, made["subscription"]["id"])]
    assert amounts == expected
    assert [each["amountCents"] for each in upcoming["subscription"]["upcomingInvoices"]] == expected[1:]
    assert await left(api, made["subscription"]["id"]) == [0 if "duration" in coupon else None]


async def test_case_k10_one_redemption_however_often_the_invoice_is_computed(api: Api) -> None:
    code = (await a_coupon(api, percentOff="50", maxRedemptions=1))["code"]
    customer_id, plan_id = await api.a_customer(), await api.a_plan(amountCents=1000)
    for _ in range(2):
        preview = await api(
            "query ($input: PreviewSubscriptionInput!) { previewSubscription(input: $input) {"
            " invoice { amountCents discounts { name amountCents discount { id } } } userErrors { code } } }",
            input={"customerId": customer_id, "planId": plan_id, "couponCodes": [code]},
        )
        assert preview["previewSubscription"] == {
            "invoice": {
                "amountCents": 500,
                "discounts": [{"name": "Welcome", "amountCents": 500, "discount": None}],
            },
            "userErrors": [],
        }

    made = await subscribed(api, plan_id, code, customerId=customer_id)

    assert made["invoice"]["amountCents"] == 500
    again = await api.mutate("redeemCoupon", "discount { id }", code=code, customerId=await api.a_customer())
    assert refusal(again) == ("COUPON_EXHAUSTED", ["input", "code"])


async def test_case_k12_a_coupon_counts_from_the_first_invoice_that_it_discounts(
    api: Api, clock: TestClock, database: Database
) -> None:
    code = (await a_coupon(api, percentOff="10", duration="ONCE"))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=1000))
    clock.forward(days=10)
    await redeemed(api, code, subscriptionId=made["subscription"]["id"])
    assert await left(api, made["subscription"]["id"]) == [1]
    for _ in range(2):
        clock.forward(days=30)
        await run(database, clock)

    amounts = [invoice["amountCents"] for invoice in await invoices_of(api, made["subscription"]["id"])]
    assert amounts == [1000, 900, 1000]


async def test_case_k16_a_coupon_larger_than_the_invoice_leaves_nothing(api: Api) -> None:
    code = (await a_coupon(api, amountOffCents=5000, currency="EUR"))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=1000), code)

    assert (made["invoice"]["amountCents"], made["invoice"]["discountCents"]) == (0, 1000)
    query = "query ($id: ID!) { subscription(id: $id) { customer { balanceCents } } }"
    assert (await api(query, id=made["subscription"]["id"]))["subscription"]["customer"] == {"balanceCents": 0}


async def test_discounts_are_taken_off_in_a_fixed_order(api: Api) -> None:
    """Discounts for plans apply first; then percentages before amounts, then by age. Each sees what is left."""
    plan_id = await api.a_plan(amountCents=10_000)
    customer_id = await api.a_customer()
    for fields in (
        {"amountOffCents": 1000, "currency": "EUR", "name": "amount"},
        {"percentOff": "10", "name": "percent"},
        {"percentOff": "50", "name": "second percent"},
    ):
        await redeemed(api, (await a_coupon(api, **fields))["code"], customerId=customer_id)
    codes = [
        (await a_coupon(api, planIds=[plan_id], **fields))["code"]
        for fields in (
            {"amountOffCents": 2000, "currency": "EUR", "name": "amount of the plan"},
            {"percentOff": "20", "name": "percent of the plan"},
        )
    ]

    made = await subscribed(api, plan_id, *codes, customerId=customer_id)

    assert [(each["name"], each["amountCents"]) for each in made["invoice"]["discounts"]] == [
        ("percent of the plan", 2000),
        ("amount of the plan", 2000),
        ("percent", 600),
        ("second percent", 2700),
        ("amount", 1000),
    ]
    assert made["invoice"]["amountCents"] == 1700


async def test_a_coupon_for_plans_discounts_their_lines_only(api: Api) -> None:
    mine, other = await api.a_plan(amountCents=1000), await api.a_plan(amountCents=1000)
    customer_id = await api.a_customer()
    await redeemed(api, (await a_coupon(api, percentOff="10", planIds=[mine]))["code"], customerId=customer_id)

    one_time = await one_off(api, customer_id, 1000)
    subscription = await subscribed(api, other, customerId=customer_id)
    changed = await api.mutate(
        "changeSubscription",
        f"invoice {{ {INVOICE} }}",
        id=subscription["subscription"]["id"],
        planId=mine,
        mode="IMMEDIATE",
    )

    assert (off(one_time), off(subscription["invoice"]), off(changed["invoice"])) == ([0], [0], [0, 100])


async def test_a_discount_of_a_subscription_does_not_lower_one_off_invoices(api: Api) -> None:
    customer_id = await api.a_customer()
    code = (await a_coupon(api, percentOff="10"))["code"]
    await subscribed(api, await api.a_plan(amountCents=1000), code, customerId=customer_id)

    assert off(await one_off(api, customer_id, 1000)) == [0]


async def test_an_amount_lowers_no_invoice_in_another_currency(api: Api) -> None:
    customer_id = await api.a_customer()
    code = (await a_coupon(api, amountOffCents=100, currency="USD"))["code"]
    await redeemed(api, code, customerId=customer_id)

    made = await subscribed(api, await api.a_plan(amountCents=1000), customerId=customer_id)

    assert off(made["invoice"]) == [0]


async def test_a_credit_on_a_one_off_invoice_neither_grows_nor_shrinks_the_base(api: Api) -> None:
    customer_id = await api.a_customer()
    await redeemed(api, (await a_coupon(api, percentOff="10"))["code"], customerId=customer_id)

    invoice = await one_off(api, customer_id, 1000, -400)

    assert (off(invoice), invoice["amountCents"]) == ([100, 0], 500)


async def test_a_trial_and_a_free_invoice_use_no_period(api: Api, clock: TestClock, database: Database) -> None:
    code = (await a_coupon(api, percentOff="10", duration="ONCE"))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=1000), code, trialDays=7)
    assert (made["invoice"]["discounts"], await left(api, made["subscription"]["id"])) == ([], [1])
    clock.forward(days=7)
    await run(database, clock)

    amounts = [invoice["amountCents"] for invoice in await invoices_of(api, made["subscription"]["id"])]
    assert amounts == [0, 900]


# Changes within a period


async def test_a_charge_of_a_change_in_a_covered_period_gets_its_part_of_an_amount(
    api: Api, clock: TestClock, database: Database
) -> None:
    code = (await a_coupon(api, amountOffCents=1001, currency="EUR", duration="ONCE"))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=10_000), code)
    clock.forward(days=15)

    changed = await api.mutate(
        "changeSubscription",
        f"invoice {{ {INVOICE} }}",
        id=made["subscription"]["id"],
        planId=await api.a_plan(amountCents=20_000),
        mode="IMMEDIATE",
    )

    assert made["invoice"]["amountCents"] == 8999
    # The credit is half of what was billed, 4499.5; the charge is discounted by half of the amount, 500.5.
    assert [(line["amountCents"], line["discountCents"]) for line in changed["invoice"]["lines"]] == [
        (-4500, 0),
        (10_000, 501),
    ]
    assert await left(api, made["subscription"]["id"]) == [0]
    clock.forward(days=15)
    await run(database, clock)
    assert off((await invoices_of(api, made["subscription"]["id"]))[-1]) == [0]


async def test_pending_charges_of_a_covered_period_are_discounted_again(
    api: Api, clock: TestClock, database: Database
) -> None:
    """An upgrade waits for the next invoice, and is reduced again before: its credit lowers it first."""
    code = (await a_coupon(api, amountOffCents=1000, currency="EUR", duration="PERIODS", periods=2))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=3000), code)
    subscription_id = made["subscription"]["id"]
    for days, amount in ((10, 9000), (10, 6000)):
        clock.forward(days=days)
        plan_id = await api.a_plan(amountCents=amount)
        changed = await api.mutate(
            "changeSubscription", "invoice { id }", id=subscription_id, planId=plan_id, mode="NEXT_INVOICE"
        )
        assert changed == {"invoice": None, "userErrors": []}
    clock.forward(days=10)
    await run(database, clock)

    lines = (await invoices_of(api, subscription_id))[-1]["lines"]
    assert [(line["kind"], line["amountCents"], line["discountCents"]) for line in lines] == [
        ("PRORATION_CREDIT", -1333, 0),
        # 6000 for 20 of 30 days. The credit leaves 10 of them, which get a third of the amount.
        ("PRORATION_CHARGE", 6000, 333),
        ("PRORATION_CREDIT", -3000, 0),
        ("PRORATION_CHARGE", 2000, 333),
        ("RECURRING", 6000, 1000),
    ]
    assert await left(api, subscription_id) == [0]


async def test_a_once_coupon_is_used_by_a_change_in_a_period_that_it_does_not_cover_yet(
    api: Api, clock: TestClock, database: Database
) -> None:
    code = (await a_coupon(api, amountOffCents=1000, currency="EUR", duration="ONCE"))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=3000))
    clock.forward(days=15)
    await redeemed(api, code, subscriptionId=made["subscription"]["id"])

    changed = await api.mutate(
        "changeSubscription",
        f"invoice {{ {INVOICE} }}",
        id=made["subscription"]["id"],
        planId=await api.a_plan(amountCents=9000),
        mode="IMMEDIATE",
    )
    assert off(changed["invoice"]) == [0, 1000]
    clock.forward(days=15)
    await run(database, clock)
    assert off((await invoices_of(api, made["subscription"]["id"]))[-1]) == [0]


@pytest.mark.parametrize("mode", ["IMMEDIATE", "CHARGE_NOW_CREDIT_LATER", "NEXT_INVOICE"])
async def test_a_period_with_many_changes_gets_an_amount_once(
    api: Api, clock: TestClock, database: Database, mode: str
) -> None:
    """100 seats of 10.00, and one more every three days: 45 seat days more than 3000, so 1045.00 less 10.00."""
    code = (await a_coupon(api, amountOffCents=1000, currency="EUR"))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=1000), code, quantity=100)
    subscription_id = made["subscription"]["id"]
    for quantity in range(101, 110):
        clock.forward(days=3)
        change = {"id": subscription_id, "quantity": quantity, "mode": mode}
        assert (await api.mutate("changeSubscription", "invoice { id }", **change))["userErrors"] == []
    clock.forward(days=3)
    await run(database, clock)

    invoices = await invoices_of(api, subscription_id)
    next_period = invoices[-1]["lines"][-1]
    assert (next_period["amountCents"], next_period["discountCents"]) == (109_000, 1000)
    assert sum(invoice["amountCents"] for invoice in invoices) - 108_000 == 104_500 - 1000


async def test_a_change_in_a_first_period_to_an_anchor_keeps_its_discount(api: Api) -> None:
    """The amount was taken off half a month. A swap at its start credits it, and takes it off again."""
    story = await Story.begin(api, "2027-01-16")
    code = (await a_coupon(api, amountOffCents=1000, currency="EUR", duration="ONCE"))["code"]
    month = {"amountCents": 3100, "interval": "MONTH", "intervalCount": 1}
    first = await story.subscribe(await api.a_plan(**month), couponCodes=[code], billingAnchor={"dayOfMonth": 1})
    changed = await story.change(planId=await api.a_plan(**month), mode="IMMEDIATE")

    assert (first["amountCents"], amounts(changed), changed["amountCents"]) == (600, [-600, 1600], 0)


async def test_a_coupon_does_not_lower_a_period_that_was_due_before(
    api: Api, clock: TestClock, database: Database
) -> None:
    for of_customer in (True, False):
        code = (await a_coupon(api, percentOff="10", duration="ONCE"))["code"]
        customer_id = await api.a_customer()
        subscription_id = await api.a_subscription(customer_id, await api.a_plan(amountCents=1000))
        clock.forward(days=31)
        await redeemed(
            api, code, **({"customerId": customer_id} if of_customer else {"subscriptionId": subscription_id})
        )
        await run(database, clock)

        assert [off(invoice) for invoice in await invoices_of(api, subscription_id)] == [[0], [0]]


# Voiding and reissuing


async def test_an_invoice_of_an_ended_subscription_does_not_move_the_covered_period(api: Api, clock: TestClock) -> None:
    customer_id = await api.a_customer()
    code = (await a_coupon(api, amountOffCents=1000, currency="EUR", duration="PERIODS", periods=2))["code"]
    await redeemed(api, code, customerId=customer_id)
    old = await subscribed(api, await api.a_plan(amountCents=10_000), customerId=customer_id)
    await api.mutate("cancelSubscription", "invoice { id }", id=old["subscription"]["id"], atPeriodEnd=False)
    new = await subscribed(api, await api.a_plan(amountCents=10_000), customerId=customer_id)
    await api.mutate("voidInvoice", "invoice { id }", id=old["invoice"]["id"])
    again = await api.mutate("reissueInvoice", f"invoice {{ {INVOICE} }}", id=old["invoice"]["id"])
    clock.forward(days=15)

    changed = await api.mutate(
        "changeSubscription",
        f"invoice {{ {INVOICE} }}",
        id=new["subscription"]["id"],
        planId=await api.a_plan(amountCents=20_000),
        mode="IMMEDIATE",
    )

    assert (off(again["invoice"]), off(changed["invoice"])) == ([1000], [0, 500])


async def test_voiding_returns_the_use_and_reissuing_takes_it_again(
    api: Api, clock: TestClock, database: Database
) -> None:
    code = (await a_coupon(api, percentOff="10", duration="ONCE"))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=1000), code)
    subscription_id, invoice_id = made["subscription"]["id"], made["invoice"]["id"]

    voided = await api.mutate("voidInvoice", "invoice { discountCents }", id=invoice_id)
    assert (voided["invoice"], await left(api, subscription_id)) == ({"discountCents": 100}, [1])
    again = await api.mutate("reissueInvoice", f"invoice {{ {INVOICE} }}", id=invoice_id)

    assert (off(again["invoice"]), again["invoice"]["amountCents"]) == ([100], 900)
    assert again["invoice"]["discounts"] == made["invoice"]["discounts"]
    assert await left(api, subscription_id) == [0]
    clock.forward(days=30)
    await run(database, clock)
    assert off((await invoices_of(api, subscription_id))[-1]) == [0]


async def test_a_use_that_was_returned_covers_a_later_period(api: Api, clock: TestClock, database: Database) -> None:
    code = (await a_coupon(api, percentOff="10", duration="ONCE"))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=1000), code)
    await api.mutate("voidInvoice", "invoice { id }", id=made["invoice"]["id"])
    for _ in range(2):
        clock.forward(days=30)
        await run(database, clock)
    subscription_id = made["subscription"]["id"]
    assert [off(invoice) for invoice in await invoices_of(api, subscription_id)] == [[100], [100], [0]]

    # The reissued invoice has the discount of the void one, although another period used it meanwhile.
    again = await api.mutate("reissueInvoice", f"invoice {{ {INVOICE} }}", id=made["invoice"]["id"])

    assert (off(again["invoice"]), await left(api, subscription_id)) == ([100], [0])


async def test_voiding_one_of_two_invoices_of_a_period_keeps_the_period_covered(api: Api, clock: TestClock) -> None:
    code = (await a_coupon(api, percentOff="10", duration="ONCE"))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=1000), code)
    subscription_id = made["subscription"]["id"]
    clock.forward(days=15)
    plan_id = await api.a_plan(amountCents=3000)
    change = {"id": subscription_id, "planId": plan_id, "mode": "IMMEDIATE"}
    changed = await api.mutate("changeSubscription", "invoice { id }", **change)

    await api.mutate("voidInvoice", "invoice { id }", id=changed["invoice"]["id"])

    assert await left(api, subscription_id) == [0]
    again = await api.mutate("changeSubscription", f"invoice {{ {INVOICE} }}", id=subscription_id, quantity=2)
    assert off(again["invoice"])[-1] == 300


async def test_a_removed_discount_lowers_nothing_and_its_uses_are_returned_too(
    api: Api, clock: TestClock, database: Database
) -> None:
    code = (await a_coupon(api, percentOff="10", duration="PERIODS", periods=2))["code"]
    made = await subscribed(api, await api.a_plan(amountCents=1000), code)
    discount = made["invoice"]["discounts"][0]["discount"]["id"]

    removed = await api.mutate("removeDiscount", "discount { removedAt version periodsLeft }", id=discount)
    again = await api.mutate("removeDiscount", "discount { id }", id=discount)

    assert removed["discount"] == {"removedAt": f"{clock.now:%FT%TZ}", "version": 3, "periodsLeft": 1}
    assert refusal(again) == ("DISCOUNT_REMOVED", ["input", "id"])
    await api.mutate("voidInvoice", "invoice { id }", id=made["invoice"]["id"])
    assert await left(api, made["subscription"]["id"]) == [2]
    clock.forward(days=30)
    await run(database, clock)
    assert off((await invoices_of(api, made["subscription"]["id"]))[-1]) == [0]


# Who may redeem what


async def test_a_coupon_is_created_archived_and_found_by_its_code(api: Api, clock: TestClock) -> None:
    plan_id = await api.a_plan()
    made = await create(
        api,
        code=" Spring-26 ",
        name="Spring",
        amountOffCents=500,
        currency="EUR",
        duration="PERIODS",
        periods=3,
        planIds=[plan_id, plan_id],
        maxRedemptions=7,
        expiresAt="2027-01-01T00:00:00Z",
    )
    expected = {
        "code": "SPRING-26",
        "name": "Spring",
        "percentOff": None,
        "amountOffCents": 500,
        "currency": "EUR",
        "duration": "PERIODS",
        "periods": 3,
        "plans": [{"id": plan_id}],
        "maxRedemptions": 7,
        "expiresAt": "2027-01-01T00:00:00Z",
        "archivedAt": None,
        "version": 1,
    }
    assert {**made["coupon"], "id": None} == {**expected, "id": None}
    assert refusal(await create(api, code="spring-26", percentOff="1")) == ("COUPON_CODE_TAKEN", ["input", "code"])

    archived = await api.mutate("archiveCoupon", f"coupon {{ {COUPON} }}", id=made["coupon"]["id"])
    again = await api.mutate("archiveCoupon", "coupon { id }", id=made["coupon"]["id"])

    found = await api(f'{{ couponByCode(code: "spring-26 ") {{ {COUPON} }} coupons {{ nodes {{ code }} }} }}')
    now = f"{clock.now:%FT%TZ}"
    assert found["couponByCode"] == archived["coupon"] == {**made["coupon"], "archivedAt": now, "version": 2}
    assert found["coupons"]["nodes"] == [{"code": "SPRING-26"}]
    assert refusal(again) == ("COUPON_ARCHIVED", ["input", "id"])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("INVALID_INPUT", ["input", "percentOff"])),
        ({"percentOff": "10", "amountOffCents": 1}, ("INVALID_INPUT", ["input", "percentOff"])),
        ({"percentOff": "10", "currency": "EUR"}, ("INVALID_INPUT", ["input", "currency"])),
        ({"amountOffCents": 1}, ("INVALID_INPUT", ["input", "currency"])),
        ({"percentOff": "0"}, ("DISCOUNT_PERCENT_INVALID", ["input", "percentOff"])),
        ({"percentOff": "-1"}, ("DISCOUNT_PERCENT_INVALID", ["input", "percentOff"])),
        ({"percentOff": "100.0001"}, ("DISCOUNT_PERCENT_INVALID", ["input", "percentOff"])),
        ({"percentOff": "0.00001"}, ("DISCOUNT_PERCENT_INVALID", ["input", "percentOff"])),
        ({"amountOffCents": 0, "currency": "EUR"}, ("AMOUNT_NOT_POSITIVE", ["input", "amountOffCents"])),
        ({"amountOffCents": 1, "currency": "XXX"}, ("CURRENCY_UNKNOWN", ["input", "currency"])),
        ({"percentOff": "1", "periods": 2}, ("INVALID_INPUT", ["input", "periods"])),
        ({"percentOff": "1", "duration": "PERIODS"}, ("INVALID_INPUT", ["input", "periods"])),
        ({"percentOff": "1", "duration": "PERIODS", "periods": 0}, ("INVALID_INPUT", ["input", "periods"])),
        ({"percentOff": "1", "maxRedemptions": 0}, ("INVALID_INPUT", ["input", "maxRedemptions"])),
        ({"percentOff": "1", "expiresAt": "2026-01-31T12:00:00Z"}, ("INVALID_INPUT", ["input", "expiresAt"])),
        ({"percentOff": "1", "code": " "}, ("INVALID_INPUT", ["input", "code"])),
        ({"percentOff": "1", "code": "ten %"}, ("INVALID_INPUT", ["input", "code"])),
        ({"percentOff": "1", "code": "x" * 65}, ("INVALID_INPUT", ["input", "code"])),
        ({"percentOff": "1", "name": ""}, ("INVALID_INPUT", ["input", "name"])),
        (
            {"percentOff": "1", "planIds": ["01930000-0000-7000-8000-000000000000"]},
            ("PLAN_NOT_FOUND", ["input", "planIds"]),
        ),
    ],
)
async def test_a_coupon_that_makes_no_sense_is_refused(
    api: Api, fields: dict[str, Any], expected: tuple[str, list[str]]
) -> None:
    assert refusal(await create(api, **fields)) == expected
    assert await api("{ coupons { totalCount } }") == {"coupons": {"totalCount": 0}}


async def test_a_coupon_that_may_not_be_redeemed_is_refused_and_nothing_is_stored(api: Api, clock: TestClock) -> None:
    plan_id = await api.a_plan()
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id, plan_id)
    codes = {
        "COUPON_NOT_FOUND": "NOWHERE",
        "COUPON_ARCHIVED": (await a_coupon(api, percentOff="1"))["code"],
        "COUPON_EXPIRED": (await a_coupon(api, percentOff="1", expiresAt=f"{clock.now:%Y}-02-01T00:00:00Z"))["code"],
        "COUPON_EXHAUSTED": (await a_coupon(api, percentOff="1", maxRedemptions=1))["code"],
        "COUPON_ALREADY_REDEEMED": (await a_coupon(api, percentOff="1"))["code"],
        "CURRENCY_MISMATCH": (await a_coupon(api, amountOffCents=1, currency="USD"))["code"],
        "COUPON_NOT_FOR_PLAN": (await a_coupon(api, percentOff="1", planIds=[await api.a_plan()]))["code"],
        "INVALID_INPUT": "",
    }
    archived = await api(f'{{ couponByCode(code: "{codes["COUPON_ARCHIVED"]}") {{ id }} }}')
    await api.mutate("archiveCoupon", "coupon { id }", id=archived["couponByCode"]["id"])
    await redeemed(api, codes["COUPON_EXHAUSTED"], customerId=await api.a_customer())
    await redeemed(api, codes["COUPON_ALREADY_REDEEMED"], customerId=customer_id)
    clock.forward(days=1)
    other = await api.a_customer()

    for expected, code in codes.items():
        payload = await api.mutate("redeemCoupon", "discount { id }", code=code, subscriptionId=subscription_id)
        assert refusal(payload) == (expected, ["input", "code"])
        if expected not in ("COUPON_ALREADY_REDEEMED", "CURRENCY_MISMATCH"):
            payload = await api.mutate(
                "createSubscription", "invoice { id }", customerId=other, planId=plan_id, couponCodes=[code]
            )
            assert refusal(payload) == (expected, ["input", "couponCodes", "0"])
    found = await api(
        "query ($id: ID!, $other: ID!) { subscription(id: $id) { discounts { totalCount } }"
        " customer(id: $other) { subscription { id } discounts { totalCount } } }",
        id=subscription_id,
        other=other,
    )
    assert found == {
        "subscription": {"discounts": {"totalCount": 0}},
        "customer": {"subscription": None, "discounts": {"totalCount": 0}},
    }


async def test_the_same_code_twice_in_a_new_subscription_is_refused(api: Api) -> None:
    code = (await a_coupon(api, percentOff="1"))["code"]
    payload = await api.mutate(
        "createSubscription",
        "invoice { id }",
        customerId=await api.a_customer(),
        planId=await api.a_plan(),
        couponCodes=[code, code.lower()],
    )
    assert refusal(payload) == ("COUPON_ALREADY_REDEEMED", ["input", "couponCodes", "1"])


async def test_a_coupon_needs_one_target(api: Api) -> None:
    code = (await a_coupon(api, percentOff="1"))["code"]
    nothing = "01930000-0000-7000-8000-000000000000"
    for target, expected in (
        ({}, ("INVALID_INPUT", ["input", "customerId"])),
        ({"customerId": nothing, "subscriptionId": nothing}, ("INVALID_INPUT", ["input", "customerId"])),
        ({"customerId": nothing}, ("CUSTOMER_NOT_FOUND", ["input", "customerId"])),
        ({"subscriptionId": nothing}, ("SUBSCRIPTION_NOT_FOUND", ["input", "subscriptionId"])),
    ):
        assert refusal(await api.mutate("redeemCoupon", "discount { id }", code=code, **target)) == expected
    removal = await api.mutate("removeDiscount", "discount { id }", id=nothing)
    assert refusal(removal) == ("DISCOUNT_NOT_FOUND", ["input", "id"])


async def test_a_customer_has_a_limited_number_of_discounts(api: Api) -> None:
    customer_id = await api.a_customer()
    codes = [(await a_coupon(api, percentOff="1"))["code"] for _ in range(MAX_DISCOUNTS + 1)]
    discounts = [await redeemed(api, code, customerId=customer_id) for code in codes[:-1]]

    payload = await api.mutate("redeemCoupon", "discount { id }", code=codes[-1], customerId=customer_id)
    assert refusal(payload) == ("TOO_MANY_DISCOUNTS", ["input", "code"])
    await api.mutate("removeDiscount", "discount { id }", id=discounts[0]["id"])
    await redeemed(api, codes[-1], customerId=customer_id)


async def test_redemptions_on_a_test_clock_do_not_count(api: Api) -> None:
    code = (await a_coupon(api, percentOff="1", maxRedemptions=1))["code"]
    clock = await api.mutate("createTestClock", "testClock { id }", frozenAt="2026-01-31T12:00:00Z")
    for _ in range(2):
        customer_id = await api.a_customer(testClockId=clock["testClock"]["id"])
        await redeemed(api, code, customerId=customer_id)
    await redeemed(api, code, customerId=await api.a_customer())
    on_the_clock = await api.a_customer(testClockId=clock["testClock"]["id"])
    await redeemed(api, code, customerId=on_the_clock)

    found = await api(f'{{ couponByCode(code: "{code}") {{ redemptions {{ totalCount }} }} }}')
    assert found == {"couponByCode": {"redemptions": {"totalCount": 4}}}
