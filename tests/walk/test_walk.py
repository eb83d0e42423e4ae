"""A random walk through all mutations: model and database agree after each step, whatever is killed."""

from pathlib import Path

from graphql import build_schema

from tests.walk.machine import walk_on
from tests.walk.steps.base import MUTATIONS
from tests.walk.walk import walking

ROOT = Path(__file__).parents[2]
STEPS = 300


def test_the_walk_knows_each_mutation_of_the_schema() -> None:
    mutation_type = build_schema((ROOT / "schema.graphql").read_text()).mutation_type

    assert mutation_type is not None
    assert set(mutation_type.fields) == MUTATIONS


def test_the_model_and_the_database_agree_after_each_step() -> None:
    with walking() as walk:
        # If a new step changes the drawn values and one of the cases below is missing, choose another seed.
        walk_on(walk, steps=STEPS, from_seed=33, shrinks=False)

    tally = walk.tally
    assert tally.steps >= STEPS
    assert {*tally.accepted, *tally.refused} == MUTATIONS, "each is sent"
    assert len(tally.accepted) > 20, "most are done, not all of them refused"
    assert len(tally.codes) > 20, "and refused for many reasons"
    happened = {what for fault in tally.faults for what in fault.split(", ")}
    assert happened >= {
        *("kill server", "kill postgres", "cut connection", "lose answer"),
        *("statement", "before commit", "after commit", "answer", "between steps"),
    }
    assert tally.unsure["retried with its key"] > 0
    assert tally.verified > STEPS // 100
