"""Base of all steps. A step is a Hypothesis rule whose drawn values can be stored as JSON."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from tests.walk.formats import instant
from tests.walk.model.shared import Plan, TaxRate
from tests.walk.model.world import Customer, World
from tests.walk.walk import AGAIN, AT_ONCE, NO_KEY, PLAIN, REUSED, Walk

Method = TypeVar("Method", bound=Callable[..., None])
Thing = TypeVar("Thing")

NOBODY = "00000000-0000-7000-8000-000000000000"
"""An id that does not exist."""

STATEMENTS = [f"statement, {n}" for n in (1, 2, 3, 5, 8, 12)]
COMMITS = ["before commit, 1", "after commit, 1"]

FAULTS = [
    *(f"{moment}, {action}" for moment in (*STATEMENTS, *COMMITS) for action in ("kill server", "cut connection")),
    *("answer, 1, kill server", "answer, 1, lose answer"),
    *(f"{moment}, kill postgres" for moment in ("statement, 3", *COMMITS)),
]
"""Faults during a mutation: the kind of moment, its number, and the action."""

HOW = st.sampled_from([PLAIN] * 130 + [NO_KEY] * 8 + [AGAIN] * 10 + [AT_ONCE] * 6 + [REUSED] * 6 + FAULTS)
"""Ways to send a mutation with an idempotency key."""

HOW_WITHOUT_KEY = st.sampled_from([PLAIN] * 130 + FAULTS)


def mostly(*good: Any, but: Sequence[Any] = ()) -> st.SearchStrategy[Any]:
    """Draws one of the good values nine times in ten, otherwise one of the others."""
    return st.sampled_from([*good] * max(1, 9 * len(but) // len(good)) + [*but])


def nearly_always(*good: Any, but: Sequence[Any] = ()) -> st.SearchStrategy[Any]:
    """Draws one of the others once in thirty times, for a step that draws many values."""
    return st.sampled_from([*good] * max(1, 29 * len(but) // len(good)) + [*but])


NUMBER = st.integers(0, 7)
"""Index of an existing object, modulo their number."""

CUSTOMER = st.sampled_from([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 5, 6, 7])
"""The same for customers, weighted so that some get a long history."""

ANY = 6
"""From this number on, the chosen object need not fit."""

NAME = mostly("Ada Lovelace", "Grace Hopper", "Łucja", "李", but=[" "])
PO_NUMBER = mostly(None, "PO-7", "4711 / B", but=["P" * 141, "PO\n7"])
MEMO = mostly(None, "Thank you", "Two\nlines", but=["m" * 2001, "a\x07bell"])
METADATA = mostly({}, {"order": "7"}, {"order": "8", "tier": "gold"}, but=[{"k" * 65: "v"}])
NET_DAYS = mostly(None, None, 0, 3, 7, 30, 365, but=[366, -1])
QUANTITY = mostly(1, 2, 3, 4, 7, 10, 10**9, but=[0, 10**9 + 1])
RATES = nearly_always(
    *[[]] * 5, [0], [1], [2], [4], [0, 3], [3, 4], but=[[0, 1], [3, 3], [5], [6], [7], list(range(11))]
)
"""Indexes of tax rates, modulo their number."""
TAX_IDS = [("DE", "DE136695976"), ("FR", "FR40303265045"), ("AT", "ATU13585627")]
AMOUNT = mostly(2900, 1, 100, 999, 3333, 10_000, 70_000, 123_457, 0, but=[-1, 10_000_000])
CURRENCY = mostly("EUR", but=["USD", "XXX"])
SECONDS = st.sampled_from([0, 1, -1, 60, -3600, 86_400, -86_400, -10 * 86_400, 20 * 86_400, 90 * 86_400])
"""Offset from now in seconds."""


def step(*mutations: str, **drawn: st.SearchStrategy[Any]) -> Callable[[Method], Method]:
    """Turns a method that sends these mutations into a rule, and records its arguments."""

    def decorate(method: Method) -> Method:
        @wraps(method)
        def recorded(self: "Steps", **arguments: Any) -> None:
            with self.watched():
                self.walk.record(method.__name__, arguments)
                method(self, **arguments)

        MUTATIONS.update(mutations)
        as_rule: Any = rule
        return as_rule(**drawn)(recorded)  # type: ignore[no-any-return]

    return decorate


MUTATIONS: set[str] = set()
"""Names of the mutations that steps send."""


class Steps(RuleBasedStateMachine):
    """Runs the steps of `walk`, which a subclass sets, from its start."""

    walk: ClassVar[Walk]

    def __init__(self) -> None:
        super().__init__()
        self._has_failed = False
        self.walk.begin()

    def teardown(self) -> None:
        if not self._has_failed:
            with self.watched():
                self.walk.end()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Records the steps if they lead to a failure."""
        try:
            yield
        except Exception as failure:
            self._has_failed = True
            self.walk.fail(failure)
            raise

    @property
    def world(self) -> World:
        return self.walk.world

    def customer(self, number: int, fits: Callable[[Customer], object] = bool) -> int:
        """Returns the index of a customer, usually one that fits if there is any."""
        places = range(len(self.world.customers))
        fitting = [place for place in places if fits(self.world.customers[place])]
        chosen = fitting if fitting and number < ANY else places
        return chosen[number % len(chosen)]

    def plan(self, number: int) -> Plan:
        return self.world.plans[number % len(self.world.plans)]

    def rates(self, numbers: Sequence[int]) -> tuple[TaxRate, ...]:
        return tuple(self.world.tax_rates[number % len(self.world.tax_rates)] for number in numbers)

    def now(self, customer: Customer) -> datetime:
        return customer.clock.frozen_at if customer.clock else self.world.now

    def at(self, customer: Customer, seconds: int | None) -> datetime | None:
        """Returns the instant `seconds` after the customer's current time."""
        return None if seconds is None else self.now(customer) + timedelta(seconds=seconds)


def pick(things: list[Thing], number: int) -> int | None:
    """Returns the index of one of the things, usually a recent one, or None if there are none."""
    return None if not things else len(things) - 1 - number % len(things)


def given(**fields: Any) -> dict[str, Any]:
    """Returns the fields of an input that are not None, with instants in the API's format."""
    return {
        name: instant(value) if isinstance(value, datetime) else value
        for name, value in fields.items()
        if value is not None
    }
