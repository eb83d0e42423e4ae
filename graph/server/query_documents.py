"""Parses, measures, validates and plans documents, and caches the results for later requests."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    StringValueNode,
    ValidationContext,
    ValidationRule,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from graph.error_codes import ErrorCode
from graph.execution import MAX_SUGGESTIONS, QueryPlanCache, QueryPlans
from graph.schema.fields.scalars import UNSTORABLE_TEXT, is_storable
from graph.server.limits import Measured, limit_error, measure
from graph.settings import Limits

MAX_DOCUMENTS = 500
KEPT_CHARACTERS = 500_000
"""Maximum number of cached documents, and of characters in them; the least recently used are evicted. A parsed document
takes about eighty times the memory of its text.
"""

MAX_ERRORS = 20

MERGE_BUDGET = 40_000
"""Maximum work for checking whether fields with the same name can be merged, in the units of graphql-core: each pair of
fields or of fragments takes two. graphql-core itself only stops at 500 000, which takes seconds.
"""

CHARACTERS_PER_ROW = 100
MERGES_PER_ROW = 200
PLANNED_FIELDS_PER_ROW = 10
VALUES_PER_ROW = 100
"""Amount of work on a document or its variables that the rate limit counts as one row, because it takes about as long
as reading a row.
"""


class StorableTexts(ValidationRule):
    """Rejects strings in the document that PostgreSQL cannot store, such as an escaped NUL character."""

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        if not is_storable(node.value):
            self.report_error(GraphQLError(UNSTORABLE_TEXT, node, extensions={"code": ErrorCode.BAD_USER_INPUT}))


class FewSuggestions(ValidationRule):
    """Limits suggestions of similar names to the first errors of a document, because each one compares a name with all
    existing names. Errors in the same argument as the last one may still have suggestions.
    """

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        report, suggesting = context.report_error, MAX_SUGGESTIONS

        def report_error(error: GraphQLError) -> None:
            nonlocal suggesting
            suggesting -= 1
            if not suggesting:
                context._hide_suggestions = True  # noqa: SLF001
            report(error)

        context.report_error = report_error  # type: ignore[method-assign]


class BoundedMerging(OverlappingFieldsCanBeMergedRule):
    """The rule of graphql-core with a smaller budget. Validation is aborted when it is exceeded."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MERGE_BUDGET

    @property
    def spent(self) -> int:
        return MERGE_BUDGET - self.rule_context.remaining_complexity_budget


RULES: tuple[type[ASTValidationRule], ...] = (
    FewSuggestions,
    *specified_rules,
    MaybeNullValidationRule,
    OneOfInputValidationRule,
    StorableTexts,
)


@dataclass(frozen=True, slots=True)
class QueryDocument:
    """A parsed document: its errors, if any, or its operations with their size and plans.

    A document without errors has `node`, `measured` and `plans`. `rows` is the charge for reading the document: 0 if it
    was cached.
    """

    errors: tuple[GraphQLError, ...]
    node: DocumentNode | None = None
    measured: Measured | None = None
    plans: QueryPlans | None = None
    operations: Mapping[str | None, OperationDefinitionNode] = field(default_factory=dict)
    trusted: bool = False
    rows: int = 0

    @property
    def planned_rows(self) -> int:
        """The charge for all plans made for this document so far, in rows."""
        return 0 if self.plans is None else self.plans.work.fields // PLANNED_FIELDS_PER_ROW

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Returns the operation with this name, or the only one. Raises `GraphQLError`.

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
        """Returns the maximum cost of an operation with these variables, and errors for exceeded limits."""
        assert self.measured is not None, "what was parsed is measured"
        name = operation.name.value if operation.name else None
        nodes, values, counted = self.measured.asked_by(name, variables)
        errors = tuple(
            limit_error(
                f"The operation {does} {asked} {what}; at most {limit} are allowed. Request less at a time.",
                None,
                code=ErrorCode.COST_LIMIT,
                asked=asked,
                limit=limit,
            )
            for does, what, asked, limit in (
                ("could return", "objects", nodes, limits.nodes),
                ("would read", "values of large arguments", values, limits.values),
            )
            if asked > limit
        )
        return Cost(nodes, errors, (counted + min(values, limits.values)) // VALUES_PER_ROW)


@dataclass(frozen=True, slots=True)
class Cost:
    """Maximum number of objects that an operation could return, and errors if a limit is exceeded. `rows` is the charge
    for the work on its variables.
    """

    nodes: int
    errors: tuple[GraphQLError, ...]
    rows: int


class QueryDocuments:
    """Cache of recent documents by text. Trusted documents stay in the cache permanently.

    `trusted_when_used` are documents that are trusted too, but read only when they are requested.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        limits: Limits,
        trusted: Iterable[str] = (),
        *,
        trusted_when_used: Iterable[str] = (),
        suggestions: bool = True,
    ) -> None:
        self._schema = schema
        self.limits = limits
        self._suggestions = suggestions
        self._recent: OrderedDict[str, QueryDocument] = OrderedDict()
        self._characters = 0
        self._plans = QueryPlanCache()
        self._trusted = {text: replace(self._read(text), trusted=True) for text in trusted}
        self._trusted_when_used = frozenset(trusted_when_used)
        for document in self._trusted.values():
            for operation in document.operations.values():
                assert document.plans is not None, "a document with operations is valid"
                document.plans.prepare(operation)

    def of(self, text: str) -> QueryDocument:
        """Returns the document with this text."""
        if found := self._trusted.get(text):
            return found
        if found := self._recent.get(text):
            self._recent.move_to_end(text)
            return found
        read = self._read(text)
        if text in self._trusted_when_used:
            # Its sender did not choose its text, so it is not charged for reading it.
            self._trusted[text] = replace(read, trusted=True, rows=0)
            return self._trusted[text]
        # Invalid documents are not cached, because clients could send any number of them.
        if not read.errors:
            self._recent[text] = replace(read, rows=0)
            self._characters += len(text)
            while len(self._recent) > MAX_DOCUMENTS or self._characters > KEPT_CHARACTERS:
                oldest, document = self._recent.popitem(last=False)
                self._characters -= len(oldest)
                if document.plans is not None:
                    self._plans.forget(document.plans)
        return read

    def _read(self, text: str) -> QueryDocument:
        limits = self.limits
        rows = min(len(text), limits.characters) // CHARACTERS_PER_ROW
        if len(text) > limits.characters:
            message = f"The document has {len(text)} characters; at most {limits.characters} are allowed."
            numbers = {"asked": len(text), "limit": limits.characters}
            return rejected_document(limit_error(message, None, code=ErrorCode.GRAPHQL_PARSE_FAILED, **numbers), rows)
        try:
            node = parse(text, max_tokens=limits.tokens)
        except GraphQLSyntaxError as error:
            return rejected_document(error, rows)
        except RecursionError:
            deep = limit_error("The document is nested too deeply.", None, code=ErrorCode.GRAPHQL_PARSE_FAILED)
            return rejected_document(deep, rows)
        measured = measure(self._schema, node, limits)
        # Documents that exceed a limit are not validated, because validation takes the most time.
        errors, merges = (measured.errors, 0) if measured.errors else self._validated(node)
        rows += merges // MERGES_PER_ROW
        if errors:
            return QueryDocument(errors, rows=rows)
        operations = {
            each.name.value if each.name else None: each
            for each in node.definitions
            if isinstance(each, OperationDefinitionNode)
        }
        return QueryDocument((), node, measured, QueryPlans(self._schema, node, self._plans), operations, rows=rows)

    def _validated(self, node: DocumentNode) -> tuple[tuple[GraphQLError, ...], int]:
        """Returns the errors of a document, and the part of `MERGE_BUDGET` that finding them took."""
        merging: list[BoundedMerging] = []

        def merging_rule(context: ValidationContext) -> BoundedMerging:
            merging.append(BoundedMerging(context))
            return merging[0]

        rules = [merging_rule if rule is OverlappingFieldsCanBeMergedRule else rule for rule in RULES]
        errors = validate(
            self._schema,
            node,
            cast("list[type[ValidationRule]]", rules),
            max_errors=MAX_ERRORS,
            hide_suggestions=not self._suggestions,
        )
        if merging[0].spent > MERGE_BUDGET:
            message = "The document selects too many fields with the same name in one place. Request less at a time."
            return (limit_error(message, None, limit=MERGE_BUDGET),), MERGE_BUDGET
        return tuple(errors), merging[0].spent


def rejected_document(error: GraphQLError, rows: int) -> QueryDocument:
    return QueryDocument((error,), rows=rows)
