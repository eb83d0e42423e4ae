"""A customer's story, told through the API alone: in the time of a test clock, or of the world.

Days are written `2024-01-31` for midnight UTC, in what is asked for and in what is read; any other instant in full.
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
    """A day's midnight as the API writes it; what is no day as it is."""
    return f"{day}T00:00:00Z" if len(day) == len("2024-01-31") else day


def at(second: int) -> str:
    """A Unix time as the API writes it."""
    return written(datetime.fromtimestamp(second, UTC))


def parsed(day: str) -> datetime:
    return datetime.fromisoformat(instant(day))


def written(moment: datetime) -> str:
    return f"{moment:%FT%TZ}"


def shortened(answer: Any) -> Any:
    """What the API said, with days for midnights, and of invoice numbers only what runs on."""
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
    """What the lines of an invoice come to, one by one."""
    return [line["amountCents"] for line in invoice["lines"]]


class Story:
    """A customer, the latest subscription, and what was seen of them on the way.

    On a test clock, `advance` moves it: in one jump, or at the `pace` of so many steps.
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
        """The story of a new customer on a new test clock that stands at `day`."""
        clock = await api.mutate("createTestClock", "testClock { id }", frozenAt=instant(day))
        assert clock["userErrors"] == []
        test_clock_id = clock["testClock"]["id"]
        story = cls(api, await api.a_customer(**customer, testClockId=test_clock_id), test_clock_id)
        story.now = day
        return story

    @classmethod
    async def in_the_world(cls, api: Api, **customer: Any) -> "Story":
        """The story of a new customer who lives in the time of the API's own clock."""
        return cls(api, await api.a_customer(**customer))

    async def advance(self, day: str) -> None:
        """Moves the clock to `day`, at the story's pace."""
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
        """The payload of a mutation that is not refused."""
        payload = await self.api.mutate(name, selection, **fields)
        assert payload["userErrors"] == [], payload
        return shortened(payload)

    async def subscribe(self, plan_id: str, **fields: Any) -> Any:
        """Subscribes the customer. The first invoice, if there is one yet."""
        selection = f"subscription {{ id }} invoice {{ {INVOICE} }}"
        payload = await self.do("createSubscription", selection, customerId=self.customer_id, planId=plan_id, **fields)
        self.subscription_id = payload["subscription"]["id"]
        return payload["invoice"]

    async def change(self, **fields: Any) -> Any:
        """Changes the subscription. The invoice that this makes, if it makes one."""
        payload = await self.do(
            "changeSubscription", f"subscription {{ id }} invoice {{ {INVOICE} }}", id=self.subscription_id, **fields
        )
        return payload["invoice"]

    async def cancel(self, **fields: Any) -> Any:
        """Cancels the subscription. The last invoice, if there is one."""
        payload = await self.do(
            "cancelSubscription", f"subscription {{ id }} invoice {{ {INVOICE} }}", id=self.subscription_id, **fields
        )
        return payload["invoice"]

    async def pay(self, amount_cents: int, **fields: Any) -> None:
        """Records money that was received."""
        await self.do(
            "recordPayment",
            "payment { id }",
            customerId=self.customer_id,
            amountCents=amount_cents,
            currency="EUR",
            **fields,
        )

    async def invoices(self) -> list[Any]:
        """All invoices of the customer, the first one first."""
        query = f"query ($id: ID!) {{ customer(id: $id) {{ invoices(first: 100) {{ nodes {{ {INVOICE} }} }} }} }}"
        data = await self.api(query, id=self.customer_id)
        nodes: list[Any] = shortened(data["customer"]["invoices"]["nodes"])
        return nodes

    async def invoice(self, number: int) -> Any:
        """The customer's invoice with this running number."""
        [invoice] = [invoice for invoice in await self.invoices() if invoice["number"] == number]
        return invoice

    async def periods(self) -> list[tuple[str, str]]:
        """The spans of the customer's invoices."""
        return [(invoice["periodStart"], invoice["periodEnd"]) for invoice in await self.invoices()]

    async def subscription(self, selection: str = SUBSCRIPTION) -> Any:
        """The subscription as it is now."""
        query = f"query ($id: ID!) {{ subscription(id: $id) {{ {selection} }} }}"
        return shortened((await self.api(query, id=self.subscription_id))["subscription"])

    async def status(self) -> str:
        return str((await self.subscription("status"))["status"])

    async def customer(self, selection: str) -> Any:
        """The customer in its current state."""
        query = f"query ($id: ID!) {{ customer(id: $id) {{ {selection} }} }}"
        return shortened((await self.api(query, id=self.customer_id))["customer"])

    async def look(self) -> None:
        """Adds to what was `seen`: the day, the subscription's status and the customer's balance."""
        balance = (await self.customer("balanceCents"))["balanceCents"]
        self.seen.append((self.now, await self.status(), balance))
