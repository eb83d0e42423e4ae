"""The schema and the guarantees of schema.graphql."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    is_specified_scalar_type,
)

from billing.errors import BillingError
from graph.schema.root import core_schema, sdl

COMMITTED = Path(__file__).parents[2] / "schema.graphql"


@pytest.fixture(scope="module")
def read() -> GraphQLSchema:
    return build_schema(COMMITTED.read_text())


def test_the_committed_schema_is_what_the_code_says() -> None:
    assert COMMITTED.read_text() == sdl()


def test_the_domains_subscription_is_not_the_root_of_subscriptions(read: GraphQLSchema) -> None:
    assert read.subscription_type is not None
    assert read.subscription_type.name == "EventStream"
    assert "plan" in read.type_map["Subscription"].fields  # type: ignore[attr-defined]
    without_roots = sdl().split("}\n\n", 1)[1]
    misread = build_schema(without_roots, assume_valid=True)
    assert misread.subscription_type is not None
    assert misread.subscription_type.name == "Subscription", "the reason why the roots are named"


def test_the_schema_is_introduced_by_its_description(read: GraphQLSchema) -> None:
    assert read.description == core_schema.description
    assert "minor units" in (read.description or "")


def test_everything_is_described(read: GraphQLSchema) -> None:
    missing = []
    for name, type_ in read.type_map.items():
        if name.startswith("__") or is_specified_scalar_type(type_):
            continue
        described = {name: type_.description}
        match type_:
            case GraphQLObjectType() | GraphQLInterfaceType():
                for field_name, field in type_.fields.items():
                    described[f"{name}.{field_name}"] = field.description
                    for argument_name, argument in field.args.items():
                        described[f"{name}.{field_name}({argument_name}:)"] = argument.description
            case GraphQLInputObjectType():
                described |= {f"{name}.{key}": input_.description for key, input_ in type_.fields.items()}
            case GraphQLEnumType():
                described |= {f"{name}.{key}": value.description for key, value in type_.values.items()}
            case GraphQLScalarType():
                described[f"{name} @specifiedBy"] = type_.specified_by_url
        missing += [what for what, description in described.items() if not description]

    assert missing == []


def test_each_mutation_takes_one_input_and_answers_with_a_payload_of_its_own(read: GraphQLSchema) -> None:
    assert read.mutation_type is not None
    for name, field in read.mutation_type.fields.items():
        noun = f"{name[0].upper()}{name[1:]}"
        assert {key: str(argument.type) for key, argument in field.args.items()} == {"input": f"{noun}Input!"}
        assert str(field.type) == f"{noun}Payload!"
        payload = read.type_map[f"{noun}Payload"]
        assert isinstance(payload, GraphQLObjectType)
        types = {key: str(member.type) for key, member in payload.fields.items()}
        assert types.pop("userErrors") == "[UserError!]!"
        assert all(not type_.endswith("!") for type_ in types.values()), "null where the mutation was refused"


@pytest.mark.parametrize(
    ("act", "preview"),
    [
        ("CreateSubscriptionInput", "PreviewSubscriptionInput"),
        ("ChangeSubscriptionInput", "PreviewSubscriptionChangeInput"),
        ("ResetBillingAnchorInput", "PreviewBillingAnchorResetInput"),
    ],
)
def test_a_preview_takes_what_bears_on_the_invoice(read: GraphQLSchema, act: str, preview: str) -> None:
    taken, asked = (
        {name: (str(field.type), field.default_value) for name, field in type_.fields.items()}
        for type_ in (read.type_map[act], read.type_map[preview])
        if isinstance(type_, GraphQLInputObjectType)
    )

    assert asked == {name: said for name, said in taken.items() if name not in ("metadata", "idempotencyKey")}


STANDARD = re.compile(r"`[^`]*`|(?:ISO|RFC) \d+|\w+-letter(?= (?:country|ISO))")
"""Matches numbers that may be typed in a text: those in examples and in names of standards."""

NUMBER_WORDS = (
    *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "fifteen", "twenty"),
    *("thirty", "forty", "fifty", "sixty", "ninety", "hundred", "thousand", "million"),
)
NUMBER = re.compile(
    r"(?<![\w^.:+-])\d{2,}(?![\w.:+-])|\d\^\d"
    rf"|\b(?:{'|'.join(NUMBER_WORDS)})\b"
    r"|\b(?:after|for|in|lasts|most|than|to|within) an? (?:second|minute|hour|day|week|month|year)\b",
    re.IGNORECASE,
)


def texts_of(path: Path) -> Iterator[str]:
    """Yields the strings in a file except docstrings, so descriptions and messages are included."""
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_limits_in_descriptions_and_messages_come_from_their_constants() -> None:
    """A number that is typed in a text would become wrong when the constant changes."""
    texts = [
        text
        for folder in ("graph/schema", "billing", "services")
        for path in sorted((COMMITTED.parent / folder).rglob("*.py"))
        for text in texts_of(path)
        if " " in text
    ]

    typed = [text for text in texts if NUMBER.search(STANDARD.sub("", text))]

    assert len(texts) > 500
    assert sorted(text.split(":")[0] for text in typed) == [
        "An amount of money in minor units of the accompanying currency (ISO 4217",
        "Calendar years",
        "Days of exactly 24 hours.",
        (
            "Month of the year, 1 to 12, in which a period begins. For yearly plans and those billed every several "
            "months; no effect for a plan billed every month. Defaults to the month of the next `dayOfMonth`."
        ),
        "Number of units in the billing interval. For example, 30 with DAY bills every 30 days.",
        (
            "There are too many allocations, two name the same invoice, they add up to more than the payment, or the"
            " payment is used up before it reaches all of them."
        ),
        "Weeks of exactly 7 × 24 hours.",
    ]


def test_the_codes_of_refusals_follow_from_their_classes(read: GraphQLSchema) -> None:
    refusals = list(subclasses(BillingError))
    codes = read.type_map["UserErrorCode"]

    assert isinstance(codes, GraphQLEnumType)
    assert {name: value.description for name, value in codes.values.items()} == {
        refusal.code: refusal.description for refusal in refusals
    }


def subclasses(of: type[BillingError]) -> Iterator[type[BillingError]]:
    """Yields the subclasses that belong to the product."""
    for each in of.__subclasses__():
        if not each.__module__.startswith("tests."):
            yield each
            yield from subclasses(each)
