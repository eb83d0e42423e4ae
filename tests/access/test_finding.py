"""Customer sessions find their own invoices, payments and events by number, reference and time."""

from typing import Any

from billing.enums import ApiKeyScope, ObjectType
from billing.ids import CustomerId
from billing.validation import CURRENCIES
from db.database import Database
from db.models import Customer
from graph.settings import Settings
from tests.access.conftest import Serving, a_key, a_session
from tests.graph.test_events import NEWEST_FIRST, an_event, cursor_at_the_end, happened, ids, page, settled
from tests.graph.test_finding import BY_NUMBER, BY_REFERENCE, a_payment, number_of, payments
from tests.graph.test_invoices import an_open_invoice
from tests.support import Api, TestClock, a_customer, stored

KEYED = Settings(requires_key=True)


async def test_a_customer_session_finds_only_the_customers_own(
    api: Api, database: Database, clock: TestClock, serving: Serving
) -> None:
    own, other = await api.a_customer(), await api.a_customer()
    invoices = [await number_of(api, await an_open_invoice(api, each, 1000)) for each in (own, other)]
    mine = await a_payment(api, own, amountCents=1000, reference="wire 7")
    clock.forward(days=1)
    theirs = await a_payment(api, other, amountCents=1000, reference="wire 7")
    client = await serving(KEYED)
    session = client(await a_session(database, clock, CustomerId(own)))  # type: ignore[arg-type]
    merchant = client((await a_key(database, clock, ApiKeyScope.READ)).token)

    async def found(caller: Api) -> tuple[list[str | None], str, list[str], int]:
        numbers = [(await caller(BY_NUMBER, number=number))["invoiceByNumber"] for number in invoices]
        payment = (await caller(BY_REFERENCE, reference="wire 7"))["paymentByReference"]
        currencies = (await caller("{ currencies { code } }"))["currencies"]
        return [each and each["number"] for each in numbers], payment["id"], await payments(caller), len(currencies)

    assert await found(session) == ([invoices[0], None], mine, [mine], len(CURRENCIES))
    assert await found(merchant) == (invoices, theirs, [mine, theirs], len(CURRENCIES))


async def test_a_customer_session_reads_its_own_events_from_now_on(
    api: Api, database: Database, clock: TestClock, serving: Serving
) -> None:
    own, other = await stored(database.sessions, a_customer(), a_customer())
    client = await serving(KEYED)
    session = client(await a_session(database, clock, own.id))

    def about(customer: Customer) -> dict[str, Any]:
        return an_event(customer_id=customer.id, object_type=ObjectType.CUSTOMER, object_id=customer.id)

    await happened(database.sessions, about(own), about(other) | {"version": 1})
    await settled(api, 2)
    cursor = await cursor_at_the_end(session)
    [mine, _] = await happened(database.sessions, about(own) | {"version": 2}, about(other) | {"version": 2})
    await settled(api, 4)

    assert ids(await page(session, after=cursor)) == [mine]
    assert ids(await page(session, first=1, orderBy=NEWEST_FIRST)) == [mine]
