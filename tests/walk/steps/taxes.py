"""Steps with the seller, tax rates and tax ids."""

from hypothesis import strategies as st

from tests.walk.model import taxes
from tests.walk.model.shared import TaxRate
from tests.walk.steps.base import CUSTOMER, HOW, HOW_WITHOUT_KEY, NUMBER, Steps, given, mostly, step
from tests.walk.walk import Made


class TaxSteps(Steps):
    @step(
        "updateSeller",
        name=mostly("Example GmbH", "Example AG", None, but=[" "]),
        phone=st.sampled_from([None, "+49 30 1", "+49 30 2"]),
        how=HOW_WITHOUT_KEY,
    )
    def update_seller(self, name: str | None, phone: str | None, how: str) -> None:
        def do() -> Made:
            return {"seller": taxes.update_seller(self.world, name, phone)}

        fields = given(legalName=name, phone=phone, homeCountry="DE")
        # Each execution stores a version, so a second one cannot be told from the first.
        self.walk.step("updateSeller", "seller { id }", fields, do, how=how, has_key=False, told=False)
        self.walk.compare_touched((), self.world.sellers[-1:])

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

        fields = given(name="Tax", kind=kind, category=category, percent=percent)
        self.walk.step("createTaxRate", "taxRate { id }", fields, do, how=how, things=[rate])

    @step("archiveTaxRate", number=NUMBER, how=HOW_WITHOUT_KEY)
    def archive_tax_rate(self, number: int, how: str) -> None:
        if not self.world.tax_rates:
            return
        rate = self.world.tax_rates[number % len(self.world.tax_rates)]

        def do() -> Made:
            return {"taxRate": taxes.archive_tax_rate(rate)}

        self.walk.step("archiveTaxRate", "taxRate { id }", {"id": rate.id}, do, how=how, has_key=False, things=[rate])

    @step("confirmTaxId", number=CUSTOMER, how=HOW_WITHOUT_KEY)
    def confirm_tax_id(self, number: int, how: str) -> None:
        place = self.customer(number)

        def do() -> Made:
            taxes.confirm_tax_id(self.world, self.world.customers[place])
            return {}

        fields = {"customerId": self.world.customers[place].id, "country": "DE", "value": "DE136695976"}
        self.walk.step("confirmTaxId", "customer { id }", fields, do, how=how, has_key=False, customers=[place])
