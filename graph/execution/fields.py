"""How a schema says what its fields and types are, beyond what graphql-core asks: under these names in `extensions`.

All are optional. A schema that says nothing is executed all the same, and is the slower for it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from graphql import GraphQLResolveInfo

if TYPE_CHECKING:
    from graph.execution.plan import Field

ATTRIBUTE = "attribute"
"""Of a field: the name of its object's attribute that it is. It has no arguments, and no resolver is called."""

BATCH = "batch"
"""Of a field: the `BatchResolver` that resolves it, in place of its resolver."""

READS = "reads"
"""Of a field with a resolver: the names of its object's attributes that it reads, all of them."""

INSTANCE_OF = "instance_of"
"""Of an object type with `is_type_of`: the class of which an instance always is one."""

AS_IS = "as_is"
"""Of a scalar: the Python types whose instances, those of subclasses aside, are sent as they are."""

COLUMN = "column"
"""Of a scalar: what makes of many such values, among which there may be None, what is sent in their place."""

ResolveMany: TypeAlias = Callable[
    [Sequence[Any], GraphQLResolveInfo[Any], dict[str, Any]], Sequence[Any] | Awaitable[Sequence[Any]]
]
"""Resolves a field of many objects, with the arguments that all of them have: a value for each, in their order.

An exception in place of a value is the error of that one. What has to be asked for is asked for before it returns, so
that all fields of a level are asked before the first is awaited.
"""


class BatchResolver(Protocol):
    def prepare(self, field: "Field") -> ResolveMany:
        """What resolves the field where an operation selects it, and what it selects of it."""
        ...
