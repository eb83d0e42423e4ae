"""The spread of tests over the workers of a run."""

import pytest

RUN: list[int] = []
"""Tests of this file that ran in this process."""


@pytest.mark.parametrize("place", range(6))
def test_one_worker_runs_all_tests_of_a_file(place: int, request: pytest.FixtureRequest) -> None:
    RUN.append(place)

    tests = [item for item in request.session.items if isinstance(item, pytest.Function) and item.path == request.path]
    selected = [test.callspec.params["place"] for test in tests]
    assert selected[: selected.index(place) + 1] == RUN
