"""A random walk through all mutations: a model of billing and the database agree after each step, whatever dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from graphql import build_schema

from tests.walk.client import Client, Failed
from tests.walk.machine import replay, walk_on
from tests.walk.postgres import Postgres
from tests.walk.steps.base import MUTATIONS
from tests.walk.walk import Walk

ROOT = Path(__file__).parents[2]
STEPS = 500
SECONDS = 300


@contextmanager
def walking(*, defect: str | None = None) -> Iterator[Walk]:
    with Postgres() as postgres, Client(postgres, defect=defect) as client:
        yield Walk(postgres, client, seconds=SECONDS)


def test_the_walk_knows_each_mutation_of_the_schema() -> None:
    mutation_type = build_schema((ROOT / "schema.graphql").read_text()).mutation_type

    assert mutation_type is not None
    assert set(mutation_type.fields) == MUTATIONS


def test_the_model_and_the_database_agree_after_each_step() -> None:
    with walking() as walk:
        walk_on(walk, steps=STEPS, from_seed=1)

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


@pytest.mark.parametrize("defect", ["a_share_is_rounded_down", "a_retry_is_done_again"])
def test_a_defect_is_found_and_the_way_to_it_can_be_taken_again(defect: str) -> None:
    with walking(defect=defect) as walk:
        with pytest.raises(Failed):
            walk_on(walk, steps=STEPS, from_seed=1, shrinks=False)
        found, steps = walk.tally.steps, walk.failed

        with pytest.raises(Failed):
            replay(walk, steps)

    assert found < STEPS
    assert walk.failed == steps
