"""Renewal runs: do everything that is due, in chunks of subscriptions. Any number of workers can run at the same time.

A chunk is one transaction: claim, read, decide, store. If a worker dies, its chunk is rolled back and stays due.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, insert, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.enums import EventType, RunTrigger
from billing.errors import BillingError
from billing.ids import SubscriptionId, new_id
from billing.limits import MAX_PERIODS_PER_RUN, RUN_CHUNK
from billing.money import AmountOverflow
from billing.renewals import renew
from billing.settling import overdue_cutoff, update_past_due
from db.database import Database
from db.driver.errors import is_unavailable
from db.models import BillingRun, Subscription
from db.models.base import table_of
from db.queries.accounts import due_on, not_held, overdue_on
from db.queries.arrays import among
from db.queries.locks import claim_subscriptions
from services.accounts.read import read_accounts
from services.accounts.write import store
from services.holds import hold, reason_of

logger = logging.getLogger("billing.runs")


Rule = Callable[[Account], int]
"""Does what is due for an account. Returns the number of boundaries crossed."""


class AsOfInTheFuture(ValueError):
    """A run as of a future instant."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run.

    - `renewed`: subscriptions with at least one boundary crossed
    - `failed`: subscriptions that were put on hold
    - `invoices`: new invoices
    - `past_due`: other subscriptions that became past due
    """

    renewed: int = 0
    failed: int = 0
    invoices: int = 0
    past_due: int = 0

    def __add__(self, other: "Report") -> "Report":
        return Report(
            self.renewed + other.renewed,
            self.failed + other.failed,
            self.invoices + other.invoices,
            self.past_due + other.past_due,
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """The result of one transaction. `claimed` is the number of subscriptions."""

    claimed: int
    report: Report


async def run_renewals(
    database: Database,
    *,
    as_of: datetime,
    now: datetime,
    trigger: RunTrigger,
    chunk_size: int = RUN_CHUNK,
    concurrency: int = 1,
    pause_ratio: float = 0.0,
    on_report: Callable[[Report], object] = lambda _report: None,
) -> Report:
    """Does what is due by `as_of` for all subscriptions that are not on a test clock.

    Starts, ends of trials, renewals, scheduled cancellations and past due. Bills at most `MAX_PERIODS_PER_RUN` periods
    of each subscription, oldest first. A subscription that cannot be renewed is put on hold and does not stop the
    others.

    `concurrency` chunks run at a time. After each chunk, its task pauses for `pause_ratio` times the duration of the
    chunk, to leave capacity for requests. `on_report` receives the report of each chunk. Stores a `billing_runs` row if
    something was due or `trigger` is COMMAND. Raises `AsOfInTheFuture`.
    """
    require_has_come(as_of, now)
    renewals = RunTask(due_on(None, as_of), lambda account: renew(account, as_of), now=now, excluded=set())
    async with RunRow(database, trigger, as_of, now, on_report) as run:
        if trigger is RunTrigger.COMMAND:
            await run.begin()

        async def do_chunks() -> None:
            began = time.monotonic()
            while (chunk := await do_chunk(database, renewals, limit=chunk_size)).claimed:
                await run.add(chunk)
                await asyncio.sleep(pause_ratio * (time.monotonic() - began))
                began = time.monotonic()

        ends = await asyncio.gather(*(do_chunks() for _ in range(concurrency)), return_exceptions=True)
        for error in ends:
            if error is not None:
                raise error
        # Subscriptions on hold become past due too.
        past_due_task = RunTask(
            overdue_on(None, overdue_cutoff(as_of)),
            lambda account: settle_past_due(account, as_of),
            now=now,
            held_too=True,
            excluded=set(),
            failed=renewals.failed,
        )
        while (chunk := await do_chunk(database, past_due_task, limit=chunk_size)).claimed:
            await run.add(chunk)
    return run.report


def require_has_come(as_of: datetime, now: datetime) -> None:
    """Raises `AsOfInTheFuture`."""
    if as_of > now:
        raise AsOfInTheFuture(f"Cannot bill as of {as_of:%FT%TZ}: it is only {now:%FT%TZ}.")


def settle_past_due(account: Account, as_of: datetime) -> int:
    update_past_due(account, as_of)
    return 0


@dataclass(frozen=True, slots=True)
class RunTask:
    """The work of a run: a condition for the subscriptions, and the rule to apply to each.

    `excluded` contains the subscriptions that the run does not look at again: more is due, but they have reached the
    limit of this run, or they failed. If it is None, the run repeats them until nothing is due. `renewed` (None if no
    subscription is renewed twice) and `failed` contain those that the reports have counted.
    """

    due: ColumnElement[bool]
    rule: Rule
    now: datetime
    held_too: bool = False
    actor: str = "renewal"
    excluded: set[SubscriptionId] | None = None
    renewed: set[SubscriptionId] | None = None
    failed: set[SubscriptionId] = field(default_factory=set)

    def __post_init__(self) -> None:
        assert not self.held_too or self.excluded is not None, "a subscription that fails would be claimed forever"

    def conditions(self) -> list[ColumnElement[bool]]:
        found = [self.due]
        if not self.held_too:
            found.append(not_held(self.now))
        if self.excluded:
            found.append(~among(Subscription.id, sorted(self.excluded)))
        return found

    def exclude(self, ids: Iterable[SubscriptionId]) -> None:
        if self.excluded is not None:
            self.excluded.update(ids)

    def forget(self, ids: Sequence[SubscriptionId]) -> None:
        """Removes subscriptions from `excluded` after their transaction was rolled back."""
        if self.excluded is not None:
            self.excluded.difference_update(ids)

    def count_renewed(self, ids: Collection[SubscriptionId]) -> int:
        """Returns the number of these renewed subscriptions that are not counted yet."""
        if self.renewed is None:
            return len(ids)
        before = len(self.renewed)
        self.renewed.update(ids)
        return len(self.renewed) - before


async def do_chunk(
    database: Database, work: RunTask, *, limit: int, among_ids: Sequence[SubscriptionId] | None = None
) -> Chunk:
    """Claims at most `limit` due subscriptions (only from `among_ids`, if given) and stores what is due for them.

    If storing fails, the chunk is split in halves until the failing subscription is found.
    """
    chosen = [] if among_ids is None else [among(Subscription.id, among_ids)]
    ids: Sequence[SubscriptionId] = ()

    async def do_claimed(session: AsyncSession) -> tuple[Decided, Failures]:
        nonlocal ids
        work.forget(ids)
        ids = await claim_subscriptions(session, *work.conditions(), *chosen, limit=limit)
        if not ids:
            return [], []
        planned, failures = decide_all(await read_accounts(session, ids), work)
        await store(session, [account for account, _ in planned])
        # Before the commit releases the locks, so that no other task of this run claims them again.
        work.exclude(still_behind(planned))
        return planned, failures

    try:
        # Safe to repeat after an unknown outcome: subscriptions that were stored are no longer due.
        planned, failures = await database.change(do_claimed, repeatable=True)
    except DBAPIError as error:
        work.forget(ids)
        if not ids or is_unavailable(error):
            raise
        if len(ids) > 1:
            return await halve(database, work, ids)
        logger.exception("subscription %s cannot be renewed", ids[0])
        return Chunk(1, Report(failed=await put_on_hold(database, work, [(ids[0], error)])))
    failed = await put_on_hold(
        database, work, [(account.known_subscription.id, failure) for account, failure in failures]
    )
    return Chunk(len(ids), chunk_report(planned, work, failed=failed))


async def put_on_hold(database: Database, work: RunTask, failures: Sequence[tuple[SubscriptionId, Exception]]) -> int:
    """Puts failed subscriptions on hold and leaves them out.

    Returns the number of those that failed for the first time in this run.
    """
    work.exclude(subscription_id for subscription_id, _ in failures)
    first = [failure for failure in failures if failure[0] not in work.failed]
    work.failed.update(subscription_id for subscription_id, _ in first)
    for subscription_id, error in first:
        await hold(database, subscription_id, reason_of(error), due=work.due, now=work.now)
    return len(first)


async def halve(database: Database, work: RunTask, ids: Sequence[SubscriptionId]) -> Chunk:
    """Repeats a failed chunk as two chunks of half the size."""
    middle = len(ids) // 2
    report = Report()
    for half in (ids[:middle], ids[middle:]):
        report += (await do_chunk(database, work, limit=len(half), among_ids=half)).report
    return Chunk(len(ids), report)


Decided = list[tuple[Account, int]]
"""Accounts, each with the number of boundaries crossed."""
Failures = list[tuple[Account, Exception]]
"""Accounts, each with the error that occurred."""


def decide_all(accounts: Sequence[Account], work: RunTask) -> tuple[Decided, Failures]:
    """Applies the rule to each account. An error in one account does not affect the others."""
    planned: Decided = []
    failures: Failures = []
    for account in accounts:
        account.actor, account.recorded_at = work.actor, work.now
        try:
            planned.append((account, work.rule(account)))
        except (BillingError, AmountOverflow) as error:
            failures.append((account, error))
        except Exception as error:
            logger.exception("subscription %s cannot be renewed", account.known_subscription.id)
            failures.append((account, error))
    return planned, failures


def chunk_report(planned: Decided, work: RunTask, *, failed: int) -> Report:
    events = [event for account, _ in planned for event in account.events]
    return Report(
        renewed=work.count_renewed([account.known_subscription.id for account, crossed in planned if crossed]),
        failed=failed,
        invoices=sum(len(account.invoices) for account, _ in planned),
        past_due=sum(event.type is EventType.SUBSCRIPTION_PAST_DUE for event in events),
    )


def still_behind(planned: Decided) -> list[SubscriptionId]:
    return [account.known_subscription.id for account, crossed in planned if crossed >= MAX_PERIODS_PER_RUN]


class RunRow:
    """The `billing_runs` row of a run.

    `begin` inserts it, or `add` does with the first chunk that is not empty. `end` completes it.
    """

    def __init__(
        self,
        database: Database,
        trigger: RunTrigger,
        as_of: datetime,
        now: datetime,
        on_report: Callable[[Report], object] = lambda _report: None,
    ) -> None:
        self.report = Report()
        self._on_report = on_report
        self._database = database
        self._trigger = trigger
        self._as_of = as_of
        self._now = now
        self._id: UUID | None = None
        self._began = time.monotonic()

    async def __aenter__(self) -> "RunRow":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Completes the row, even if the run failed."""
        await self.end()

    async def begin(self) -> None:
        self._id = new_id()
        row = insert(table_of(BillingRun)).values(
            id=self._id,
            trigger=self._trigger,
            as_of=self._as_of,
            created_at=self._now,
            renewed=0,
            failed=0,
            invoices=0,
            past_due=0,
        )
        await self._database.change(lambda session: session.execute(row))

    async def add(self, chunk: Chunk) -> None:
        self.report += chunk.report
        self._on_report(chunk.report)
        if chunk.claimed and self._id is None:
            await self.begin()

    async def end(self) -> None:
        if self._id is None:
            return
        seconds = time.monotonic() - self._began
        finished = (
            update(table_of(BillingRun))
            .where(BillingRun.id == self._id)
            .values(
                renewed=self.report.renewed,
                failed=self.report.failed,
                invoices=self.report.invoices,
                past_due=self.report.past_due,
                milliseconds=round(1000 * seconds),
                finished_at=self._now + timedelta(seconds=seconds),
            )
        )
        await self._database.change(lambda session: session.execute(finished), repeatable=True)
