"""GraphQL documents and variables that ask for too much or for things that do not exist."""

import base64
import json
from collections.abc import Callable
from typing import Any

from graphql import get_introspection_query

from tests.scanners.probes import ANY, BAD, NOBODY, OK, Probe, document, nested, spread

MARKS = "a" + "\u0316\u0300" * 60_000
"""A letter with alternating marks below and above. Sorting them takes quadratic time."""


def fields(count: int, field: Callable[[int], str]) -> str:
    return "{ " + " ".join(field(n) for n in range(count)) + " }"


def each_spreads_all_that_follow(count: int) -> str:
    return spread(count, lambda n: " ".join(f"...F{m}" for m in range(n + 1, count)) + " __typename")


def each_spreads_the_next_twice(count: int) -> str:
    return spread(count, lambda n: f"...F{n + 1} ...F{n + 1}" if n < count - 1 else "__typename")


def in_a_chain(count: int, depth: int) -> str:
    """Returns a chain of fragments, each of which spreads the next one at this depth."""
    return spread(count, lambda n: nested("node { ", f"...F{n + 1}" if n < count - 1 else "__typename", " }", depth))


def in_turn(count: int) -> str:
    """Returns a query with `count` × `count` copies of the same nested fields, all of which must be merged."""
    inner = " ".join(["customer { id }"] * count)
    return "{ customers { nodes { " + " ".join([f"subscription {{ {inner} }}"] * count) + " } } }"


PAGE_OF = "%s(first: 100) { nodes { %s } }"
PAGES = "{ " + PAGE_OF % ("customers", PAGE_OF % ("subscriptions", PAGE_OF % ("invoices", "id"))) + " }"
WORDS = "{ invoices(filter: {status: [%s]}) { totalCount } }"
TYPES = "{ __schema { types %s } }"

FLOODS = (
    document("9000 aliases", fields(9000, lambda n: f"a{n}: __typename")),
    document("31 aliases", fields(31, lambda n: f"a{n}: __typename")),
    document("1000 lists by alias", fields(1000, lambda n: f"a{n}: customers {{ totalCount }}")),
    document("21 root fields", fields(21, lambda _: "customers { totalCount }")),
    document("one field 18 000 times", fields(18_000, lambda _: "__typename")),
    document("one list 10 000 times", fields(10_000, lambda _: "customers { totalCount }")),
    document(
        "one list 99 times in a list", f"{{ customers {{ nodes {fields(99, lambda _: 'subscription { id }')} }} }}", ANY
    ),
    document("20 fields of 20 fields that merge", in_turn(20), ANY),
    document("10 000 directives", "{ __typename " + "@include(if: true) " * 10_000 + "}"),
    document("9 directives", fields(9, lambda _: "__typename @include(if: true)")),
    document("60 000 directives that there are not", "{ __typename " + "@a " * 60_000 + "}"),
    document("3000 fragments", spread(3000, lambda _: "__typename")),
    document("280 fragments that nobody spreads", "{ __typename } " + spread(280, lambda _: "__typename")[10:]),
    document("2100 tokens", fields(2100, lambda _: "id")),
    document("15 001 characters", "{ __typename " + "#" * 15_000 + "\n}"),
    document("200 000 commas", "{ __typename " + "," * 200_000 + "}"),
    document("10 000 variables", "query (" + " ".join(f"$v{n}: Int" for n in range(10_000)) + ") { __typename }"),
    document(
        "490 variables that are not used", "query (" + " ".join(f"$v{n}: Int" for n in range(490)) + ") { __typename }"
    ),
    document("10 000 arguments", "{ customers(" + " ".join(f"a{n}: 1" for n in range(10_000)) + ") { totalCount } }"),
    document(
        "600 members that there are not",
        "{ invoices(filter: {" + " ".join(f"statu{n}: 1" for n in range(600)) + "}) { totalCount } }",
    ),
    document("10 000 fields that there are not", fields(10_000, lambda n: f"customer{n}")),
    document("a name of 200 000 letters", "{ " + "a" * 200_000 + " }"),
    document("a string of 200 000 letters", '{ planByCode(code: "' + "a" * 200_000 + '") { id } }'),
    document("a block string of 60 000 lines", '{ planByCode(code: """' + "\n a" * 60_000 + '""") { id } }'),
    document("a list of 30 000 words", WORDS % ("OPEN " * 30_000)),
    document("a list of 30 000 wrong words", WORDS % ("OPEM " * 30_000)),
    document("a list of 1900 words", WORDS % ("OPEN " * 1900), ANY),
    document("a fragment that spreads itself", "{ ...A } fragment A on Query { ...A }"),
    document(
        "two fragments that spread each other", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"
    ),
    document("190 fragments in a circle", spread(190, lambda n: f"...F{(n + 1) % 190}")),
    document("2000 fragments in a circle", spread(2000, lambda n: f"...F{(n + 1) % 2000}")),
    document("25 doublings by fragments", each_spreads_the_next_twice(25)),
    document("150 doublings by fragments", each_spreads_the_next_twice(150)),
    document("35 fragments that spread all that follow", each_spreads_all_that_follow(35)),
    document("150 fragments that spread all that follow", each_spreads_all_that_follow(150)),
    document("150 fragments in a chain", in_a_chain(150, 0), ANY),
    *(
        document(f"{depth} levels of {what}", opening + nested(*brackets, depth) + closing)
        for depth in (21, 100, 150, 200, 5000)
        for what, opening, brackets, closing in (
            ("fields", "", ("{ node ", "", "}"), ""),
            ("lists", "{ invoices(filter: {status: ", ("[", "", "]"), "}) { totalCount } }"),
            ("objects", "{ invoices(filter: ", ("{a: ", "1", "}"), ") { totalCount } }"),
            ("types", "query ($a: ", ("[", "Int", "]"), ") { __typename }"),
        )
    ),
    *(
        document(f"{depth} levels of inline fragments", "{" + nested("... { ", "__typename", "}", depth) + "}", ANY)
        for depth in (100, 5000)
    ),
    *(
        document(f"{count} fragments of {depth} levels each", in_a_chain(count, depth))
        for count, depth in ((2, 100), (4, 150), (6, 100), (10, 60))
    ),
    document(
        "21 levels of edges",
        "{ customers { nodes " + nested("{ subscription { customer ", "{ id }", "} }", 10) + " } }",
    ),
    document("pages in pages in pages", PAGES),
    document("the schema, as tools ask for it", get_introspection_query(), OK),
    document("the schema 100 times", fields(100, lambda n: f"a{n}: __schema {{ types {{ fields {{ name }} }} }}")),
    document("the schema 20 levels deep", TYPES % nested("{ fields { type ", "{ name }", "} }", 20)),
    document(
        "80 levels of ofType", TYPES % ("{ fields { type " + nested("{ ofType ", "{ name }", "}", 80) + " } }"), ANY
    ),
    document("a type of its own", "{ __typename } type A { a: Int }"),
    document("no operation", "fragment A on Query { __typename }"),
    document("a subscription", "subscription { x }"),
    document("parts that come later", "{ customers { nodes { id ... @defer { name } } } }"),
    document("a stream", "{ customers { nodes @stream { id } } }"),
    document("a right-to-left override", "{ \u202e__typename }"),
    document("a space of no width", "{ __type\u200bname }"),
    document("letters of full width", "{ ｃustomers { totalCount } }"),
    document("a string without an end", '{ planByCode(code: "'),
    document("an escape beyond Unicode", r'{ planByCode(code: "\u{110000}") { id } }'),
    document("a lone surrogate by an escape", r'{ planByCode(code: "\uD800") { id } }'),
    document("a NUL by an escape", r'{ planByCode(code: "\u0000") { id } }'),
    document("an integer of 5000 digits in the document", "{ customers(first: " + "9" * 5000 + ") { totalCount } }"),
)

BY_EMAIL = "query ($email: String!) { customerByEmail(email: $email) { id } }"
BY_STATUS = "query ($status: [InvoiceStatus!]) { invoices(filter: {status: $status}) { totalCount } }"
PAGE = "query ($first: Int, $after: String) { customers(first: $first, after: $after) { nodes { id } } }"
SINCE = "query ($since: DateTime!) { customers(filter: {createdAt: {from: $since}}) { totalCount } }"
CUSTOMER = "query ($id: ID!) { customer(id: $id) { id } }"
INPUT = "mutation ($input: CreatePlanInput!) { createPlan(input: $input) { plan { id } } }"
INVOICES = (
    "mutation ($lines: [InvoiceLineInput!]!) { "
    + " ".join(
        f'a{n}: createInvoice(input: {{customerId: "x", currency: "EUR", lines: $lines}}) {{ userErrors {{ code }} }}'
        for n in range(20)
    )
    + " }"
)
LINE = {"description": "x", "unitAmountCents": 1}


def cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


NUMBERS: list[Any] = [0, -1, -(2**31), 101, 2**31 - 1, 1.0, -0.0, None]
NO_NUMBERS: list[Any] = [2**31, 2**53, 2**63, 10**300, 1.5, 1e308, "1", True, [1], {}]

FIRST = cursor("customers", "created_at", False, "2026-01-31T12:00:00+00:00", NOBODY)
CURSORS = [
    *("", " ", "x", "=", "é", "\U0001f600", "null", "W10", "e30", "bnVsbA", "A" * 4001, "W1tbW1tb" * 400),
    *(FIRST[:-1], FIRST + "A", FIRST.swapcase(), FIRST[1:], FIRST + "====", FIRST + "\n"),
    cursor("plans", "created_at", False, "2026-01-31T12:00:00+00:00", NOBODY),
    cursor("customers", "created_at", True, "2026-01-31T12:00:00+00:00", NOBODY),
    cursor("customers", "created_at", False, "2026-01-31T12:00:00", NOBODY),
    cursor("customers", "created_at", False, "0001-01-01T00:00:00+00:00", NOBODY),
    cursor("customers", "created_at", False, "9999-12-31T23:59:59.999999+00:00", NOBODY),
    cursor("customers", "created_at", False, "0001-01-01T00:00:00+23:59", NOBODY),
    cursor("customers", "created_at", False, 1, NOBODY),
    cursor("customers", "created_at", False, None, "x"),
    cursor("customers", "created_at", False, "\ud800", NOBODY),
    cursor("customers", "created_at", False, {}, []),
]

INSTANTS = [
    *("2026-01-31t12:00:00z", "2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00+14:00"),
    *("9998-12-31T23:59:59Z", "1900-01-01T00:00:00Z", "2028-02-29T00:00:00-00:00"),
]
NO_INSTANTS: list[Any] = [
    *("", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-01-31T12:00:00Z\n"),
    *("2026-12-31T23:59:60Z", "2026-02-29T00:00:00Z", "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00.Z"),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1899-12-31T23:59:59Z", "+10000-01-01T00:00:00Z"),
    *("9999-12-31T23:59:59Z", "9998-12-31T23:59:59-00:01", "٢٠٢٦-01-31T12:00:00Z", "2026-W05-6T12:00:00Z"),
    *(0, True, [], {}),
]

IDS: list[Any] = [
    *("", " ", NOBODY.upper(), f"{{{NOBODY}}}", f"urn:uuid:{NOBODY}", NOBODY.replace("-", ""), NOBODY + "\n"),
    *("٠" + NOBODY[1:], "0" * 200_000, "' OR 1=1 --", 0, -1, 2**63, 10**300, 1.0),
]
NO_IDS: list[Any] = [None, True, 1.5, [1, 2], {}]

VALUES = (
    document("120 000 marks on a letter of an address", BY_EMAIL, ANY, email=MARKS + "@example.com"),
    document("120 000 marks in quotes", BY_EMAIL, ANY, email=f'"{MARKS}"@example.com'),
    document("120 000 marks in a domain", BY_EMAIL, ANY, email=f"a@{MARKS}.com"),
    document("an address of 240 000 letters", BY_EMAIL, ANY, email="a" * 240_000 + "@example.com"),
    document("an address of 120 000 labels", BY_EMAIL, ANY, email="a@" + "a." * 120_000 + "com"),
    document("120 000 brackets for an address", BY_EMAIL, ANY, email="(" * 120_000 + "@example.com"),
    document("30 000 words", BY_STATUS, ANY, status=["OPEN"] * 30_000),
    document("30 000 wrong words", BY_STATUS, BAD, status=["OPEM"] * 30_000),
    document("5000 lines for 20 invoices", INVOICES, ANY, lines=[LINE] * 5000),
    document("50 000 ids", "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ANY, ids=["x"] * 40_000),
    document("12 000 members that there are not", INPUT, BAD, input={f"nam{n}": n for n in range(12_000)}),
    *(document(f"first: {first!r:.30}", PAGE, OK, first=first) for first in NUMBERS),
    *(document(f"first: {first!r:.30}", PAGE, BAD, first=first) for first in NO_NUMBERS),
    *(document(f"the cursor {n}: {text[:20]!r}", PAGE, OK, after=text) for n, text in enumerate(CURSORS)),
    *(document(f"the instant {instant!r}", SINCE, OK, since=instant) for instant in INSTANTS),
    *(document(f"the instant {instant!r}", SINCE, BAD, since=instant) for instant in NO_INSTANTS),
    *(document(f"the id {id_!r:.45}", CUSTOMER, OK, id=id_) for id_ in IDS),
    *(document(f"the id {id_!r}", CUSTOMER, BAD, id=id_) for id_ in NO_IDS),
)

GRAPHQL_PROBES: tuple[Probe, ...] = (*FLOODS, *VALUES)
