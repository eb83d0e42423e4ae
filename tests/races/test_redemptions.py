"""Concurrent redemptions: a coupon's limit is exact, and a customer redeems a coupon once."""

import asyncio
from collections import Counter

from db.database import Database
from tests.graph.test_discounts import a_coupon, redeemed
from tests.races.fingerprints import assert_sound
from tests.support import Api

REDEMPTIONS, LIMIT = 50, 7


async def codes(api: Api, name: str, selection: str, inputs: list[dict[str, object]]) -> Counter[str]:
    """Runs a mutation with all inputs at the same time. Returns the number of answers by error code."""
    answers = await asyncio.gather(*(api.mutate(name, selection, **fields) for fields in inputs))
    return Counter(answer["userErrors"][0]["code"] if answer["userErrors"] else "" for answer in answers)


async def redemptions(api: Api, code: str) -> int:
    found = await api(f'{{ couponByCode(code: "{code}") {{ redemptions {{ totalCount }} }} }}')
    return int(found["couponByCode"]["redemptions"]["totalCount"])


async def test_fifty_customers_redeem_a_coupon_that_is_limited_to_seven(api: Api, database: Database) -> None:
    code = (await a_coupon(api, percentOff="10", maxRedemptions=LIMIT))["code"]
    customers = [await api.a_customer() for _ in range(REDEMPTIONS)]

    found = await codes(
        api, "redeemCoupon", "discount { id }", [{"code": code, "customerId": each} for each in customers]
    )

    assert found == {"": LIMIT, "COUPON_EXHAUSTED": REDEMPTIONS - LIMIT}
    assert await redemptions(api, code) == LIMIT
    await assert_sound(database)


async def test_fifty_subscriptions_with_two_coupons_in_different_orders(api: Api, database: Database) -> None:
    first, second = [(await a_coupon(api, percentOff="10", maxRedemptions=LIMIT))["code"] for _ in range(2)]
    plan_id = await api.a_plan()
    inputs: list[dict[str, object]] = [
        {
            "customerId": await api.a_customer(),
            "planId": plan_id,
            "couponCodes": [first, second] if number % 2 else [second, first],
        }
        for number in range(REDEMPTIONS)
    ]

    found = await codes(api, "createSubscription", "subscription { id }", inputs)

    assert found == {"": LIMIT, "COUPON_EXHAUSTED": REDEMPTIONS - LIMIT}
    assert [await redemptions(api, code) for code in (first, second)] == [LIMIT, LIMIT]
    assert (await api("{ subscriptions { totalCount } }"))["subscriptions"]["totalCount"] == LIMIT
    await assert_sound(database)


async def test_one_customer_redeems_a_coupon_twenty_times(api: Api, database: Database) -> None:
    code = (await a_coupon(api, percentOff="10", maxRedemptions=LIMIT))["code"]
    customer_id = await api.a_customer()
    subscription_id = await api.a_subscription(customer_id)
    targets: list[dict[str, object]] = [{"customerId": customer_id}, {"subscriptionId": subscription_id}]

    found = await codes(api, "redeemCoupon", "discount { id }", [{"code": code, **each} for each in targets * 10])

    assert found == {"": 1, "COUPON_ALREADY_REDEEMED": 19}
    assert await redemptions(api, code) == 1
    await assert_sound(database)


async def test_a_coupon_is_archived_while_customers_redeem_it(api: Api, database: Database) -> None:
    coupon = await a_coupon(api, percentOff="10")
    customers = [await api.a_customer() for _ in range(20)]
    redeeming = codes(
        api, "redeemCoupon", "discount { id }", [{"code": coupon["code"], "customerId": each} for each in customers]
    )

    found, _ = await asyncio.gather(redeeming, api.mutate("archiveCoupon", "coupon { id }", id=coupon["id"]))

    assert found.keys() <= {"", "COUPON_ARCHIVED"}
    assert await redemptions(api, coupon["code"]) == found[""]
    await assert_sound(database)


async def test_two_drafts_and_a_renewal_share_the_last_use_of_a_discount(api: Api, database: Database) -> None:
    customer_id = await api.a_customer()
    code = (await a_coupon(api, percentOff="10", duration="ONCE"))["code"]
    await redeemed(api, code, customerId=customer_id)
    drafts = []
    for _ in range(10):
        lines = [{"description": "Work", "unitAmountCents": 1000}]
        made = await api.mutate("createInvoice", "invoice { id }", customerId=customer_id, currency="EUR", lines=lines)
        drafts.append(made["invoice"]["id"])
    finalize = "finalizeInvoice", "invoice { discountCents }"

    answers = await asyncio.gather(
        *(api.mutate(*finalize, id=draft) for draft in drafts),
        api.mutate(
            "createSubscription", "invoice { discountCents }", customerId=customer_id, planId=await api.a_plan()
        ),
    )

    lowered = [answer for answer in answers if answer["invoice"]["discountCents"]]
    assert len(lowered) == 1, answers
    await assert_sound(database)
