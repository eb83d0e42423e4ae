"""Objects of the model that do not belong to one customer, and refusals."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, TypeAlias

from tests.walk.model.arithmetic import after, length

order = count()
"""Sequence numbers for everything created, to tell what was created earlier."""


class Refused(Exception):
    """The operation is not allowed, for one of these reasons."""

    def __init__(self, *codes: str) -> None:
        super().__init__(*codes)
        self.codes = frozenset(codes)


def refuse(**reasons: Any) -> None:
    """Raises `Refused` with the codes of the reasons that are true."""
    if found := [code for code, holds in reasons.items() if holds]:
        raise Refused(*found)


@dataclass(eq=False)
class Clock:
    """A test clock. `target` is set while it is advancing."""

    frozen_at: datetime
    id: str | None = None
    target: datetime | None = None


@dataclass(eq=False)
class TaxRate:
    kind: str
    category: str | None
    percent: str
    archived: bool = False
    version: int = 1
    id: str | None = None

    @property
    def name(self) -> str:
        return f"{self.kind} {self.percent}"


@dataclass(eq=False)
class Plan:
    code: str
    name: str
    amount: int
    currency: str
    unit: str
    count: int
    trial_days: int = 0
    net_days: int | None = None
    description: str | None = None
    archived: bool = False
    version: int = 1
    id: str | None = None
    inclusive: bool = False
    """True if the price includes taxes."""
    tax_rates: tuple[TaxRate, ...] = ()

    @property
    def length(self) -> tuple[str, int]:
        return length(self.unit, self.count)

    def after(self, anchor: datetime, intervals: int) -> datetime:
        return after(anchor, self.unit, intervals * self.count)


@dataclass(frozen=True)
class Registration:
    """A place in which the seller collects taxes of these rates, from an instant on."""

    country: str
    region: str | None
    valid_from: datetime
    rates: tuple[TaxRate, ...]

    def is_for(self, country: str | None, region: str | None) -> bool:
        return self.country == country and (self.region or "").casefold() == (region or "").casefold()


@dataclass(eq=False)
class Seller:
    """A version of the seller's profile."""

    name: str
    phone: str | None = None
    registrations: tuple[Registration, ...] = ()
    country: str = "DE"
    id: str | None = None


@dataclass(eq=False)
class Sellers:
    """All versions of the seller's profile. The last one is in force."""

    versions: list[Seller] = field(default_factory=list)


@dataclass(eq=False)
class Coupon:
    """A coupon. It takes off `percent`, or `amount` in `currency`, for `periods` billing periods (None for all)."""

    code: str
    name: str
    percent: str | None
    amount: int | None
    currency: str | None
    duration: str
    given_periods: int | None
    plans: tuple[Plan, ...] = ()
    max_redemptions: int | None = None
    expires_at: datetime | None = None
    archived: bool = False
    version: int = 1
    id: str | None = None

    @property
    def periods(self) -> int | None:
        """The number of billing periods, or None for all."""
        return 1 if self.duration == "ONCE" else self.given_periods


@dataclass(eq=False)
class Key:
    """An API key or a customer session."""

    scope: str
    token: str | None = None
    name: str | None = None
    customer: int | None = None
    permissions: frozenset[str] = frozenset()
    plans: frozenset[str] = frozenset()
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    id: str | None = None


@dataclass(eq=False)
class Delivery:
    """A test message to a webhook endpoint."""

    id: str | None = None


@dataclass(eq=False)
class WebhookEndpoint:
    """A webhook endpoint. `disabled_at` is set while it is disabled."""

    url: str
    description: str | None
    event_types: tuple[str, ...]
    test_clocks: bool
    disabled_at: datetime | None = None
    old_secret_until: datetime | None = None
    version: int = 1
    deleted: bool = False
    replays: bool = False
    """True while events are replayed to it, which never ends, because nothing is delivered."""
    deliveries: list[Delivery] = field(default_factory=list)
    id: str | None = None


Shared: TypeAlias = Plan | Clock | Key | Seller | TaxRate | Coupon | WebhookEndpoint
"""An object that does not belong to a customer."""
