"""Customers with a billing history, stored in bulk. The same seed creates twins that differ only in their ids."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from billing.account import Account
from billing.changes import ChangeMode, change_terms
from billing.enums import EventType, ObjectType, PaymentMethod, PlanInterval
from billing.ids import new_id
from billing.paying import apply_payment
from billing.subscribing import CancellationRequest, decide_cancellation, subscribe
from db.database import Database
from db.models import Plan
from services.accounts.write import store_events
from services.demo.accounts import DemoCustomer, live_until, new_account, store_made, terms_of
from services.demo.terms import created
from tests.support import NOW, a_customer, a_plan

AT_ONCE = 500
"""Number of customers stored by one transaction."""


async def stored_plans(database: Database) -> list[Plan]:
    """Stores plans with different prices, intervals and payment terms, all in euros."""
    long_ago = NOW - timedelta(days=200)
    choices: list[dict[str, Any]] = [
        {"amount_cents": 2900},
        {"amount_cents": 9000, "net_days": 3},
        {"amount_cents": 700, "net_days": 0},
        {"amount_cents": 3333, "interval": PlanInterval.MONTH, "interval_count": 1},
        {"amount_cents": 12_345, "interval": PlanInterval.WEEK, "interval_count": 5, "net_days": 30},
    ]
    plans = [a_plan(created_at=long_ago, updated_at=long_ago, **plan) for plan in choices]
    await store_plans(database, plans)
    return plans


async def store_plans(database: Database, plans: Sequence[Plan]) -> None:
    async with database.sessions.begin() as session:
        session.add_all(plans)
        await session.flush()
        kind, type_ = ObjectType.PLAN, EventType.PLAN_CREATED
        await store_events(session, [created(plan.id, kind, type_, plan.created_at, new_id) for plan in plans])


async def store_customers(database: Database, customers: Sequence[DemoCustomer]) -> None:
    for first in range(0, len(customers), AT_ONCE):
        async with database.sessions.begin() as session:
            await store_made(session, list(customers[first : first + AT_ONCE]))


def a_newcomer() -> DemoCustomer:
    """Returns a customer without a subscription or any invoice."""
    came = NOW - timedelta(days=80)
    customer = a_customer(created_at=came, updated_at=came)
    return DemoCustomer(customer, new_account(customer, new_id))


def a_subscriber(
    seed: int,
    plans: Sequence[Plan],
    *,
    days: tuple[int, int] = (1, 75),
    behind: tuple[int, int] = (0, 0),
    pays: float = 0.5,
    eventful: bool = True,
) -> DemoCustomer:
    """Returns a customer whose subscription started some `days` ago and was last renewed some `behind` days ago.

    All invoices up to then are paid with the probability `pays`. If `eventful`, the customer may have a trial, a
    balance, pending lines, a pending change or a scheduled cancellation.
    """
    draw = random.Random(seed)
    made = a_newcomer()
    account = made.account
    began = NOW - timedelta(days=draw.randint(*days), seconds=draw.randrange(86_400))
    trial_end = began + timedelta(days=14) if eventful and draw.random() < 0.2 else None
    plan = draw.choice(plans)
    subscribe(account, terms_of(plan, draw.randint(1, 3)), began, began, trial_end=trial_end)
    lived_until = max(began, NOW - timedelta(days=draw.randint(*behind), seconds=draw.randrange(86_400)))
    live_until(account, lived_until, pays=draw.random() < pays)
    if eventful:
        add_events(draw, account, plan, lived_until)
    return made


def add_events(draw: random.Random, account: Account, plan: Plan, at: datetime) -> None:
    """May add a balance, a change of quantity and a scheduled cancellation at `at`."""
    account.recorded_at = at
    if not account.unpaid and draw.random() < 0.4:
        pay_ahead(account, draw.randrange(1, 20_000), at)
    if draw.random() < 0.4:
        mode = draw.choice((ChangeMode.NEXT_INVOICE, ChangeMode.PERIOD_END, ChangeMode.NONE))
        change_terms(account, None, 5, mode=mode, at=at)
    if draw.random() < 0.15:
        decide_cancellation(account, CancellationRequest(at_period_end=True), at)


def pay_ahead(account: Account, amount_cents: int, at: datetime) -> None:
    """Records a payment that is not applied to any invoice, so that it becomes balance."""
    apply_payment(account, amount_cents, [], method=PaymentMethod.CARD, received_at=at, at=at)
