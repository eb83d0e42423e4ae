"""Says how an operation is executed, for people: its levels, and what each field is resolved by."""

from collections.abc import Iterator

from graphql import GraphQLObjectType, is_object_type

from graph.execution.objects import source_of
from graph.execution.plan import Field, Plan, Selection

MAX_LINES = 1_000


def explained(plan: Plan) -> list[str]:
    """Lines that say what is asked in which order. What depends on the type of an object is left open."""
    lines: list[str] = []
    level = [(plan.root.type.name, plan.root)]
    depth = 0
    while level:
        lines.append(f"Level {depth}")
        below: list[tuple[str, Selection]] = []
        for place, selection in level:
            lines.extend(lines_of(place, selection))
            if len(lines) > MAX_LINES:
                return [*lines, "and so on"]
            below.extend(selections_below(place, selection))
        level, depth = below, depth + 1
    return lines


def lines_of(place: str, selection: Selection) -> Iterator[str]:
    yield f"  {place}: {selection.type.name}"
    for field in selection.fields:
        yield f"    {field.key}: {how(field)}"
    if selection.keys:
        yield f"    objects: {source_of(selection.keys)}"


def how(field: Field) -> str:
    """What a field is resolved by."""
    if field.constant is not None:
        return "constant"
    if field.attribute is not None:
        return f"attribute {field.attribute}" + ("" if field.is_column else ", for the next level")
    if field.batch is not None:
        return f"batch {field.batch}"
    return "resolver, for each object by itself"


def selections_below(place: str, selection: Selection) -> Iterator[tuple[str, Selection]]:
    for field in selection.fields:
        type_ = field.named_type
        if is_object_type(type_):
            assert isinstance(type_, GraphQLObjectType)
            yield f"{place}.{field.key}", field.selection(type_)
