"""Taxes: which ones apply to whom, how they are rounded, and how credits and credit notes take them back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from db.database import Database
from tests.graph.test_credits_of_changes import assert_sound
from tests.support import Api, TestClock

EVERYWHERE_SINCE = "2020-01-01T00:00:00Z"

TAXES = "name kind category percent taxableCents amountCents reason"
INVOICE = f"""
    id subtotalCents discountCents taxCents roundingCents amountCents amountDueCents taxDate issuedAt
    taxes {{ {TAXES} }} seller {{ revision legalName }}
    lines {{ id kind amountCents discountCents netCents taxBehavior taxes {{ {TAXES} }} }}
"""

PREVIEW = f"""
    subtotalCents discountCents taxCents roundingCents amountCents taxes {{ {TAXES} }}
"""


@pytest.fixture(autouse=True)
async def books_in_order(database: Database, events_name_changes: None) -> AsyncIterator[None]:
    """After the test, `billing verify` finds no violation, and all events name what they changed."""
    yield
    await assert_sound(database)


async def a_seller(api: Api, country: str = "DE", **fields: Any) -> Any:
    payload = await api.mutate(
        "updateSeller",
        "seller { id revision legalName homeCountry }",
        **{"legalName": "Example GmbH", "homeCountry": country, **fields},
    )
    assert payload["userErrors"] == [], payload
    return payload["seller"]


async def a_rate(api: Api, percent: str, kind: str = "VAT", category: str | None = "S", **fields: Any) -> str:
    payload = await api.mutate(
        "createTaxRate",
        "taxRate { id percent }",
        name="VAT" if kind == "VAT" else f"Sales tax {percent}",
        kind=kind,
        category=category if kind == "VAT" else None,
        percent=percent,
        **fields,
    )
    assert payload["userErrors"] == [], payload
    return str(payload["taxRate"]["id"])


async def registered(api: Api, **rates_by_place: list[str]) -> None:
    """Registers the seller in these places, such as `DE` or `US_CA`."""
    registrations = []
    for place, rate_ids in rates_by_place.items():
        country, _, region = place.partition("_")
        registrations.append(
            {
                "country": country,
                "region": region or None,
                "validFrom": EVERYWHERE_SINCE,
                "taxRateIds": rate_ids,
            }
        )
    payload = await api.mutate("updateSeller", "seller { id }", registrations=registrations)
    assert payload["userErrors"] == [], payload


async def a_customer_in(api: Api, country: str | None, region: str | None = None, **fields: Any) -> str:
    address = None if country is None else {"country": country, "region": region}
    return await api.a_customer(address=address, **fields)


async def an_invoice(api: Api, customer_id: str, *cents: int, finalize: bool = True, **line: Any) -> Any:
    """Creates a one-off invoice with a line for each amount, and finalizes it."""
    lines = [{"description": "Work", "unitAmountCents": each, **line} for each in cents]
    payload = await api.mutate(
        "createInvoice", f"invoice {{ {INVOICE} }}", customerId=customer_id, currency="EUR", lines=lines
    )
    assert payload["userErrors"] == [], payload
    if not finalize:
        return payload["invoice"]
    draft = payload["invoice"]
    payload = await api.mutate("finalizeInvoice", f"invoice {{ {INVOICE} }}", id=draft["id"])
    assert payload["userErrors"] == [], payload
    invoice = payload["invoice"]
    assert {**draft, **{name: invoice[name] for name in ("taxDate", "issuedAt", "seller")}} == invoice
    return invoice


def amounts(invoice: Any) -> tuple[int, int, int]:
    return invoice["subtotalCents"], invoice["taxCents"], invoice["amountCents"]


async def test_without_any_rate_nothing_is_taxed(api: Api) -> None:
    await a_seller(api)
    invoice = await an_invoice(api, await a_customer_in(api, "DE"), 1000)

    assert amounts(invoice) == (1000, 0, 1000)
    assert invoice["taxes"] == invoice["lines"][0]["taxes"] == []
    assert invoice["seller"] == {"revision": 1, "legalName": "Example GmbH"}
    assert invoice["taxDate"] == invoice["issuedAt"]


async def test_case_t01_tax_is_rounded_once_for_each_group(api: Api) -> None:
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "20")])

    invoice = await an_invoice(api, await a_customer_in(api, "DE"), 6833, 6833)

    assert amounts(invoice) == (13666, 2733, 16399)
    assert [line["taxes"][0]["amountCents"] for line in invoice["lines"]] == [1367, 1366]
    assert invoice["taxes"] == [
        {
            "name": "VAT",
            "kind": "VAT",
            "category": "S",
            "percent": "20",
            "taxableCents": 13666,
            "amountCents": 2733,
            "reason": None,
        }
    ]


@pytest.mark.parametrize(("cents", "tax"), [(999, 210), (997, 209)])
async def test_case_t04_tax_is_rounded_to_the_nearest_cent(api: Api, cents: int, tax: int) -> None:
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "21")])

    assert (await an_invoice(api, await a_customer_in(api, "DE"), cents))["taxCents"] == tax


async def test_case_t06_each_sales_tax_is_rounded_by_itself(api: Api) -> None:
    await a_seller(api, "US")
    rates = [await a_rate(api, percent, "SALES") for percent in ("8.875", "2.125", "0.5")]
    await registered(api, US_NY=rates)

    invoice = await an_invoice(api, await a_customer_in(api, "US", "ny"), 9999)

    assert [tax["amountCents"] for tax in invoice["taxes"]] == [887, 212, 50]
    assert [tax["percent"] for tax in invoice["taxes"]] == ["8.875", "2.125", "0.5"]
    assert amounts(invoice) == (9999, 1149, 11148)


async def test_case_t10_a_price_can_include_its_tax(api: Api) -> None:
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "20")])
    customer_id = await a_customer_in(api, "DE")

    inclusive = await an_invoice(api, customer_id, 1200, taxBehavior="INCLUSIVE")
    exclusive = await an_invoice(api, customer_id, 1000)

    assert amounts(inclusive) == amounts(exclusive) == (1000, 200, 1200)
    assert inclusive["lines"][0]["netCents"] == exclusive["lines"][0]["netCents"] == 1000


async def test_case_t08_a_business_in_another_eu_country_owes_the_tax(api: Api) -> None:
    await a_seller(api, "FR")
    await registered(api, FR=[await a_rate(api, "20")], DE=[await a_rate(api, "19")])
    german = {"country": "DE", "value": "DE136695976"}
    business = await a_customer_in(api, "DE", taxIds=[german])
    consumer = await a_customer_in(api, "DE")
    french = await a_customer_in(api, "FR", taxIds=[{"country": "FR", "value": "FR40303265045"}])

    unverified = await an_invoice(api, business, 10000)
    for customer_id, number in ((business, german), (french, {"country": "FR", "value": "FR40303265045"})):
        confirmed = await api.mutate(
            "confirmTaxId", "customer { taxIds { value verifiedAt } }", customerId=customer_id, **number
        )
        assert confirmed["userErrors"] == []
        assert confirmed["customer"]["taxIds"][0]["verifiedAt"]

    assert amounts(unverified) == amounts(await an_invoice(api, consumer, 10000)) == (10000, 1900, 11900)
    verified = await an_invoice(api, business, 10000)
    assert amounts(verified) == (10000, 0, 10000)
    assert [(tax["category"], tax["percent"], tax["reason"]) for tax in verified["taxes"]] == [
        ("AE", "0", "Reverse charge")
    ]
    assert amounts(await an_invoice(api, french, 10000)) == (10000, 2000, 12000)


async def test_a_changed_number_is_no_longer_verified(api: Api) -> None:
    customer_id = await a_customer_in(api, "DE", taxIds=[{"country": "DE", "value": "136 695 976"}])
    await api.mutate("confirmTaxId", "customer { id }", customerId=customer_id, country="DE", value="DE136695976")

    numbers = [{"country": "GR", "value": "094259216"}, {"country": "DE", "value": "DE136695976"}]
    kept = await api.mutate(
        "updateCustomer", "customer { taxIds { country value verifiedAt } }", id=customer_id, taxIds=numbers
    )
    assert [(each["country"], each["value"], bool(each["verifiedAt"])) for each in kept["customer"]["taxIds"]] == [
        ("GR", "EL094259216", False),
        ("DE", "DE136695976", True),
    ]
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, taxIds=None)
    again = await api.mutate("updateCustomer", "customer { taxIds { verifiedAt } }", id=customer_id, taxIds=numbers[1:])
    assert again["customer"]["taxIds"] == [{"verifiedAt": None}]


@pytest.mark.parametrize(
    ("seller", "country", "category", "percent"),
    [
        ("DE", "DE", "S", "19"),
        ("DE", "AT", "S", "20"),
        ("DE", "FR", "S", "19"),
        ("DE", "CH", "O", "0"),
        ("DE", "US", "O", "0"),
        ("DE", None, "S", "19"),
        ("CH", "DE", "S", "19"),
        ("CH", "FR", "O", "0"),
        ("CH", "CH", "O", "0"),
    ],
)
async def test_the_place_of_the_customer_decides(
    api: Api, seller: str, country: str | None, category: str, percent: str
) -> None:
    await a_seller(api, seller)
    await registered(api, DE=[await a_rate(api, "19")], AT=[await a_rate(api, "20")])

    [tax] = (await an_invoice(api, await a_customer_in(api, country), 1000))["taxes"]

    assert (tax["category"], tax["percent"]) == (category, percent)


async def test_the_status_comes_before_the_line_before_the_plan_before_the_customer_before_the_place(api: Api) -> None:
    await a_seller(api)
    of_place, of_customer, of_plan, of_line = [await a_rate(api, percent) for percent in ("1", "2", "3", "4")]
    await registered(api, DE=[of_place])
    plain, rated = await a_customer_in(api, "DE"), await a_customer_in(api, "DE", taxRateIds=[of_customer])
    exempt = await a_customer_in(
        api, "DE", taxRateIds=[of_customer], taxStatus="EXEMPT", taxExemptionReason="Article 132"
    )
    plan_id = await api.a_plan(amountCents=1000, taxRateIds=[of_plan])

    async def subscribed(customer_id: str, plan: str) -> Any:
        payload = await api.mutate(
            "createSubscription", f"invoice {{ {INVOICE} }}", customerId=customer_id, planId=plan
        )
        assert payload["userErrors"] == []
        return payload["invoice"]

    assert amounts(await an_invoice(api, plain, 1000)) == (1000, 10, 1010)
    assert amounts(await an_invoice(api, rated, 1000)) == (1000, 20, 1020)
    assert amounts(await an_invoice(api, rated, 1000, taxRateIds=[of_line])) == (1000, 40, 1040)
    assert amounts(await subscribed(rated, plan_id)) == (1000, 30, 1030)
    [tax] = (await an_invoice(api, exempt, 1000, taxRateIds=[of_line]))["taxes"]
    assert (tax["category"], tax["reason"], tax["amountCents"]) == ("E", "Article 132", 0)


async def test_totals_are_rounded_for_cash(api: Api) -> None:
    await a_seller(api, "CH", cashRounding=[{"currency": "EUR", "incrementCents": 5}])
    await registered(api, CH=[await a_rate(api, "8.1")])
    customer_id = await a_customer_in(api, "CH")

    down, up = await an_invoice(api, customer_id, 1000), await an_invoice(api, customer_id, 1002)

    assert (down["taxCents"], down["roundingCents"], down["amountCents"]) == (81, -1, 1080)
    assert (up["taxCents"], up["roundingCents"], up["amountCents"]) == (81, 2, 1085)
    note = await api.mutate(
        "createCreditNote",
        "creditNote { taxCents roundingCents amountCents }",
        invoiceId=up["id"],
        whole=True,
        reason="Wrong",
    )
    assert note["creditNote"] == {"taxCents": 81, "roundingCents": 2, "amountCents": 1085}


async def test_case_d05_a_credit_carries_the_tax_of_its_charge(api: Api, clock: TestClock) -> None:
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "25")])
    customer_id = await a_customer_in(api, "DE")
    plan_id = await api.a_plan(amountCents=20000)
    subscription_id = await api.a_subscription(customer_id, plan_id)
    clock.forward(days=1)

    payload = await api.mutate(
        "cancelSubscription",
        f"invoice {{ {INVOICE} }}",
        id=subscription_id,
        atPeriodEnd=False,
        settlement="CREDIT",
    )

    assert amounts(payload["invoice"]) == (-19333, -4833, -24166)


async def test_case_n01_the_shares_of_credit_notes_add_up_to_the_invoice(api: Api) -> None:
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "20")])
    invoice = await an_invoice(api, await a_customer_in(api, "DE"), 6833, 6833)

    notes = []
    for line in invoice["lines"]:
        payload = await api.mutate(
            "createCreditNote",
            f"creditNote {{ amountCents taxCents taxes {{ {TAXES} }} lines {{ amountCents netCents }} }}",
            invoiceId=invoice["id"],
            lines=[{"lineId": line["id"], "amountCents": 6833}],
            reason="Wrong",
        )
        assert payload["userErrors"] == [], payload
        notes.append((payload["creditNote"]["taxCents"], payload["creditNote"]["amountCents"]))

    assert notes == [(1367, 8200), (1366, 8199)]


async def test_case_n14_an_unpaid_invoice_takes_the_credit_of_an_early_end(api: Api, clock: TestClock) -> None:
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "20")])
    customer_id = await a_customer_in(api, "DE")
    plan_id = await api.a_plan(amountCents=5000, intervalCount=28)
    subscription_id = await api.a_subscription(customer_id, plan_id)
    payment = {"customerId": customer_id, "amountCents": 6000, "currency": "EUR"}
    assert (await api.mutate("recordPayment", "payment { id }", **payment))["userErrors"] == []
    last = await an_invoice(api, customer_id, 893)
    assert amounts(last) == (893, 179, 1072)
    clock.forward(days=25)

    ended = {"id": subscription_id, "atPeriodEnd": False, "settlement": "CREDIT"}
    credit = (await api.mutate("cancelSubscription", f"invoice {{ {INVOICE} }}", **ended))["invoice"]

    assert amounts(credit) == (-536, -107, -643)
    found = await api("query ($id: ID!) { invoice(id: $id) { amountDueCents } }", id=last["id"])
    assert found["invoice"] == {"amountDueCents": 429}


async def test_a_change_is_one_invoice_whose_tax_is_rounded_once(api: Api, clock: TestClock) -> None:
    """The numbers of acceptance story S01, without its coupon."""
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "19")])
    customer_id = await a_customer_in(api, "DE")
    cheap, dear = [await api.a_plan(amountCents=cents, intervalCount=30) for cents in (8499, 21251)]
    subscription_id = await api.a_subscription(customer_id, cheap)
    clock.forward(days=10)
    change = {"id": subscription_id, "planId": dear, "mode": "IMMEDIATE"}
    query = (
        "query ($input: PreviewSubscriptionChangeInput!) { previewSubscriptionChange(input: $input) {"
        f" invoice {{ {PREVIEW} }} }} }}"
    )
    previewed = (await api(query, input=change))["previewSubscriptionChange"]["invoice"]

    invoice = (await api.mutate("changeSubscription", f"invoice {{ {INVOICE} }}", **change))["invoice"]

    assert [(line["netCents"], line["taxes"][0]["amountCents"]) for line in invoice["lines"]] == [
        (-5666, -1077),
        (14167, 2692),
    ]
    assert amounts(invoice) == (8501, 1615, 10116)
    assert previewed == {name: invoice[name] for name in previewed}


async def test_a_reissued_invoice_has_the_rates_of_its_first_tax_date(api: Api, clock: TestClock) -> None:
    await a_seller(api)
    old, new = await a_rate(api, "19"), await a_rate(api, "20")
    await registered(api, DE=[old])
    french = {"country": "FR", "value": "FR40303265045"}
    customer_id = await a_customer_in(api, "DE", taxIds=[french])
    created = await api.mutate(
        "createSubscription", f"invoice {{ {INVOICE} }}", customerId=customer_id, planId=await api.a_plan()
    )
    first = created["invoice"]
    since = [("2020-01-01T00:00:00Z", old), ("2026-01-31T13:00:00Z", new)]
    places = [{"country": "DE", "validFrom": at, "taxRateIds": [rate_id]} for at, rate_id in since]
    await api.mutate("updateSeller", "seller { id }", registrations=places)
    clock.forward(days=1)

    again = await reissued(api, first["id"])
    await api.mutate("confirmTaxId", "customer { id }", customerId=customer_id, **french)
    as_business = await reissued(api, again["id"])
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, taxIds=None, address={"country": "US"})
    abroad = await reissued(api, as_business["id"])

    assert again["issuedAt"] > again["taxDate"] == first["taxDate"] == as_business["taxDate"]
    assert [tax["percent"] for tax in again["taxes"]] == ["19"]
    assert [(tax["category"], tax["percent"]) for tax in as_business["taxes"]] == [("AE", "0")]
    assert [(tax["category"], tax["percent"]) for tax in abroad["taxes"]] == [("O", "0")]
    query = "query ($id: ID!) { invoice(id: $id) { billTo { taxIds { value verifiedAt } } } }"
    numbers = (await api(query, id=as_business["id"]))["invoice"]["billTo"]["taxIds"]
    assert [(number["value"], bool(number["verifiedAt"])) for number in numbers] == [("FR40303265045", True)]
    assert (await an_invoice(api, await a_customer_in(api, "DE"), 1000))["taxes"][0]["percent"] == "20"


async def reissued(api: Api, invoice_id: str) -> Any:
    await api.mutate("voidInvoice", "invoice { id }", id=invoice_id)
    payload = await api.mutate("reissueInvoice", f"invoice {{ {INVOICE} }}", id=invoice_id)
    assert payload["userErrors"] == [], payload
    return payload["invoice"]


async def test_a_draft_shows_the_taxes_that_it_would_have(api: Api) -> None:
    await a_seller(api)
    vat = await a_rate(api, "19")
    customer_id = await a_customer_in(api, "DE", taxRateIds=[vat])
    draft = await an_invoice(api, customer_id, 1000, finalize=False)
    assert amounts(draft) == (1000, 190, 1190)

    added = await api.mutate(
        "addInvoiceLine", f"invoice {{ {INVOICE} }}", invoiceId=draft["id"], description="Rebate", unitAmountCents=-50
    )
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, taxRateIds=[await a_rate(api, "7")])
    final = await api.mutate("finalizeInvoice", f"invoice {{ {INVOICE} }}", id=draft["id"])

    assert amounts(added["invoice"]) == (950, 181, 1131)
    assert [line["taxes"][0]["amountCents"] for line in added["invoice"]["lines"]] == [190, -9]
    assert amounts(final["invoice"]) == (950, 67, 1017)
    assert [line["taxes"][0]["percent"] for line in final["invoice"]["lines"]] == ["7", "7"]


async def test_a_credit_note_of_an_amount_is_split_with_its_tax(api: Api) -> None:
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "19")])
    invoice = await an_invoice(api, await a_customer_in(api, "DE"), 1000, 2000)
    shown = f"amountCents taxCents taxes {{ {TAXES} }} lines {{ amountCents netCents taxes {{ amountCents }} }}"
    asked = {"invoiceId": invoice["id"], "amountCents": 1000}
    query = (
        f"query ($input: PreviewCreditNoteInput!) {{ previewCreditNote(input: $input) {{ creditNote {{ {shown} }} }} }}"
    )
    previewed = (await api(query, input=asked))["previewCreditNote"]["creditNote"]

    note = (await api.mutate("createCreditNote", f"creditNote {{ {shown} }}", **asked, reason="Late"))["creditNote"]

    assert previewed == note
    assert note["amountCents"] == 1000
    assert note["taxCents"] == sum(line["taxes"][0]["amountCents"] for line in note["lines"]) == 159
    found = await api(
        "query ($id: ID!) { invoice(id: $id) { creditableCents lines { creditableCents } } }", id=invoice["id"]
    )
    assert found["invoice"]["creditableCents"] == 3570 - 1000
    whole = await api.mutate(
        "createCreditNote", "creditNote { amountCents }", invoiceId=invoice["id"], whole=True, reason="All"
    )
    assert whole["creditNote"] == {"amountCents": 2570}


async def test_a_credit_note_and_an_end_never_credit_the_same_tax(api: Api, clock: TestClock) -> None:
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "19")])
    customer_id = await a_customer_in(api, "DE")
    created = await api.mutate(
        "createSubscription",
        f"subscription {{ id }} invoice {{ {INVOICE} }}",
        customerId=customer_id,
        planId=await api.a_plan(amountCents=10000),
    )
    [line] = created["invoice"]["lines"]
    payment = {"customerId": customer_id, "amountCents": 11900, "currency": "EUR"}
    await api.mutate("recordPayment", "payment { id }", **payment)
    clock.forward(days=15)
    credit = {"lines": [{"lineId": line["id"], "amountCents": 4000}], "reason": "Outage"}
    await api.mutate("createCreditNote", "creditNote { id }", invoiceId=created["invoice"]["id"], **credit)

    ended = {"id": created["subscription"]["id"], "atPeriodEnd": False, "settlement": "CREDIT"}
    credited = (await api.mutate("cancelSubscription", f"invoice {{ {INVOICE} }}", **ended))["invoice"]
    rest = await api.mutate(
        "createCreditNote",
        "creditNote { amountCents taxCents }",
        invoiceId=created["invoice"]["id"],
        whole=True,
        reason="All",
    )

    assert amounts(credited) == (-3000, -570, -3570)
    assert rest["creditNote"] == {"amountCents": 11900 - 4760 - 3570, "taxCents": 1900 - 760 - 570}


async def test_a_rate_that_is_not_chosen_yet_changes_nothing(api: Api) -> None:
    await a_seller(api)
    rate_id = await a_rate(api, "19")
    customer_id = await a_customer_in(api, "DE")

    assert (await an_invoice(api, customer_id, 1000))["taxes"] == []
    with_a_rate = await an_invoice(api, customer_id, 1000, taxRateIds=[rate_id])
    assert amounts(with_a_rate) == (1000, 190, 1190)
    await api.mutate("updateCustomer", "customer { id }", id=customer_id, taxStatus="REVERSE_CHARGE")
    assert [tax["category"] for tax in (await an_invoice(api, customer_id, 1000))["taxes"]] == ["AE"]


async def test_the_part_of_a_total_that_is_rounding_is_credited_with_the_rest_only(api: Api) -> None:
    await a_seller(api, cashRounding=[{"currency": "EUR", "incrementCents": 5}])
    invoice = await an_invoice(api, await a_customer_in(api, "DE"), 998)
    assert (invoice["roundingCents"], invoice["amountCents"]) == (2, 1000)

    asked = {"invoiceId": invoice["id"], "reason": "Late"}
    refused = await api.mutate("createCreditNote", "creditNote { id }", **asked, amountCents=999)
    note = await api.mutate("createCreditNote", "creditNote { amountCents roundingCents }", **asked, amountCents=997)
    rest = await api.mutate("createCreditNote", "creditNote { amountCents roundingCents }", **asked, whole=True)

    assert [error["code"] for error in refused["userErrors"]] == ["CREDIT_EXCEEDS_INVOICE"]
    assert note["creditNote"] == {"amountCents": 997, "roundingCents": 0}
    assert [error["code"] for error in rest["userErrors"]] == []
    assert rest["creditNote"] == {"amountCents": 3, "roundingCents": 2}


async def test_an_end_and_a_credit_note_never_return_more_than_was_paid(api: Api, clock: TestClock) -> None:
    await a_seller(api, cashRounding=[{"currency": "EUR", "incrementCents": 5}])
    customer_id = await a_customer_in(api, "US")
    created = await api.mutate(
        "createSubscription",
        f"subscription {{ id }} invoice {{ {INVOICE} }}",
        customerId=customer_id,
        planId=await api.a_plan(amountCents=9998),
    )
    paid = {"customerId": customer_id, "amountCents": 10000, "currency": "EUR"}
    await api.mutate("recordPayment", "payment { id }", **paid)
    clock.forward(minutes=20)
    ended = {"id": created["subscription"]["id"], "atPeriodEnd": False, "settlement": "CREDIT"}
    await api.mutate("cancelSubscription", "invoice { id }", **ended)

    whole = {"invoiceId": created["invoice"]["id"], "whole": True, "reason": "All"}
    note = await api.mutate("createCreditNote", "creditNote { roundingCents } customer { balanceCents }", **whole)

    assert note["creditNote"] == {"roundingCents": 0}
    assert note["customer"]["balanceCents"] <= 10000


async def test_small_amounts_of_a_line_with_several_taxes_are_credited(api: Api) -> None:
    await a_seller(api)
    rates = [await a_rate(api, percent, "SALES") for percent in ("5", "7")]
    invoice = await an_invoice(api, await a_customer_in(api, "US"), 10000, taxRateIds=rates)
    shown = "creditNote { amountCents taxCents taxes { taxableCents } lines { amountCents netCents } }"
    asked = {"invoiceId": invoice["id"], "reason": "Late"}
    line = {"lineId": invoice["lines"][0]["id"], "amountCents": 49}
    assert (await api.mutate("createCreditNote", "creditNote { id }", **asked, lines=[line]))["userErrors"] == []

    for cents in (1, 2, 3, 17):
        note = (await api.mutate("createCreditNote", shown, **asked, amountCents=cents))["creditNote"]
        net = sum(each["netCents"] for each in note["lines"])
        assert note["amountCents"] == cents == net + note["taxCents"]
        assert all(tax["taxableCents"] == net for tax in note["taxes"])
        assert all(each["amountCents"] >= 0 for each in note["lines"])
