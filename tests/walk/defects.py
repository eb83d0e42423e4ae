"""Defects that the walk has to find: each breaks a rule of billing in the server under test, and only there."""

VARIABLE = "WALK_DEFECT"
"""Names a defect to the server under test."""

DEFECTS: dict[str, object] = {}


def put_in(name: str | None) -> None:
    pass
