"""Tests that the walk finds billing rules that are broken on purpose, and can replay the failures."""

import subprocess
import sys

import pytest

from tests.cli.conftest import ROOT
from tests.support import PATIENCE_SECONDS
from tests.walk.client import Failed
from tests.walk.machine import replay, walk_on
from tests.walk.walk import walking

STEPS = 500
PUT_IN_EACH = "from tests.walk.defects import DEFECTS, put_in; [put_in(name) for name in DEFECTS]"


def test_each_defect_replaces_what_is_there() -> None:
    subprocess.run([sys.executable, "-c", PUT_IN_EACH], cwd=ROOT, check=True, timeout=PATIENCE_SECONDS)


def test_a_defect_is_found_and_the_way_to_it_can_be_taken_again() -> None:
    with walking(defect="a_share_is_rounded_down") as walk:
        with pytest.raises(Failed):
            walk_on(walk, steps=STEPS, from_seed=2, shrinks=False)
        steps = walk.failed

        with pytest.raises(Failed):
            replay(walk, steps)

    assert walk.failed_at is not None
    assert walk.failed_at < STEPS
    assert walk.failed == steps


def test_a_retry_that_is_done_again_is_found() -> None:
    """The walk does not take the way again: with this bug, two equal requests sent at once race each other."""
    with walking(defect="a_retry_is_done_again") as walk, pytest.raises(Failed):
        walk_on(walk, steps=STEPS, from_seed=2, shrinks=False)

    assert walk.failed_at is not None
    assert walk.failed_at < STEPS


def test_a_proration_that_does_not_see_credit_notes_is_found() -> None:
    with walking(defect="a_proration_does_not_see_credit_notes") as walk, pytest.raises(Failed):
        walk_on(walk, steps=STEPS, from_seed=2, shrinks=False)

    assert walk.failed_at is not None
    assert walk.failed_at < STEPS


def test_a_discount_that_is_not_counted_is_found() -> None:
    with walking(defect="a_discount_is_not_counted") as walk, pytest.raises(Failed):
        walk_on(walk, steps=STEPS, from_seed=2, shrinks=False)

    assert walk.failed_at is not None
    assert walk.failed_at < STEPS
