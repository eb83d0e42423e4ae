"""Documents: each is parsed, measured, validated and planned once, and kept for the next request."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    StringValueNode,
    ValidationRule,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from graph.error_codes import ErrorCode
from graph.execution import PlanCache, Plans
from graph.schema.fields.scalars import UNSTORABLE_TEXT, is_storable
from graph.server.limits import Measured, limit_error, measure
from graph.settings import Limits

KEPT = 500
KEPT_CHARACTERS = 500_000
"""So many documents, and so much text of them, are kept: those that came last. What is parsed takes some eighty times
the memory of its text.
"""

MAX_ERRORS = 20


class StorableTexts(ValidationRule):
    """Refuses a string in the document that PostgreSQL cannot keep: escapes can spell a NUL character."""

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        if not is_storable(node.value):
            self.report_error(GraphQLError(UNSTORABLE_TEXT, node, extensions={"code": ErrorCode.BAD_USER_INPUT}))


RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule, StorableTexts)


@dataclass(frozen=True, slots=True)
class QueryDocument:
    """A document as it was found: what is wrong with it, if anything, and what it asks for.

    One that nothing is wrong with has a node, its measure, and the plans of its operations.
    """

    errors: tuple[GraphQLError, ...]
    node: DocumentNode | None = None
    measured: Measured | None = None
    plans: Plans | None = None
    operations: Mapping[str | None, OperationDefinitionNode] = field(default_factory=dict)
    trusted: bool = False

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """The operation with this name, or the only one. Raises `GraphQLError`.

        See https://spec.graphql.org/draft/#GetOperation().
        """
        if name is not None:
            found = self.operations.get(name)
            if found is None:
                raise GraphQLError(f"The document has no operation {name!r}.")
            return found
        if len(self.operations) > 1:
            raise GraphQLError("The document has several operations: name one in `operationName`.")
        if not self.operations:
            raise GraphQLError("The document has no operation.")
        [only] = self.operations.values()
        return only

    def cost(self, operation: OperationDefinitionNode, variables: Mapping[str, Any], limits: Limits) -> "Cost":
        """What an operation could give at most, with these variables, and what of it is more than is allowed."""
        assert self.measured is not None, "what was parsed is measured"
        name = operation.name.value if operation.name else None
        nodes, values = self.measured.asked_by(name, variables)
        errors = tuple(
            limit_error(
                f"The operation {does} {asked} {what}; at most {limit} are allowed. Ask for less at once.",
                None,
                code=ErrorCode.COST_LIMIT,
                asked=asked,
                limit=limit,
            )
            for does, what, asked, limit in (
                ("could give", "objects", nodes, limits.nodes),
                ("would read", "values of large arguments", values, limits.values),
            )
            if asked > limit
        )
        return Cost(nodes, errors)


@dataclass(frozen=True, slots=True)
class Cost:
    """How many objects an operation could give, and why that is too much, if it is."""

    nodes: int
    errors: tuple[GraphQLError, ...]


class QueryDocuments:
    """The documents that came last, and those that are trusted, by their text."""

    def __init__(
        self, schema: GraphQLSchema, limits: Limits, trusted: Iterable[str] = (), *, suggestions: bool = True
    ) -> None:
        self._schema = schema
        self.limits = limits
        self._suggestions = suggestions
        self._recent: OrderedDict[str, QueryDocument] = OrderedDict()
        self._characters = 0
        self._plans = PlanCache()
        self._trusted = {text: replace(self._read(text), trusted=True) for text in trusted}
        for document in self._trusted.values():
            for operation in document.operations.values():
                assert document.plans is not None, "a document with operations is valid"
                document.plans.prepare(operation)

    def of(self, text: str) -> QueryDocument:
        """The document with this text."""
        if found := self._trusted.get(text):
            return found
        if found := self._recent.get(text):
            self._recent.move_to_end(text)
            return found
        read = self._read(text)
        # What is refused is not kept: there is no end of what can be wrong.
        if not read.errors:
            self._recent[text] = read
            self._characters += len(text)
            while len(self._recent) > KEPT or self._characters > KEPT_CHARACTERS:
                oldest, document = self._recent.popitem(last=False)
                self._characters -= len(oldest)
                if document.plans is not None:
                    self._plans.forget(document.plans)
        return read

    def _read(self, text: str) -> QueryDocument:
        limits = self.limits
        if len(text) > limits.characters:
            message = f"The document has {len(text)} characters; at most {limits.characters} are allowed."
            numbers = {"asked": len(text), "limit": limits.characters}
            return refused(limit_error(message, None, code=ErrorCode.GRAPHQL_PARSE_FAILED, **numbers))
        try:
            node = parse(text, max_tokens=limits.tokens)
        except GraphQLSyntaxError as error:
            return refused(error)
        except RecursionError:
            return refused(limit_error("The document is nested too deeply.", None, code=ErrorCode.GRAPHQL_PARSE_FAILED))
        measured = measure(self._schema, node, limits)
        # What is too large is not validated: that is where the time would go.
        errors = measured.errors or tuple(
            validate(self._schema, node, RULES, max_errors=MAX_ERRORS, hide_suggestions=not self._suggestions)
        )
        if errors:
            return QueryDocument(errors)
        operations = {
            each.name.value if each.name else None: each
            for each in node.definitions
            if isinstance(each, OperationDefinitionNode)
        }
        return QueryDocument((), node, measured, Plans(self._schema, node, self._plans), operations)


def refused(error: GraphQLError) -> QueryDocument:
    return QueryDocument((error,))
