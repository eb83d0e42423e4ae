"""Steps with invoices and payments."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.walk.formats import pairs
from tests.walk.model import invoices
from tests.walk.model.lines import NewLine
from tests.walk.model.world import Customer, Invoice, World
from tests.walk.steps.base import (
    ANY,
    CURRENCY,
    CUSTOMER,
    HOW,
    HOW_WITHOUT_KEY,
    MEMO,
    METADATA,
    NET_DAYS,
    PO_NUMBER,
    QUANTITY,
    RATES,
    Steps,
    given,
    mostly,
    pick,
    step,
)
from tests.walk.walk import PLAIN, Made

LINE = st.tuples(
    mostly("Setting up", "Travel", but=[" "]),
    mostly(1, 100, 2999, 70_000, 0, -1, -500, -9999, but=[10_000_000, -10_000_000, 9_000_000, -9_000_000]),
    QUANTITY,
    st.booleans(),
    RATES,
)
OLDER = st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2, 3, 5, 9])
Drawn = tuple[str, int, int, bool, list[int]]
"""A line: description, price, quantity, whether the price includes taxes, and indexes of tax rates."""
INVOICE_FIELDS = {"net_days": "netDays", "po_number": "poNumber"}
METHODS = st.sampled_from(["BANK_TRANSFER", "CARD", "CASH", "OTHER"])


def line_input(line: NewLine) -> dict[str, Any]:
    return {
        "description": line.description,
        "unitAmountCents": line.unit_amount,
        "quantity": line.quantity,
        "taxBehavior": "INCLUSIVE" if line.inclusive else "EXCLUSIVE",
        "taxRateIds": [rate.id for rate in line.rates],
    }


class InvoiceSteps(Steps):
    def invoice(self, place: int, states: tuple[str, ...], older: int) -> int | None:
        """Returns the index of one of the customer's invoices, preferably in one of these states. None if there are
        none.
        """
        found = self.world.customers[place].invoices
        fitting = [number for number, invoice in enumerate(found) if invoice.status in states]
        chosen = fitting if fitting and older < 5 else list(range(len(found)))
        return chosen[len(chosen) - 1 - older % len(chosen)] if chosen else None

    @step(
        "createInvoice",
        number=CUSTOMER,
        currency=CURRENCY,
        lines=st.lists(LINE, max_size=2),
        net_days=NET_DAYS,
        po_number=PO_NUMBER,
        memo=MEMO,
        metadata=METADATA,
        how=HOW,
    )
    def create_invoice(
        self,
        number: int,
        currency: str,
        lines: list[Drawn],
        net_days: int | None,
        po_number: str | None,
        memo: str | None,
        metadata: dict[str, str],
        how: str,
    ) -> None:
        place = self.customer(number, lambda customer: not customer.archived)
        self.draft(place, lines, currency, net_days, po_number, memo, metadata, how=how)

    def draft(
        self,
        place: int,
        lines: list[Drawn],
        currency: str | None = None,
        net_days: int | None = None,
        po_number: str | None = None,
        memo: str | None = None,
        metadata: dict[str, str] | None = None,
        *,
        how: str,
    ) -> None:
        """Creates a draft. `currency` defaults to the customer's."""
        new = list(map(self.line, lines))
        in_currency = currency or self.world.customers[place].currency or "EUR"

        def do() -> Made:
            customer = self.world.customers[place]
            made = invoices.create(
                self.world,
                customer,
                in_currency,
                new,
                net_days=net_days,
                po_number=po_number,
                memo=memo,
                metadata=metadata or {},
            )
            return {"invoice": made}

        fields = given(
            customerId=self.world.customers[place].id,
            currency=in_currency,
            lines=list(map(line_input, new)),
            netDays=net_days,
            poNumber=po_number,
            memo=memo,
            metadata=pairs(metadata or {}),
        )
        self.walk.step("createInvoice", "invoice { id }", fields, do, how=how, customers=[place])

    @step("addInvoiceLine", number=CUSTOMER, older=OLDER, line=LINE, how=HOW)
    def add_invoice_line(self, number: int, older: int, line: Drawn, how: str) -> None:
        new = self.line(line)

        def add(world: World, customer: Customer, invoice: Invoice) -> Invoice:
            invoices.add_line(world, customer, invoice, new)
            return invoice

        fields = line_input(new)
        self.with_invoice("addInvoiceLine", ("DRAFT",), number, older, add, how, fields=fields, own="invoiceId")

    def line(self, drawn: Drawn) -> NewLine:
        description, amount, quantity, inclusive, rates = drawn
        return NewLine(description, amount, quantity, inclusive, self.rates(rates))

    @step(
        "updateInvoice",
        number=CUSTOMER,
        state=st.sampled_from(["DRAFT", "DRAFT", "OPEN", "PAID", "VOID"]),
        older=OLDER,
        values=st.fixed_dictionaries(
            {}, optional={"net_days": NET_DAYS, "po_number": PO_NUMBER, "memo": MEMO, "metadata": METADATA}
        ),
        how=HOW_WITHOUT_KEY,
    )
    def update_invoice(self, number: int, state: str, older: int, values: dict[str, Any], how: str) -> None:
        if state != "DRAFT" and number < ANY:
            values = {name: value for name, value in values.items() if name == "metadata"}

        def update(world: World, customer: Customer, invoice: Invoice) -> Invoice:
            invoices.update(world, customer, invoice, values)
            return invoice

        fields = {
            INVOICE_FIELDS.get(name, name): pairs(value) if name == "metadata" else value
            for name, value in values.items()
        }
        self.with_invoice("updateInvoice", (state,), number, older, update, how, fields=fields, has_key=False)

    @step("finalizeInvoice", number=CUSTOMER, older=OLDER, how=HOW)
    def finalize_invoice(self, number: int, older: int, how: str) -> None:
        self.with_invoice("finalizeInvoice", ("DRAFT",), number, older, itself(invoices.finalize_draft), how)

    @step("voidInvoice", number=CUSTOMER, older=OLDER, how=HOW)
    def void_invoice(self, number: int, older: int, how: str) -> None:
        self.with_invoice("voidInvoice", ("OPEN", "UNCOLLECTIBLE"), number, older, itself(invoices.void), how)

    @step("markInvoiceUncollectible", number=CUSTOMER, older=OLDER, how=HOW)
    def mark_invoice_uncollectible(self, number: int, older: int, how: str) -> None:
        self.with_invoice(
            "markInvoiceUncollectible", ("OPEN",), number, older, itself(invoices.mark_uncollectible), how
        )

    @step("reissueInvoice", number=CUSTOMER, older=OLDER, how=HOW)
    def reissue_invoice(self, number: int, older: int, how: str) -> None:
        self.with_invoice("reissueInvoice", ("VOID",), number, older, invoices.reissue, how)

    def with_invoice(
        self,
        name: str,
        states: tuple[str, ...],
        number: int,
        older: int,
        operation: Callable[[World, Customer, Invoice], Invoice],
        how: str,
        *,
        fields: dict[str, Any] | None = None,
        own: str = "id",
        place: int | None = None,
        wanted: int | None = None,
        has_key: bool = True,
    ) -> None:
        """Applies an operation to an invoice of the customer at `place`, or of one with an invoice in these states.

        That is the invoice with the index `wanted`, or one in these states.
        """
        if place is None:
            place = self.customer(number, lambda customer: any(each.status in states for each in customer.invoices))
        if wanted is None:
            wanted = self.invoice(place, states, older)
        if wanted is None:
            return

        def do() -> Made:
            customer = self.world.customers[place]
            return {"invoice": operation(self.world, customer, customer.invoices[wanted])}

        fields = {own: self.world.customers[place].invoices[wanted].id, **(fields or {})}
        self.walk.step(name, "invoice { id }", fields, do, how=how, has_key=has_key, customers=[place])

    @step("deleteDraftInvoice", number=CUSTOMER, older=OLDER, how=HOW_WITHOUT_KEY)
    def delete_draft_invoice(self, number: int, older: int, how: str) -> None:
        place = self.customer(number, lambda customer: any(each.status == "DRAFT" for each in customer.invoices))
        wanted = self.invoice(place, ("DRAFT",), older)
        if wanted is None:
            return

        def do() -> Made:
            customer = self.world.customers[place]
            invoices.delete_draft(self.world, customer, customer.invoices[wanted])
            return {}

        fields = {"id": self.world.customers[place].invoices[wanted].id}
        self.walk.step("deleteDraftInvoice", "deletedInvoiceId", fields, do, how=how, has_key=False, customers=[place])

    @step(
        "recordPayment",
        number=CUSTOMER,
        amount=mostly(None, None, 1, 100, 2900, 70_000, but=[0, -1]),
        currency=mostly(None, but=["EUR", "USD", "XXX"]),
        method=METHODS,
        reference=st.sampled_from([None, "ref-1"]),
        received=mostly(None, 0, -86_400, but=[60, -3661 * 86_400]),
        named=st.one_of(st.none(), st.lists(st.tuples(OLDER, mostly(None, 1, 100, but=[0, -1])), max_size=3)),
        allow=st.sampled_from([True, True, False]),
        metadata=METADATA,
        how=HOW,
    )
    def record_payment(
        self,
        number: int,
        amount: int | None,
        currency: str | None,
        method: str,
        reference: str | None,
        received: int | None,
        named: list[tuple[int, int | None]] | None,
        allow: bool,
        metadata: dict[str, str],
        how: str,
    ) -> None:
        place = self.customer(number, lambda customer: customer.unpaid)
        self.pay(place, amount, currency, method, reference, received, named, allow, metadata, how=how)

    def pay(
        self,
        place: int,
        amount: int | None,
        currency: str | None = None,
        method: str = "CARD",
        reference: str | None = None,
        received: int | None = None,
        named: list[tuple[int, int | None]] | None = None,
        allow: bool = True,
        metadata: dict[str, str] | None = None,
        *,
        how: str = PLAIN,
    ) -> None:
        """Records a payment. `amount` defaults to everything due, `currency` to the customer's."""
        customer = self.world.customers[place]
        received_at = self.at(customer, received)
        due = sum(each.due for each in customer.unpaid if each.status == "OPEN")
        paid = due or 100 if amount is None else amount
        in_currency = currency or customer.currency or "EUR"
        found = [(self.invoice(place, ("OPEN", "UNCOLLECTIBLE"), older), share) for older, share in named or ()]
        wanted = [(which, share) for which, share in found if which is not None]

        def do() -> Made:
            customer = self.world.customers[place]
            payment = invoices.pay(
                self.world,
                customer,
                amount=paid,
                currency=in_currency,
                method=method,
                reference=reference,
                received_at=received_at,
                allocations=None if named is None else [(customer.invoices[which], share) for which, share in wanted],
                allow_overpayment=allow,
                metadata=metadata or {},
            )
            return {"payment": payment, "customer": customer}

        fields = given(
            customerId=customer.id,
            amountCents=paid,
            currency=in_currency,
            method=method,
            reference=reference,
            receivedAt=received_at,
            allowOverpayment=allow,
            metadata=pairs(metadata or {}),
        )
        if named is not None:
            fields["allocations"] = [
                {"invoiceId": customer.invoices[which].id, "amountCents": share} for which, share in wanted
            ]
        self.walk.step("recordPayment", "payment { id } customer { id }", fields, do, how=how, customers=[place])

    @step("updatePayment", number=CUSTOMER, older=OLDER, metadata=METADATA, how=HOW_WITHOUT_KEY)
    def update_payment(self, number: int, older: int, metadata: dict[str, str], how: str) -> None:
        place = self.customer(number, lambda customer: customer.payments)
        wanted = pick(self.world.customers[place].payments, older)
        if wanted is None:
            return

        def do() -> Made:
            customer = self.world.customers[place]
            payment = customer.payments[wanted]
            invoices.update_payment(self.world, customer, payment, metadata)
            return {"payment": payment}

        fields = {"id": self.world.customers[place].payments[wanted].id, "metadata": pairs(metadata)}
        self.walk.step("updatePayment", "payment { id }", fields, do, how=how, has_key=False, customers=[place])


def itself(operation: Callable[[World, Customer, Invoice], None]) -> Callable[[World, Customer, Invoice], Invoice]:
    """Wraps an operation so that it returns the invoice it was applied to."""

    def done(world: World, customer: Customer, invoice: Invoice) -> Invoice:
        operation(world, customer, invoice)
        return invoice

    return done
