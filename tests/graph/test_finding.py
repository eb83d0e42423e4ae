"""Finding invoices by number and payments by reference, the list of payments, and the list of currencies."""

import json
from typing import Any

import pytest

from billing.validation import CURRENCIES
from db.database import Database
from tests.graph.test_invoices import a_draft, an_open_invoice
from tests.graph.test_test_clocks import a_clock
from tests.support import Api, TestClock, counted_statements, day

BY_NUMBER = "query ($number: String!) { invoiceByNumber(number: $number) { id number status customer { id } } }"
BY_REFERENCE = "query ($reference: String!) { paymentByReference(reference: $reference) { id reference } }"
PAYMENTS = """
    query ($filter: PaymentFilter, $orderBy: PaymentOrder) {
      payments(first: 100, filter: $filter, orderBy: $orderBy) { totalCount nodes { id } }
    }
"""


async def a_payment(api: Api, customer_id: str, **fields: Any) -> str:
    """Records a payment that is added to the balance, and returns its id."""
    recorded = await api.mutate(
        "recordPayment",
        "payment { id }",
        **{"customerId": customer_id, "amountCents": 700, "currency": "EUR", "allowOverpayment": True, **fields},
    )
    assert recorded["userErrors"] == []
    return str(recorded["payment"]["id"])


async def payments(api: Api, order: str | None = None, direction: str = "ASC", **conditions: Any) -> list[str]:
    """Returns the ids of the payments in the list with this filter and order."""
    order_by = None if order is None else {"field": order, "direction": direction}
    found = (await api(PAYMENTS, filter=conditions, orderBy=order_by))["payments"]
    assert found["totalCount"] == len(found["nodes"])
    return [node["id"] for node in found["nodes"]]


async def number_of(api: Api, invoice_id: str) -> str:
    found = await api("query ($id: ID!) { invoice(id: $id) { number } }", id=invoice_id)
    return str(found["invoice"]["number"])


async def test_an_invoice_is_found_by_its_number(api: Api) -> None:
    customer_id = await api.a_customer()
    first, second = [await an_open_invoice(api, customer_id, 1000) for _ in range(2)]
    await a_draft(api, customer_id)
    numbers = [await number_of(api, invoice_id) for invoice_id in (first, second)]

    found = [(await api(BY_NUMBER, number=number))["invoiceByNumber"] for number in numbers]

    assert found == [
        {"id": invoice_id, "number": number, "status": "OPEN", "customer": {"id": customer_id}}
        for invoice_id, number in zip((first, second), numbers, strict=True)
    ]
    for pasted in (numbers[0].lower(), f" {numbers[0]}", f"\u00a0{numbers[0].title()}\t\r\n"):
        assert (await api(BY_NUMBER, number=pasted))["invoiceByNumber"] == found[0]
    for absent in (numbers[0][:-1], f"{numbers[0]}1", numbers[0].replace("-", " -"), numbers[0].replace("-", "ß"), ""):
        assert (await api(BY_NUMBER, number=absent))["invoiceByNumber"] is None


async def test_lookups_of_many_keys_take_one_statement(api: Api, database: Database) -> None:
    customer_id = await api.a_customer()
    numbers = [await number_of(api, await an_open_invoice(api, customer_id, 1000)) for _ in range(3)]
    references = [(await a_payment(api, customer_id, reference=f"wire {n}"), f"wire {n}") for n in range(3)]
    fields = [f'i{n}: invoiceByNumber(number: "{number}") {{ number }}' for n, number in enumerate(numbers)]
    fields += [f'p{n}: paymentByReference(reference: "wire {n}") {{ id reference }}' for n in range(3)]

    with counted_statements(database) as statements:
        data = await api(f"{{ {' '.join(fields)} }}")

    assert len(statements) == 2, statements.texts
    assert [data[f"i{n}"]["number"] for n in range(3)] == numbers
    assert [(data[f"p{n}"]["id"], data[f"p{n}"]["reference"]) for n in range(3)] == references


async def test_the_newest_payment_with_a_reference_is_found(api: Api, clock: TestClock) -> None:
    customer_id, other_id = await api.a_customer(), await api.a_customer()
    await a_payment(api, customer_id, reference="wire 7")
    clock.forward(days=1)
    await a_payment(api, other_id, reference="wire 7")
    # Of payments that were recorded in the same second, the one with the higher id.
    newest = max([await a_payment(api, each, reference="wire 7") for each in (customer_id, other_id)])
    clock.forward(days=1)
    await a_payment(api, customer_id, reference="wire 77")
    await a_payment(api, customer_id)

    found = (await api(BY_REFERENCE, reference="wire 7"))["paymentByReference"]

    assert found == {"id": newest, "reference": "wire 7"}
    for absent in ("WIRE 7", "wire 7 ", "wire", "wire%"):
        assert (await api(BY_REFERENCE, reference=absent))["paymentByReference"] is None


async def test_payments_are_filtered_and_ordered(api: Api, clock: TestClock) -> None:
    ada, bob = await api.a_customer(), await api.a_customer()
    one = await a_payment(api, ada, amountCents=300, method="CARD", reference="a", receivedAt=day(-1))
    clock.forward(days=1)
    two = await a_payment(api, bob, amountCents=100, method="CASH", reference="b", receivedAt=day(-3))
    clock.forward(days=1)
    three = await a_payment(api, ada, amountCents=200, method="CARD", reference="b")

    assert await payments(api) == [one, two, three]
    assert await payments(api, "CREATED_AT", "DESC") == [three, two, one]
    assert await payments(api, "RECEIVED_AT") == [two, one, three]
    assert await payments(api, "RECEIVED_AT", "DESC") == [three, one, two]
    assert await payments(api, "AMOUNT") == [two, three, one]
    assert await payments(api, "AMOUNT", "DESC") == [one, three, two]
    assert await payments(api, customerId=ada) == [one, three]
    assert await payments(api, "AMOUNT", customerId=ada) == [three, one]
    assert await payments(api, customerId=ada, reference="b") == [three]
    assert await payments(api, reference="b") == [two, three]
    assert await payments(api, "RECEIVED_AT", "DESC", reference="b") == [three, two]
    assert await payments(api, method=["CARD"]) == [one, three]
    assert await payments(api, method=["CASH", "CARD"], reference="b") == [two, three]
    assert await payments(api, method=[]) == []
    assert await payments(api, receivedAt={"from": day(-1), "until": day(2)}) == [one]
    assert await payments(api, method=["CASH"], receivedAt={"until": day(2)}) == [two]
    assert await payments(api, createdAt={"from": day(1), "until": day(2)}) == [two]


@pytest.mark.parametrize("text", ["", " ", "%", "x" * 10_000, "\x01\x1b[31m\x7f\u202e"])
async def test_a_reference_that_no_payment_has_matches_none(api: Api, text: str) -> None:
    await a_payment(api, await api.a_customer())

    assert await payments(api, reference=text) == []
    assert await payments(api, customerId=text) == []


@pytest.mark.parametrize(
    "query",
    [
        "query ($key: String!) { invoiceByNumber(number: $key) { id } }",
        "query ($key: String!) { paymentByReference(reference: $key) { id } }",
        "query ($key: String!) { payments(filter: {reference: $key}) { totalCount } }",
    ],
)
@pytest.mark.parametrize("key", ["a\0b", "a\ud800b"])
async def test_text_that_cannot_be_stored_is_bad_user_input(api: Api, query: str, key: str) -> None:
    content = json.dumps({"query": query, "variables": {"key": key}})

    answer = await api.client.post("/graphql", content=content, headers={"content-type": "application/json"})

    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_payments_on_a_test_clock_are_listed_only_if_asked_for(api: Api) -> None:
    clock_id, other_clock = await a_clock(api), await a_clock(api)
    on_clock, in_real_time = await api.a_customer(testClockId=clock_id), await api.a_customer()
    simulated = await a_payment(api, on_clock, reference="wire 7", method="CARD")
    real = await a_payment(api, in_real_time, reference="wire 7", method="CARD")

    assert await payments(api) == [real]
    assert await payments(api, reference="wire 7") == [real]
    assert await payments(api, "RECEIVED_AT", method=["CARD"]) == [real]
    assert await payments(api, testClockId=clock_id) == [simulated]
    assert await payments(api, customerId=on_clock) == [simulated]
    assert await payments(api, testClockId=other_clock) == await payments(api, testClockId="garbage") == []
    found = await api("query ($id: ID!) { payment(id: $id) { testClock { id } } }", id=simulated)
    assert found == {"payment": {"testClock": {"id": clock_id}}}


async def test_currencies_are_listed_with_their_minor_units(api: Api) -> None:
    found = (await api("{ currencies { code minorUnits } }"))["currencies"]

    codes = [currency["code"] for currency in found]
    assert codes == sorted(CURRENCIES)
    digits = {currency["code"]: currency["minorUnits"] for currency in found}
    assert {code: digits[code] for code in ("EUR", "USD", "JPY", "KWD", "ISK", "CLF")} == {
        "EUR": 2,
        "USD": 2,
        "JPY": 0,
        "KWD": 3,
        "ISK": 0,
        "CLF": 4,
    }
    assert digits.keys().isdisjoint({"XAU", "XTS", "XXX", "DEM"})
