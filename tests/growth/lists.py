"""Every list in the schema, with every filter and order that an index supports, derived from the schema."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
)

from graph.schema.root import core_schema
from tests.growth.rows import PER_CUSTOMER, PLANS, RARE, START, key

ALWAYS = ("customerId", "subscriptionId", "planId")
"""Filters that can be combined with any other filter and any order, except for `APART`."""

APART = {("customers", "planId"): ("currency", "NAME", "EMAIL")}
"""Filters and orders that no index serves together with a filter of a list."""

WITH_STATUS = ("dueAt", "currency", "kind", "currentPeriodEnd", "canceledAt", "trialEnd")
WITH_ORDER = {"AMOUNT": ("status", "currency"), "DUE_AT": ("status",)}
"""Filters that each order supports, in addition to `ALWAYS`."""

EVERY = timedelta(minutes=5)
"""Interval between two consecutive invoices."""

IDS = {
    "customerId": ("customer", 5),
    "subscriptionId": ("subscription", 5),
    "planId": ("plan", 1),
    "testClockId": ("clock", 9),
    "objectId": ("invoice", 77),
    "invoiceId": ("invoice", 77),
}
PLAIN = {"Boolean": ["true", "false"], "Currency": ['"EUR"', '"JPY"', '"CHF"']}
TEXTS = {"reference": ['"common"', '"rare"', '"absent"'], "number": ['"C-77"', '"absent"']}
RARE_IDS = {"planId": ("plan", PLANS + 1)}
ABSENT = 10**9

SEARCHES = ("customer", "grown-", "seldom", "seldom 50", "absent@example.com", "xyz", "cu", "se", "zz")
"""Texts that are in all customers, in at most `RARE` customers, or in none."""
IN_ALL = ("customer", "grown-", "cu")
SORTED = ("NAME", "EMAIL")
"""Orders in which a search reads and sorts all matches: a search that finds all customers reads them all."""


@dataclass(frozen=True, slots=True)
class List:
    """List of the schema, and the query around it, with `{}` in place of the list."""

    name: str
    around: str
    filters: Mapping[str, GraphQLNamedType]
    orders: tuple[str, ...]
    searched: bool

    def query(self, arguments: str) -> str:
        field = self.name.rpartition(".")[2]
        return self.around.replace("{}", f"{field}(first: 20{arguments}) {{ nodes {{ id }} }}")


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    query: str


def lists() -> Iterator[List]:
    """Yields the lists of the query type, and the lists of each type that the query type finds by id."""
    query = core_schema.query_type
    assert query is not None
    for name, field in query.fields.items():
        type_ = get_named_type(field.type)
        if is_list(field):
            yield a_list(name, "{ {} }", field)
        elif isinstance(type_, GraphQLObjectType) and "id" in field.args and name == camel(type_.name):
            place = {"customer": 5, "subscription": 5, "plan": 1, "testClock": 9}.get(name, 77)
            kind = {"testClock": "clock"}.get(name, name)
            around = f'{{ {name}(id: "{key(kind, place)}") {{ {{}} }} }}'
            yield from (a_list(f"{name}.{each}", around, of) for each, of in type_.fields.items() if is_list(of))


def is_list(field: GraphQLField) -> bool:
    return get_named_type(field.type).name.endswith("Connection")


def a_list(name: str, around: str, field: GraphQLField) -> List:
    filters: dict[str, GraphQLNamedType] = {}
    if "filter" in field.args:
        type_ = get_named_type(field.args["filter"].type)
        assert isinstance(type_, GraphQLInputObjectType)
        filters = {each: get_named_type(of.type) for each, of in type_.fields.items()}
    orders: tuple[str, ...] = ()
    if "orderBy" in field.args:
        order = get_named_type(field.args["orderBy"].type)
        assert isinstance(order, GraphQLInputObjectType)
        words = get_named_type(order.fields["field"].type)
        assert isinstance(words, GraphQLEnumType)
        orders = tuple(words.values)
    return List(name, around, filters, orders, "query" in field.args)


def camel(name: str) -> str:
    return name[0].lower() + name[1:]


def values_of(name: str, type_: GraphQLNamedType, as_list: bool, newest: datetime) -> list[str]:
    """Returns GraphQL literals of values that are common, rare and absent in the rows of `tests.growth.rows`."""
    if isinstance(type_, GraphQLEnumType):
        return [f"[{word}]" if as_list else word for word in type_.values]
    match type_.name:
        case "Boolean" | "Currency":
            return PLAIN[type_.name]
        case "String":
            return TEXTS[name]
        case "ID":
            kind, place = IDS[name]
            rare = [f'"{key(*RARE_IDS[name])}"'] if name in RARE_IDS else []
            return [f'"{key(kind, place)}"', *rare, f'"{key(kind, ABSENT)}"']
        case "MetadataEntryInput":
            pairs = (("tier", "basic"), ("tier", "gold"), ("ref", "r-5"), ("ref", "none"))
            return [f'[{{key: "{key}", value: "{value}"}}]' for key, value in pairs]
        case "DateTimeRange":
            middle = START + 18_000 * EVERY
            return [
                span(START, newest + timedelta(days=365)),
                span(START + 1000 * EVERY, START + 9000 * EVERY),
                span(middle, middle + RARE * EVERY),
                span(newest + timedelta(days=365), newest + timedelta(days=400)),
            ]
    raise AssertionError(f"{name}: {type_.name} has no values here. Add some that are common, rare and absent.")


def span(start: datetime, end: datetime) -> str:
    return f'{{from: "{start:%Y-%m-%dT%H:%M:%SZ}", until: "{end:%Y-%m-%dT%H:%M:%SZ}"}}'


def cases(newest: datetime) -> Iterator[Case]:
    for each in lists():
        yield from cases_of(each, newest)


def cases_of(each: List, newest: datetime) -> Iterator[Case]:
    filters = {
        name: [f"{name}: {value}" for value in values_of(name, type_, takes_many(each, name), newest)]
        for name, type_ in each.filters.items()
    }

    def case(conditions: tuple[str, ...], order: str = "", direction: str = "ASC") -> Case:
        arguments = f", filter: {{{', '.join(conditions)}}}" if conditions else ""
        arguments += f", orderBy: {{field: {order}, direction: {direction}}}" if order else ""
        return Case(f"{each.name}{arguments}", each.query(arguments))

    yield case(())
    for text in SEARCHES if each.searched else ():
        for order in ("", *(order for order in each.orders if text not in IN_ALL or order not in SORTED)):
            yield searched(each, text, order)
            yield searched(each, text, order, ", filter: {archived: false}")
    for order in each.orders:
        yield case((), order)
        yield case((), order, "DESC")
    for name, said in filters.items():
        for one in said:
            yield case((one,))
            yield from (case((one,), order) for order in each.orders if name in WITH_ORDER.get(order, ()))
        if name in ALWAYS:
            apart = {name, *APART.get((each.name.rpartition(".")[2], name), ())}
            others = [other for other in filters if other not in apart]
            yield from (case((said[0],), order) for order in each.orders if order not in apart)
            yield from (case((said[0], second)) for other in others for second in filters[other][:4])
        if name == "status":
            others = [second for other in WITH_STATUS for second in filters.get(other, ())]
            yield from (case((one, second)) for one in said for second in others)


def searched(each: List, text: str, order: str, others: str = "") -> Case:
    ordered = f", orderBy: {{field: {order}, direction: DESC}}" if order else ""
    arguments = f", query: {json.dumps(text)}{others}{ordered}"
    return Case(f"{each.name}{arguments}", each.query(arguments))


def takes_many(each: List, name: str) -> bool:
    query = core_schema.query_type
    assert query is not None
    field = query.fields[each.name.partition(".")[0]]
    if "." in each.name:
        type_ = get_named_type(field.type)
        assert isinstance(type_, GraphQLObjectType)
        field = type_.fields[each.name.rpartition(".")[2]]
    input_: Any = get_named_type(field.args["filter"].type)
    return str(input_.fields[name].type).startswith("[")


assert PLANS > 1
assert PER_CUSTOMER > 1
