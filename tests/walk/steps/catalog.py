"""Steps with customers, plans, test clocks and keys."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.walk.model import catalog
from tests.walk.model.shared import Key, Plan, refuse
from tests.walk.steps.base import (
    AMOUNT,
    ANY,
    CURRENCY,
    CUSTOMER,
    HOW,
    HOW_WITHOUT_KEY,
    MEMO,
    NAME,
    NET_DAYS,
    NUMBER,
    PO_NUMBER,
    RATES,
    SECONDS,
    TAX_IDS,
    Steps,
    given,
    mostly,
    step,
)
from tests.walk.walk import Made

INTERVALS = [("DAY", 30), ("MONTH", 1), ("WEEK", 1), ("DAY", 7), ("MONTH", 3), ("YEAR", 1), ("DAY", 3), ("DAY", 0)]
PERMISSIONS = ["CHANGE_SUBSCRIPTION", "CANCEL_SUBSCRIPTION", "REDEEM_COUPONS"]
PLAN_FIELDS = {"trial_days": "trialDays", "net_days": "netDays", "tax_rates": "taxRateIds"}
CUSTOMER_FIELDS = {
    "external_id": "externalId",
    "net_days": "netDays",
    "po_number": "poNumber",
    "invoice_memo": "invoiceMemo",
    "tax_status": "taxStatus",
    "exemption_reason": "taxExemptionReason",
    "tax_ids": "taxIds",
    "tax_rates": "taxRateIds",
}
ADDRESS = st.sampled_from(
    [None, ("DE", None), ("AT", None), ("FR", None), ("US", "NY"), ("US", "ny"), ("US", "CA"), ("CH", None)]
)
"""Country and region."""


def input_of(name: str, value: Any) -> Any:
    """Returns a value of a field in the API's format."""
    match name:
        case "tax_rates":
            return [rate.id for rate in value]
        case "tax_ids":
            return [{"country": country, "value": number} for country, number in value]
        case "address":
            return value and given(country=value[0], region=value[1])
        case _:
            return value


class CatalogSteps(Steps):
    @step(
        "createCustomer",
        name=NAME,
        number=st.integers(0, 12),
        net_days=NET_DAYS,
        external=st.booleans(),
        clock=NUMBER,
        how=HOW,
    )
    def create_customer(
        self, name: str, number: int, net_days: int | None, external: bool, clock: int, how: str
    ) -> None:
        clocks = [None, *self.world.clocks]
        chosen = clocks[clock % len(clocks)]
        email = f"customer-{number}@example.com" if number else "nobody"
        external_id = f"external-{number // 2}" if external else None

        def do() -> Made:
            made = catalog.create_customer(
                self.world, name=name, email=email, external_id=external_id, net_days=net_days, clock=chosen
            )
            return {"customer": made}

        fields = given(
            name=name, email=email, externalId=external_id, netDays=net_days, testClockId=chosen and chosen.id
        )
        before = len(self.world.customers)
        self.walk.step("createCustomer", "customer { id }", fields, do, how=how)
        if len(self.world.customers) > before:
            self.walk.compare_touched([before], ())

    @step(
        "updateCustomer",
        number=CUSTOMER,
        values=st.fixed_dictionaries(
            {},
            optional={
                "name": NAME,
                "email": st.integers(0, 12).map(lambda number: f"Customer-{number}@example.com"),
                "external_id": st.sampled_from([None, "external-0", "external-1", "external-90", "external-91"]),
                "net_days": NET_DAYS,
                "po_number": PO_NUMBER,
                "invoice_memo": MEMO,
                "address": ADDRESS,
                "tax_status": mostly("TAXABLE", "TAXABLE", "EXEMPT", "REVERSE_CHARGE"),
                "exemption_reason": mostly(None, None, "Charity", but=["School"]),
                "tax_ids": st.lists(st.sampled_from(TAX_IDS), max_size=2, unique=True),
                "tax_rates": RATES,
            },
        ),
        stale=mostly(False, but=[True]),
        how=HOW_WITHOUT_KEY,
    )
    def update_customer(self, number: int, values: dict[str, Any], stale: bool, how: str) -> None:
        place = self.customer(number)
        new = {name: self.typed(name, value) for name, value in values.items()}

        def do() -> Made:
            customer = self.world.customers[place]
            catalog.update_customer(self.world, customer, new, stale=stale)
            return {"customer": customer}

        fields: dict[str, Any] = {"id": self.world.customers[place].id}
        if stale:
            # No object has this version: the first one is 1.
            fields["expectedVersion"] = 0
        fields |= {CUSTOMER_FIELDS.get(name, name): input_of(name, value) for name, value in new.items()}
        self.walk.step("updateCustomer", "customer { id }", fields, do, how=how, has_key=False, customers=[place])

    def typed(self, name: str, value: Any) -> Any:
        """Returns a drawn value of a field as the model has it."""
        match name:
            case "tax_rates":
                return self.rates(value)
            case "tax_ids":
                return tuple((country, number) for country, number in value)
            case "address":
                return value and tuple(value)
            case _:
                return value

    @step("archiveCustomer", "unarchiveCustomer", number=CUSTOMER, archived=st.booleans(), how=HOW_WITHOUT_KEY)
    def archive_customer(self, number: int, archived: bool, how: str) -> None:
        place = self.customer(number, lambda customer: not customer.live if archived else customer.archived)

        def do() -> Made:
            customer = self.world.customers[place]
            (catalog.archive_customer if archived else catalog.unarchive_customer)(self.world, customer)
            return {"customer": customer}

        self.walk.step(
            "archiveCustomer" if archived else "unarchiveCustomer",
            "customer { id }",
            {"id": self.world.customers[place].id},
            do,
            how=how,
            has_key=False,
            customers=[place],
            things=[key for key in self.world.keys if key.customer == place],
        )

    @step(
        "createPlan",
        number=st.integers(0, 30),
        name=NAME,
        amount=AMOUNT,
        currency=CURRENCY,
        interval=st.sampled_from(INTERVALS),
        trial_days=mostly(0, 0, 14, but=[731]),
        net_days=NET_DAYS,
        inclusive=st.booleans(),
        tax_rates=RATES,
        how=HOW,
    )
    def create_plan(
        self,
        number: int,
        name: str,
        amount: int,
        currency: str,
        interval: tuple[str, int],
        trial_days: int,
        net_days: int | None,
        inclusive: bool,
        tax_rates: list[int],
        how: str,
    ) -> None:
        unit, count = interval
        plan = Plan(f"plan-{number}", name, amount, currency, unit, count, trial_days, net_days)
        plan.inclusive, plan.tax_rates = inclusive, self.rates(tax_rates)

        def do() -> Made:
            return {"plan": catalog.create_plan(self.world, plan)}

        fields = given(
            code=plan.code,
            name=name,
            amountCents=amount,
            currency=currency,
            interval=unit,
            intervalCount=count,
            trialDays=trial_days,
            netDays=net_days,
            taxBehavior="INCLUSIVE" if inclusive else None,
            taxRateIds=[rate.id for rate in plan.tax_rates],
        )
        self.walk.step("createPlan", "plan { id }", fields, do, how=how, things=[plan])

    @step(
        "updatePlan",
        number=NUMBER,
        values=st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["Pro", "Basic", " "]),
                "description": st.sampled_from([None, "All of it"]),
                "trial_days": st.sampled_from([0, 14, 30, 731]),
                "net_days": NET_DAYS,
                "tax_rates": RATES,
            },
        ),
        how=HOW_WITHOUT_KEY,
    )
    def update_plan(self, number: int, values: dict[str, Any], how: str) -> None:
        plan = self.plan(number)
        new = {name: self.typed(name, value) for name, value in values.items()}

        def do() -> Made:
            catalog.update_plan(plan, new)
            return {"plan": plan}

        fields = {"id": plan.id} | {PLAN_FIELDS.get(name, name): input_of(name, value) for name, value in new.items()}
        self.walk.step("updatePlan", "plan { id }", fields, do, how=how, has_key=False, things=[plan])

    @step("archivePlan", "unarchivePlan", number=NUMBER, archived=st.booleans(), how=HOW_WITHOUT_KEY)
    def archive_plan(self, number: int, archived: bool, how: str) -> None:
        fitting = [plan for plan in self.world.plans if plan.archived != archived]
        plan = fitting[number % len(fitting)] if fitting and number < ANY else self.plan(number)

        def do() -> Made:
            catalog.archive_plan(plan, archived=archived)
            return {"plan": plan}

        name = "archivePlan" if archived else "unarchivePlan"
        self.walk.step(name, "plan { id }", {"id": plan.id}, do, how=how, has_key=False, things=[plan])

    @step("createTestClock", seconds=SECONDS, how=HOW)
    def create_test_clock(self, seconds: int, how: str) -> None:
        frozen_at = self.world.now + timedelta(seconds=seconds)

        def do() -> Made:
            return {"testClock": catalog.create_clock(self.world, frozen_at)}

        self.walk.step("createTestClock", "testClock { id }", given(frozenAt=frozen_at), do, how=how)

    @step(
        "createApiKey",
        name=mostly("robot", but=[" "]),
        scope=mostly("READ", "WRITE", "ADMIN", but=["CUSTOMER"]),
        how=HOW_WITHOUT_KEY,
    )
    def create_api_key(self, name: str, scope: str, how: str) -> None:
        made: list[Key] = []

        def do() -> Made:
            made[:] = [catalog.create_key(self.world, name, scope)]
            return {"apiKey": made[0]}

        payload = self.walk.step(
            "createApiKey",
            "apiKey { id } token",
            {"name": name, "scope": scope},
            do,
            how=how,
            has_key=False,
            told=False,
        )
        if made:
            made[0].token = payload["token"]

    @step(
        "createCustomerSession",
        number=CUSTOMER,
        seconds=mostly(60, 3600, but=[59]),
        permissions=st.sampled_from([PERMISSIONS, PERMISSIONS, PERMISSIONS[:1], PERMISSIONS[1:2], []]),
        plans=st.lists(NUMBER, max_size=3),
        how=HOW_WITHOUT_KEY,
    )
    def create_customer_session(
        self, number: int, seconds: int, permissions: list[str], plans: list[int], how: str
    ) -> None:
        place = self.customer(number)
        chosen = [self.plan(plan) for plan in plans]
        made: list[Key] = []

        def do() -> Made:
            codes = frozenset(plan.code for plan in chosen)
            made[:] = [catalog.create_session(self.world, place, seconds, frozenset(permissions), codes)]
            return {"customerSession": made[0]}

        fields = {
            "customerId": self.world.customers[place].id,
            "ttlSeconds": seconds,
            "permissions": permissions,
            "planIds": [plan.id for plan in chosen],
        }
        payload = self.walk.step(
            "createCustomerSession", "customerSession { id } token", fields, do, how=how, has_key=False, told=False
        )
        if made:
            made[0].token = payload["token"]

    @step("revokeApiKey", number=NUMBER, how=HOW_WITHOUT_KEY)
    def revoke_api_key(self, number: int, how: str) -> None:
        if not self.world.keys:
            return
        key = self.world.keys[number % len(self.world.keys)]

        def do() -> Made:
            catalog.revoke_key(self.world, key)
            return {"apiKey": key}

        self.walk.step("revokeApiKey", "apiKey { id }", {"id": key.id}, do, how=how, has_key=False, things=[key])

    @step("createDemoData")
    def create_demo_data(self) -> None:
        """Requests demo data, which only an empty database gets."""
        if not (self.world.customers or self.world.plans):
            return

        def do() -> Made:
            refuse(DATABASE_NOT_EMPTY=True)
            return {}

        self.walk.step("createDemoData", "customers", {}, do, has_key=False)
