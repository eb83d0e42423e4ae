"""Executes GraphQL operations level by level, on any schema of graphql-core.

graphql-core resolves each field of each object by itself: a call, an `info`, a path and a completed value for each.
Here an operation is planned once (`plan`), and a plan is run breadth-first (`run`): all objects of a level in one pass,
a leaf of all of them as one column, every dataloader of a level asked before any is awaited. A field may say that it is
an attribute of its object, or that it is resolved for many objects at once (`fields`); all others are resolved as ever.

What comes out is what graphql-core gives: the same data in the same order, and the same errors (`errors`).
"""

from graph.execution.errors import AnswerTooLarge
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
    "AnswerTooLarge",
    "BatchResolver",
    "Field",
    "QueryPlanCache",
    "QueryPlans",
    "ResolveMany",
    "Selection",
    "execute",
    "is_plannable",
]
