"""Plans: what an operation selects, worked out once for a document and kept beside it.

A plan holds for one truth of the conditions of `@skip` and `@include`; fields of one name are merged, fragments spread,
and types looked up. Each part is worked out when an execution comes to it first: a document can spell more selections
than it ever reaches.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    TypeNameMetaFieldDef,
    VariableNode,
    VariableValues,
    Visitor,
    get_argument_values,
    is_leaf_type,
    is_object_type,
    visit,
)
from graphql.execution.collect_fields import FieldDetails, FragmentDetails, collect_fields, collect_subfields

from graph.execution.fields import ATTRIBUTE, BATCH, INSTANCE_OF, READS, BatchResolver, ResolveMany
from graph.execution.leaves import Leaf

MAX_PLANS = 1_000
MAX_FIELDS = 50_000
"""So many plans are kept, and so many fields in them: one takes about a kilobyte."""

PREPARED_FIELDS = 2_000
"""So many fields of a plan are worked out ahead, more or less."""

CONDITIONS = ("skip", "include")


@dataclass(slots=True)
class Work:
    """Number of fields that were planned so far, for all plans of a document: those that are forgotten as well."""

    fields: int = 0


class Plan:
    """What one operation of a document selects, for the conditions that `variables` make true.

    `root_fields` are the fields of `root` of a mutation, each in a selection of its own. `size` is the number of fields
    so far.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: dict[str, FragmentDetails],
        operation: OperationDefinitionNode,
        variables: VariableValues,
        work: "Work",
    ) -> None:
        self.schema = schema
        self.operation = operation
        self.fragments = fragments
        self.fragment_nodes = {name: fragment.definition for name, fragment in fragments.items()}
        self.variables = variables
        self.leaves: dict[str, Leaf] = {}
        self.work = work
        self.size = 0
        root_type = schema.get_root_type(operation.operation)
        assert root_type is not None, "the operation is valid"
        found = collect_fields(schema, fragments, variables, root_type, operation)
        self.root = Selection(self, root_type, found.grouped_field_set)
        # Those of a mutation are executed one after the other.
        serial = self.root.fields if operation.operation is OperationType.MUTATION else []
        self.root_fields = [
            Selection(self, root_type, {field.key: field.details}, first=field.position) for field in serial
        ]

    def prepare(self) -> None:
        """Works out ahead what can be: all but what depends on the types of objects."""
        pending = [*self.root_fields] or [self.root]
        while pending and self.size < PREPARED_FIELDS:
            for field in pending.pop().fields:
                if is_object_type(field.named_type):
                    pending.append(field.selection(field.named_type))
                if field.batch is not None:
                    _ = field.resolve_many

    def leaf(self, type_: Any) -> Leaf:
        leaf = self.leaves.get(type_.name)
        if leaf is None:
            leaf = self.leaves[type_.name] = Leaf(type_)
        return leaf


class Selection:
    """The fields that are selected of objects of one type, in their order."""

    __slots__ = ("_reads", "edges", "fields", "keys", "type")

    def __init__(
        self, plan: Plan, type_: GraphQLObjectType, grouped: Mapping[str, list[FieldDetails]], *, first: int = 0
    ) -> None:
        self.type = type_
        self.fields = [
            Field(plan, type_, key, position, definition, details)
            for position, (key, details) in enumerate(grouped.items(), start=first)
            if (definition := plan.schema.get_field(type_, details[0].node.name.value)) is not None
        ]
        plan.size += len(self.fields)
        plan.work.fields += len(self.fields)
        self.keys = tuple(field.key for field in self.fields)
        self.edges = [field for field in self.fields if not field.is_column]
        self._reads: frozenset[str] | None | bool = False

    @property
    def reads(self) -> frozenset[str] | None:
        """The attributes of its objects that are read for it; None where nobody knows."""
        if isinstance(self._reads, bool):
            found = [field.reads for field in self.fields]
            self._reads = None if None in found else frozenset().union(*(reads or () for reads in found))
        return self._reads


class Field:
    """A field of a selection: how it is resolved, and what is selected of it.

    `nullable` says, from the outside in, whether null may stand for the field, for an item of its list, and so on; so
    it has one entry more than there are lists around its type.
    """

    __slots__ = (
        "_argument_values", "_has_variables", "_plan", "_resolve_many", "_selections", "attribute", "batch", "constant",
        "definition", "details", "instances", "is_column", "key", "leaf", "name", "named_type", "nodes", "nullable",
        "parent_type", "position", "reads", "value_of",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        parent_type: GraphQLObjectType,
        key: str,
        position: int,
        definition: GraphQLField,
        details: list[FieldDetails],
    ) -> None:
        self._plan = plan
        self.parent_type = parent_type
        self.key = key
        self.position = position
        self.definition = definition
        self.details = details
        self.nodes = [detail.node for detail in details]
        self.name = self.nodes[0].name.value
        self.nullable, named_type = unwrapped(definition.type)
        self.named_type: Any = named_type
        self.leaf = plan.leaf(self.named_type) if is_leaf_type(self.named_type) else None
        self.constant = parent_type.name if definition is TypeNameMetaFieldDef else None
        self.attribute: str | None = definition.extensions.get(ATTRIBUTE)
        self.value_of: Callable[[Any], Any] | None = attrgetter(self.attribute) if self.attribute else None
        self.batch: BatchResolver | None = definition.extensions.get(BATCH)
        self.is_column = (
            self.leaf is not None
            and len(self.nullable) == 1
            and (self.attribute is not None or self.constant is not None)
        )
        self.instances = frozenset({*getattr(self.named_type, "extensions", {}).get(INSTANCE_OF, ()), type(None)})
        self.reads: frozenset[str] | None = self._find_reads()
        self._selections: dict[str, Selection] = {}
        self._resolve_many: ResolveMany | None = None
        self._argument_values: dict[str, Any] | None = None
        self._has_variables = any(mentions_a_variable(argument.value) for argument in self.nodes[0].arguments or ())

    def _find_reads(self) -> frozenset[str] | None:
        if self.attribute is not None:
            return frozenset({self.attribute})
        if self.constant is not None:
            return frozenset()
        said = self.definition.extensions.get(READS)
        return None if said is None else frozenset(said)

    @property
    def resolve_many(self) -> ResolveMany:
        """What resolves the field for many objects, where it says that it is resolved so."""
        assert self.batch is not None, self.name
        if self._resolve_many is None:
            self._resolve_many = self.batch.prepare(self)
        return self._resolve_many

    def selection(self, type_: GraphQLObjectType) -> Selection:
        """What is selected of the field where it is an object of this type. Raises `GraphQLError`."""
        found = self._selections.get(type_.name)
        if found is None:
            plan = self._plan
            collected = collect_subfields(
                plan.schema, plan.fragments, plan.variables, plan.operation, type_, self.details
            )
            found = self._selections[type_.name] = Selection(plan, type_, collected.grouped_field_set)
        return found

    def below(self, *names: str) -> "list[Selection] | None":
        """What is selected of the objects to which the fields `names` lead from here, one after the other.

        None where it depends on the type of an object, and where it cannot be said: that is an error of the objects.
        """
        if not is_object_type(self.named_type):
            return None
        try:
            selection = self.selection(self.named_type)
        except GraphQLError:
            return None
        if not names:
            return [selection]
        found: list[Selection] = []
        for field in selection.fields:
            if field.name == names[0]:
                inner = field.below(*names[1:])
                if inner is None:
                    return None
                found.extend(inner)
        return found

    def arguments(self, variables: VariableValues) -> dict[str, Any]:
        """The arguments, with the variables of a request. Raises `GraphQLError`."""
        if self._argument_values is not None:
            return {**self._argument_values}
        node = self.nodes[0]
        if not self.definition.args and not node.arguments:
            return {}
        values = get_argument_values(self.definition, node, variables, self.details[0].fragment_variable_values)
        if not self._has_variables:
            self._argument_values = values
        return {**values}


class PlanCache:
    """The plans that were asked for last, of any number of documents: together they have so many fields at most."""

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[Any, ...], Plan] = OrderedDict()

    def get(self, key: tuple[Any, ...]) -> Plan | None:
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
        return plan

    def put(self, key: tuple[Any, ...], plan: Plan) -> None:
        """Keeps a plan. Plans grow while they are used, so they are counted when another comes."""
        self._plans[key] = plan
        fields = sum(each.size for each in self._plans.values())
        while len(self._plans) > MAX_PLANS or (fields > MAX_FIELDS and len(self._plans) > 1):
            _, oldest = self._plans.popitem(last=False)
            fields -= oldest.size

    def forget(self, plans: "Plans") -> None:
        """Lets go of the plans of a document, and so of the document."""
        for key in [key for key in self._plans if key[0] is plans]:
            del self._plans[key]


class Plans:
    """The plans of a document, by operation and conditions."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, cache: PlanCache) -> None:
        self._schema = schema
        self._fragments = {
            node.name.value: FragmentDetails(node)
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._conditions = sorted(condition_variables(document))
        self._cache = cache
        self.work = Work()

    def prepare(self, operation: OperationDefinitionNode) -> None:
        """Plans an operation ahead, where that does not depend on conditions."""
        if not self._conditions:
            self.of(operation, VariableValues({}, {})).prepare()

    def of(self, operation: OperationDefinitionNode, variables: VariableValues) -> Plan:
        """The plan of an operation of this document. Raises `GraphQLError`."""
        sources, coerced = variables
        name = operation.name.value if operation.name else None
        # What has the name of a condition may be something else in another operation of the document.
        said = {name: coerced[name] for name in self._conditions if isinstance(coerced.get(name, ""), bool | None)}
        key = (self, name, *(said.get(name, MISSING) for name in self._conditions))
        plan = self._cache.get(key)
        if plan is None:
            # Of what a request says, only the conditions are kept.
            conditions = VariableValues({name: sources[name] for name in said}, said)
            try:
                plan = Plan(self._schema, self._fragments, operation, conditions, self.work)
            except RecursionError:
                raise GraphQLError("Selections are nested too deeply. Execution aborted.", operation) from None
            self._cache.put(key, plan)
        return plan


MISSING = object()


def takes(operation: OperationDefinitionNode) -> bool:
    """Whether an operation can be planned: subscriptions and what changes the handling of errors cannot."""
    return operation.operation is not OperationType.SUBSCRIPTION and not operation.directives


def unwrapped(type_: Any) -> tuple[tuple[bool, ...], GraphQLNamedType]:
    """From the outside in, whether null may stand there; and the type inside all lists."""
    nullable: list[bool] = []
    while True:
        required = isinstance(type_, GraphQLNonNull)
        type_ = type_.of_type if required else type_
        nullable.append(not required)
        if not isinstance(type_, GraphQLList):
            return tuple(nullable), type_
        type_ = type_.of_type


class _Variables(Visitor):
    """Collects the names of variables."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)


class _Conditions(Visitor):
    """Collects the names of the variables that conditions depend on."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: Any, *_: Any) -> None:
        if node.name.value in CONDITIONS:
            found = _Variables()
            visit(node, found)
            self.names |= found.names


def condition_variables(document: DocumentNode) -> set[str]:
    found = _Conditions()
    visit(document, found)
    return found.names


def mentions_a_variable(value: Any) -> bool:
    found = _Variables()
    visit(value, found)
    return bool(found.names)
