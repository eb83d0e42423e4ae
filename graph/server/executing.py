"""Executes an operation of a valid document with the executor that fits it."""

from collections.abc import Mapping
from typing import Any

from graphql import ExecutionResult, OperationDefinitionNode
from graphql import execute as execute_by_object

from graph.execution import execute, is_plannable
from graph.schema.fields.context import Context
from graph.schema.root import core_schema
from graph.server.query_documents import QueryDocument


async def execute_operation(
    document: QueryDocument,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any] | None,
    context: Context,
    *,
    root_value: Any = None,
    max_bytes: int,
) -> ExecutionResult:
    """Returns the result of an operation. Raises `ResponseTooLarge` if a planned one has more than `max_bytes`."""
    assert document.node is not None, "the document is valid"
    assert document.plans is not None, "the document is valid"
    settings = context.settings
    if settings.fast_executor and is_plannable(operation):
        return await execute(
            core_schema,
            document.plans,
            operation,
            variables=variables,
            root_value=root_value,
            context=context,
            hide_suggestions=not settings.suggestions,
            max_bytes=max_bytes,
        )
    result = execute_by_object(
        core_schema,
        document.node,
        root_value=root_value,
        context_value=context,
        variable_values=None if variables is None else dict(variables),
        operation_name=operation.name.value if operation.name else None,
        hide_suggestions=not settings.suggestions,
    )
    return result if isinstance(result, ExecutionResult) else await result
