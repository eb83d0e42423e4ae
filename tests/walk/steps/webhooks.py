"""Steps with webhook endpoints."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.walk.model import endpoints
from tests.walk.model.shared import Delivery, WebhookEndpoint
from tests.walk.steps.base import HOW_WITHOUT_KEY, NOBODY, NUMBER, Steps, given, mostly, step
from tests.walk.walk import PLAIN, Made

URL = mostly("https://1.1.1.1/a", "https://1.1.1.1/b", but=["http://1.1.1.1/", "https://127.0.0.1/", "https://0x7f.1/"])
DESCRIPTION = mostly(None, "Shop", "Books", but=["d" * 256])
TYPES = mostly(
    [], ["INVOICE_PAID"], ["CUSTOMER_CREATED", "INVOICE_PAID", "INVOICE_PAID"], but=[["WEBHOOK_ENDPOINT_DISABLED"]]
)
FIRST_EVENTS = "{ events(first: 2) { edges { cursor } } }"


class WebhookSteps(Steps):
    @step(
        "createWebhookEndpoint",
        url=URL,
        description=DESCRIPTION,
        types=TYPES,
        test_clocks=st.booleans(),
        how=HOW_WITHOUT_KEY,
    )
    def create_webhook_endpoint(
        self, url: str, description: str | None, types: list[str], test_clocks: bool, how: str
    ) -> None:
        made: list[WebhookEndpoint] = []

        def do() -> Made:
            endpoint = WebhookEndpoint(url, description, tuple(sorted(set(types))), test_clocks)
            made[:] = [endpoints.create_endpoint(self.world, endpoint)]
            return {"webhookEndpoint": made[0]}

        fields = given(url=url, description=description, eventTypes=types, testClocks=test_clocks)
        self.send("createWebhookEndpoint", fields, do, how=how, told=False)
        self.walk.compare_touched((), made)

    @step(
        "updateWebhookEndpoint",
        number=NUMBER,
        values=st.fixed_dictionaries(
            {}, optional={"url": URL, "description": DESCRIPTION, "event_types": TYPES, "test_clocks": st.booleans()}
        ),
        how=HOW_WITHOUT_KEY,
    )
    def update_webhook_endpoint(self, number: int, values: dict[str, Any], how: str) -> None:
        names = {"event_types": "eventTypes", "test_clocks": "testClocks"}
        fields = {names.get(name, name): value for name, value in values.items()}
        if "event_types" in values:
            values = {**values, "event_types": tuple(sorted(set(values["event_types"])))}
        self.change_endpoint(
            "updateWebhookEndpoint", number, lambda each: endpoints.update_endpoint(each, values), how, **fields
        )

    @step("rotateWebhookSecret", number=NUMBER, how=HOW_WITHOUT_KEY)
    def rotate_webhook_secret(self, number: int, how: str) -> None:
        self.change_endpoint("rotateWebhookSecret", number, lambda each: endpoints.rotate_secret(self.world, each), how)

    @step("enableWebhookEndpoint", number=NUMBER, skips=st.booleans(), how=HOW_WITHOUT_KEY)
    def enable_webhook_endpoint(self, number: int, skips: bool, how: str) -> None:
        fields = {"after": self.first_cursors()[0]} if skips else {}
        self.change_endpoint(
            "enableWebhookEndpoint", number, lambda each: endpoints.enable_endpoint(each, skips=skips), how, **fields
        )

    @step("disableWebhookEndpoint", number=NUMBER, how=HOW_WITHOUT_KEY)
    def disable_webhook_endpoint(self, number: int, how: str) -> None:
        self.change_endpoint(
            "disableWebhookEndpoint", number, lambda each: endpoints.disable_endpoint(self.world, each), how
        )

    @step("deleteWebhookEndpoint", number=NUMBER, how=HOW_WITHOUT_KEY)
    def delete_webhook_endpoint(self, number: int, how: str) -> None:
        endpoint = self.endpoint(number)
        if endpoint is None:
            return

        def do() -> Made:
            endpoints.delete_endpoint(endpoint)
            return {}

        self.send("deleteWebhookEndpoint", {"id": endpoint.id}, do, "deletedId", how=how, things=[endpoint])

    @step("sendTestWebhook", number=NUMBER, how=HOW_WITHOUT_KEY)
    def send_test_webhook(self, number: int, how: str) -> None:
        endpoint = self.endpoint(number)
        if endpoint is None:
            return
        made: list[Delivery] = []

        def do() -> Made:
            made[:] = [endpoints.send_test(endpoint)]
            return {"webhookDelivery": made[0]}

        self.send("sendTestWebhook", {"id": endpoint.id}, do, "webhookDelivery { id }", how=how, told=False)
        endpoint.deliveries += made

    @step("replayWebhooks", number=NUMBER, empty=mostly(False, but=[True]))
    def replay_events(self, number: int, empty: bool) -> None:
        one, other = self.first_cursors()
        endpoint = self.endpoint(number)
        if endpoint is None:
            return

        def do() -> Made:
            endpoints.replay_range(endpoint, is_empty=empty)
            return {"webhookEndpoint": endpoint}

        fields = {"endpointId": endpoint.id, "after": other if empty else one, "until": other}
        self.send("replayWebhooks", fields, do, how=PLAIN, told=False)

    @step("replayWebhooks", number=NUMBER, unknown=mostly(False, but=[True]), how=HOW_WITHOUT_KEY)
    def replay_deliveries(self, number: int, unknown: bool, how: str) -> None:
        endpoint = self.endpoint(number)
        if endpoint is None:
            return
        ids = [each.id for each in endpoint.deliveries[-3:]] + ([NOBODY] if unknown else [])

        def do() -> Made:
            endpoints.replay_deliveries(endpoint, len(ids), is_unknown=unknown)
            return {"webhookEndpoint": endpoint}

        fields = {"endpointId": endpoint.id, "deliveryIds": ids}
        self.send("replayWebhooks", fields, do, how=how, things=[endpoint], told=False)

    def change_endpoint(
        self, name: str, number: int, do: Callable[[WebhookEndpoint], None], how: str, **fields: Any
    ) -> None:
        """Sends a mutation that changes an endpoint, unless there is none."""
        endpoint = self.endpoint(number)
        if endpoint is None:
            return

        def changed() -> Made:
            do(endpoint)
            return {"webhookEndpoint": endpoint}

        self.send(name, {"id": endpoint.id, **fields}, changed, how=how, things=[endpoint])

    def send(
        self,
        name: str,
        fields: dict[str, Any],
        do: Callable[[], Made],
        selection: str = "webhookEndpoint { id }",
        *,
        how: str,
        **options: Any,
    ) -> None:
        self.walk.step(name, selection, fields, do, how=how, has_key=False, **options)

    def endpoint(self, number: int) -> WebhookEndpoint | None:
        """Returns an endpoint, usually a recent one, or None if there are none."""
        found = self.world.endpoints
        return found[-1 - number % len(found)] if found else None

    def first_cursors(self) -> tuple[str, str]:
        """Returns the cursors of the first two events, which happened before there were endpoints."""
        one, other = self.walk.client.query(FIRST_EVENTS)["events"]["edges"]
        return one["cursor"], other["cursor"]
