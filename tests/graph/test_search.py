"""Searches for customers by text, and filters by metadata."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from billing.invoicing import first_sequence, invoice_number
from billing.limits import MAX_METADATA_PAIRS
from db.database import Database
from db.models import Customer
from tests.support import Api, TestClock

CUSTOMERS = (
    {"name": "Ada Lovelace", "email": "ada.lovelace@gmail.com", "externalId": "crm-0100%"},
    {"name": "H&M Bäckerei GmbH", "email": "kasse@hm-baeckerei.example", "externalId": "CRM_200"},
    {"name": "ÄRZTEHAUS Süd", "email": "Office@aerzte.example", "externalId": r"a\b"},
    {"name": "Zoë O'Neil", "email": "zoe@gmail.com"},
    {"name": "田中太郎", "email": "tanaka@example.com"},
)
ADA, BAKERY, DOCTORS, ZOE, TANAKA = (str(customer["name"]) for customer in CUSTOMERS)

SEARCH = """
    query ($text: String, $filter: CustomerFilter, $orderBy: CustomerOrder) {
      customers(query: $text, filter: $filter, orderBy: $orderBy) {
        totalCount count(limit: 100) { value precision } nodes { name } } }
"""


@pytest.fixture
async def five(api: Api, database: Database, clock: TestClock) -> Api:
    for number, customer in enumerate(CUSTOMERS):
        await numbered(api, database, f"555{number}", 0, **customer)
        clock.forward(seconds=1)
    return api


async def numbered(api: Api, database: Database, prefix: str, last: int, **fields: Any) -> None:
    """Creates a customer whose last invoice has the sequence `last`. Without it, the invoice prefix is random."""
    customer = await api.a_customer(**fields)
    async with database.sessions.begin() as session:
        changed = {"invoice_prefix": prefix, "last_invoice_number": last}
        await session.execute(update(Customer).where(Customer.id == UUID(customer)).values(changed))


async def found(api: Api, query: str | None, **arguments: Any) -> list[str]:
    [customers] = (await api(SEARCH, text=query, **arguments)).values()
    names = [node["name"] for node in customers["nodes"]]
    assert customers["totalCount"] == len(names)
    assert customers["count"] == {"value": len(names), "precision": "EXACT"}
    return names


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("love", [ADA]),
        ("A LOVE", [ADA]),
        ("GMAIL", [ADA, ZOE]),
        ("@gm", [ADA, ZOE]),
        ("crm", [ADA, BAKERY]),
        ("100%", [ADA]),
        ("0%x", []),
        ("m_2", [BAKERY]),
        ("m_0", []),
        (r"a\b", [DOCTORS]),
        (r"a\\b", []),
        ("h&m", [BAKERY]),
        ("H.M", []),
        ("o'n", [ZOE]),
        ("bäck", [BAKERY]),
        ("ärzte", [DOCTORS]),
        ("  love\t", [ADA]),
        ("中太郎", [TANAKA]),
        ("com crm", []),
        ("nobody", []),
    ],
)
async def test_from_three_characters_on_any_part_is_found(five: Api, query: str, expected: list[str]) -> None:
    assert await found(five, query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("a", [ADA, DOCTORS]),
        ("lo", []),
        ("Z", [ZOE]),
        ("ka", [BAKERY]),
        ("OF", [DOCTORS]),
        ("Är", [DOCTORS]),
        ("cr", [ADA, BAKERY]),
        ("h&", [BAKERY]),
        (r"a\\"[:2], [DOCTORS]),
        ("a%", []),
        ("a_", []),
        ("田中", [TANAKA]),
        ("中", []),
    ],
)
async def test_one_or_two_characters_are_the_beginning(five: Api, query: str, expected: list[str]) -> None:
    assert await found(five, query) == expected


@pytest.mark.parametrize("query", [None, "", "   ", "\n\t"])
async def test_a_blank_search_does_not_filter(five: Api, query: str | None) -> None:
    assert await found(five, query) == [ADA, BAKERY, DOCTORS, ZOE, TANAKA]


CONTROL = "`query` must not contain control characters."
NO_LETTER = "`query` must contain a letter or digit."


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("%%%", NO_LETTER),
        ("_", NO_LETTER),
        ("\\", NO_LETTER),
        ("...-...", NO_LETTER),
        ("a\nb", CONTROL),
        ("a\x07b", CONTROL),
        ("a\x7fb", CONTROL),
        ("a\x85b", CONTROL),
        ("x" * 201, "`query` must have at most 200 characters."),
        ("x" * 10_000, "`query` must have at most 200 characters."),
        ("a\0b", "Text must not contain NUL characters or lone surrogates."),
    ],
    ids=lambda value: repr(value)[:12],
)
async def test_a_search_that_makes_no_sense_is_refused(api: Api, query: str, message: str) -> None:
    document = (await api.post(SEARCH, text=query)).json()

    [error] = document["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"] == message


async def test_the_longest_search_is_answered(five: Api) -> None:
    assert await found(five, "%" * 199 + "a") == []
    assert await found(five, "-" * 199 + "1") == []


async def test_a_search_combines_with_filter_order_and_pages(five: Api) -> None:
    assert await found(five, "gmail", orderBy={"field": "NAME", "direction": "DESC"}) == [ZOE, ADA]
    assert await found(five, "gmail", filter={"archived": True}) == []
    assert await found(five, "gmail", filter={"createdAt": {"from": "2026-01-31T12:00:02Z"}}) == [ZOE]

    query = """query ($after: String, $before: String, $first: Int, $last: Int) {
      customers(query: "gmail", first: $first, after: $after, last: $last, before: $before) {
        nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    [page] = (await five(query, first=1)).values()
    [rest] = (await five(query, first=1, after=page["pageInfo"]["endCursor"])).values()
    [back] = (await five(query, last=1, before=rest["pageInfo"]["startCursor"])).values()
    assert [page["nodes"], rest["nodes"], back["nodes"]] == [[{"name": ADA}], [{"name": ZOE}], [{"name": ADA}]]
    assert [each["pageInfo"]["hasNextPage"] for each in (page, rest)] == [True, False]
    assert back["pageInfo"]["hasPreviousPage"] is False


async def test_a_search_omits_customers_on_a_test_clock(api: Api) -> None:
    made = await api.mutate("createTestClock", "testClock { id }", frozenAt="2026-01-01T00:00:00Z")
    clock = made["testClock"]["id"]
    await api.a_customer(name="Clocked", testClockId=clock)

    assert await found(api, "clocked") == []
    assert await found(api, "clocked", filter={"testClockId": clock}) == ["Clocked"]


async def test_a_search_follows_changes_of_the_customer(api: Api) -> None:
    customer = await api.a_customer(name="Before", externalId="old-id")
    await api.mutate("updateCustomer", "customer { id }", id=customer, name="After", externalId=None)

    assert await found(api, "before") == await found(api, "old-id") == []
    assert await found(api, "after") == ["After"]


async def test_an_invoice_is_found_by_its_number(api: Api) -> None:
    customer = await api.a_customer(name="Billed")
    await api.a_subscription(customer, await api.a_plan())
    document = "query ($id: ID!) { customer(id: $id) { invoices { nodes { number } } } }"
    [invoice] = (await api(document, id=customer))["customer"]["invoices"]["nodes"]
    number = invoice["number"]
    prefix, sequence = number.split("-")

    assert sequence == "0001"
    for query in (number, number.lower(), prefix, prefix[2:7], f"{prefix}-", f"{prefix[-3:]}-0001", f"{prefix}-00"):
        assert await found(api, query) == ["Billed"], query
    for digits in ("0002", "01", "1", "0000", "00001"):
        assert await found(api, f"{prefix}-{digits}") == [], digits
    for query in (f"{prefix[:-1]}-0001", f"{prefix[-2:]}-0001", "-0001", "0001"):
        assert await found(api, query) == [], query


async def test_the_digits_of_a_number_may_be_incomplete(api: Api, database: Database) -> None:
    await numbered(api, database, "AAAQQQ", 0, name="None")
    await numbered(api, database, "BBBQQQ", 120, name="Some")
    await numbered(api, database, "CCCQQQ", 12_345, name="Many", externalId="QQQ-1234567")

    assert await found(api, "qqq-") == ["Some", "Many"]
    assert await found(api, "qqq-01") == ["Some", "Many"]
    assert await found(api, "qqq-0121") == ["Many"]
    assert await found(api, "QQQ-12345") == ["Many"]
    assert await found(api, "CCCQQQ-12346") == []
    # The external id.
    assert await found(api, "QQQ-1234567") == ["Many"]
    assert await found(api, "CCCQQQ-" + "9" * 60) == []


def test_the_first_sequence_is_the_smallest_with_these_digits() -> None:
    last = 23_456
    short = ("", "0", "1", "00", "01", "12", "000", "0000", "0001", "0120", "9999")
    for digits in (*short, "00001", "10000", "12345", "23457"):
        having = [n for n in range(1, last + 1) if invoice_number("X", n).startswith(f"X-{digits}")]
        first = first_sequence(digits)
        assert (first is not None and first <= last) == bool(having), digits
        assert not having or first == having[0], digits


FILTERED = """
    query ($customers: CustomerFilter, $subscriptions: SubscriptionFilter) {
      customers(filter: $customers) { totalCount nodes { id } }
      subscriptions(filter: $subscriptions) { totalCount nodes { id } } }
"""
EU, US = {"key": "region", "value": "EU"}, {"key": "region", "value": "US"}
GOLD = {"key": "tier", "value": 'go"ld\\%'}


async def filtered(api: Api, *pairs: dict[str, str]) -> list[list[str]]:
    document = await api(FILTERED, customers={"metadata": pairs}, subscriptions={"metadata": pairs})
    assert [each["totalCount"] for each in document.values()] == [len(each["nodes"]) for each in document.values()]
    return [[node["id"] for node in each["nodes"]] for each in document.values()]


async def test_rows_are_filtered_by_all_pairs_of_metadata(api: Api, clock: TestClock) -> None:
    made = []
    for pairs in ([EU, GOLD], [EU], [US], []):
        customer = await api.a_customer(metadata=pairs)
        made.append([customer, await api.a_subscription(customer, metadata=pairs)])
        clock.forward(seconds=1)
    customers, subscriptions = map(list, zip(*made, strict=True))

    assert await filtered(api) == [customers, subscriptions]
    assert await filtered(api, EU) == [customers[:2], subscriptions[:2]]
    assert await filtered(api, EU, GOLD) == [customers[:1], subscriptions[:1]]
    assert await filtered(api, GOLD) == [customers[:1], subscriptions[:1]]
    assert await filtered(api, US, GOLD) == [[], []]
    assert await filtered(api, {"key": "EU", "value": "region"}) == [[], []]
    assert await filtered(api, {"key": "tier", "value": "%"}) == [[], []]


@pytest.mark.parametrize("kind", ["customers", "subscriptions"])
@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([EU, US], "Each metadata key may appear only once."),
        ([{"key": str(n), "value": ""} for n in range(MAX_METADATA_PAIRS + 1)], "Metadata must have at most 50 pairs."),
        ([{"key": "", "value": "x"}], "A metadata key must have 1 to 64 characters."),
        ([{"key": "k" * 65, "value": "x"}], "A metadata key must have 1 to 64 characters."),
        ([{"key": "k", "value": "x" * 501}], "A metadata value must have at most 500 characters."),
    ],
    ids=["twice", "too many", "no key", "long key", "long value"],
)
async def test_metadata_that_no_object_can_have_is_refused(api: Api, kind: str, pairs: Any, message: str) -> None:
    document = (await api.post(FILTERED, **{kind: {"metadata": pairs}})).json()

    [error] = document["errors"]
    assert error["path"] == [kind]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["message"] == message
