"""Steps with the seller, tax rates and tax ids."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.walk.model import taxes
from tests.walk.model.shared import Registration, TaxRate
from tests.walk.steps.base import (
    CUSTOMER,
    HOW,
    HOW_WITHOUT_KEY,
    NUMBER,
    TAX_IDS,
    Steps,
    given,
    mostly,
    nearly_always,
    step,
)
from tests.walk.walk import PLAIN, START, Made

Place = tuple[str, str | None, int, list[int]]
"""Country and region of a registration, the day from which it is valid, and indexes of its rates."""

LONG_AGO = -4000
GERMANY: list[Place] = [("DE", None, LONG_AGO, [0]), ("DE", None, 60, [1]), ("DE", None, 200, [0])]
FRANCE: Place = ("FR", None, LONG_AGO, [2])
NEW_YORK: Place = ("US", "NY", LONG_AGO, [3, 4])
CALIFORNIA: Place = ("US", "ca", 20, [4])
REGISTRATIONS = nearly_always(
    *[None] * 8,
    [*GERMANY, FRANCE, NEW_YORK],
    [*GERMANY, NEW_YORK, CALIFORNIA],
    [GERMANY[0], FRANCE, ("US", None, LONG_AGO, [3])],
    [],
    but=[[("FR", None, 0, [])], [FRANCE, FRANCE], [("FR", None, 0, [0, 1])], [("FR", None, 0, [5])]],
)
"""Registrations that replace all others, or None to keep them."""


def registration_input(registration: Registration) -> dict[str, Any]:
    return given(
        country=registration.country,
        region=registration.region,
        validFrom=registration.valid_from,
        taxRateIds=[rate.id for rate in registration.rates],
    )


class TaxSteps(Steps):
    @step(
        "updateSeller",
        name=mostly("Example GmbH", "Example AG", None, but=[" "]),
        phone=st.sampled_from([None, "+49 30 1", "+49 30 2"]),
        places=REGISTRATIONS,
        how=HOW_WITHOUT_KEY,
    )
    def update_seller(self, name: str | None, phone: str | None, places: list[Place] | None, how: str) -> None:
        self.describe_seller(name, phone, places, how=how)

    def describe_seller(
        self, name: str | None = None, phone: str | None = None, places: list[Place] | None = None, *, how: str = PLAIN
    ) -> None:
        registrations = None if places is None else list(map(self.registration, places))

        def do() -> Made:
            return {"seller": taxes.update_seller(self.world, name, phone, registrations)}

        fields = given(
            legalName=name,
            phone=phone,
            homeCountry="DE",
            registrations=None if registrations is None else list(map(registration_input, registrations)),
        )
        # Each execution may store a version, so a second one cannot be told from the first.
        self.walk.step("updateSeller", "seller { id }", fields, do, how=how, has_key=False, told=False)
        self.walk.compare_touched((), self.world.sellers.versions[-1:])

    def registration(self, place: Place) -> Registration:
        country, region, day, rates = place
        return Registration(country, region, START + timedelta(days=day), self.rates(rates))

    @step(
        "createTaxRate",
        kind=st.sampled_from(["VAT", "SALES"]),
        category=st.sampled_from([None, "S", "Z"]),
        percent=mostly("19", "8.875", "0", but=["-1", "100.5", "1.00001"]),
        how=HOW,
    )
    def create_tax_rate(self, kind: str, category: str | None, percent: str, how: str) -> None:
        rate = TaxRate(kind, category, percent)

        def do() -> Made:
            return {"taxRate": taxes.create_tax_rate(self.world, rate)}

        fields = given(name=rate.name, kind=kind, category=category, percent=percent)
        self.walk.step("createTaxRate", "taxRate { id }", fields, do, how=how, things=[rate])

    @step("archiveTaxRate", number=NUMBER, how=HOW_WITHOUT_KEY)
    def archive_tax_rate(self, number: int, how: str) -> None:
        if not self.world.tax_rates:
            return
        rate = self.world.tax_rates[number % len(self.world.tax_rates)]

        def do() -> Made:
            return {"taxRate": taxes.archive_tax_rate(rate)}

        self.walk.step("archiveTaxRate", "taxRate { id }", {"id": rate.id}, do, how=how, has_key=False, things=[rate])

    @step("confirmTaxId", number=CUSTOMER, which=NUMBER, how=HOW_WITHOUT_KEY)
    def confirm_tax_id(self, number: int, which: int, how: str) -> None:
        place = self.customer(number, lambda customer: customer.tax_ids)
        own = [each[:2] for each in self.world.customers[place].tax_ids]
        country, value = (own or TAX_IDS)[which % len(own or TAX_IDS)]

        def do() -> Made:
            taxes.confirm_tax_id(self.world, self.world.customers[place], country, value)
            return {"customer": self.world.customers[place]}

        fields = {"customerId": self.world.customers[place].id, "country": country, "value": value}
        self.walk.step("confirmTaxId", "customer { id }", fields, do, how=how, has_key=False, customers=[place])
