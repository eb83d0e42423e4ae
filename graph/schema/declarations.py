"""Passes the declarations of the schema to the executor: which fields are columns and which are edges."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLScalarType, GraphQLSchema
from strawberry import Schema
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from db.access.rows import JoinedRow, row_class
from graph.execution import AS_IS, ATTRIBUTE, BATCH, COLUMN, INSTANCE_OF, READS, BatchResolver, Field, ResolveMany
from graph.schema.fields.context import RawInfo
from graph.schema.fields.edges import EDGE, RowEdge
from graph.schema.fields.paging import PAGE_BY_DEFAULT
from graph.schema.fields.scalars import COLUMN_SERIALIZERS, PLAIN_TYPES
from graph.schema.types.common import Node


def declare(schema: Schema) -> None:
    """Stores in the `extensions` of fields and types how to resolve them for many objects at once."""
    core: GraphQLSchema = schema._schema  # noqa: SLF001 - the graphql-core schema
    referred = referred_classes(core)
    for type_ in core.type_map.values():
        if isinstance(type_, GraphQLScalarType) and type_.name in PLAIN_TYPES:
            type_.extensions[AS_IS] = PLAIN_TYPES[type_.name]
            if type_.name in COLUMN_SERIALIZERS:
                type_.extensions[COLUMN] = COLUMN_SERIALIZERS[type_.name]
        if not isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            continue
        origin = getattr(type_.extensions.get("strawberry-definition"), "origin", None)
        if isinstance(origin, type) and issubclass(origin, Node) and origin is not Node:
            type_.extensions[INSTANCE_OF] = (
                row_class(origin.row),
                *(each for each in referred if each.model is origin.row),
            )
        for field in type_.fields.values():
            definition = field.extensions.get("strawberry-definition")
            if not isinstance(definition, StrawberryField):
                continue
            said = definition.metadata
            if PAGE_BY_DEFAULT in said:
                field.extensions[PAGE_BY_DEFAULT] = said[PAGE_BY_DEFAULT]
            if definition.is_basic_field:
                field.extensions[ATTRIBUTE] = definition.python_name
            elif ATTRIBUTE in said:
                field.extensions[ATTRIBUTE] = said[ATTRIBUTE]
            elif EDGE in said:
                edge = said[EDGE]
                field.extensions[BATCH] = ConvertedArguments(schema, definition, edge) if field.args else edge
                field.extensions[READS] = edge.reads
            elif READS in said:
                field.extensions[READS] = said[READS]


def referred_classes(schema: GraphQLSchema) -> set[type[JoinedRow]]:
    """Returns the classes of rows that are read with a join, together with the rows that refer to them."""
    types = (type_ for type_ in schema.type_map.values() if isinstance(type_, GraphQLObjectType))
    definitions = (field.extensions.get("strawberry-definition") for type_ in types for field in type_.fields.values())
    edges = (definition.metadata.get(EDGE) for definition in definitions if isinstance(definition, StrawberryField))
    return {edge.referred for edge in edges if isinstance(edge, RowEdge) and edge.referred is not None}


@dataclass(frozen=True, slots=True)
class ConvertedArguments:
    """A batch resolver that first converts its arguments to Strawberry's input types and Python names."""

    schema: Schema
    definition: StrawberryField
    resolver: BatchResolver

    def __str__(self) -> str:
        return str(self.resolver)

    def prepare(self, field: Field) -> ResolveMany:
        resolve_many, converted = self.resolver.prepare(field), self.converter()

        def resolve(
            sources: Sequence[Any], info: RawInfo, arguments: dict[str, Any]
        ) -> Sequence[Any] | Awaitable[Sequence[Any]]:
            return resolve_many(sources, info, converted(arguments))

        return resolve

    def converter(self) -> Callable[[dict[str, Any]], dict[str, Any]]:
        converter, arguments = self.schema.schema_converter, self.definition.arguments
        names = {converter.config.name_converter.from_argument(each): each.python_name for each in arguments}

        def converted(given: dict[str, Any]) -> dict[str, Any]:
            if any(isinstance(value, dict | list) for value in given.values()):
                return convert_arguments(
                    given, arguments, scalar_registry=converter.scalar_registry, config=converter.config
                )
            # Scalars need no conversion, only the Python names of their arguments.
            return {names[name]: value for name, value in given.items()}

        return converted
