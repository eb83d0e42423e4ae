"""What servers of the release before have written, or not written, while they served beside this one."""

from db.access.transactions import Sessions
from db.database import Database
from db.models import Trial
from tests.support import NOW, Api, TestClock, day, read_subscription, run


async def test_a_promised_trial_begins_although_the_plan_was_tried_before(
    api: Api, database: Database, sessions: Sessions, clock: TestClock
) -> None:
    first, second = [await api.a_plan(code=code, trialDays=14) for code in ("first", "second")]
    customer_id = await api.a_customer()
    tried_in = await api.a_subscription(customer_id, first)
    await api.mutate("cancelSubscription", "subscription { id }", id=tried_in, atPeriodEnd=False)
    subscription_id = await api.a_subscription(customer_id, second, startAt=day(5))
    # The migration finds a trial that the server which promised this one did not know of.
    async with sessions.begin() as session:
        session.add(Trial(customer_id=customer_id, plan_id=second, subscription_id=tried_in, started_at=NOW))
    clock.forward(days=5)

    await run(database, clock)

    found = await read_subscription(api, subscription_id, "status trialEnd billingHold { reason }")
    assert found == {"status": "TRIALING", "trialEnd": day(19), "billingHold": None}
    async with sessions() as session:
        kept = await session.get_one(Trial, (customer_id, second))
    assert str(kept.subscription_id) == tried_in
