"""The spread of tests over the workers of a run."""

import pytest

RUN: list[int] = []
"""Tests of this file that ran in this process."""


@pytest.mark.parametrize("place", range(6))
def test_one_worker_runs_all_tests_of_a_file(place: int) -> None:
    RUN.append(place)

    assert [*range(place + 1)] == RUN
