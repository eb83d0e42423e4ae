"""Measures the size of documents for the limits of a request, in one walk.

Each fragment is measured once, however often it is spread. A walk that expanded fragments would take 2^60 steps for
sixty fragments that each spread the next one twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NamedTypeNode,
    NonNullTypeNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TypeNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_input_object_type,
    is_leaf_type,
)

from graph.error_codes import ErrorCode
from graph.schema.fields.paging import DEFAULT_PAGE, MAX_PAGE, PAGE_ARGUMENTS, PAGE_BY_DEFAULT
from graph.server.amounts import (
    FREE_VALUES,
    MAX_AMOUNT,
    NONE,
    ONE,
    GivenVariables,
    Nodes,
    PageSize,
    ValueCount,
    page_of,
    repeated,
    sum_of,
)
from graph.settings import Limits

INTROSPECTION_ALIASES = 0
"""Maximum number of aliases in introspection. Tools need none, and aliases would read the schema many times."""

REFERRING = ("type", "ofType")
"""Introspection fields that refer to a type. Clients read the members of that type where it is listed instead."""

PARTS_OF_A_TYPE = ("fields", "inputFields", "enumValues", "interfaces", "possibleTypes")

PLANNED_FIELDS = 3_000
"""Maximum number of fields in an operation with all fragments expanded, because query plans expand them."""


def limit_error(
    message: str, node: Any, *, code: ErrorCode = ErrorCode.GRAPHQL_VALIDATION_FAILED, **numbers: float
) -> GraphQLError:
    """Returns an error for an exceeded limit. `numbers`, such as the limit, become extensions."""
    return GraphQLError(message, node, extensions={"code": code, **numbers})


@dataclass(frozen=True, slots=True)
class SelectionSize:
    """Size of a selection, including everything below it."""

    depth: int = 0
    aliases: int = 0
    introspection_aliases: int = 0
    repeats_types: int = 0
    directives: int = 0
    fields: int = 0
    planned_fields: int = 0
    nodes: Nodes = NONE
    values: Nodes = NONE


@dataclass(frozen=True, slots=True)
class Operation:
    """Formulas for the nodes that an operation could return and for the values of its arguments.

    `scalars` are the variables whose type is a scalar or an enum.
    """

    nodes: Nodes
    values: Nodes
    defaults: Mapping[str, Any]
    scalars: frozenset[str]


class RequestSize(NamedTuple):
    """Number of nodes that an operation could return, and of values in its arguments, each counted as often as its
    field is resolved. `counted` is the number of values of variables that were visited for this.
    """

    nodes: int
    values: int
    counted: int


@dataclass(frozen=True, slots=True)
class Measured:
    """The size of a document's operations, and errors for exceeded limits."""

    errors: tuple[GraphQLError, ...]
    operations: Mapping[str | None, Operation]
    most_values: int

    def asked_by(self, operation_name: str | None, variables: Mapping[str, Any]) -> RequestSize:
        """Returns the size of an operation with these variables. Measures the only operation if the name is unknown."""
        name = operation_name if operation_name in self.operations else next(iter(self.operations), None)
        operation = self.operations.get(name)
        if operation is None:
            return RequestSize(0, 0, 0)
        given = GivenVariables({**operation.defaults, **variables}, operation.scalars, self.most_values)
        return RequestSize(operation.nodes.total(given), operation.values.total(given), given.counted)


def measure(schema: GraphQLSchema, document: DocumentNode, limits: Limits) -> Measured:
    """Measures a document, which need not be valid."""
    errors: list[GraphQLError] = []
    operations: dict[str | None, Operation] = {}
    walk = _Walk(schema, document, limits)
    for operation in document.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        name = operation.name.value if operation.name else None
        try:
            shape = walk.selection(operation.selection_set, schema.get_root_type(operation.operation))
        except RecursionError:
            message = f"The operation has too many levels; at most {limits.depth} are allowed."
            errors.append(limit_error(message, operation, limit=limits.depth))
            continue
        defaults = {
            definition.variable.name.value: plain_value(definition.default_value)
            for definition in operation.variable_definitions or ()
            if definition.default_value is not None
        }
        scalars = frozenset(
            definition.variable.name.value
            for definition in operation.variable_definitions or ()
            if not holds_several(schema, definition.type)
        )
        operations[name] = Operation(shape.nodes, shape.values, defaults, scalars)
        directives = shape.directives + len(operation.directives or ())
        for what, asked, limit in (
            ("levels", shape.depth, limits.depth),
            ("aliases", shape.aliases, limits.aliases),
            ("aliases in introspection", shape.introspection_aliases, INTROSPECTION_ALIASES),
            ("lists of type members below `type` or `ofType`", shape.repeats_types, 0),
            ("directives", directives, limits.directives),
            ("root fields", shape.fields, limits.root_fields),
            ("fields with all fragments expanded", shape.planned_fields, PLANNED_FIELDS),
        ):
            if asked > limit:
                count = asked if asked < MAX_AMOUNT else f"more than {MAX_AMOUNT}"
                message = f"The operation has {count} {what}; at most {limit} are allowed."
                errors.append(limit_error(message, operation, asked=asked, limit=limit))
    return Measured(tuple(errors), operations, limits.values + FREE_VALUES)


def holds_several(schema: GraphQLSchema, type_: TypeNode) -> bool:
    """Returns True if a variable of this type can hold several values: it is a list or an input object."""
    match type_:
        case NonNullTypeNode(type=inner):
            return holds_several(schema, inner)
        case NamedTypeNode(name=name):
            return is_input_object_type(schema.get_type(name.value))
        case _:
            return True


class _Walk:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._measured: dict[tuple[str, bool], SelectionSize] = {}
        self._open: set[str] = set()

    def selection(
        self,
        selection: SelectionSetNode | None,
        parent: GraphQLNamedType | None,
        *,
        introspecting: bool = False,
        referred: bool = False,
    ) -> SelectionSize:
        """Returns the size of all selected fields together."""
        shapes: list[SelectionSize] = []
        spread: set[str] = set()
        directives = 0
        for node in selection.selections if selection else ():
            directives += len(node.directives or ())
            match node:
                case FieldNode():
                    shape = self._field(node, parent, introspecting=introspecting, referred=referred)
                case InlineFragmentNode():
                    condition = node.type_condition
                    type_ = self._schema.get_type(condition.name.value) if condition else parent
                    shape = self.selection(node.selection_set, type_, introspecting=introspecting, referred=referred)
                case FragmentSpreadNode():
                    shape = self.fragment(node.name.value, referred=referred)
                    if node.name.value in spread:
                        # The same fragment is planned only once.
                        shape = replace(shape, planned_fields=0)
                    spread.add(node.name.value)
                case _:
                    continue
            shapes.append(shape)
        return SelectionSize(
            depth=max((shape.depth for shape in shapes), default=0),
            aliases=min(MAX_AMOUNT, sum(shape.aliases for shape in shapes)),
            introspection_aliases=min(MAX_AMOUNT, sum(shape.introspection_aliases for shape in shapes)),
            repeats_types=min(MAX_AMOUNT, sum(shape.repeats_types for shape in shapes)),
            directives=min(MAX_AMOUNT, directives + sum(shape.directives for shape in shapes)),
            fields=min(MAX_AMOUNT, sum(shape.fields for shape in shapes)),
            planned_fields=min(MAX_AMOUNT, sum(shape.planned_fields for shape in shapes)),
            nodes=sum_of([shape.nodes for shape in shapes]),
            values=sum_of([shape.values for shape in shapes]),
        )

    def fragment(self, name: str, *, referred: bool = False) -> SelectionSize:
        """Returns the size of a fragment wherever it is spread. `referred`: below a field that refers to a type."""
        definition = self._fragments.get(name)
        # Unknown fragments, and those that spread themselves, are rejected by validation.
        if definition is None or name in self._open:
            return SelectionSize()
        shape = self._measured.get((name, referred))
        if shape is None:
            self._open.add(name)
            type_ = self._schema.get_type(definition.type_condition.name.value)
            introspecting = type_ is not None and type_.name.startswith("__")
            shape = self._measured[name, referred] = self.selection(
                definition.selection_set, type_, introspecting=introspecting, referred=referred
            )
            self._open.discard(name)
        return shape

    def _field(
        self, node: FieldNode, parent: GraphQLNamedType | None, *, introspecting: bool, referred: bool
    ) -> SelectionSize:
        name = node.name.value
        alias = int(node.alias is not None)
        if introspecting or name in ("__schema", "__type"):
            below = referred or (introspecting and name in REFERRING)
            inner = self.selection(node.selection_set, None, introspecting=True, referred=below)
            return replace(
                inner,
                depth=0,
                aliases=0 if introspecting or name == "__schema" else alias,
                introspection_aliases=inner.introspection_aliases + (alias if name != "__type" else 0),
                repeats_types=inner.repeats_types + int(referred and name in PARTS_OF_A_TYPE),
                fields=1,
                planned_fields=inner.planned_fields + 1,
            )
        found: GraphQLField | None = getattr(parent, "fields", {}).get(name)
        type_ = get_named_type(found.type) if found else None
        inner = self.selection(node.selection_set, type_)
        nodes, values = NONE, NONE
        if found is not None and type_ is not None:
            page = page_size(node, found, self._limits)
            if not is_leaf_type(type_):
                nodes = repeated(node_count(parent, inner.nodes), page)
            values = sum_of([argument_values(node), repeated(inner.values, page)])
        return replace(
            inner,
            depth=inner.depth + (1 if node.selection_set else 0),
            aliases=inner.aliases + alias,
            fields=1,
            planned_fields=inner.planned_fields + 1,
            nodes=nodes,
            values=values,
        )


def plain_value(value: ValueNode) -> Any:
    """Returns a literal as plain values, for counting. Variables become None, because they are counted separately."""
    match value:
        case IntValueNode(value=digits):
            # Larger numbers are rejected later.
            return int(digits) if len(digits) < 10 else MAX_AMOUNT
        case ListValueNode(values=items):
            return [plain_value(item) for item in items]
        case ObjectValueNode(fields=members):
            return {member.name.value: plain_value(member.value) for member in members}
        case NullValueNode() | VariableNode():
            return None
        case _:
            return ""


def node_count(parent: GraphQLNamedType | None, inner: Nodes) -> Nodes:
    """Returns the number of nodes that one object could return, including those below it.

    The wrappers of a page (`nodes`, `edges`, `node`, `pageInfo`) do not count: the field with the page arguments counts
    its items.
    """
    wraps = parent is not None and parent.name.endswith(("Connection", "Edge"))
    return inner if wraps else Nodes(inner.fixed + 1, inner.parts)


def argument_values(node: FieldNode) -> Nodes:
    """Returns the number of values in the arguments of a field, beyond the free ones."""
    literal, variables = 0, []
    pending: list[ValueNode] = [argument.value for argument in node.arguments or ()]
    while pending:
        literal += 1
        match pending.pop():
            case ListValueNode(values=items):
                pending.extend(items)
            case ObjectValueNode(fields=members):
                pending.extend(member.value for member in members)
            case VariableNode(name=name):
                variables.append(name.value)
    parts = tuple((ValueCount(name), ONE) for name in variables)
    return Nodes(max(0, literal - FREE_VALUES), parts) if parts or literal > FREE_VALUES else NONE


def page_size(node: FieldNode, found: GraphQLField, limits: Limits) -> PageSize | None:
    """Returns the number of times that the selection of a field is returned. None if it is returned once."""
    names = [name for name in PAGE_ARGUMENTS if name in found.args]
    if not names:
        return None
    is_list = isinstance(get_nullable_type(found.type), GraphQLList)
    # Lists without paging, such as `upcomingInvoices`, have their own maximum.
    most = MAX_PAGE if is_list else limits.page
    default = min(most, found.extensions.get(PAGE_BY_DEFAULT, 1 if is_list else DEFAULT_PAGE))
    # Several page arguments may be present if all but one are null.
    said = [argument.value for argument in node.arguments or () if argument.name.value in names]
    numbers = [number for value in said if (number := page_of(plain_value(value), most)) is not None]
    variables = tuple(value.name.value for value in said if isinstance(value, VariableNode))
    return PageSize(max(numbers, default=None), variables, default, most)
