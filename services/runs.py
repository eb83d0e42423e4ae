"""Runs: everything that is due, of all subscriptions, in chunks, by any number of processes side by side.

A chunk is one transaction: claim, read, plan, store. A process that dies in the middle of one leaves nothing behind,
and what it had claimed is due as before.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, insert, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from billing.account import Account
from billing.errors import BillingError
from billing.ids import SubscriptionId, new_id
from billing.invoicing import overdue_cutoff, update_past_due
from billing.limits import CHUNK, MAX_PERIODS_PER_RUN
from billing.money import AmountOverflow
from billing.renewals import renew
from billing.words import RunTrigger, SubscriptionStatus
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


Live = Callable[[Account], int]
"""Does what is due of an account, and says how many boundaries it crossed."""


class AsOfInTheFuture(ValueError):
    """A run as of an instant that has not come."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has done: subscriptions of which periods were billed or that ended, those that could not be, invoices
    made, and subscriptions that became past due.
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
    """What one transaction has done."""

    claimed: int
    report: Report


async def run_renewals(
    database: Database,
    *,
    as_of: datetime,
    now: datetime,
    trigger: RunTrigger,
    chunk_size: int = CHUNK,
    side_by_side: int = 1,
    rest: float = 0.0,
    told: Callable[[Report], object] = lambda _report: None,
) -> Report:
    """Does what is due by `as_of` of all subscriptions that live in the world's time: starts, trial ends, renewals,
    the ends of what was canceled, and what is past due. At most `MAX_PERIODS_PER_RUN` periods of each; missed ones come
    in their order.

    So many chunks are done `side_by_side`: while the database stores one, another is planned. After each, so many times
    what it took is a `rest`, in which requests have the machine. A subscription that cannot be renewed is put on hold,
    and does not keep the others. Writes a `billing_runs` row when there was something to do or the run was asked for.
    `told` is given what each chunk has done. Raises `AsOfInTheFuture`.
    """
    if as_of > now:
        raise AsOfInTheFuture(f"It is {now:%FT%TZ}: nothing can be due as of {as_of:%FT%TZ} yet.")
    renewals = RunTask(due_on(None, as_of), lambda account: renew(account, as_of), now=now, behind=set())
    async with RunRow(database, trigger, as_of, now, told) as run:
        if trigger is RunTrigger.COMMAND:
            await run.begin()

        async def do_chunks() -> None:
            began = time.monotonic()
            while (chunk := await do_chunk(database, renewals, limit=chunk_size)).claimed:
                await run.add(chunk)
                await asyncio.sleep(rest * (time.monotonic() - began))
                began = time.monotonic()

        ends = await asyncio.gather(*(do_chunks() for _ in range(side_by_side)), return_exceptions=True)
        for error in ends:
            if error is not None:
                raise error
        # What is on hold becomes past due all the same.
        judgements = RunTask(
            overdue_on(None, overdue_cutoff(as_of)),
            lambda account: settle_past_due(account, as_of),
            now=now,
            held_too=True,
        )
        while (chunk := await do_chunk(database, judgements, limit=chunk_size)).claimed:
            await run.add(chunk)
    return run.report


def settle_past_due(account: Account, as_of: datetime) -> int:
    update_past_due(account, as_of)
    return 0


@dataclass(frozen=True, slots=True)
class RunTask:
    """What is to be done: of which subscriptions, and how.

    `behind` are those of which a run has done its share, and more is due; None where the work goes on until none is.
    """

    due: ColumnElement[bool]
    live: Live
    now: datetime
    held_too: bool = False
    actor: str = "renewal"
    behind: set[SubscriptionId] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        found = [self.due]
        if not self.held_too:
            found.append(not_held(self.now))
        if self.behind:
            found.append(~among(Subscription.id, sorted(self.behind)))
        return found

    def forget(self, ids: Sequence[SubscriptionId]) -> None:
        """Takes back what was noted of subscriptions of which nothing was stored."""
        if self.behind is not None:
            self.behind.difference_update(ids)


async def do_chunk(
    database: Database, work: RunTask, *, limit: int, among_ids: Sequence[SubscriptionId] | None = None
) -> Chunk:
    """Claims at most `limit` subscriptions, of `among_ids` where they are given, and stores what becomes of them.

    Where storing fails, the chunk is halved until the subscription is found that is to blame.
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
        # Before the commit: no other task of this run may claim them again.
        if work.behind is not None:
            work.behind.update(still_behind(planned))
        return planned, failures

    try:
        # What was stored, although nobody knows of it, is not due any more, and is not claimed once more.
        planned, failures = await database.change(do_claimed, repeatable=True)
    except DBAPIError as error:
        work.forget(ids)
        if not ids or is_unavailable(error):
            raise
        if len(ids) > 1:
            return await halve(database, work, ids)
        logger.exception("subscription %s cannot be renewed", ids[0])
        await hold(database, ids[0], reason_of(error), due=work.due, now=work.now)
        return Chunk(1, Report(failed=1))
    for account, failure in failures:
        await hold(database, account.known_subscription.id, reason_of(failure), due=work.due, now=work.now)
    return Chunk(len(ids), chunk_report(planned, failed=len(failures)))


async def halve(database: Database, work: RunTask, ids: Sequence[SubscriptionId]) -> Chunk:
    """Does each half of a chunk that failed as a chunk of its own, where it is still due."""
    middle = len(ids) // 2
    report = Report()
    for half in (ids[:middle], ids[middle:]):
        report += (await do_chunk(database, work, limit=len(half), among_ids=half)).report
    return Chunk(len(ids), report)


Decided = list[tuple[Account, int]]
"""Accounts with how many boundaries each has crossed."""
Failures = list[tuple[Account, Exception]]
"""Accounts with what went wrong with each."""


def decide_all(accounts: Sequence[Account], work: RunTask) -> tuple[Decided, Failures]:
    """Decides of each account by itself: with how many boundaries were crossed, and with what went wrong."""
    planned: Decided = []
    failures: Failures = []
    for account in accounts:
        account.actor, account.recorded_at = work.actor, work.now
        try:
            planned.append((account, work.live(account)))
        except (BillingError, AmountOverflow) as error:
            failures.append((account, error))
        except Exception as error:
            logger.exception("subscription %s cannot be renewed", account.known_subscription.id)
            failures.append((account, error))
    return planned, failures


def chunk_report(planned: Decided, *, failed: int) -> Report:
    return Report(
        renewed=sum(crossed > 0 for _, crossed in planned),
        failed=failed,
        invoices=sum(len(account.invoices) for account, _ in planned),
        past_due=sum(
            account.subscription_changed and account.known_subscription.status is SubscriptionStatus.PAST_DUE
            for account, crossed in planned
            if not crossed
        ),
    )


def still_behind(planned: Decided) -> list[SubscriptionId]:
    return [account.known_subscription.id for account, crossed in planned if crossed >= MAX_PERIODS_PER_RUN]


class RunRow:
    """The `billing_runs` row of a run: written when it begins to matter, and finished in the end."""

    def __init__(
        self,
        database: Database,
        trigger: RunTrigger,
        as_of: datetime,
        now: datetime,
        told: Callable[[Report], object] = lambda _report: None,
    ) -> None:
        self.report = Report()
        self._told = told
        self._database = database
        self._trigger = trigger
        self._as_of = as_of
        self._now = now
        self._id: UUID | None = None
        self._began = time.monotonic()

    async def __aenter__(self) -> "RunRow":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finishes the row, also when the run was broken off."""
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
        self._told(chunk.report)
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
