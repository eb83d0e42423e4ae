"""The tabs of the playground, which lead from a customer to its first payment, and through a year on a test clock."""

import json

from tests.browser.conftest import PATIENCE_MS, Browsed, open_page
from tests.support import TestClock


async def test_the_tabs_of_the_playground_do_the_main_job(address: str, browsed: Browsed) -> None:
    await browsed.page.goto(f"{address}/graphql")
    await browsed.page.wait_for_selector(".graphiql-query-editor .view-line")
    await browsed.page.wait_for_load_state("networkidle")

    customer = await browsed.run_tab("CreateCustomer")
    plan = await browsed.run_tab("CreatePlan")
    subscription = await browsed.run_tab("CreateSubscription")
    nested = await browsed.run_tab("Customers")
    payment = await browsed.run_tab("RecordPayment")
    again = await browsed.run_tab("CreateCustomer")

    assert customer["createCustomer"]["userErrors"] == []
    assert plan["createPlan"]["userErrors"] == []
    made = subscription["createSubscription"]
    assert made["userErrors"] == []
    assert made["invoice"]["status"] == "OPEN"
    assert made["invoice"]["amountCents"] == plan["createPlan"]["plan"]["amountCents"]
    [found] = nested["customers"]["nodes"]
    assert found["id"] == customer["createCustomer"]["customer"]["id"]
    [invoice] = found["subscriptions"]["nodes"][0]["invoices"]["nodes"]
    assert invoice["number"] == made["invoice"]["number"]
    [allocation] = payment["recordPayment"]["payment"]["allocations"]
    assert allocation["invoice"] == {"number": invoice["number"], "status": "PAID", "amountDueCents": 0}
    assert [error["code"] for error in again["createCustomer"]["userErrors"]] == ["EMAIL_TAKEN"]
    assert browsed.hosts == {address.removeprefix("http://")}
    assert browsed.complaints == []


async def test_the_tabs_of_the_playground_let_a_year_go_by(address: str, browsed: Browsed) -> None:
    await browsed.page.goto(f"{address}/graphql")
    await browsed.page.wait_for_selector(".graphiql-query-editor .view-line")
    await browsed.page.wait_for_load_state("networkidle")

    await browsed.run_tab("CreatePlan")
    await browsed.run_tab("CreateTestClock")
    await browsed.run_tab("CreateTestCustomer")
    subscription = await browsed.run_tab("CreateTestSubscription")
    year = await browsed.run_tab("AdvanceTestClock")

    assert subscription["createSubscription"]["subscription"]["status"] == "TRIALING"
    clock = year["advanceTestClock"]["testClock"]
    assert (clock["status"], clock["frozenAt"]) == ("READY", "2027-01-31T00:00:00Z")
    [customer] = clock["customers"]["nodes"]
    assert customer["subscription"]["status"] == "PAST_DUE"
    # The trial, and every 30 days of the remaining 351.
    assert [invoice["amountCents"] for invoice in customer["invoices"]["nodes"]] == [0, *[5800] * 12]
    assert browsed.complaints == []


async def test_the_tabs_of_the_playground_give_a_discount_and_add_tax(address: str, browsed: Browsed) -> None:
    await open_page(address, browsed.page)
    for title in ("CreateCustomer", "CreatePlan", "CreateSubscription"):
        await browsed.run_tab(title)

    discounted = await browsed.run_tab("RedeemCoupon")
    rate = await browsed.run_tab("CreateTaxRate")
    registered = await browsed.run_tab("RegisterForTax")

    upcoming = discounted["redeemCoupon"]["discount"]["customer"]["subscription"]["upcomingInvoices"]
    assert [invoice["amountCents"] for invoice in upcoming] == [2320, 2320, 2320, 2900]
    assert rate["updateSeller"]["userErrors"] == rate["createTaxRate"]["userErrors"] == []
    [registration] = registered["updateSeller"]["seller"]["registrations"]
    assert registration["rates"] == [{"name": "VAT", "percent": "19"}]
    assert browsed.complaints == []


async def test_the_first_tab_runs_without_a_click_on_it(address: str, browsed: Browsed) -> None:
    await browsed.page.goto(f"{address}/graphql")
    await browsed.page.wait_for_selector(".graphiql-query-editor .view-line")
    await browsed.page.wait_for_load_state("networkidle")

    await browsed.page.locator(".graphiql-execute-button").click()

    assert (await browsed.shown())["createCustomer"]["userErrors"] == []


async def test_the_tabs_work_in_a_second_browser_on_the_same_database(address: str, browsed: Browsed) -> None:
    browser = browsed.page.context.browser
    assert browser is not None
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    codes = []

    for each in (browsed, Browsed(await context.new_page())):
        await open_page(address, each.page)
        await each.run_tab("CreateCustomer")
        codes.append((await each.run_tab("CreatePlan"))["createPlan"]["plan"]["code"])
        made = await each.run_tab("CreateSubscription")
        await each.run_tab("CreateTestClock")
        test_customer = await each.run_tab("CreateTestCustomer")

        assert made["createSubscription"]["subscription"]["status"] == "ACTIVE"
        assert test_customer["testCustomer"]["userErrors"] == []

    assert codes[0] != codes[1]


async def test_a_placeholder_is_not_sent(address: str, browsed: Browsed) -> None:
    await open_page(address, browsed.page)
    await browsed.open_tab("CreateSubscription")

    await browsed.page.locator(".graphiql-execute-button").click()

    assert [error["message"] for error in await browsed.shown("errors")] == [
        "Request not sent. Run the tab CreateCustomer first: the id of the customer is filled in here.",
        "Request not sent. Run the tab CreatePlan first: the id of the plan is filled in here.",
    ]
    assert browsed.sent == [("IntrospectionQuery", None)]
    assert browsed.complaints == []


async def test_the_variables_show_the_ids_that_other_tabs_created(address: str, browsed: Browsed) -> None:
    await open_page(address, browsed.page)
    customer = (await browsed.run_tab("CreateCustomer"))["createCustomer"]["customer"]["id"]
    plan = (await browsed.run_tab("CreatePlan"))["createPlan"]["plan"]["id"]
    clock = (await browsed.run_tab("CreateTestClock"))["createTestClock"]["testClock"]["id"]

    assert await browsed.variables("CreateSubscription") == {"customerId": customer, "planId": plan, "quantity": 1}
    assert (await browsed.variables("RecordPayment"))["customerId"] == customer
    assert await browsed.variables("CreateTestSubscription") == {
        "customerId": "<id of the test customer>",
        "planId": plan,
        "quantity": 2,
        "trialDays": 14,
    }
    assert (await browsed.variables("AdvanceTestClock"))["id"] == clock

    await browsed.page.wait_for_function(STORED, arg=customer)
    await open_page(address, browsed.page)
    assert (await browsed.variables("CreateSubscription"))["customerId"] == customer


STORED = "id => localStorage.getItem('graphiql:tabState').includes(id)"


async def test_the_variables_show_the_latest_ids_except_in_tabs_of_the_user(address: str, browsed: Browsed) -> None:
    await open_page(address, browsed.page)
    first = (await browsed.run_tab("CreateCustomer"))["createCustomer"]["customer"]["id"]
    await browsed.page.get_by_role("button", name="New tab").click()
    await browsed.write("operation.graphql", "query Mine($input: ID!) { customer(id: $input) { id } }")
    await browsed.write("variables.json", json.dumps({"input": first}))

    other = await browsed.variables("CreateCustomer") | {"email": "other@example.com"}
    await browsed.write("variables.json", json.dumps({"input": other}))
    second = (await browsed.run_tab("CreateCustomer"))["createCustomer"]["customer"]["id"]

    assert first != second
    assert (await browsed.variables("CreateSubscription"))["customerId"] == second
    assert await browsed.variables("Mine") == first


async def test_the_examples_have_no_marked_variables(address: str, browsed: Browsed) -> None:
    await open_page(address, browsed.page)

    for title, kind in EXAMPLES.items():
        await browsed.open_tab(title)
        await browsed.page.wait_for_function(DESCRIBED, arg=kind)
        # The editor may get the variables of the tab later than their description.
        await browsed.page.wait_for_function(f"async () => (await ({MARKS})()).length === 0")

    await browsed.write("variables.json", '{"input": {"to": "2027-01-31T00:00:00Z"}}')
    assert await browsed.page.evaluate(MARKS) == ['Missing property "id".']


EXAMPLES = {
    "CreateCustomer": "CreateCustomerInput",
    "CreatePlan": "CreatePlanInput",
    "CreateSubscription": "CreateSubscriptionInput",
    "RecordPayment": "RecordPaymentInput",
    "CreateTestClock": "CreateTestClockInput",
    "CreateTestCustomer": "CreateCustomerInput",
    "CreateTestSubscription": "CreateSubscriptionInput",
    "RedeemCoupon": "CreateCouponInput",
    "CreateTaxRate": "CreateTaxRateInput",
    "RegisterForTax": "UpdateSellerInput",
    "AdvanceTestClock": "AdvanceTestClockInput",
}
DESCRIBED = """
    kind => window.__MONACO.languages.json.jsonDefaults.diagnosticsOptions.schemas
        ?.some(({ schema }) => Object.values(schema.properties).some(({ $ref }) => $ref === `#/definitions/${kind}`))
"""
MARKS = """
    async () => {
        const { editor, languages } = window.__MONACO
        const { uri } = editor.getModels().find(model => model.uri.path.endsWith('variables.json'))
        const worker = await (await languages.json.getWorker())(uri)
        return (await worker.doValidation(uri.toString())).map(({ message }) => message)
    }
"""


async def test_the_customers_tab_lists_the_newest_first(address: str, browsed: Browsed, clock: TestClock) -> None:
    await open_page(address, browsed.page)
    for number in range(11):
        clock.forward(seconds=1)
        variables = {"input": {"name": f"Customer {number}", "email": f"{number}@example.com"}}
        await browsed.page.request.post(f"{address}/graphql", data={"query": CREATE, "variables": variables})

    customers = (await browsed.run_tab("Customers"))["customers"]["nodes"]

    assert [customer["name"] for customer in customers] == [f"Customer {number}" for number in range(10, 0, -1)]


CREATE = "mutation ($input: CreateCustomerInput!) { createCustomer(input: $input) { userErrors { code } } }"
