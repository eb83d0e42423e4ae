"""How operations are executed, printed for people."""

import sys

from graphql import GraphQLError, VariableValues

from cli.errors import CommandError
from graph.execution import explained
from graph.schema.root import core_schema
from graph.server.query_documents import QueryDocuments
from graph.settings import Limits


def explain_document(text: str) -> None:
    """Prints the plans of a document's operations, without variables. Raises `CommandError` for one that is wrong."""
    document = QueryDocuments(core_schema, Limits()).of(text)
    if document.errors:
        raise CommandError(f"The document is not valid: {document.errors[0].message}")
    assert document.plans is not None, "a valid document has plans"
    for name, operation in document.operations.items():
        try:
            lines = explained(document.plans.of(operation, VariableValues({}, {})))
        except GraphQLError as error:
            raise CommandError(f"The operation depends on its variables: {error.message}") from None
        title = f"{operation.operation.value} {name or ''}".rstrip()
        sys.stdout.write("\n".join((title, *lines)) + "\n")
