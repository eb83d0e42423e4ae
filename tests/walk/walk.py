"""Runs one walk: each step is applied to the model and sent to the API, and both must agree."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from sqlalchemy import text

from db.database import single_connection
from services.verify import verify, verify_acknowledged
from tests.event_changes import watch_changes, wrongly_named
from tests.walk.api import event_differences
from tests.walk.client import Client, Denied, Failed, Unknown
from tests.walk.formats import differences
from tests.walk.model.shared import Key, Refused, Shared
from tests.walk.model.snapshots import Before
from tests.walk.model.world import World
from tests.walk.postgres import Postgres
from tests.walk.things import thing_differs
from tests.walk.views import compare, disagreements, figure_differences

START = datetime(2027, 1, 31, 12, tzinfo=UTC)
VERIFIED_EVERY = 50
MOST_TRIES = 5

PLAIN, NO_KEY, AGAIN, AT_ONCE, REUSED = "", "no key", "again", "twice at once", "key reused"
"""Ways to send a mutation: with an idempotency key, without one, repeated after completion, twice concurrently, or
repeated with the same key and another input. Any other value is a fault, in the format of the server under test.
"""

ACKNOWLEDGED = ("Customer", "Plan", "Subscription", "Invoice", "Payment", "CreditNote")
"""Types of objects that must exist once the server has named them."""

Made = dict[str, Any]
"""Objects of the model, or None, that the payload must name."""


@dataclass
class Tally:
    """Progress of a walk: mutations by name, accepted and rejected, and the total number of steps."""

    steps: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    """Error codes of rejected mutations."""
    faults: Counter[str] = field(default_factory=Counter)
    unsure: Counter[str] = field(default_factory=Counter)
    """Final outcome of mutations whose outcome was unknown at first."""
    verified: int = 0


class Walk:
    """Runs steps. `begin` starts with an empty database, `end` compares everything once more."""

    def __init__(self, postgres: Postgres, client: Client) -> None:
        self.client = client
        self.tally = Tally(faults=client.fired)
        self.world = World(START)
        self.taken: list[tuple[str, dict[str, Any]]] = []
        """Steps since the start, by name, with their drawn values."""
        self.failed: list[tuple[str, dict[str, Any]]] = []
        """Steps that lead to the latest failure, which is the smallest one after shrinking."""
        self.failure: Exception | None = None
        """The latest failure."""
        self.failed_at: int | None = None
        """Total number of steps until the first failure was found."""
        self._postgres = postgres
        self._keys = count()
        self._acknowledged: list[str] = []
        self._senders = ThreadPoolExecutor(2)

    def begin(self) -> None:
        self.client.database = self._postgres.new_database()
        asyncio.run(self._watch_changes())
        self.world = World(START)
        self.client.now = START
        self.taken = []
        self._keys = count()
        self._acknowledged = []

    def record(self, name: str, drawn: dict[str, Any]) -> None:
        self.taken.append((name, drawn))
        if len(self.taken) % VERIFIED_EVERY == 0:
            self.verify()

    def fail(self, failure: Exception) -> None:
        """Records a failure and the steps that lead to it."""
        self.failed, self.failure = list(self.taken), failure
        self.failed_at = self.failed_at or self.tally.steps

    def end(self) -> None:
        for customer in self.world.customers:
            compare(self.client, self.world, customer)
            if wrong := event_differences(self.client, customer):
                raise Failed("\n".join(wrong))
        self.compare_touched((), [*self.world.plans, *self.world.clocks, *self.world.keys, *self.world.endpoints])
        self.verify()

    def set_time(self, now: datetime) -> None:
        self.world.now = self.client.now = now

    def step(
        self,
        name: str,
        selection: str,
        fields: dict[str, Any],
        do: Callable[[], Made],
        *,
        how: str = PLAIN,
        has_key: bool = True,
        customers: Sequence[int] = (),
        things: Iterable[Shared] = (),
        told: bool = True,
        token: str | None = None,
    ) -> Any:
        """Sends a mutation and applies it to the model. It may change only these customers and things.

        Returns the payload, or None if the mutation was executed but its response was lost. If `told` is False, the
        customers and things do not show whether it was executed: it is sent again, and may be executed twice.
        """
        self.tally.steps += 1
        touched = list(things)
        before = Before(self.world, customers, touched)
        refused: Refused | None = None
        made: Made = {}
        try:
            made = do()
        except Refused as refusal:
            before.restore()
            refused = refusal
        if has_key and how == NO_KEY and not customers:
            # Nothing would show if an object was created, and which, when a server that has just died gives no answer.
            how = PLAIN
        if has_key and how != NO_KEY:
            fields = self.with_key(fields)
        fault = how if ", " in how else None

        def send(fault: str | None = None, fields: dict[str, Any] = fields) -> Any:
            return self.client.mutate(name, selection, fields, fault=fault, token=token)

        try:
            payload = self.at_once(send) if how == AT_ONCE and has_key else send(fault)
        except Unknown:
            self.client.recover()
            if has_key and how != NO_KEY:
                payload = self.insist(send)
                self.tally.unsure["retried with its key"] += 1
            elif refused is None and told and not self.differ(customers, touched):
                payload = None
                self.tally.unsure["done"] += 1
            else:
                if refused is None and told:
                    before.restore()
                    if wrong := self.differ(customers, touched):
                        raise Failed(f"{name} was neither done nor not done:\n" + "\n".join(wrong)) from None
                    made = do()
                payload = self.insist(send)
                self.tally.unsure["not done, and sent again"] += 1
        if payload is not None:
            self.check(name, payload, made, refused)
            if has_key and how in (AGAIN, REUSED):
                self.send_again(name, send, fields, payload, how)
        (self.tally.refused if refused else self.tally.accepted)[name] += 1
        self.compare_touched(customers, touched)
        if refused is None:
            self.acknowledge(made)
        return payload

    def with_key(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "idempotencyKey": f"key-{next(self._keys)}"}

    def check(self, name: str, payload: Any, made: Made, refused: Refused | None) -> None:
        """Raises `Failed` if the payload is not what the model expects."""
        codes = {error["code"] for error in payload["userErrors"]}
        if refused is not None:
            if not codes or not codes <= refused.codes:
                raise Failed(f"{name} must be refused with one of {sorted(refused.codes)}, and answers {payload}.")
            self.tally.codes.update(codes)
            if any(value is not None for key, value in payload.items() if key != "userErrors"):
                raise Failed(f"{name} is refused, and answers {payload}.")
            return
        if codes:
            raise Failed(f"{name} is allowed, and answers {payload}.")
        for key, thing in made.items():
            said = payload[key] and payload[key]["id"]
            if thing is not None and thing.id is None:
                thing.id = said
            if said != (thing and thing.id) or (thing is not None and said is None):
                raise Failed(f"{name} must answer with {key} {thing and thing.id}, and answers {payload}.")

    def at_once(self, send: Callable[[], Any]) -> Any:
        """Sends a mutation twice concurrently and returns its payload. The payloads must be equal, unless one is
        unknown.
        """
        answers = []
        for sent in [self._senders.submit(send) for _ in range(2)]:
            try:
                answers.append(sent.result())
            except Unknown:
                answers.append(None)
        one, other = answers
        if one is None or other is None:
            answered = one or other
            if answered is None:
                raise Unknown
            return answered
        if one != other:
            raise Failed(f"The same mutation, sent twice at once, answers\n{one}\nand\n{other}")
        return one

    def send_again(self, name: str, send: Callable[..., Any], fields: dict[str, Any], payload: Any, how: str) -> None:
        """Asserts that a repeated mutation is not executed again, and that a rejected one is rejected again."""
        if how == AGAIN:
            if ids(again := send()) != ids(payload):
                raise Failed(f"{name} answers {payload}, and {again} when it is sent again.")
        elif not payload["userErrors"]:
            again = send(fields=other_input(name, fields))
            if [error["code"] for error in again["userErrors"]] != ["IDEMPOTENCY_KEY_REUSED"]:
                raise Failed(f"{name} with the key of another input answers {again}.")

    def insist(self, send: Callable[[], Any]) -> Any:
        """Sends a mutation until there is a payload, and returns it."""
        for _ in range(MOST_TRIES):
            try:
                return send()
            except Unknown as unknown:
                last = unknown
                self.client.recover()
        raise Failed(f"No answer after {MOST_TRIES} tries: {last}\n{self.client.log()}")

    def compare_touched(self, customers: Sequence[int], things: Iterable[Shared]) -> None:
        if wrong := [*self.differ(customers, things), *figure_differences(self.client, self.world)]:
            raise Failed("\n".join(["The API and the model do not agree.", *wrong]))

    def differ(self, customers: Sequence[int], things: Iterable[Shared]) -> list[str]:
        wrong = []
        for number in customers:
            customer = self.world.customers[number]
            # While a clock is advancing, the progress of its customers is not known.
            if customer.clock is None or customer.clock.target is None:
                wrong += disagreements(self.client, self.world, customer)
        for thing in things:
            wrong += self.thing_differs(thing)
        return wrong

    def deny(self, name: str, fields: dict[str, Any], token: str, *codes: str, customers: Sequence[int] = ()) -> None:
        """Sends a mutation that the token does not allow. Asserts that it is denied and changes nothing."""
        self.tally.steps += 1
        try:
            payload = self.insist(lambda: self.client.mutate(name, "", fields, token=token))
        except Denied as denied:
            if str(denied) not in codes:
                raise Failed(f"{name} must be denied with one of {codes}, and is with {denied}.") from None
            self.tally.refused[name] += 1
        else:
            raise Failed(f"{name} must be denied with one of {codes}, and answers {payload}.")
        self.compare_touched(customers, ())

    def thing_differs(self, thing: Shared) -> list[str]:
        if isinstance(thing, Key) and thing.scope == "CUSTOMER":
            return asyncio.run(self._session_differs(thing))
        return thing_differs(self.client, thing)

    async def _session_differs(self, key: Key) -> list[str]:
        """Like `thing_differs`, for a customer session. The API does not show these, so this reads the database."""
        statement = text("SELECT revoked_at, expires_at FROM api_keys WHERE id = CAST(:id AS uuid)")
        async with single_connection(self.client.database) as connection:
            row = (await connection.execute(statement, {"id": key.id})).one()
        return list(differences(list(row), [key.revoked_at, key.expires_at], "customer session"))

    def break_something(self, what: str) -> None:
        """Kills the server or its database, or terminates its connections, while no request is in progress."""
        if not self.client.causes_faults:
            return
        self.tally.steps += 1
        match what:
            case "server":
                self.client.kill_server()
            case "postgres":
                self._postgres.kill()
                self._postgres.revive()
            case _:
                self._postgres.cut_connections()
        self.tally.faults[f"{what}, between steps"] += 1

    def verify(self) -> None:
        """Raises `Failed` if an invariant is violated, if something acknowledged is missing, or if events name other
        columns than those that were changed.
        """
        asyncio.run(self._verify())
        self.tally.verified += 1

    async def _watch_changes(self) -> None:
        async with single_connection(self.client.database) as connection:
            await watch_changes(connection)
            await connection.commit()

    async def _verify(self) -> None:
        async with single_connection(self.client.database) as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            checks = [*await verify(connection), await verify_acknowledged(connection, self._acknowledged)]
            wrong = await wrongly_named(connection)
        if broken := [check.line() for check in checks if not check.holds] + wrong:
            raise Failed("\n".join(broken))

    def acknowledge(self, made: Made) -> None:
        for thing in made.values():
            if type(thing).__name__ in ACKNOWLEDGED:
                self._acknowledged.append(json.dumps({"type": type(thing).__name__, "id": thing.id}))


@contextmanager
def walking(*, defect: str | None = None, causes_faults: bool = True) -> Iterator[Walk]:
    """Runs a walk with a separate PostgreSQL and server. The server gets the bug `defect`, if there is one."""
    with Postgres() as postgres, Client(postgres, defect=defect, causes_faults=causes_faults) as client:
        yield Walk(postgres, client)


def ids(payload: Any) -> dict[str, Any]:
    """Returns the ids that a payload names, and the codes of its user errors."""
    return {
        key: [error["code"] for error in value] if key == "userErrors" else value and value["id"]
        for key, value in payload.items()
    }


OTHER_INPUT: dict[str, tuple[str, Any, Any]] = {
    "createCustomer": ("name", "One", "Another"),
    "createPlan": ("name", "One", "Another"),
    "createSubscription": ("quantity", 77, 78),
    "changeSubscription": ("quantity", 77, 78),
    "cancelSubscription": ("atPeriodEnd", True, False),
    "createInvoice": ("netDays", 77, 78),
    "addInvoiceLine": ("description", "One", "Another"),
    "recordPayment": ("reference", "One", "Another"),
    "recordRefund": ("reference", "One", "Another"),
    "adjustBalance": ("reason", "One", "Another"),
    "createCreditNote": ("reason", "One", "Another"),
    "createTestClock": ("name", "One", "Another"),
    "createTaxRate": ("name", "One", "Another"),
    "createCoupon": ("name", "One", "Another"),
    "redeemCoupon": ("code", "One", "Another"),
}
"""A field of each mutation's input, and two values of which at least one differs from the original. Default: `id`."""


def other_input(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    field_name, one, other = OTHER_INPUT.get(name, ("id", "one", "another"))
    return {**fields, field_name: other if fields.get(field_name) == one else one}
