"""E-mail addresses are unique among the customers that are not archived, separately in each time."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import text

from db.access.transactions import Sessions
from db.database import Database
from services.verify import snapshot, verify
from tests.support import Api, refusal

ADA = "ada@example.com"
IN_USE_TWICE = """
    SELECT count(*) FROM (
        SELECT FROM customers WHERE archived_at IS NULL GROUP BY email_key, test_clock_id HAVING count(*) > 1
    ) AS twice
"""


async def a_test_clock(api: Api) -> str:
    return str((await api.mutate("createTestClock", "testClock { id }"))["testClock"]["id"])


async def archive(api: Api, customer_id: str) -> None:
    assert (await api.mutate("archiveCustomer", "customer { id }", id=customer_id))["userErrors"] == []


async def found_by_email(api: Api) -> str | None:
    found = await api("query ($email: String!) { customerByEmail(email: $email) { id } }", email=ADA)
    return found["customerByEmail"] and str(found["customerByEmail"]["id"])


async def test_archiving_a_customer_frees_the_address(api: Api) -> None:
    first = await api.a_customer(email=ADA)
    await archive(api, first)
    before = await found_by_email(api)

    second = await api.a_customer(email=ADA)

    assert before == first
    assert await found_by_email(api) == second


async def test_a_customer_is_not_unarchived_while_another_has_the_address(api: Api) -> None:
    first = await api.a_customer(email=ADA)
    await archive(api, first)
    second = await api.a_customer(email="Ada@Example.com")
    state = "query ($id: ID!) { customer(id: $id) { archivedAt version } }"
    before = await api(state, id=first)

    refused = await api.mutate("unarchiveCustomer", "customer { id }", id=first)
    after = await api(state, id=first)
    await api.mutate("updateCustomer", "customer { id }", id=second, email="grace@example.com")
    unarchived = await api.mutate("unarchiveCustomer", "customer { id archivedAt }", id=first)

    assert refusal(refused) == ("EMAIL_TAKEN", ["input", "id"])
    assert before == after
    assert unarchived == {"customer": {"id": first, "archivedAt": None}, "userErrors": []}
    assert await found_by_email(api) == first


async def test_an_archived_customer_may_get_any_address(api: Api) -> None:
    await api.a_customer(email=ADA)
    other = await api.a_customer()
    await archive(api, other)

    updated = await api.mutate("updateCustomer", "customer { email }", id=other, email=ADA)
    refused = await api.mutate("unarchiveCustomer", "customer { id }", id=other)

    assert updated["customer"] == {"email": ADA}
    assert refusal(refused) == ("EMAIL_TAKEN", ["input", "id"])


async def test_customers_in_other_times_may_have_the_same_address(api: Api) -> None:
    one, other = await a_test_clock(api), await a_test_clock(api)
    on_one = await api.a_customer(email=ADA, testClockId=one)
    on_a_clock = await found_by_email(api)
    await api.a_customer(email=ADA, testClockId=other)
    in_real_time = await api.a_customer(email=ADA)

    refused = [
        await api.mutate("createCustomer", "customer { id }", name="Ada", email=ADA, **fields)
        for fields in ({}, {"testClockId": one}, {"testClockId": other})
    ]

    assert [refusal(payload) for payload in refused] == [("EMAIL_TAKEN", ["input", "email"])] * 3
    assert on_a_clock == on_one
    assert await found_by_email(api) == in_real_time
    await archive(api, in_real_time)
    assert await found_by_email(api) == in_real_time


async def test_the_customer_who_was_archived_last_is_found(api: Api, sessions: Sessions) -> None:
    first, second, third = [await archived(api) for _ in range(3)]
    async with sessions.begin() as session:
        for days, customer_id in ((1, first), (3, second), (2, third)):
            values = {"id": customer_id, "days": days}
            await session.execute(
                text("UPDATE customers SET archived_at = archived_at + :days * interval '1 day' WHERE id = :id"), values
            )

    assert await found_by_email(api) == second


async def archived(api: Api) -> str:
    customer_id = await api.a_customer(email=ADA)
    await archive(api, customer_id)
    return customer_id


async def test_each_address_of_a_request_is_found(api: Api) -> None:
    ada, grace = await api.a_customer(email=ADA), await api.a_customer(email="grace@example.com")

    found = await api(
        """{
          a: customerByEmail(email: "grace@example.com") { id testClock { id } }
          b: customerByEmail(email: "nobody@example.com") { id }
          c: customerByEmail(email: "ADA@example.com") { name }
          d: customerByEmail(email: "ada@example.com") { id subscriptions { totalCount } }
        }"""
    )

    assert found == {
        "a": {"id": grace, "testClock": None},
        "b": None,
        "c": {"name": "Ada Lovelace"},
        "d": {"id": ada, "subscriptions": {"totalCount": 0}},
    }


RACES = 8


async def test_of_creations_and_unarchivings_at_once_one_wins(api: Api, database: Database, sessions: Sessions) -> None:
    for _ in range(RACES):
        async with sessions.begin() as session:
            await session.execute(text("UPDATE customers SET email = id || '@example.com', email_key = id::text"))
        before = [await archived(api) for _ in range(4)]
        unarchivings = (api.mutate("unarchiveCustomer", "customer { id }", id=each) for each in before)
        creations = (api.mutate("createCustomer", "customer { id }", name="Ada", email=ADA) for _ in range(4))

        payloads = await asyncio.gather(*unarchivings, *creations)

        assert outcomes(payloads) == {None: 1, "EMAIL_TAKEN": 7}
        async with sessions() as session:
            assert await session.scalar(text(IN_USE_TWICE)) == 0
    async with snapshot(database) as session:
        assert [check.line() for check in await verify(session) if not check.holds] == []


async def test_a_change_of_address_and_an_unarchiving_at_once(api: Api, sessions: Sessions) -> None:
    for _ in range(RACES):
        first = await archived(api)
        second = await api.a_customer()

        payloads = await asyncio.gather(
            api.mutate("unarchiveCustomer", "customer { id }", id=first),
            api.mutate("updateCustomer", "customer { id }", id=second, email=ADA),
        )

        assert outcomes(payloads) == {None: 1, "EMAIL_TAKEN": 1}
        async with sessions() as session:
            assert await session.scalar(text(IN_USE_TWICE)) == 0
        for customer_id in (first, second):
            await api.mutate("archiveCustomer", "customer { id }", id=customer_id)


async def test_an_archiving_and_a_creation_at_once(api: Api, sessions: Sessions) -> None:
    for number in range(RACES):
        email = f"{number}@example.com"
        first = await api.a_customer(email=email)

        archived_, created = await asyncio.gather(
            api.mutate("archiveCustomer", "customer { id }", id=first),
            api.mutate("createCustomer", "customer { id }", name="Ada", email=email),
        )

        assert archived_["userErrors"] == []
        assert outcomes([created]) in ({None: 1}, {"EMAIL_TAKEN": 1})
        async with sessions() as session:
            assert await session.scalar(text(IN_USE_TWICE)) == 0


def outcomes(payloads: Iterable[Any]) -> Counter[str | None]:
    """Counts the error codes of payloads, and None for each that succeeded."""
    return Counter(payload["userErrors"][0]["code"] if payload["userErrors"] else None for payload in payloads)


@pytest.mark.parametrize("on_a_clock", [True, False])
async def test_the_database_rejects_an_address_in_use_by_the_name_that_older_servers_know(
    api: Api, sessions: Sessions, on_a_clock: bool
) -> None:
    clock_id = await a_test_clock(api) if on_a_clock else None
    await api.a_customer(email=ADA, testClockId=clock_id)
    other = await api.a_customer(testClockId=clock_id)

    async with sessions() as session:
        with pytest.raises(Exception, match='unique constraint "uq_customers_email_key"'):
            await session.execute(
                text("UPDATE customers SET email_key = :key WHERE id = :id"), {"key": ADA, "id": other}
            )
