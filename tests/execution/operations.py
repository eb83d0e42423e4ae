"""Enriches operations with aliases, fragments, conditions, and variables instead of literals."""

import os
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, TypeVar, cast

import pytest
from graphql import (
    ArgumentNode,
    BooleanValueNode,
    ConstValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    NamedTypeNode,
    NameNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
    is_object_type,
    is_required_argument,
    is_union_type,
    parse_type,
    print_ast,
    type_from_ast,
    value_from_ast_untyped,
)
from hypothesis import HealthCheck, Phase, seed, settings

Test = TypeVar("Test", bound=Callable[..., Any])

ROOTS = ("Query", "Mutation")
DEEPER = 3
"""Maximum number of levels of fields to add below each existing field."""

MOST_MORE = 40
"""Maximum number of fields to add, approximately."""


def name_node(name: str) -> NameNode:
    return NameNode(value=name)


class Enriched:
    """Merges the operations of several documents into one and enriches it randomly.

    `source` is the resulting document, `variables` the values of its variables. The number of directives and aliases is
    limited to approximately `directives` and `aliases`.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        documents: Sequence[DocumentNode],
        random: Random,
        *,
        directives: int = 1000,
        aliases: int = 1000,
    ) -> None:
        self._directives = directives
        self._aliases = aliases
        self._schema = schema
        self._random = random
        self._definitions: list[VariableDefinitionNode] = []
        self._fragments: list[FragmentDefinitionNode] = []
        self._names = 0
        self._left = MOST_MORE
        self.variables: dict[str, Any] = {}
        operations = [node for document in documents for node in document.definitions]
        operation = operations[0]
        assert isinstance(operation, OperationDefinitionNode)
        self.operation = operation.operation.value
        root = schema.get_root_type(operation.operation)
        assert root is not None
        selections = self._selections(SelectionSetNode(selections=tuple(self._together(operations))), root)
        enriched = OperationDefinitionNode(
            operation=operation.operation,
            name=name_node("Enriched"),
            variable_definitions=tuple(self._definitions),
            selection_set=selections,
            directives=(),
        )
        definitions = [enriched, *self._fragments]
        random.shuffle(definitions)
        self.source = print_ast(DocumentNode(definitions=tuple(definitions)))

    def _together(self, operations: Sequence[object]) -> Iterator[SelectionNode]:
        """Yields the root selections of all operations, with aliases where names collide."""
        names: set[str] = set()
        for operation in operations:
            assert isinstance(operation, OperationDefinitionNode)
            for node in operation.selection_set.selections:
                assert isinstance(node, FieldNode)
                name = node.alias.value if node.alias else node.name.value
                alias = name_node(self._name("r")) if name in names else node.alias
                names.add(name)
                yield FieldNode(alias=alias, name=node.name, arguments=node.arguments, selection_set=node.selection_set)

    def _hits(self, percent: int) -> bool:
        return self._random.randrange(100) < percent

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"

    def _alias(self, prefix: str) -> NameNode | None:
        if self._aliases <= 0:
            return None
        self._aliases -= 1
        return name_node(self._name(prefix))

    def _selections(self, given: SelectionSetNode, parent: Any) -> SelectionSetNode:
        nodes: list[SelectionNode] = []
        for node in given.selections:
            nodes.extend(self._enriched(node, parent))
        if parent.name not in ROOTS:
            nodes.extend(self._more(parent, DEEPER))
        if self._hits(10):
            nodes.insert(self._random.randrange(len(nodes) + 1), FieldNode(name=name_node("__typename")))
        start = self._random.randrange(len(nodes))
        end = self._random.randrange(start, len(nodes)) + 1
        if self._hits(25):
            nodes[start:end] = self._fragment(nodes[start:end], parent)
        return SelectionSetNode(selections=tuple(nodes))

    def _enriched(self, node: SelectionNode, parent: Any) -> list[SelectionNode]:
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            inner = parent if condition is None else type_from_ast(self._schema, condition)
            selections = self._selections(node.selection_set, inner)
            if condition is not None and self._hits(30):
                return self._fragment(selections.selections, inner, narrower=True)
            return [
                InlineFragmentNode(type_condition=condition, selection_set=selections, directives=self._conditions())
            ]
        assert isinstance(node, FieldNode)
        field = self._schema.get_field(parent, node.name.value)
        assert field is not None
        below = node.selection_set and self._selections(node.selection_set, get_named_type(field.type))
        arguments = tuple(
            ArgumentNode(name=each.name, value=self._value(each.value, field.args[each.name.value].type))
            for each in node.arguments or ()
        )

        def made(alias: NameNode | None) -> FieldNode:
            return FieldNode(
                alias=alias, name=node.name, arguments=arguments, directives=self._conditions(), selection_set=below
            )

        alias = (self._alias("a") if self._hits(15) else None) or node.alias
        fields: list[SelectionNode] = [made(alias)]
        if self._hits(8):
            fields.append(made(alias))
        if self._hits(8) and self._aliases > 0:
            fields.append(made(self._alias("b")))
        return fields

    def _fragment(self, nodes: Sequence[SelectionNode], parent: Any, *, narrower: bool = False) -> list[SelectionNode]:
        """Puts selections into a fragment on their type. `narrower` means that the surrounding type is wider."""
        condition = NamedTypeNode(name=name_node(parent.name))
        selections = SelectionSetNode(selections=tuple(nodes))
        if self._hits(50):
            type_condition = condition if narrower or self._hits(50) else None
            return [
                InlineFragmentNode(
                    type_condition=type_condition, selection_set=selections, directives=self._conditions()
                )
            ]
        name = name_node(self._name("F"))
        self._fragments.append(
            FragmentDefinitionNode(name=name, type_condition=condition, selection_set=selections, directives=())
        )
        spread = FragmentSpreadNode(name=name, directives=self._conditions())
        return [spread, spread] if self._hits(20) else [spread]

    def _more(self, parent: Any, deeper: int, *, apart: bool = False) -> list[SelectionNode]:
        """Selects some fields of a type that need no arguments, and fields below them. With `apart`, under unique
        aliases.
        """
        if not is_object_type(parent) and self._hits(70):
            type_ = self._random.choice(sorted(self._schema.get_possible_types(parent), key=str))
            selections = self._more(type_, deeper, apart=True) or [FieldNode(name=name_node("__typename"))]
            condition = NamedTypeNode(name=name_node(type_.name))
            selection_set = SelectionSetNode(selections=tuple(selections))
            return [InlineFragmentNode(type_condition=condition, selection_set=selection_set)]
        fields = [] if is_union_type(parent) else [*parent.fields.items()]
        nodes: list[SelectionNode] = []
        for name, field in self._random.sample(fields, min(len(fields), self._random.randrange(5))):
            type_ = get_named_type(field.type)
            selections = [] if is_leaf_type(type_) or not deeper or self._left <= 0 else self._more(type_, deeper - 1)
            if any(is_required_argument(each) for each in field.args.values()) or not (
                selections or is_leaf_type(type_)
            ):
                continue
            alias = self._alias("m") if apart or field.args or self._hits(10) else None
            if alias is None and apart:
                continue
            self._left -= 1
            nodes.append(
                FieldNode(
                    alias=alias,
                    name=name_node(name),
                    directives=self._conditions(),
                    selection_set=SelectionSetNode(selections=tuple(selections)) if selections else None,
                )
            )
        return nodes

    def _conditions(self) -> tuple[DirectiveNode, ...]:
        found = [name for name in ("skip", "include") if self._hits(7)][: self._directives]
        self._directives -= len(found)
        return tuple(map(self._condition, found))

    def _condition(self, name: str) -> DirectiveNode:
        truth = self._hits(20 if name == "skip" else 80)
        literal = BooleanValueNode(value=truth)
        value: ValueNode = self._variable(literal, "Boolean!") if self._hits(60) else literal
        return DirectiveNode(name=name_node(name), arguments=(ArgumentNode(name=name_node("if"), value=value),))

    def _value(self, value: ValueNode, type_: Any) -> ValueNode:
        return self._variable(value, str(type_)) if self._hits(35) else value

    def _variable(self, value: ValueNode, type_: str) -> VariableNode:
        """Replaces the value with a variable, given in the request or as its default. A few values
        do not fit the type.
        """
        variable = VariableNode(name=name_node(self._name("v")))
        is_default = self._hits(25)
        self._definitions.append(
            VariableDefinitionNode(
                variable=variable,
                type=parse_type(type_),
                default_value=cast("ConstValueNode", value) if is_default else None,
                directives=(),
            )
        )
        if not is_default or self._hits(30):
            given = value_from_ast_untyped(value)
            self.variables[variable.name.value] = {"odd": given} if self._random.randrange(400) == 0 else given
        return variable


def generated(examples: int) -> Callable[[Test], Test]:
    """Marks a test as slow and runs it with `examples` examples, which are the same each time.

    The environment variables TESTS_SEED and TESTS_OPERATIONS change the examples and their number.
    """

    def by_chance(test: Test) -> Test:
        so_many = settings(
            max_examples=int(os.environ.get("TESTS_OPERATIONS", examples)),
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        slow: Test = pytest.mark.slow(seed(int(os.environ.get("TESTS_SEED", "0")))(so_many(test)))
        return slow

    return by_chance
