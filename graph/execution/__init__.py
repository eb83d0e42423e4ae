"""Executes GraphQL operations level by level, on any schema of graphql-core.

graphql-core resolves every field of every object separately: each one costs a call, an `info`, a path and a completed
value. This executor plans an operation once (`plan`) and runs the plan breadth-first (`run`). It handles all objects of
a level in one pass, completes a leaf field of all objects as one column, and starts all dataloaders of a level before
it awaits any of them. A field can declare that it is an attribute of its object, or that it is resolved for many
objects at once (`fields`). All other fields use their resolvers as in graphql-core.

The response is the same as that of graphql-core: the same data in the same order, and the same errors (`errors`).
"""

from graph.execution.errors import ResponseTooLarge
from graph.execution.fields import AS_IS, ATTRIBUTE, BATCH, COLUMN, INSTANCE_OF, READS, BatchResolver, ResolveMany
from graph.execution.plan import Field, QueryPlanCache, QueryPlans, Selection, is_plannable
from graph.execution.run import execute
from graph.execution.variables import MAX_SUGGESTIONS

__all__ = [
    "AS_IS",
    "ATTRIBUTE",
    "BATCH",
    "COLUMN",
    "INSTANCE_OF",
    "MAX_SUGGESTIONS",
    "READS",
    "BatchResolver",
    "Field",
    "QueryPlanCache",
    "QueryPlans",
    "ResolveMany",
    "ResponseTooLarge",
    "Selection",
    "execute",
    "is_plannable",
]
