"""Story of one customer, told through the API alone, on a test clock or in real time.

Midnight UTC is written as the day alone, `2024-01-31`, in inputs and results. Other instants are written in full.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any

from tests.support import Api

LINE = "kind description quantity amountCents periodStart periodEnd"
INVOICE = f"""
    id number kind status amountCents amountDueCents periodStart periodEnd issuedAt dueAt paidAt version updatedAt
    lines {{ {LINE} }}
"""
SUBSCRIPTION = """
    id status quantity startedAt anchorAt currentPeriodStart currentPeriodEnd trialStart trialEnd nextBillingAt
    cancelAtPeriodEnd canceledAt endedAt version updatedAt plan { name }
"""


def instant(day: str) -> str:
    """Returns midnight of a day in the API's format. Returns full instants unchanged."""
    return f"{day}T00:00:00Z" if len(day) == len("2024-01-31") else day


def at(second: int) -> str:
    """Returns a Unix time in the API's format."""
    return written(datetime.fromtimestamp(second, UTC))


def parsed(day: str) -> datetime:
    return datetime.fromisoformat(instant(day))


def written(moment: datetime) -> str:
    return f"{moment:%FT%TZ}"


def shortened(answer: Any) -> Any:
    """Returns a response with days for midnights and only the sequence in invoice numbers."""
    match answer:
        case dict():
            return {
                name: int(value[-4:]) if name == "number" and value else shortened(value)
                for name, value in answer.items()
            }
        case list():
            return [shortened(value) for value in answer]
        case str():
            return answer.removesuffix("T00:00:00Z")
        case _:
            return answer


def amounts(invoice: Any) -> list[int]:
    """Returns the amount of each line of an invoice."""
    return [line["amountCents"] for line in invoice["lines"]]


class Story:
    """Customer with the latest subscription, and the states that were recorded on the way.

    `advance` moves the test clock to a day: in one jump, or in the steps given by `pace`.
    """

    def __init__(self, api: Api, customer_id: str, test_clock_id: str | None = None) -> None:
        self.api = api
        self.customer_id = customer_id
        self.test_clock_id = test_clock_id
        self.subscription_id = ""
        self.now = ""
        self.pace: Iterator[timedelta] = repeat(timedelta.max)
        self.seen: list[tuple[str, str, int]] = []

    @classmethod
    async def begin(cls, api: Api, day: str, **customer: Any) -> "Story":
        """Creates a customer on a new test clock that is frozen at `day`."""
        clock = await api.mutate("createTestClock", "testClock { id }", frozenAt=instant(day))
        assert clock["userErrors"] == []
        test_clock_id = clock["testClock"]["id"]
        story = cls(api, await api.a_customer(**customer, testClockId=test_clock_id), test_clock_id)
        story.now = day
        return story

    @classmethod
    async def in_real_time(cls, api: Api, **customer: Any) -> "Story":
        """Creates a customer in real time, on the API's own clock."""
        return cls(api, await api.a_customer(**customer))

    async def advance(self, day: str) -> None:
        """Advances the test clock to `day` in the steps given by `pace`."""
        while (step := next(self.pace)) < parsed(day) - parsed(self.now):
            await self._jump(written(parsed(self.now) + step))
        await self._jump(day)

    async def _jump(self, day: str) -> None:
        payload = await self.do(
            "advanceTestClock", "testClock { status frozenAt }", id=self.test_clock_id, to=instant(day)
        )
        assert payload["testClock"] == {"status": "READY", "frozenAt": shortened(instant(day))}
        self.now = day

    async def do(self, name: str, selection: str, /, **fields: Any) -> Any:
        """Runs a mutation that must succeed and returns its payload."""
        payload = await self.api.mutate(name, selection, **fields)
        assert payload["userErrors"] == [], payload
        return shortened(payload)

    async def subscribe(self, plan_id: str, **fields: Any) -> Any:
        """Creates a subscription. Returns the first invoice, or None if there is none yet."""
        selection = f"subscription {{ id }} invoice {{ {INVOICE} }}"
        payload = await self.do("createSubscription", selection, customerId=self.customer_id, planId=plan_id, **fields)
        self.subscription_id = payload["subscription"]["id"]
        return payload["invoice"]

    async def change(self, **fields: Any) -> Any:
        """Changes the subscription. Returns the invoice of the change, or None if there is none."""
        payload = await self.do(
            "changeSubscription", f"subscription {{ id }} invoice {{ {INVOICE} }}", id=self.subscription_id, **fields
        )
        return payload["invoice"]

    async def cancel(self, **fields: Any) -> Any:
        """Cancels the subscription. Returns the last invoice, or None if there is none."""
        payload = await self.do(
            "cancelSubscription", f"subscription {{ id }} invoice {{ {INVOICE} }}", id=self.subscription_id, **fields
        )
        return payload["invoice"]

    async def pay(self, amount_cents: int, **fields: Any) -> None:
        """Records a payment."""
        await self.do(
            "recordPayment",
            "payment { id }",
            customerId=self.customer_id,
            amountCents=amount_cents,
            currency="EUR",
            **fields,
        )

    async def invoices(self) -> list[Any]:
        """Returns all invoices of the customer, oldest first."""
        query = f"query ($id: ID!) {{ customer(id: $id) {{ invoices(first: 100) {{ nodes {{ {INVOICE} }} }} }} }}"
        data = await self.api(query, id=self.customer_id)
        nodes: list[Any] = shortened(data["customer"]["invoices"]["nodes"])
        return nodes

    async def invoice(self, number: int) -> Any:
        """Returns the invoice with this sequence number."""
        [invoice] = [invoice for invoice in await self.invoices() if invoice["number"] == number]
        return invoice

    async def periods(self) -> list[tuple[str, str]]:
        """Returns start and end of the period of each invoice."""
        return [(invoice["periodStart"], invoice["periodEnd"]) for invoice in await self.invoices()]

    async def subscription(self, selection: str = SUBSCRIPTION) -> Any:
        """Returns the current state of the subscription."""
        query = f"query ($id: ID!) {{ subscription(id: $id) {{ {selection} }} }}"
        return shortened((await self.api(query, id=self.subscription_id))["subscription"])

    async def status(self) -> str:
        return str((await self.subscription("status"))["status"])

    async def customer(self, selection: str) -> Any:
        """Returns the current state of the customer."""
        query = f"query ($id: ID!) {{ customer(id: $id) {{ {selection} }} }}"
        return shortened((await self.api(query, id=self.customer_id))["customer"])

    async def look(self) -> None:
        """Appends the current day, the subscription's status and the customer's balance to `seen`."""
        balance = (await self.customer("balanceCents"))["balanceCents"]
        self.seen.append((self.now, await self.status(), balance))
