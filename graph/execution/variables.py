"""Coercion of the variables of a request."""

from collections.abc import Collection, Mapping
from typing import Any

from graphql import GraphQLError, GraphQLSchema, VariableDefinitionNode, VariableValues, get_variable_values

MAX_COERCION_ERRORS = 50
"""Maximum number of errors in variables to report, as in graphql-core."""

MAX_SUGGESTIONS = 3
"""Maximum number of errors with a "Did you mean …" suggestion, for documents and for variables.

Finding one suggestion takes as long as finding some hundred errors.
"""


def coerced_variables(
    schema: GraphQLSchema,
    definitions: Collection[VariableDefinitionNode],
    variables: Mapping[str, Any],
    *,
    hide_suggestions: bool,
) -> VariableValues | list[GraphQLError]:
    """Returns the coerced variables, or their errors. At most the first `MAX_SUGGESTIONS` errors have suggestions."""
    given = {**variables}
    if hide_suggestions:
        return get_variable_values(schema, definitions, given, MAX_COERCION_ERRORS, hide_suggestions)
    coerced = get_variable_values(schema, definitions, given, MAX_SUGGESTIONS)
    # With more errors than the limit, graphql-core appends an error that says so. Coerce again to get the others.
    if isinstance(coerced, VariableValues) or len(coerced) <= MAX_SUGGESTIONS:
        return coerced
    all_errors = get_variable_values(schema, definitions, given, MAX_COERCION_ERRORS, hide_suggestions=True)
    assert isinstance(all_errors, list)
    return [*coerced[:MAX_SUGGESTIONS], *all_errors[MAX_SUGGESTIONS:]]
