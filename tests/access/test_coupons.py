"""Coupons in customer sessions: redeemed only with the permission, for the own customer, and no code is given away."""

from uuid import UUID

from billing.enums import CustomerPermission
from billing.ids import CustomerId, PlanId
from db.database import Database
from graph.settings import Settings
from tests.access.conftest import Serving, a_session
from tests.access.test_customer_sessions import EVERYTHING
from tests.graph.test_credits_of_changes import assert_sound
from tests.graph.test_discounts import a_coupon, redeemed
from tests.support import Api, TestClock, refusal

KEYED = Settings(requires_key=True)
REDEEM = CustomerPermission.REDEEM_COUPONS
OTHERS = tuple(permission for permission in EVERYTHING if permission is not REDEEM)

PREVIEW = """
query ($input: PreviewSubscriptionInput!) {
  previewSubscription(input: $input) { invoice { discountCents } userErrors { code } }
}
"""
LOOK = """
query ($mine: String!, $other: String!, $id: ID!, $discount: ID!) {
  mine: couponByCode(code: $mine) { code plans { id } redemptions { nodes { customer { id } } } }
  other: couponByCode(code: $other) { code }
  coupon(id: $id) { code }
  coupons { nodes { code } }
  discount(id: $discount) { id }
}
"""


async def test_a_session_redeems_for_its_customer_only(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    code = (await a_coupon(api, percentOff="10"))["code"]
    mine, theirs = await api.a_customer(), await api.a_customer()
    their_subscription = await api.a_subscription(theirs)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(mine)), REDEEM))

    refused = [
        await me.mutate("redeemCoupon", "discount { id }", code=code, **target)
        for target in ({"customerId": theirs}, {"subscriptionId": their_subscription})
    ]
    accepted = await me.mutate(
        "redeemCoupon", "discount { customer { id } coupon { code } }", code=code, customerId=mine
    )

    assert [refusal(each)[0] for each in refused] == ["CUSTOMER_NOT_FOUND", "SUBSCRIPTION_NOT_FOUND"]
    assert accepted["discount"] == {"customer": {"id": mine}, "coupon": {"code": code}}
    await assert_sound(database)


async def test_a_session_without_the_permission_can_neither_redeem_nor_try_codes(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    code = (await a_coupon(api, percentOff="10"))["code"]
    mine, plan_id = await api.a_customer(), await api.a_plan()
    server = await serving(KEYED)
    fields = {"customerId": mine, "planId": plan_id, "couponCodes": [code]}
    answers = {}
    for permissions in (OTHERS, (REDEEM,)):
        token = await a_session(database, clock, CustomerId(UUID(mine)), *permissions, plan_ids=[PlanId(UUID(plan_id))])
        answers[permissions] = (await server(token).post(PREVIEW, input=fields)).json()
    token = await a_session(database, clock, CustomerId(UUID(mine)), *OTHERS)
    redemption = await server(token).post(
        "mutation ($input: RedeemCouponInput!) { redeemCoupon(input: $input) { discount { id } } }",
        input={"code": code, "customerId": mine},
    )

    assert answers[OTHERS]["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert answers[(REDEEM,)]["data"]["previewSubscription"] == {"invoice": {"discountCents": 290}, "userErrors": []}
    assert redemption.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_session_sees_the_coupons_that_its_customer_redeemed(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    mine, other = await a_coupon(api, percentOff="10"), await a_coupon(api, percentOff="20")
    me_id, they_id = await api.a_customer(), await api.a_customer()
    await redeemed(api, mine["code"], customerId=me_id)
    await redeemed(api, mine["code"], customerId=they_id)
    theirs = await redeemed(api, other["code"], customerId=they_id)
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(me_id)), *EVERYTHING))

    found = await me(LOOK, mine=mine["code"], other=other["code"], id=other["id"], discount=theirs["id"])

    assert found == {
        "mine": {"code": mine["code"], "plans": [], "redemptions": {"nodes": [{"customer": {"id": me_id}}]}},
        "other": None,
        "coupon": None,
        "coupons": {"nodes": [{"code": mine["code"]}]},
        "discount": None,
    }


async def test_a_session_cannot_try_many_codes_at_once(
    serving: Serving, api: Api, database: Database, clock: TestClock
) -> None:
    mine = await api.a_customer()
    me = (await serving(KEYED))(await a_session(database, clock, CustomerId(UUID(mine)), REDEEM))

    def tries(number: int) -> str:
        inputs = f'{{customerId: "{mine}", code: "GUESS"}}'
        fields = " ".join(f"a{n}: redeemCoupon(input: {inputs}) {{ userErrors {{ code }} }}" for n in range(number))
        return f"mutation {{ {fields} }}"

    few, many = [(await me.post(tries(number))).json() for number in (2, 15)]
    preview = await me.post(
        PREVIEW, input={"customerId": mine, "planId": await api.a_plan(), "couponCodes": ["GUESS"] * 201}
    )

    assert few["data"]["a1"]["userErrors"] == [{"code": "COUPON_NOT_FOUND"}]
    assert 2 * 100 <= few["extensions"]["cost"]["rows"] < 3 * 100
    assert 15 * 100 <= many["extensions"]["cost"]["rows"] < 16 * 100
    assert preview.json()["errors"][0]["extensions"]["code"] in ("COST_LIMIT", "FORBIDDEN")
