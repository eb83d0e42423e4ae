"""The tabs of the playground, which lead from a customer to its first payment, and through a year on a test clock."""

from tests.browser.conftest import Browsed


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


async def test_the_first_tab_runs_without_a_click_on_it(address: str, browsed: Browsed) -> None:
    await browsed.page.goto(f"{address}/graphql")
    await browsed.page.wait_for_selector(".graphiql-query-editor .view-line")
    await browsed.page.wait_for_load_state("networkidle")

    await browsed.page.locator(".graphiql-execute-button").click()

    assert (await browsed.shown())["createCustomer"]["userErrors"] == []
