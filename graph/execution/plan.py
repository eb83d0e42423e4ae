"""Query plans: the selections of an operation, analyzed once per document and cached.

A plan is valid for one combination of the values of the `@skip` and `@include` conditions. In a plan, fields with the
same response key are merged, fragments are expanded and types are looked up. Each part is planned when an execution
first reaches it, because a document can contain more selections than are ever reached.
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

MAX_CACHED_PLANS = 1_000
MAX_PLANNED_FIELDS = 50_000
"""Maximum number of plans in the cache, and of fields in all of them. A field takes about one kilobyte."""

PREPARED_FIELDS = 2_000
"""Approximate number of fields of a plan to prepare in advance."""

CONDITIONS = ("skip", "include")


@dataclass(slots=True)
class PlanningWork:
    """Number of fields planned so far for all plans of a document, including plans that were evicted."""

    fields: int = 0


class QueryPlan:
    """The selections of one operation of a document, for the condition values in `variables`.

    For a mutation, `root_fields` holds one selection per field of `root`; otherwise it is empty. `size` is the number
    of fields planned so far.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: dict[str, FragmentDetails],
        operation: OperationDefinitionNode,
        variables: VariableValues,
        work: "PlanningWork",
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
        # The root fields of a mutation are executed one after the other.
        serial = self.root.fields if operation.operation is OperationType.MUTATION else []
        self.root_fields = [
            Selection(self, root_type, {field.key: field.details}, first=field.position) for field in serial
        ]

    def prepare(self) -> None:
        """Plans in advance the selections that do not depend on the runtime types of objects."""
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
    """The fields selected on objects of one type, in response order."""

    __slots__ = ("_reads", "edges", "fields", "keys", "type")

    def __init__(
        self, plan: QueryPlan, type_: GraphQLObjectType, grouped: Mapping[str, list[FieldDetails]], *, first: int = 0
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
        """Attributes of the objects that this selection reads. None if unknown."""
        if isinstance(self._reads, bool):
            found = [field.reads for field in self.fields]
            self._reads = None if None in found else frozenset().union(*(reads or () for reads in found))
        return self._reads


class Field:
    """A field of a selection, with its resolver and its own selections.

    `nullable` says for each level, from the outside in, whether null is allowed: for the field itself, for the items of
    its list, and so on. It has one entry more than the type has list levels.
    """

    __slots__ = (
        "_argument_values", "_has_variables", "_plan", "_resolve_many", "_selections", "attribute", "batch", "constant",
        "definition", "details", "instances", "is_column", "key", "leaf", "name", "named_type", "nodes", "nullable",
        "parent_type", "position", "reads", "value_of",
    )  # fmt: skip

    def __init__(
        self,
        plan: QueryPlan,
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
        """The function that resolves the field for many objects. Only for a field with a `BatchResolver`."""
        assert self.batch is not None, self.name
        if self._resolve_many is None:
            self._resolve_many = self.batch.prepare(self)
        return self._resolve_many

    def selection(self, type_: GraphQLObjectType) -> Selection:
        """Returns the selection on the field's value if it is an object of this type.

        Raises `GraphQLError` if the selection cannot be planned.
        """
        found = self._selections.get(type_.name)
        if found is None:
            plan = self._plan
            collected = collect_subfields(
                plan.schema, plan.fragments, plan.variables, plan.operation, type_, self.details
            )
            found = self._selections[type_.name] = Selection(plan, type_, collected.grouped_field_set)
        return found

    def below(self, *names: str) -> "list[Selection] | None":
        """Returns the selections on the objects that are reached from this field through the fields `names`, in order.

        Returns None if they depend on the runtime type of an object, or if planning fails. In that case the execution
        reports the error at the objects.
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
        """Returns the argument values for the variables of a request. Raises `GraphQLError` if they are invalid."""
        if self._argument_values is not None:
            return {**self._argument_values}
        node = self.nodes[0]
        if not self.definition.args and not node.arguments:
            return {}
        values = get_argument_values(self.definition, node, variables, self.details[0].fragment_variable_values)
        if not self._has_variables:
            self._argument_values = values
        return {**values}


class QueryPlanCache:
    """LRU cache of the plans of all documents.

    Evicts plans while there are more than `MAX_CACHED_PLANS`, or while they have more than `MAX_PLANNED_FIELDS` fields
    in total. The newest plan is always kept.
    """

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[Any, ...], QueryPlan] = OrderedDict()

    def get(self, key: tuple[Any, ...]) -> QueryPlan | None:
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
        return plan

    def put(self, key: tuple[Any, ...], plan: QueryPlan) -> None:
        """Adds a plan and evicts the oldest ones if necessary.

        Plans grow while they are used, so all sizes are summed again each time.
        """
        self._plans[key] = plan
        fields = sum(each.size for each in self._plans.values())
        while len(self._plans) > MAX_CACHED_PLANS or (fields > MAX_PLANNED_FIELDS and len(self._plans) > 1):
            _, oldest = self._plans.popitem(last=False)
            fields -= oldest.size

    def forget(self, plans: "QueryPlans") -> None:
        """Removes the plans of a document, so that the document can be freed."""
        for key in [key for key in self._plans if key[0] is plans]:
            del self._plans[key]


class QueryPlans:
    """The plans of a document, by operation and conditions."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, cache: QueryPlanCache) -> None:
        self._schema = schema
        self._fragments = {
            node.name.value: FragmentDetails(node)
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._conditions = sorted(condition_variables(document))
        self._cache = cache
        self.work = PlanningWork()

    def prepare(self, operation: OperationDefinitionNode) -> None:
        """Plans an operation in advance, if the document has no conditions that depend on variables."""
        if not self._conditions:
            self.of(operation, VariableValues({}, {})).prepare()

    def of(self, operation: OperationDefinitionNode, variables: VariableValues) -> QueryPlan:
        """Returns the plan of an operation of this document. Raises `GraphQLError` if it cannot be planned."""
        sources, coerced = variables
        name = operation.name.value if operation.name else None
        # The document's conditions include those of its other operations. In this operation, a variable of the same
        # name may have another type.
        said = {name: coerced[name] for name in self._conditions if isinstance(coerced.get(name, ""), bool | None)}
        key = (self, name, *(said.get(name, NOT_SELECTED) for name in self._conditions))
        plan = self._cache.get(key)
        if plan is None:
            # The plan is cached, so it must not keep the other variables of this request.
            conditions = VariableValues({name: sources[name] for name in said}, said)
            try:
                plan = QueryPlan(self._schema, self._fragments, operation, conditions, self.work)
            except RecursionError:
                raise GraphQLError("Selections are nested too deeply. Execution was aborted.", operation) from None
            self._cache.put(key, plan)
        return plan


NOT_SELECTED = object()


def is_plannable(operation: OperationDefinitionNode) -> bool:
    """Returns True if an operation can be planned: it has no directives, which could change how errors are handled."""
    return not operation.directives


def unwrapped(type_: Any) -> tuple[tuple[bool, ...], GraphQLNamedType]:
    """Returns whether null is allowed at each level, from the outside in, and the named type inside all lists."""
    nullable: list[bool] = []
    while True:
        required = isinstance(type_, GraphQLNonNull)
        type_ = type_.of_type if required else type_
        nullable.append(not required)
        if not isinstance(type_, GraphQLList):
            return tuple(nullable), type_
        type_ = type_.of_type


class _Variables(Visitor):
    """Collects the names of all variables."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)


class _Conditions(Visitor):
    """Collects the names of the variables in the conditions of `@skip` and `@include`."""

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
