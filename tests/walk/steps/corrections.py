"""Steps with credit notes, reversals, refunds and adjustments."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.walk.client import Failed
from tests.walk.formats import View, differences
from tests.walk.model import corrections, credit_notes
from tests.walk.model.credit_notes import Parts, Wish, left_on
from tests.walk.model.lines import Line
from tests.walk.model.shared import Refused
from tests.walk.model.snapshots import Before
from tests.walk.model.world import CreditNote, Customer, Invoice, Payment
from tests.walk.steps.base import (
    ANY,
    CUSTOMER,
    HOW,
    HOW_WITHOUT_KEY,
    NOBODY,
    Thing,
    given,
    mostly,
    nearly_always,
    step,
)
from tests.walk.steps.invoices import OLDER, InvoiceSteps
from tests.walk.views import PREVIEW, preview_view
from tests.walk.walk import Made

REASON = nearly_always("Returned", "Goodwill", " Too much ", but=[" ", "r" * 501])
REFERENCE = nearly_always(None, "ref-2", but=["r" * 256])
NOTE_MEMO = nearly_always(None, "Thank you", "Two\nlines", but=["m" * 2001, "a\x07bell"])

PORTION = nearly_always("all", "all", "half", "third", "1", "all but 1", but=["over", "0", "-1"])
"""Part of the amount that is possible."""

STATE = nearly_always(*["PAID"] * 3, *["OPEN"] * 3, "UNCOLLECTIBLE", but=["DRAFT", "VOID"])
LINES = st.lists(st.tuples(st.integers(0, 3), PORTION), min_size=1, max_size=3)
WAY = nearly_always(*["lines"] * 4, *["amount"] * 4, *["whole"] * 3, but=["none", "both", "same line", "other line"])
DISTRIBUTIONS: dict[str, Callable[[int], Parts]] = {
    "refund": lambda rest: Parts(refund=rest),
    "outside": lambda rest: Parts(outside=rest),
    "balance": lambda rest: Parts(balance=rest),
    "half refund": lambda rest: Parts(refund=rest - rest // 2),
    "half refund, half balance": lambda rest: Parts(refund=rest - rest // 2, balance=rest // 2),
    "half outside, half balance": lambda rest: Parts(outside=rest // 2, balance=rest - rest // 2),
    "thirds": lambda rest: Parts(rest // 3, rest // 3, rest - 2 * (rest // 3)),
    "too much": lambda rest: Parts(refund=rest, outside=1),
    "too much with balance": lambda rest: Parts(refund=rest // 2, balance=rest - rest // 2 + 1),
    "too little": lambda rest: Parts(balance=rest // 2 - 1, outside=0),
    "negative": lambda _: Parts(refund=-1),
    "negative balance": lambda rest: Parts(refund=rest + 1, balance=-1),
}
WRONG = ["too much", "too much with balance", "too little", "negative", "negative balance"]
DISTRIBUTION = nearly_always(
    *[None] * 5, "refund", "refund", *(name for name in DISTRIBUTIONS if name not in WRONG), but=WRONG
)


def part_of(whole: int, portion: str) -> int:
    match portion:
        case "half":
            return whole // 2 or whole
        case "third":
            return whole // 3 or whole
        case "all but 1":
            return whole - 1 or whole
        case "over":
            return whole + 1
        case "all":
            return whole
        case _:
            return int(portion)


def parts_of(rest: int, distribution: str | None) -> Parts | None:
    """Returns a distribution of an amount: with what goes to the balance, or without."""
    return None if distribution is None else DISTRIBUTIONS[distribution](rest)


class CorrectionSteps(InvoiceSteps):
    @step(
        "createCreditNote",
        number=CUSTOMER,
        state=STATE,
        older=OLDER,
        way=WAY,
        lines=LINES,
        portion=PORTION,
        distribution=DISTRIBUTION,
        reason=REASON,
        memo=NOTE_MEMO,
        how=HOW,
    )
    def create_credit_note(
        self,
        number: int,
        state: str,
        older: int,
        way: str,
        lines: list[tuple[int, str]],
        portion: str,
        distribution: str | None,
        reason: str,
        memo: str | None,
        how: str,
    ) -> None:
        """Issues a credit note for an invoice, preferably one with this status on which something is left."""

        def fits(customer: Customer, invoice: Invoice) -> object:
            return invoice.status == state and (left_on(customer, invoice)[0] or not invoice.is_owed)

        place = self.customer(number, lambda customer: any(fits(customer, each) for each in customer.invoices))
        customer = self.world.customers[place]
        fitting = [which for which, invoice in enumerate(customer.invoices) if fits(customer, invoice)]
        wanted = fitting[-1 - older % len(fitting)] if fitting and older < ANY else self.invoice(place, (state,), older)
        if wanted is not None:
            self.credit(place, wanted, way, lines, portion, distribution, reason, memo, how=how)

    def credit(
        self,
        place: int,
        wanted: int,
        way: str,
        lines: list[tuple[int, str]],
        portion: str,
        distribution: str | None = None,
        reason: str = "Goodwill",
        memo: str | None = None,
        *,
        how: str,
    ) -> None:
        """Issues a credit note after a preview of it."""
        customer = self.world.customers[place]
        invoice = customer.invoices[wanted]
        positions = credited_positions(customer, invoice, way, lines)
        amount = part_of(left_on(customer, invoice)[0], portion) if way in ("amount", "both") else None
        whole = way in ("whole", "both")

        def issue(parts: Parts | None, reason: str, memo: str | None) -> CreditNote:
            customer = self.world.customers[place]
            invoice = customer.invoices[wanted]
            named = [(None if which is None else invoice.lines[which], cents) for which, cents in positions]
            wish = Wish(named, amount, whole)
            return credit_notes.issue(self.world, customer, invoice, wish, parts, reason=reason, memo=memo)

        def previewed(parts: Parts | None) -> View | frozenset[str]:
            """Returns the preview that the model expects, or the codes of which one is expected."""
            before = Before(self.world, [place], ())
            try:
                return preview_view(issue(parts, "Preview", None))
            except Refused as refused:
                return refused.codes
            finally:
                before.restore()

        undistributed = previewed(None)
        rest = undistributed["toDistributeCents"] if isinstance(undistributed, dict) else 0
        parts = parts_of(rest, distribution)
        fields = given(
            invoiceId=invoice.id,
            lines=[
                {"lineId": NOBODY if which is None else invoice.lines[which].id, "amountCents": cents}
                for which, cents in positions
            ]
            or None,
            amountCents=amount,
            whole=whole or None,
            distribution=parts
            and given(refundCents=parts.refund, balanceCents=parts.balance, outsideCents=parts.outside),
        )
        self.compare_preview(fields, previewed(parts))

        def do() -> Made:
            note = issue(parts, reason, memo)
            return {"creditNote": note, "invoice": note.invoice, "customer": self.world.customers[place]}

        selection = "creditNote { id } invoice { id } customer { id }"
        fields |= given(reason=reason, memo=memo)
        self.walk.step("createCreditNote", selection, fields, do, how=how, customers=[place])

    def compare_preview(self, fields: dict[str, Any], wanted: View | frozenset[str]) -> None:
        """Raises `Failed` if the preview of a credit note is not what the model expects."""
        found = self.walk.client.query(PREVIEW, input=fields)["previewCreditNote"]
        if isinstance(wanted, frozenset):
            codes = {error["code"] for error in found["userErrors"]}
            if not codes or not codes <= wanted or found["creditNote"] is not None:
                raise Failed(f"previewCreditNote must be refused with one of {sorted(wanted)}, and answers {found}.")
        elif wrong := list(differences(found, wanted, "previewCreditNote")):
            raise Failed("\n".join(wrong))

    @step(
        "voidCreditNote",
        number=CUSTOMER,
        older=OLDER,
        state=mostly("ISSUED", but=["REFUNDED", "VOID", "VOID with its invoice"]),
        how=HOW_WITHOUT_KEY,
    )
    def void_credit_note(self, number: int, older: int, state: str, how: str) -> None:
        def fits(note: CreditNote) -> object:
            match state:
                case "ISSUED":
                    return note.voided_at is None and not note.refunds
                case "REFUNDED":
                    return note.refunds
                case "VOID":
                    return note.voided_at
                case _:
                    return note.invoice.status == "VOID"

        place = self.customer(number, lambda customer: any(fits(note) for note in customer.credit_notes))
        wanted = pick_fitting(self.world.customers[place].credit_notes, older, fits)
        if wanted is not None:
            self.void_note(place, wanted, how=how)

    def void_note(self, place: int, wanted: int, *, how: str) -> None:
        def do() -> Made:
            customer = self.world.customers[place]
            note = customer.credit_notes[wanted]
            credit_notes.void(self.world, customer, note)
            return {"creditNote": note, "invoice": note.invoice, "customer": customer}

        fields = {"id": self.world.customers[place].credit_notes[wanted].id}
        selection = "creditNote { id } invoice { id } customer { id }"
        self.walk.step("voidCreditNote", selection, fields, do, how=how, has_key=False, customers=[place])

    @step(
        "reversePayment",
        number=CUSTOMER,
        older=OLDER,
        portion=st.one_of(st.none(), PORTION),
        reason=REASON,
        how=HOW,
    )
    def reverse_payment(self, number: int, older: int, portion: str | None, reason: str, how: str) -> None:
        """Reverses a part of a payment. None takes back all that is left, without naming the amount."""
        place = self.customer(number, lambda customer: any(payment.kept for payment in customer.payments))
        payments = self.world.customers[place].payments
        wanted = pick_fitting(payments, older, kept)
        if wanted is None:
            return
        amount = None if portion is None else part_of(payments[wanted].kept, portion)

        def do() -> Made:
            customer = self.world.customers[place]
            payment = customer.payments[wanted]
            corrections.reverse(self.world, customer, payment, amount, reason)
            return {"payment": payment, "customer": customer}

        fields = given(id=payments[wanted].id, amountCents=amount, reason=reason)
        selection = "payment { id } customer { id }"
        self.walk.step("reversePayment", selection, fields, do, how=how, customers=[place])

    @step(
        "recordRefund",
        number=CUSTOMER,
        older=OLDER,
        for_note=st.booleans(),
        note=OLDER,
        whose=nearly_always("own", but=["another's", "nobody's"]),
        portion=PORTION,
        reference=REFERENCE,
        how=HOW,
    )
    def record_refund(
        self,
        number: int,
        older: int,
        for_note: bool,
        note: int,
        whose: str,
        portion: str,
        reference: str | None,
        how: str,
    ) -> None:
        """Refunds a credit note, or money of the balance."""

        def fits(customer: Customer) -> object:
            can_be_paid = any(map(to_refund, customer.credit_notes)) if for_note else customer.balance
            return can_be_paid and any(map(kept, customer.payments))

        place = self.customer(number, fits)
        customer = self.world.customers[place]
        wanted = pick_fitting(customer.payments, older, kept)
        owner = (place + 1) % len(self.world.customers) if whose == "another's" else place
        notes = self.world.customers[owner].credit_notes
        chosen = pick_fitting(notes, note, to_refund) if for_note else None
        if wanted is None or (for_note and chosen is None):
            return
        payment = customer.payments[wanted]
        most = customer.balance if chosen is None else to_refund(notes[chosen])
        amount = part_of(payment.kept if portion == "over" else min(payment.kept, most), portion)

        def do() -> Made:
            customer = self.world.customers[place]
            payment = customer.payments[wanted]
            refunded = None if chosen is None else self.world.customers[owner].credit_notes[chosen]
            if refunded and whose == "nobody's":
                raise Refused("CREDIT_NOTE_NOT_FOUND", "INVALID_INPUT" if len(reference or "") > 255 else "")
            corrections.refund(self.world, customer, payment, amount, note=refunded, reference=reference)
            return {"payment": payment, "creditNote": refunded, "customer": customer}

        note_id = None if chosen is None else NOBODY if whose == "nobody's" else notes[chosen].id
        fields = given(paymentId=payment.id, amountCents=amount, creditNoteId=note_id, reference=reference)
        selection = "payment { id } creditNote { id } customer { id }"
        self.walk.step("recordRefund", selection, fields, do, how=how, customers=[place])

    @step(
        "adjustBalance",
        number=CUSTOMER,
        amount=mostly(1, 100, 5000, 70_000, "all", "half", "1", but=["over", "0"]),
        currency=nearly_always(None, but=["USD", "XXX"]),
        reason=REASON,
        how=HOW,
    )
    def adjust_balance(self, number: int, amount: int | str, currency: str | None, reason: str, how: str) -> None:
        """Raises the balance, or lowers it by a part of it."""
        lowers = isinstance(amount, str)
        place = self.customer(number, lambda customer: customer.balance if lowers else not customer.archived)
        customer = self.world.customers[place]
        change = -part_of(customer.balance, amount) if isinstance(amount, str) else amount
        in_currency = currency or customer.currency or "EUR"

        def do() -> Made:
            customer = self.world.customers[place]
            corrections.adjust(self.world, customer, change, in_currency, reason)
            return {"customer": customer}

        fields = given(customerId=customer.id, amountCents=change, currency=in_currency, reason=reason)
        self.walk.step("adjustBalance", "customer { id }", fields, do, how=how, customers=[place])


def kept(payment: Payment) -> int:
    return payment.kept


def to_refund(note: CreditNote) -> int:
    return 0 if note.voided_at else note.refund - note.refunded


def pick_fitting(things: list[Thing], older: int, fits: Callable[[Thing], object]) -> int | None:
    """Returns the index of one of the things, usually a recent one that fits, or None if there are none."""
    fitting = [place for place, thing in enumerate(things) if fits(thing)]
    chosen = fitting if fitting and older < ANY else range(len(things))
    return chosen[-1 - older % len(chosen)] if chosen else None


def credited_positions(
    customer: Customer, invoice: Invoice, way: str, lines: list[tuple[int, str]]
) -> list[tuple[int | None, int]]:
    """Returns positions of lines to credit, with an amount for each. None stands for a line of another invoice."""
    if way in ("amount", "whole", "none") or not invoice.lines:
        return []
    by_line = {line: rest.amount for line, rest in left_on(customer, invoice)[1].items()}

    def at(number: int) -> tuple[Line, int]:
        fitting = [each for each in by_line if by_line[each]] or invoice.lines
        line = fitting[number % len(fitting)]
        return line, by_line[line]

    wanted: dict[int | None, int] = {}
    for number, portion in lines:
        line, left = at(number)
        wanted[invoice.lines.index(line)] = part_of(left, portion)
    found = list(wanted.items())
    if way == "same line":
        return [*found, found[0]]
    return [*found, (None, 1)] if way == "other line" else found
