"""Variables of a request, as values of their types."""

from collections.abc import Collection, Mapping
from typing import Any

from graphql import GraphQLError, GraphQLSchema, VariableDefinitionNode, VariableValues, get_variable_values

MAX_COERCION_ERRORS = 50
"""Maximum number of errors of variables that are reported, as in graphql-core."""

MAX_SUGGESTIONS = 3
"""Maximum number of errors, of a document and of its variables, that say which name was perhaps meant: to find one
takes as long as to find some hundred errors.
"""


def coerced_variables(
    schema: GraphQLSchema,
    definitions: Collection[VariableDefinitionNode],
    variables: Mapping[str, Any],
    *,
    hide_suggestions: bool,
) -> VariableValues | list[GraphQLError]:
    """Returns the values of variables, or what is wrong with them: only the first errors say what was perhaps meant."""
    given = {**variables}
    if hide_suggestions:
        return get_variable_values(schema, definitions, given, MAX_COERCION_ERRORS, hide_suggestions)
    coerced = get_variable_values(schema, definitions, given, MAX_SUGGESTIONS)
    # The last error says then that there are more.
    if isinstance(coerced, VariableValues) or len(coerced) <= MAX_SUGGESTIONS:
        return coerced
    all_errors = get_variable_values(schema, definitions, given, MAX_COERCION_ERRORS, hide_suggestions=True)
    assert isinstance(all_errors, list)
    return [*coerced[:MAX_SUGGESTIONS], *all_errors[MAX_SUGGESTIONS:]]
