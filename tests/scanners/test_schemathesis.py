"""Schemathesis generates queries and mutations from the server's schema and sends them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Served
from tests.support import PATIENCE_SECONDS

SEEDS = (1, 20_260_131, 9_007_199_254_740_991)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_fits_the_schema_never_fails_the_server(served: Served, tmp_path: Path, seed: int) -> None:
    logged = served.said.stat().st_size
    command = Path(sys.executable).with_name("schemathesis")
    options = ["--phases=fuzzing", "--max-examples=3", "--no-shrink", "--continue-on-failure", "--no-color"]
    # A value of the right type may still be rejected, such as an e-mail address that is taken.
    options += ["--exclude-checks=positive_data_acceptance", f"--seed={seed}", "--generation-database=none"]

    run = subprocess.run(
        [command, "run", f"{served.url}/graphql", *options],
        cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.scanners.scalars", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    [tested] = re.findall(r"Tested: +(\d+)", said)
    [(generated, passed)] = re.findall(r"(\d+) generated, (\d+) passed", said)
    assert int(tested) == operations(served), said
    assert int(generated) == int(passed) >= 3 * int(tested), said
    assert "Traceback" not in served.said.read_text()[logged:]


def operations(served: Served) -> int:
    """Returns the number of root fields of the schema."""
    document = served.graphql("{ __schema { queryType { fields { name } } mutationType { fields { name } } } }")
    schema = document["__schema"]
    assert isinstance(schema, dict)
    return sum(len(schema[root]["fields"]) for root in ("queryType", "mutationType"))
