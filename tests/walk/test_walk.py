"""A random walk through all mutations: model and database agree after each step, whatever is killed."""

from pathlib import Path

from graphql import build_schema

from tests.walk.machine import walk_on
from tests.walk.steps.base import MUTATIONS
from tests.walk.walk import Tally, walking

ROOT = Path(__file__).parents[2]
STEPS, MOST_STEPS = 300, 1500
"""Number of steps, and the maximum until each case of the test has occurred. Drawn values vary between runs: Hypothesis
also draws constants of the modules that are imported.
"""
FAULTS = {
    *("kill server", "kill postgres", "cut connection", "lose answer"),
    *("statement", "before commit", "after commit", "answer", "between steps"),
}


def test_the_walk_knows_each_mutation_of_the_schema() -> None:
    mutation_type = build_schema((ROOT / "schema.graphql").read_text()).mutation_type

    assert mutation_type is not None
    assert set(mutation_type.fields) == MUTATIONS


def test_the_model_and_the_database_agree_after_each_step() -> None:
    with walking() as walk:
        for steps in range(STEPS, MOST_STEPS + 1, STEPS):
            walk_on(walk, steps=steps, from_seed=33 + steps, shrinks=False)
            if is_complete(walk.tally):
                break

    tally = walk.tally
    assert tally.steps >= STEPS
    assert {*tally.accepted, *tally.refused} == MUTATIONS, "each is sent"
    assert len(tally.accepted) > 20, "most are done, not all of them refused"
    assert len(tally.codes) > 20, "and refused for many reasons"
    assert faults_of(tally) >= FAULTS
    assert tally.unsure["retried with its key"] > 0
    assert tally.verified > STEPS // 100


def is_complete(tally: Tally) -> bool:
    """Returns True if each mutation was sent, each fault happened, and a mutation was retried after one."""
    sent = {*tally.accepted, *tally.refused}
    return sent == MUTATIONS and faults_of(tally) >= FAULTS and tally.unsure["retried with its key"] > 0


def faults_of(tally: Tally) -> set[str]:
    return {what for fault in tally.faults for what in fault.split(", ")}
