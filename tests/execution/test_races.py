"""Tests that only differences caused by a race are allowed."""

from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLError

from tests.execution.agreement import by_level, by_object, failing, later, said, schema_of, valid
from tests.execution.races import Occurrence, Steps, excused, is_race, occurrences

SDL = """
type Query { nest: Nest, other: Nest! }
type Nest { now: Int!, first: Int!, second: Int!, deep: Nest!, optional: Nest, null: Int }
"""


class Context:
    notes: Any = None


def occurring(path: Steps, target: Steps, *waits: Steps) -> Occurrence:
    return Occurrence(GraphQLError(str(path), path=path), target, waits)


NOW = occurring(("nest", "now"), ("nest",))
FIRST = occurring(("nest", "first"), ("nest",), ("nest", "first"))
SECOND = occurring(("nest", "second"), ("nest",), ("nest", "second"))
AFTER_NEST = occurring(("nest", "now"), ("nest",), ("nest",))
LATER_IN_NEST = occurring(("nest", "first"), ("nest",), ("nest",), ("nest", "first"))
RISING = occurring(("nest", "deep", "now"), ("nest",), ("nest", "deep"))
BELOW_RISING = occurring(
    ("nest", "deep", "optional", "now"), ("nest", "deep", "optional"), ("nest", "deep"), ("nest", "deep", "optional")
)
ALSO_RISING = occurring(("nest", "deep", "first"), ("nest",), ("nest", "deep"), ("nest", "deep", "first"))


@pytest.mark.parametrize(("one", "other"), [(FIRST, SECOND), (RISING, FIRST), (RISING, BELOW_RISING)])
def test_what_is_awaited_side_by_side_or_while_another_rises_is_a_race(one: Occurrence, other: Occurrence) -> None:
    assert is_race(one, other, one_by_one=False)
    assert is_race(other, one, one_by_one=False)


@pytest.mark.parametrize(
    ("one", "other"), [(NOW, NOW), (NOW, FIRST), (AFTER_NEST, LATER_IN_NEST), (RISING, ALSO_RISING), (FIRST, FIRST)]
)
def test_what_is_met_in_a_fixed_order_is_none(one: Occurrence, other: Occurrence) -> None:
    assert not is_race(one, other, one_by_one=False)
    assert not is_race(other, one, one_by_one=False)


def test_fields_of_the_root_of_a_mutation_do_not_race() -> None:
    first, second = occurring(("a",), (), ("a",)), occurring(("b",), (), ("b",))

    assert is_race(first, second, one_by_one=False)
    assert not is_race(first, second, one_by_one=True)


async def test_all_errors_that_occur_are_known() -> None:
    schema = schema_of(SDL)
    document = valid(schema, "{ nest { now first second null } }")
    nest = {"now": failing("now"), "first": lambda _info: later(RuntimeError("first")), "second": None, "null": None}

    found = await occurrences(schema, document, Context(), root_value={"nest": nest})

    assert {each.path: (each.target, each.waits) for each in found} == {
        ("nest", "now"): (("nest",), ()),
        ("nest", "first"): (("nest",), (("nest", "first"),)),
        ("nest", "second"): (("nest",), ()),
    }


async def test_only_another_error_of_a_race_is_excused() -> None:
    schema = schema_of(SDL)
    document = valid(schema, "{ nest { first second now } }")
    nest: dict[str, Any] = {"now": 1}
    nest |= {name: lambda info: later(RuntimeError(info.field_name)) for name in ("first", "second")}
    found = await occurrences(schema, document, Context(), root_value={"nest": nest})
    told = await by_level(schema, document, root={"nest": nest})
    assert said(told) == [("first", ["nest", "first"])]

    errors = {error.message: error for error in (each.error for each in found)}
    invented = GraphQLError("invented", path=["nest", "first"])

    def is_excused(*messages: GraphQLError, data: Any = None) -> bool:
        other = ExecutionResult(data or {"nest": None}, [*messages])
        return excused(told, other, found, one_by_one=False)

    assert is_excused(errors["second"])
    assert not is_excused(invented)
    assert not is_excused()
    assert not is_excused(errors["second"], data={"nest": {}})


async def test_an_error_in_a_fixed_order_is_not_excused() -> None:
    schema = schema_of(SDL)
    document = valid(schema, "{ nest { first now } }")
    nest = {"now": failing("now"), "first": lambda _info: later(RuntimeError("first"))}
    found = await occurrences(schema, document, Context(), root_value={"nest": nest})
    theirs = await by_object(schema, document, root={"nest": nest})
    assert said(theirs) == [("now", ["nest", "now"])]

    wrong = ExecutionResult({"nest": None}, [each.error for each in found if each.path == ("nest", "first")])

    assert not excused(wrong, theirs, found, one_by_one=False)
