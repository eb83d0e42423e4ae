"""Tests that no operation calls more Python functions than `bench/calls.json` allows."""

import subprocess
import sys

import pytest

from bench.calls import NUMBERS, PYTHON, RENEWALS, TO_WRITE, grown, written_numbers
from bench.operations import OPERATIONS
from tests.cli.conftest import ROOT
from tests.clients.node import unavailable


@pytest.fixture
def numbers() -> dict[str, int]:
    """The recorded numbers for this version of Python. Skips the test if there are none."""
    if not (numbers := written_numbers()):
        unavailable(f"{NUMBERS.name} has no numbers for Python {PYTHON}. {TO_WRITE}")
    return numbers


@pytest.mark.slow
def test_no_operation_calls_many_more_functions_than_written_down(numbers: dict[str, int]) -> None:
    # In a separate process, where nothing else runs and nothing was called before.
    counted = subprocess.run(
        [sys.executable, "-m", "bench.calls"], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )

    assert counted.returncode == 0, f"{counted.stdout}{counted.stderr}"


def test_each_operation_has_a_number(numbers: dict[str, int]) -> None:
    assert numbers.keys() == {*(operation.name for operation in OPERATIONS), *RENEWALS}


def test_a_twentieth_more_is_allowed_and_no_call_beyond() -> None:
    assert grown({"one": 1050, "flat": 900}, {"one": 1000, "flat": 1000}) == []
    assert grown({"one": 1051, "flat": 900}, {"one": 1000, "flat": 1000}) == ["one"]
    assert grown({"new": 1}, {"one": 1000}) == ["new"]
