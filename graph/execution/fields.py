"""Keys in the `extensions` of fields and types that tell the executor how to resolve them faster.

All of them are optional. A schema without them is executed too, but more slowly.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from graphql import GraphQLResolveInfo

if TYPE_CHECKING:
    from graph.execution.plan import Field

ATTRIBUTE = "attribute"
"""Field: name of the object's attribute that holds the value. It has no arguments, and its resolver is not called."""

BATCH = "batch"
"""Field: the `BatchResolver` to use instead of the field's resolver."""

READS = "reads"
"""Field with a resolver: names of all attributes of the object that the resolver reads."""

INSTANCE_OF = "instance_of"
"""Object type with `is_type_of`: classes whose direct instances always have this type. Subclasses are not included."""

AS_IS = "as_is"
"""Scalar: Python types whose direct instances are sent unchanged, or through `COLUMN`. Subclasses are not included."""

COLUMN = "column"
"""Scalar: function that serializes a list of `AS_IS` values at once. The list may contain None."""

ResolveMany: TypeAlias = Callable[
    [Sequence[Any], GraphQLResolveInfo[Any], dict[str, Any]], Sequence[Any] | Awaitable[Sequence[Any]]
]
"""Resolves a field of many objects that share the same arguments. Returns one value per object, in the same order.

An exception in place of a value is the error of that object. The function must start its reads before it returns, so
that the reads of all fields of a level are started before the first one is awaited.
"""


class BatchResolver(Protocol):
    def prepare(self, field: "Field") -> ResolveMany:
        """Returns the function that resolves `field`, a selected field of one operation with its selections."""
        ...
