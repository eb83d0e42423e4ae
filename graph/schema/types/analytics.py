"""Figures of the business."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry

from billing import figures
from billing.limits import MAX_MONTHS, MONTHS
from billing.settling import overdue_cutoff
from db.access.reads import Reads
from db.queries.figures import ROWS_PER_READ, SumsByMonth, mrr_at, outstanding, sums_by_month
from db.queries.renewals import waiting_renewals
from graph.schema.fields.context import Info
from graph.schema.fields.errors import bad_user_input
from graph.schema.fields.paging import PAGE_BY_DEFAULT
from graph.schema.fields.scalars import Cents, Currency
from graph.schema.types.common import field

WHOLE = "whole"
"""Key of a read that has one result for the whole database."""


async def all_sums(reads: Reads, keys: Sequence[str]) -> list[SumsByMonth]:
    """Batched read of the sums of all currencies and months."""
    reads.charge(ROWS_PER_READ)
    async with reads.session() as session:
        return [await sums_by_month(session)] * len(keys)


async def waiting(reads: Reads, keys: Sequence[str]) -> list[tuple[int, datetime | None]]:
    """Batched read of the number of billing holds, and of the oldest due time."""
    reads.charge(ROWS_PER_READ)
    async with reads.session() as session:
        return [await waiting_renewals(session)] * len(keys)


@dataclass(frozen=True, slots=True)
class MrrAt:
    """Batched read of the MRR of currencies at an instant."""

    at: datetime

    async def __call__(self, reads: Reads, currencies: Sequence[str]) -> list[int]:
        reads.charge(ROWS_PER_READ)
        async with reads.session() as session:
            found = await mrr_at(session, self.at)
        return [found.get(currency, 0) for currency in currencies]


@dataclass(frozen=True, slots=True)
class OutstandingAt:
    """Batched read of what is due in currencies. Invoices due before `cutoff` are overdue."""

    cutoff: datetime

    async def __call__(self, reads: Reads, currencies: Sequence[str]) -> list[figures.Outstanding]:
        reads.charge(ROWS_PER_READ)
        async with reads.session() as session:
            found = await outstanding(session, self.cutoff)
        return [found.get(currency, figures.Outstanding()) for currency in currencies]


@strawberry.type(description="OPEN invoices that have been overdue for a range of days, in one currency.")
class OverdueFigures:
    min_days: int = field("Minimum number of days since the due day was over.")
    max_days: int | None = field("Maximum number of days since the due day was over. Null if there is no maximum.")
    amount_cents: Cents = field("The amount due on these invoices, in minor units.")
    invoices: int = field("Number of invoices.")


@strawberry.type(
    description=(
        "Figures of a calendar month in UTC, in one currency. `startMrrCents` plus new, expansion and reactivated,"
        " minus contraction and churned, is `endMrrCents`. All changes of a customer in the month are one movement."
    )
)
class MonthFigures:
    figures: strawberry.Private[figures.Month]

    @strawberry.field(description="The first instant of the month.")
    def month(self) -> datetime:
        return self.figures.start

    @strawberry.field(description="MRR at the start of the month, in minor units.")
    def start_mrr_cents(self) -> Cents:
        return Cents(self.figures.start_mrr_cents)

    @strawberry.field(description="MRR of customers who had none before, in minor units.")
    def new_mrr_cents(self) -> Cents:
        return Cents(self.figures.sums.new_cents)

    @strawberry.field(description="Increase of the MRR of customers who had some at the start, in minor units.")
    def expansion_cents(self) -> Cents:
        return Cents(self.figures.sums.expansion_cents)

    @strawberry.field(
        description="Decrease of the MRR of customers who had some at the start and still have some, in minor units."
    )
    def contraction_cents(self) -> Cents:
        return Cents(self.figures.sums.contraction_cents)

    @strawberry.field(description="MRR of customers who have none any more, in minor units.")
    def churned_cents(self) -> Cents:
        return Cents(self.figures.sums.churned_cents)

    @strawberry.field(description="MRR of customers who had none at the start, but some before that, in minor units.")
    def reactivated_cents(self) -> Cents:
        return Cents(self.figures.sums.reactivated_cents)

    @strawberry.field(description="MRR at the end of the month, or now in the current month, in minor units.")
    def end_mrr_cents(self) -> Cents:
        return Cents(self.figures.end_mrr_cents)

    @strawberry.field(
        description="Totals of the invoices issued in the month, less those of invoices voided in it, in minor units."
    )
    def invoiced_cents(self) -> Cents:
        return Cents(self.figures.sums.invoiced_cents)

    @strawberry.field(
        description="Payments received in the month, less refunds and reversals made in it, in minor units."
    )
    def collected_cents(self) -> Cents:
        return Cents(self.figures.sums.collected_cents)


@strawberry.type(description="Figures in one currency. Amounts in different currencies are never added up.")
class CurrencyFigures:
    currency: Currency = field("The currency of all amounts.")
    by_month: strawberry.Private[dict[datetime, figures.Sums]]
    now: strawberry.Private[datetime]

    @strawberry.field(description="Monthly recurring revenue, in minor units.")
    async def mrr_cents(
        self,
        info: Info,
        at: Annotated[datetime | None, strawberry.argument(description="The instant. Defaults to now.")] = None,
    ) -> Cents:
        if at is None:
            return Cents(self._total("mrr_cents"))
        return Cents(await info.context.loaders.of(MrrAt(at)).load(self.currency))

    @strawberry.field(description="Annual recurring revenue: the MRR now times the months of a year, in minor units.")
    def arr_cents(self) -> Cents:
        return Cents(12 * self._total("mrr_cents"))

    @strawberry.field(description="Number of subscriptions that are ACTIVE.")
    def active_subscriptions(self) -> int:
        return self._total("active")

    @strawberry.field(description="Number of subscriptions that are TRIALING.")
    def trialing(self) -> int:
        return self._total("trialing")

    @strawberry.field(description="Number of subscriptions that are PAST_DUE.")
    def past_due(self) -> int:
        return self._total("past_due")

    @strawberry.field(description="The amount due on all OPEN invoices, in minor units.")
    async def outstanding_cents(self, info: Info) -> Cents:
        return Cents((await self._outstanding(info)).amount_cents)

    @strawberry.field(
        description=(
            "The overdue part of `outstandingCents`, by the number of days since the due day (UTC) was over. Always all"
            " ranges of days, also those without invoices."
        )
    )
    async def overdue(self, info: Info) -> list[OverdueFigures]:
        found: Any = (await self._outstanding(info)).overdue
        info.context.rows.give(len(found))
        return list(found)

    @strawberry.field(
        description="The last months, newest last. The current month is included.",
        metadata={PAGE_BY_DEFAULT: MONTHS},
    )
    def months(
        self,
        info: Info,
        first: Annotated[int, strawberry.argument(description=f"Number of months, 1 to {MAX_MONTHS}.")] = MONTHS,
    ) -> list[MonthFigures]:
        if not 1 <= first <= MAX_MONTHS:
            raise bad_user_input(f"`first` must be between 1 and {MAX_MONTHS}.")
        info.context.rows.give(first)
        return [MonthFigures(figures=month) for month in figures.latest_months(self.by_month, self.now, first)]

    def _total(self, name: str) -> int:
        return sum(getattr(sums, name) for sums in self.by_month.values())

    async def _outstanding(self, info: Info) -> figures.Outstanding:
        return await info.context.loaders.of(OutstandingAt(overdue_cutoff(self.now))).load(self.currency)


@strawberry.type(description="Figures of the business. Customers on test clocks do not count.")
class Analytics:
    now: strawberry.Private[datetime]

    @strawberry.field(
        description="The figures by currency, for each currency that was ever subscribed or billed in, by its code."
    )
    async def currencies(self, info: Info) -> list[CurrencyFigures]:
        found = await info.context.loaders.of(all_sums).load(WHOLE)
        info.context.rows.give(len(found))
        return [
            CurrencyFigures(currency=Currency(currency), by_month=by_month, now=self.now)
            for currency, by_month in found.items()
        ]

    @strawberry.field(description="Number of subscriptions with a billing hold.")
    async def holds(self, info: Info) -> int:
        holds, _ = await info.context.loaders.of(waiting).load(WHOLE)
        return holds

    @strawberry.field(
        description=(
            "Seconds since the oldest period that is due became due, without subscriptions on hold. 0 if none is due."
        )
    )
    async def run_lag_seconds(self, info: Info) -> int:
        _, due_at = await info.context.loaders.of(waiting).load(WHOLE)
        return 0 if due_at is None else max(0, int((self.now - due_at).total_seconds()))
