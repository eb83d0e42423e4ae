"""Messages about input values that do not fit their types: they name the field, and never repeat the value."""

from typing import Any

import pytest

from graph.server.errors import plain_message
from tests.support import Api

CREATE = "mutation ($input: CreateCustomerInput!) { createCustomer(input: $input) { customer { id } } }"
ORDER = "query ($order: PlanOrder, $first: Int) { plans(orderBy: $order, first: $first) { nodes { id } } }"
SECRET = "Ada, found: 'Lovelace'? Found: value: enum."
OF_INPUT = "Expected value of type 'CreateCustomerInput'"
ADA = {"name": SECRET, "email": SECRET}


async def messages(api: Api, document: str, variables: dict[str, Any] | None = None) -> list[str]:
    """Returns the messages of a request that is rejected before it is executed."""
    answer = (await api.post(document, **(variables or {}))).json()
    assert "data" not in answer
    return [error["message"] for error in answer["errors"]]


@pytest.mark.parametrize(
    ("document", "variables", "said"),
    [
        (CREATE, {}, [": Expected a value of non-null type 'CreateCustomerInput!' to be provided."]),
        (CREATE, {"input": None}, [": Expected value of non-null type 'CreateCustomerInput!' not to be null."]),
        (
            CREATE,
            {"input": ADA | {"name": None}},
            [" at .name: Expected value of non-null type 'String!' not to be null."],
        ),
        (CREATE, {"input": SECRET}, [": Expected value of type 'CreateCustomerInput' to be an object."]),
        (
            CREATE,
            {"input": {"email": SECRET}},
            [": Expected value of type 'CreateCustomerInput' to include required field 'name'."],
        ),
        (
            CREATE,
            {"input": ADA | {"xyz": 1}},
            [": Expected value of type 'CreateCustomerInput' not to include unknown field 'xyz'."],
        ),
        (
            CREATE,
            {"input": ADA | {"emial": 1}},
            [f": {OF_INPUT} not to include unknown field 'emial'. Did you mean 'email'?"],
        ),
        (CREATE, {"input": ADA | {"netDays": SECRET}}, [" at .netDays: Int cannot represent non-integer value."]),
        (
            CREATE,
            {"input": ADA | {"metadata": [{"key": "a", "value": ADA}]}},
            [" at .metadata[0].value: String cannot represent a non string value."],
        ),
    ],
)
async def test_a_variable_that_does_not_fit_is_not_repeated(
    api: Api, document: str, variables: dict[str, Any], said: list[str]
) -> None:
    assert await messages(api, document, variables) == [f"Variable '$input' has invalid value{each}" for each in said]


async def test_a_value_that_is_in_no_enum_is_not_repeated(api: Api) -> None:
    missing = "Variable '$order' has invalid value at .field: The value does not exist in 'PlanOrderField' enum."

    assert await messages(api, ORDER, {"order": {"field": SECRET}, "first": SECRET}) == [
        missing,
        "Variable '$first' has invalid value: Int cannot represent non-integer value.",
    ]
    assert await messages(api, ORDER, {"order": {"field": "CODES"}}) == [
        f"{missing} Did you mean the enum value 'CODE'?",
    ]
    assert await messages(api, ORDER, {"order": {"field": [SECRET]}}) == [
        "Variable '$order' has invalid value at .field: Enum 'PlanOrderField' cannot represent non-string value.",
    ]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            'mutation { createCustomer(input: {emial: "ada"}) { customer { id } } }',
            [
                "Expected value of type 'CreateCustomerInput' to include required field 'name'.",
                "Expected value of type 'CreateCustomerInput' to include required field 'email'.",
                f"{OF_INPUT} not to include unknown field 'emial'. Did you mean 'email'?",
            ],
        ),
        ('{ plans(first: "ada") { nodes { id } } }', ["Int cannot represent non-integer value."]),
        ("{ plan(id: null) { id } }", ["Expected value of non-null type 'ID!' not to be null."]),
        (
            '{ plans(orderBy: {field: "CODE"}) { nodes { id } } }',
            ["Enum 'PlanOrderField' cannot represent non-enum value. Did you mean the enum value 'CODE'?"],
        ),
        (
            "{ plans(orderBy: {field: CODES}) { nodes { id } } }",
            ["Value 'CODES' does not exist in 'PlanOrderField' enum. Did you mean the enum value 'CODE'?"],
        ),
    ],
)
async def test_a_value_in_the_document_that_does_not_fit_is_not_repeated(
    api: Api, document: str, said: list[str]
) -> None:
    assert await messages(api, document) == said


@pytest.mark.parametrize(
    "message",
    [
        "Cannot query field 'nme' on type 'Customer'. Did you mean 'name'?",
        "Syntax Error: Expected Name, found <EOF>.",
        "`first` must be between 0 and 100.",
    ],
)
def test_other_messages_stay_as_they_are(message: str) -> None:
    assert plain_message(message) == message
