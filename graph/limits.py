"""How much one request may ask for, and how much a document asks for: measured once, in one walk.

Each fragment is measured once, however often it is spread: a walk that expands them takes 2^60 steps for sixty
fragments of which each spreads the next twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask for at most.

    `nodes` are the objects that a document could give, were each page full; `rows` those that the database reads for
    it. `characters` and `tokens` are a document's, `seconds` the time that a query may take.
    """

    depth: int = 20
    aliases: int = 30
    root_fields: int = 20
    directives: int = 8
    tokens: int = 2_000
    characters: int = 15_000
    body_bytes: int = 256 * 1024
    nodes: int = 500_000
    rows: int = 20_000
    seconds: float = 10


INTROSPECTION_ALIASES = 4
"""The schema is read once, not thirty times in one request."""

REPEATED_FIELDS = 100
"""So often one name may stand in one selection: each is compared with each other one."""

DEFAULT_PAGE = 20
MAX_PAGE = 100
MOST = 10**9
"""Counts stop here."""

PAGE_ARGUMENTS = ("first", "last", "count", "ids")


def limit_error(message: str, node: Any, *, code: str = "GRAPHQL_VALIDATION_FAILED", **numbers: float) -> GraphQLError:
    """A refusal that says what was asked for and what is allowed."""
    return GraphQLError(message, node, extensions={"code": code, **numbers})


@dataclass(frozen=True, slots=True)
class PageSize:
    """How many items a field gives at most: a number, or what a variable says."""

    number: int | None = None
    variable: str | None = None
    default: int = DEFAULT_PAGE

    def of(self, variables: Mapping[str, Any]) -> int:
        if self.variable is None:
            return self.default if self.number is None else self.number
        match variables.get(self.variable):
            case None:
                return self.default
            case bool():
                return MAX_PAGE
            case int() as number:
                return max(0, min(number, MAX_PAGE))
            case list() as items:
                return len(items)
            case _:
                # It is none of these: whatever it is, it is refused later.
                return MAX_PAGE


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """A number of nodes as a formula: `fixed`, and for each page so many times what is on it."""

    fixed: int = 0
    parts: tuple[tuple[PageSize, "Nodes"], ...] = ()

    def total(self, variables: Mapping[str, Any]) -> int:
        """The number, with the variables of a request."""
        return self._total(variables, {})

    def _total(self, variables: Mapping[str, Any], known: dict[int, int]) -> int:
        found = known.get(id(self))
        if found is None:
            found = self.fixed
            for page, nodes in self.parts:
                found += page.of(variables) * nodes._total(variables, known)  # noqa: SLF001
            known[id(self)] = found = min(found, MOST)
        return found


ONCE = PageSize(number=1)
NONE = Nodes()
ONE = Nodes(1)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a selection asks for."""

    depth: int = 0
    aliases: int = 0
    introspection_aliases: int = 0
    directives: int = 0
    fields: int = 0
    nodes: Nodes = NONE


@dataclass(frozen=True, slots=True)
class Measured:
    """What is wrong with a document's size, and how many nodes each of its operations could give."""

    errors: tuple[GraphQLError, ...]
    nodes: dict[str | None, Nodes]
    defaults: dict[str | None, dict[str, Any]]

    def nodes_of(self, operation_name: str | None, variables: Mapping[str, Any]) -> int:
        """How many nodes an operation could give; the only one, where no name is given."""
        name = operation_name if operation_name in self.nodes else next(iter(self.nodes), None)
        if name not in self.nodes:
            return 0
        return self.nodes[name].total({**self.defaults[name], **variables})


def measure(schema: GraphQLSchema, document: DocumentNode, limits: Limits) -> Measured:
    """Measures a document, valid or not."""
    errors: list[GraphQLError] = []
    nodes: dict[str | None, Nodes] = {}
    defaults: dict[str | None, dict[str, Any]] = {}
    walk = _Walk(schema, document)
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
        nodes[name] = shape.nodes
        defaults[name] = {
            definition.variable.name.value: int(definition.default_value.value)
            for definition in operation.variable_definitions or ()
            if isinstance(definition.default_value, IntValueNode) and len(definition.default_value.value) < 10
        }
        directives = shape.directives + len(operation.directives or ())
        for what, asked, limit in (
            ("levels", shape.depth, limits.depth),
            ("aliases", shape.aliases, limits.aliases),
            ("aliases in introspection", shape.introspection_aliases, INTROSPECTION_ALIASES),
            ("directives", directives, limits.directives),
            ("fields at its root", shape.fields, limits.root_fields),
        ):
            if asked > limit:
                count = asked if asked < MOST else f"more than {MOST}"
                message = f"The operation has {count} {what}; at most {limit} are allowed."
                errors.append(limit_error(message, operation, asked=asked, limit=limit))
    if walk.repeated:
        message = f"A selection names a field {walk.repeated} times; at most {REPEATED_FIELDS} are allowed."
        errors.append(limit_error(message, None, asked=walk.repeated, limit=REPEATED_FIELDS))
    return Measured(tuple(errors), nodes, defaults)


class _Walk:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self.repeated = 0
        self._schema = schema
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._measured: dict[str, Shape] = {}
        self._open: set[str] = set()

    def selection(
        self, selection: SelectionSetNode | None, parent: GraphQLNamedType | None, *, introspecting: bool = False
    ) -> Shape:
        """What all selected fields ask for together."""
        depth = aliases = introspection_aliases = directives = fields = fixed = 0
        parts: list[tuple[PageSize, Nodes]] = []
        names: dict[str, int] = {}
        for node in selection.selections if selection else ():
            directives += len(node.directives or ())
            match node:
                case FieldNode():
                    key = (node.alias or node.name).value
                    names[key] = names.get(key, 0) + 1
                    shape = self._field(node, parent, introspecting=introspecting)
                    fields += 1
                case InlineFragmentNode():
                    condition = node.type_condition
                    type_ = self._schema.get_type(condition.name.value) if condition else parent
                    shape = self.selection(node.selection_set, type_, introspecting=introspecting)
                    fields += shape.fields
                case FragmentSpreadNode():
                    shape = self._fragment(node.name.value, introspecting=introspecting)
                    fields += shape.fields
                case _:
                    continue
            depth = max(depth, shape.depth)
            aliases += shape.aliases
            introspection_aliases += shape.introspection_aliases
            directives += shape.directives
            if shape.nodes.parts:
                parts.append((ONCE, shape.nodes))
            else:
                fixed += shape.nodes.fixed
        most = max(names.values(), default=0)
        if most > REPEATED_FIELDS:
            self.repeated = max(self.repeated, most)
        nodes = Nodes(min(fixed, MOST), tuple(parts)) if parts else Nodes(min(fixed, MOST))
        return Shape(
            depth,
            min(aliases, MOST),
            min(introspection_aliases, MOST),
            min(directives, MOST),
            min(fields, MOST),
            nodes,
        )

    def _fragment(self, name: str, *, introspecting: bool) -> Shape:
        fragment = self._fragments.get(name)
        # One that is unknown, or spreads itself, is refused by the standard rules.
        if fragment is None or name in self._open:
            return Shape()
        shape = self._measured.get(name)
        if shape is None:
            self._open.add(name)
            type_ = self._schema.get_type(fragment.type_condition.name.value)
            shape = self._measured[name] = self.selection(
                fragment.selection_set, type_, introspecting=introspecting or fragment_introspects(type_)
            )
            self._open.discard(name)
        return shape

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None, *, introspecting: bool) -> Shape:
        name = node.name.value
        introspecting = introspecting or name in ("__schema", "__type")
        alias = int(node.alias is not None)
        if introspecting:
            inner = self.selection(node.selection_set, None, introspecting=True)
            introspection_aliases = inner.introspection_aliases + alias
            return Shape(introspection_aliases=introspection_aliases, directives=inner.directives, fields=1)
        field: GraphQLField | None = getattr(parent, "fields", {}).get(name)
        type_ = get_named_type(field.type) if field else None
        inner = self.selection(node.selection_set, type_)
        nodes = NONE
        if field is not None and type_ is not None and not is_leaf_type(type_):
            nodes = counted(node, field, parent, inner.nodes)
        return Shape(
            inner.depth + (1 if node.selection_set else 0),
            inner.aliases + alias,
            inner.introspection_aliases,
            inner.directives,
            1,
            nodes,
        )


def fragment_introspects(type_: GraphQLNamedType | None) -> bool:
    return type_ is not None and type_.name.startswith("__")


def counted(node: FieldNode, field: GraphQLField, parent: GraphQLNamedType | None, inner: Nodes) -> Nodes:
    """How many nodes a field of objects could give, those below it included.

    The wrappers of a page (`nodes`, `edges`, `node`, `pageInfo`) are none themselves: its items are counted where the
    page is.
    """
    wraps = parent is not None and parent.name.endswith(("Connection", "Edge"))
    here = inner if wraps else Nodes(inner.fixed + 1, inner.parts)
    page = page_size(node, field)
    return here if page is None else Nodes(0, ((page, here),))


def page_size(node: FieldNode, field: GraphQLField) -> PageSize | None:
    """How many times a field gives what is selected on it; None where that is once."""
    names = [name for name in PAGE_ARGUMENTS if name in field.args]
    if not names:
        return None
    is_page = not isinstance(get_nullable_type(field.type), GraphQLList)
    default = DEFAULT_PAGE if is_page else 1
    for argument in node.arguments or ():
        if argument.name.value in names and not isinstance(argument.value, NullValueNode):
            return said_size(argument.value, default)
    return PageSize(default=default)


def said_size(value: ValueNode, default: int) -> PageSize:
    match value:
        case IntValueNode():
            # A longer number is refused later.
            return PageSize(number=min(int(value.value), MAX_PAGE) if len(value.value) < 10 else MAX_PAGE)
        case ListValueNode():
            return PageSize(number=len(value.values))
        case VariableNode():
            return PageSize(variable=value.name.value, default=default)
        case _:
            return PageSize(number=MAX_PAGE)
