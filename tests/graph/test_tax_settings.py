"""The seller, tax rates and tax profiles: what is accepted, what is refused, and what a change leaves alone."""

import asyncio
from typing import Any

import pytest

from tests.graph.test_taxes import a_customer_in, a_rate, a_seller, amounts, an_invoice, registered
from tests.support import Api, refusal

UNKNOWN = "01930000-0000-7000-8000-000000000000"


async def refused(api: Api, mutation: str, **fields: Any) -> tuple[str, list[str]]:
    """Runs a mutation that is refused, and returns the code and the field."""
    payload = await api.mutate(mutation, "__typename", **fields)
    [error] = payload["userErrors"]
    return error["code"], (error["field"] or [])[1:]


async def test_each_update_of_the_seller_is_a_version_and_invoices_keep_theirs(api: Api) -> None:
    assert await api("{ seller { id } }") == {"seller": None}
    await a_seller(api, timeZone="Europe/Berlin", email="billing@example.com", phone="+49 30 1")
    customer_id = await a_customer_in(api, "DE")
    first = await an_invoice(api, customer_id, 1000)

    payload = await api.mutate(
        "updateSeller",
        "seller { id }",
        legalName=" Example AG ",
        address={"city": "Berlin", "country": "DE"},
        taxIds=[{"country": "DE", "value": "136695976"}],
        bankAccount={"iban": "de89 3704 0044 0532 0130 00", "bic": "COBADEFFXXX"},
        cashRounding=[{"currency": "CHF", "incrementCents": 5}, {"currency": "EUR", "incrementCents": 1}],
        email=None,
    )

    assert payload["userErrors"] == []
    shown = (
        "revision legalName homeCountry timeZone email phone address { city } taxIds { country value verifiedAt }"
        " bankAccount { iban bic bankName } registrations { country } cashRounding { currency incrementCents }"
    )
    found = await api(f"{{ seller {{ id {shown} }} }}")
    assert found["seller"] == {
        "id": payload["seller"]["id"],
        "revision": 2,
        "legalName": "Example AG",
        "homeCountry": "DE",
        "timeZone": "Europe/Berlin",
        "email": None,
        "phone": "+49 30 1",
        "address": {"city": "Berlin"},
        "taxIds": [{"country": "DE", "value": "DE136695976", "verifiedAt": None}],
        "bankAccount": {"iban": "DE89370400440532013000", "bic": "COBADEFFXXX", "bankName": None},
        "registrations": [],
        "cashRounding": [{"currency": "CHF", "incrementCents": 5}],
    }
    assert first["seller"] == {"revision": 1, "legalName": "Example GmbH"}
    assert (await an_invoice(api, customer_id, 1000))["seller"] == {"revision": 2, "legalName": "Example AG"}


async def test_an_update_of_the_seller_that_expects_another_revision_is_refused(api: Api) -> None:
    named = {"legalName": "Example GmbH", "homeCountry": "DE"}

    assert await refused(api, "updateSeller", expectedRevision=1, **named) == (
        "VERSION_CONFLICT",
        ["expectedRevision"],
    )
    first = await api.mutate("updateSeller", "seller { revision }", expectedRevision=0, **named)
    assert await refused(api, "updateSeller", expectedRevision=0, phone="1") == (
        "VERSION_CONFLICT",
        ["expectedRevision"],
    )
    second = await api.mutate("updateSeller", "seller { revision }", expectedRevision=1, phone="1")

    assert (first["seller"], second["seller"]) == ({"revision": 1}, {"revision": 2})


async def test_updates_of_the_seller_at_the_same_time_are_versions_one_after_the_other(api: Api) -> None:
    await a_seller(api)

    payloads = await asyncio.gather(
        *(api.mutate("updateSeller", "seller { revision }", phone=str(number)) for number in range(10))
    )

    assert sorted(payload["seller"]["revision"] for payload in payloads) == [*range(2, 12)]


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"legalName": "Example"}, ("INVALID_INPUT", ["homeCountry"])),
        ({"homeCountry": "DE"}, ("INVALID_INPUT", ["legalName"])),
        ({"legalName": " ", "homeCountry": "DE"}, ("INVALID_INPUT", ["legalName"])),
        ({"legalName": "x" * 256, "homeCountry": "DE"}, ("INVALID_INPUT", ["legalName"])),
        ({"legalName": "Example", "homeCountry": "de"}, ("COUNTRY_UNKNOWN", ["homeCountry"])),
        ({"legalName": "Example", "homeCountry": "DEU"}, ("INVALID_INPUT", ["homeCountry"])),
    ],
)
async def test_the_first_version_of_the_seller_needs_a_name_and_a_country(
    api: Api, fields: dict[str, Any], refusal: tuple[str, list[str]]
) -> None:
    assert await refused(api, "updateSeller", **fields) == refusal
    assert await api("{ seller { id } }") == {"seller": None}


def registration(*rate_ids: str, **fields: Any) -> dict[str, Any]:
    return {"country": "DE", "validFrom": "2026-01-01T00:00:00Z", "taxRateIds": list(rate_ids), **fields}


async def test_a_profile_of_the_seller_that_makes_no_sense_is_refused(api: Api) -> None:
    await a_seller(api)
    rate_id, other, archived = [await a_rate(api, percent) for percent in ("19", "7", "16")]
    await api.mutate("archiveTaxRate", "taxRate { id }", id=archived)
    cases: list[tuple[dict[str, Any], tuple[str, list[str]]]] = [
        ({"legalName": None}, ("INVALID_INPUT", ["legalName"])),
        ({"homeCountry": None}, ("INVALID_INPUT", ["homeCountry"])),
        ({"timeZone": "Berlin"}, ("INVALID_INPUT", ["timeZone"])),
        ({"email": "nobody"}, ("EMAIL_INVALID", ["email"])),
        ({"bankAccount": {"iban": "DE89370400440532013001"}}, ("BANK_ACCOUNT_INVALID", ["bankAccount", "iban"])),
        ({"bankAccount": {"iban": "9" * 1000}}, ("BANK_ACCOUNT_INVALID", ["bankAccount", "iban"])),
        (
            {"bankAccount": {"iban": "DE89370400440532013000", "bic": "A" * 12}},
            ("INVALID_INPUT", ["bankAccount", "bic"]),
        ),
        (
            {"bankAccount": {"iban": "DE89370400440532013000", "bankName": "A" * 256}},
            ("INVALID_INPUT", ["bankAccount", "bankName"]),
        ),
        (
            {"registrations": [registration(rate_id, region="A" * 256)]},
            ("INVALID_INPUT", ["registrations", "0", "region"]),
        ),
        ({"taxIds": [{"country": "DE", "value": "DE1"}]}, ("TAX_ID_INVALID", ["taxIds", "0", "value"])),
        ({"taxIds": [{"country": "XX", "value": "1"}]}, ("COUNTRY_UNKNOWN", ["taxIds", "0", "country"])),
        ({"taxIds": [{"country": "DE", "value": "136695976"}] * 2}, ("INVALID_INPUT", ["taxIds", "1"])),
        ({"cashRounding": [{"currency": "EUR", "incrementCents": 0}]}, ("INVALID_INPUT", ["cashRounding"])),
        ({"cashRounding": [{"currency": "EUR", "incrementCents": 5}] * 2}, ("INVALID_INPUT", ["cashRounding"])),
        ({"cashRounding": [{"currency": "XXX", "incrementCents": 5}]}, ("CURRENCY_UNKNOWN", ["cashRounding"])),
        ({"registrations": [registration()]}, ("INVALID_INPUT", ["registrations", "0", "taxRateIds"])),
        ({"registrations": [registration(UNKNOWN)]}, ("TAX_RATE_NOT_FOUND", ["registrations", "0", "taxRateIds"])),
        ({"registrations": [registration(archived)]}, ("TAX_RATE_ARCHIVED", ["registrations", "0", "taxRateIds"])),
        (
            {"registrations": [registration(rate_id, other)]},
            ("TAX_RATES_CONFLICT", ["registrations", "0", "taxRateIds"]),
        ),
        (
            {"registrations": [registration(rate_id, region="Bavaria"), registration(other, region="BAVARIA ")]},
            ("TAX_REGISTRATIONS_OVERLAP", ["registrations", "1", "validFrom"]),
        ),
        (
            {"registrations": [registration(rate_id, country="EU")]},
            ("COUNTRY_UNKNOWN", ["registrations", "0", "country"]),
        ),
    ]

    for fields, error in cases:
        assert await refused(api, "updateSeller", **fields) == error, fields
    assert (await api("{ seller { revision } }"))["seller"] == {"revision": 1}


async def test_a_tax_rate_needs_a_seller(api: Api) -> None:
    fields = {"name": "VAT", "kind": "VAT", "category": "S", "percent": "19"}

    assert await refused(api, "createTaxRate", **fields) == ("SELLER_MISSING", [])


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"percent": "-1"}, ("TAX_PERCENT_INVALID", ["percent"])),
        ({"percent": "100.0001"}, ("TAX_PERCENT_INVALID", ["percent"])),
        ({"percent": "19.00001"}, ("TAX_PERCENT_INVALID", ["percent"])),
        ({"percent": "0"}, ("TAX_PERCENT_INVALID", ["percent"])),
        ({"category": "Z"}, ("TAX_PERCENT_INVALID", ["percent"])),
        ({"category": "E", "percent": "0"}, ("INVALID_INPUT", ["reason"])),
        ({"category": None}, ("INVALID_INPUT", ["category"])),
        ({"kind": "SALES"}, ("INVALID_INPUT", ["category"])),
        ({"name": " "}, ("INVALID_INPUT", ["name"])),
        ({"reason": "x" * 256}, ("INVALID_INPUT", ["reason"])),
    ],
)
async def test_a_tax_rate_that_makes_no_sense_is_refused(
    api: Api, fields: dict[str, Any], refusal: tuple[str, list[str]]
) -> None:
    await a_seller(api)
    valid = {"name": "VAT", "kind": "VAT", "category": "S", "percent": "19"}

    assert await refused(api, "createTaxRate", **{**valid, **fields}) == refusal
    assert await api("{ taxRates { totalCount } }") == {"taxRates": {"totalCount": 0}}


@pytest.mark.parametrize("percent", [19, "19%", "1e2", "", "NaN", "19,5", None])
async def test_a_percentage_is_a_string_with_a_decimal_number(api: Api, percent: Any) -> None:
    query = 'mutation ($percent: Percent!) { createTaxRate(input: {name: "VAT", kind: SALES, percent: $percent})'
    answer = await api.post(query + " { taxRate { id } } }", percent=percent)

    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_an_archived_rate_applies_where_it_was_chosen_and_cannot_be_chosen_again(api: Api) -> None:
    await a_seller(api)
    rate_id = await a_rate(api, "19")
    customer_id = await a_customer_in(api, "DE", taxRateIds=[rate_id])

    archived = await api.mutate("archiveTaxRate", "taxRate { archivedAt version }", id=rate_id)

    assert archived["taxRate"]["archivedAt"]
    assert archived["taxRate"]["version"] == 2
    assert amounts(await an_invoice(api, customer_id, 1000)) == (1000, 190, 1190)
    assert await refused(api, "archiveTaxRate", id=rate_id) == ("TAX_RATE_ARCHIVED", ["id"])
    assert await refused(api, "archiveTaxRate", id=UNKNOWN) == ("TAX_RATE_NOT_FOUND", ["id"])
    new = {"name": "Ada", "email": "ada@example.com", "taxRateIds": [rate_id]}
    assert await refused(api, "createCustomer", **new) == ("TAX_RATE_ARCHIVED", ["taxRateIds"])
    other = await a_customer_in(api, "DE")
    assert await refused(api, "updateCustomer", id=other, taxRateIds=[rate_id]) == ("TAX_RATE_ARCHIVED", ["taxRateIds"])
    line = {"description": "Work", "unitAmountCents": 1, "taxRateIds": [rate_id]}
    assert await refused(api, "createInvoice", customerId=customer_id, currency="EUR", lines=[line]) == (
        "TAX_RATE_ARCHIVED",
        ["lines", "0", "taxRateIds"],
    )
    plan = {"code": "pro", "name": "Pro", "amountCents": 1, "currency": "EUR", "taxRateIds": [rate_id]}
    assert await refused(api, "createPlan", **plan) == ("TAX_RATE_ARCHIVED", ["taxRateIds"])


async def test_rates_that_cannot_apply_together_are_refused(api: Api) -> None:
    await a_seller(api)
    one, other, sales = await a_rate(api, "19"), await a_rate(api, "7"), await a_rate(api, "1", "SALES")
    new = {"name": "Ada", "email": "ada@example.com"}

    for rate_ids in ([one, other], [sales, sales]):
        assert await refused(api, "createCustomer", **new, taxRateIds=rate_ids) == (
            "TAX_RATES_CONFLICT",
            ["taxRateIds"],
        )
    assert await refused(api, "createCustomer", **new, taxRateIds=[sales] * 11) == ("INVALID_INPUT", ["taxRateIds"])
    customer_id = await a_customer_in(api, None, taxRateIds=[one, sales])
    found = await api("query ($id: ID!) { customer(id: $id) { taxRates { percent } } }", id=customer_id)
    assert found["customer"]["taxRates"] == [{"percent": "19"}, {"percent": "1"}]


async def test_an_exempt_customer_has_a_reason_and_no_other_does(api: Api) -> None:
    new = {"name": "Ada", "email": "ada@example.com"}
    reason = ("INVALID_INPUT", ["taxExemptionReason"])
    assert await refused(api, "createCustomer", **new, taxStatus="EXEMPT") == reason
    assert await refused(api, "createCustomer", **new, taxExemptionReason="Charity") == reason
    customer_id = await a_customer_in(api, None, taxStatus="EXEMPT", taxExemptionReason=" Charity ")
    assert await refused(api, "updateCustomer", id=customer_id, taxExemptionReason=None) == reason

    shown = "customer { taxStatus taxExemptionReason }"
    taxable = await api.mutate("updateCustomer", shown, id=customer_id, taxStatus="TAXABLE")

    assert taxable["customer"] == {"taxStatus": "TAXABLE", "taxExemptionReason": None}


async def test_a_tax_id_that_the_customer_does_not_have_cannot_be_confirmed(api: Api) -> None:
    customer_id = await a_customer_in(api, "DE")
    number = {"country": "DE", "value": "DE136695976"}

    assert await refused(api, "confirmTaxId", customerId=customer_id, **number) == ("TAX_ID_NOT_FOUND", ["value"])
    assert await refused(api, "confirmTaxId", customerId=UNKNOWN, **number) == ("CUSTOMER_NOT_FOUND", ["customerId"])


async def test_a_plan_keeps_its_behavior_and_its_rates_can_be_replaced(api: Api) -> None:
    await a_seller(api)
    old, new = await a_rate(api, "20"), await a_rate(api, "10")
    plan_id = await api.a_plan(amountCents=1320, taxBehavior="INCLUSIVE", taxRateIds=[old])
    shown = "plan { taxBehavior taxRates { percent } version }"

    updated = await api.mutate("updatePlan", shown, id=plan_id, taxRateIds=[new])
    again = await api.mutate("updatePlan", shown, id=plan_id, taxRateIds=[new])

    assert updated["plan"] == {"taxBehavior": "INCLUSIVE", "taxRates": [{"percent": "10"}], "version": 2}
    assert again["plan"]["version"] == 2
    payload = await api.mutate(
        "createSubscription",
        "invoice { subtotalCents taxCents amountCents lines { netCents taxBehavior } }",
        customerId=await a_customer_in(api, "DE"),
        planId=plan_id,
    )
    assert payload["invoice"] == {
        "subtotalCents": 1200,
        "taxCents": 120,
        "amountCents": 1320,
        "lines": [{"netCents": 1200, "taxBehavior": "INCLUSIVE"}],
    }


async def test_a_registration_begins_at_its_time(api: Api) -> None:
    await a_seller(api)
    now, later = await a_rate(api, "19"), await a_rate(api, "20")
    await registered(api, DE=[now])
    both = [
        registration(now, validFrom="2020-01-01T00:00:00Z"),
        registration(later, validFrom="2026-02-01T00:00:00Z"),
    ]
    await api.mutate("updateSeller", "seller { id }", registrations=both)
    clock = await api.mutate("createTestClock", "testClock { id }", frozenAt="2026-02-01T00:00:00Z")
    in_time = await a_customer_in(api, "DE", testClockId=clock["testClock"]["id"])

    assert amounts(await an_invoice(api, await a_customer_in(api, "DE"), 1000)) == (1000, 190, 1190)
    assert amounts(await an_invoice(api, in_time, 1000)) == (1000, 200, 1200)


@pytest.mark.parametrize(
    ("country", "value", "stored"),
    [
        ("CH", "CHE107787577IVA", "CHE107787577IVA"),
        ("AU", "51 824 753 556", "51824753556"),
        ("GB", "980780684", "980780684"),
    ],
)
async def test_a_number_from_outside_the_eu_is_kept_as_it_is(api: Api, country: str, value: str, stored: str) -> None:
    customer_id = await a_customer_in(api, country, taxIds=[{"country": country, "value": value}])
    shown = "customer { name taxIds { country value } }"

    renamed = await api.mutate("updateCustomer", shown, id=customer_id, name="Countess")
    again = await api.mutate("updateCustomer", shown, id=customer_id, taxIds=renamed["customer"]["taxIds"])

    assert renamed["userErrors"] == again["userErrors"] == []
    assert again["customer"] == {"name": "Countess", "taxIds": [{"country": country, "value": stored}]}


async def test_what_was_chosen_before_a_rate_was_archived_can_be_sent_again(api: Api) -> None:
    await a_seller(api)
    old, new = await a_rate(api, "16"), await a_rate(api, "19")
    await registered(api, DE=[old])
    customer_id = await a_customer_in(api, "DE", taxRateIds=[old])
    plan_id = await api.a_plan(taxRateIds=[old])
    await api.mutate("archiveTaxRate", "taxRate { id }", id=old)

    history = [registration(old, validFrom="2020-01-01T00:00:00Z"), registration(new)]
    for name, selection, fields in (
        ("updateSeller", "seller { id }", {"registrations": history}),
        ("updateCustomer", "customer { id }", {"id": customer_id, "taxRateIds": [old]}),
        ("updatePlan", "plan { id }", {"id": plan_id, "taxRateIds": [old]}),
    ):
        assert (await api.mutate(name, selection, **fields))["userErrors"] == [], name


async def test_an_update_of_the_seller_that_changes_nothing_is_no_version(api: Api) -> None:
    first = await a_seller(api, phone="1")

    again = await api.mutate("updateSeller", "seller { id revision }", legalName="Example GmbH", phone=" 1 ")

    assert again["seller"] == {"id": first["id"], "revision": 1}


async def test_a_taken_address_is_refused_together_with_tax_rates(api: Api) -> None:
    await api.a_customer(email="taken@example.com", externalId="taken")
    await a_seller(api)
    rate_id = await a_rate(api, "19")
    customer_id = await api.a_customer()

    for fields, expected in (
        ({"email": "taken@example.com"}, ("EMAIL_TAKEN", ["input", "email"])),
        ({"externalId": "taken"}, ("EXTERNAL_ID_TAKEN", ["input", "externalId"])),
    ):
        payload = await api.mutate("updateCustomer", "customer { id }", id=customer_id, taxRateIds=[rate_id], **fields)
        assert refusal(payload) == expected


async def test_an_update_with_tax_rates_reports_all_other_changes(api: Api) -> None:
    await a_seller(api)
    rate_id = await a_rate(api, "19")
    customer_id, plan_id = await api.a_customer(taxRateIds=[rate_id]), await api.a_plan(taxRateIds=[rate_id])

    for kind, id_ in (("Customer", customer_id), ("Plan", plan_id)):
        name = kind.lower()
        payload = await api.mutate(
            f"update{kind}", f"{name} {{ name version }}", id=id_, name="Grace", taxRateIds=[rate_id]
        )
        query = "query ($id: ID!) { events(filter: {objectId: $id}) { nodes { version changes } } }"
        events = (await api(query, id=id_))["events"]["nodes"]

        assert payload[name] == {"name": "Grace", "version": 2}
        assert events[-1] == {"version": 2, "changes": ["name"]}


async def test_a_draft_is_finalized_without_the_taxes_of_a_registration_that_is_gone(api: Api) -> None:
    await a_seller(api)
    await registered(api, DE=[await a_rate(api, "19")])
    customer_id = await a_customer_in(api, "DE")
    draft = await an_invoice(api, customer_id, 1000, finalize=False)
    await registered(api)

    invoice = await api.mutate("finalizeInvoice", "invoice { taxCents amountCents lines { netCents } }", id=draft["id"])

    assert draft["taxCents"] == 190
    assert invoice["invoice"] == {"taxCents": 0, "amountCents": 1000, "lines": [{"netCents": 1000}]}
