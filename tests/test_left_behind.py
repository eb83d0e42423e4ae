"""The end of an interrupted test run."""

import os
import signal
import subprocess
from pathlib import Path

from tests.left_behind import kill_left_behind
from tests.support import PATIENCE_SECONDS

VARIABLE = "_BILLING_TEST_LEFT_BEHIND"


def test_processes_that_are_left_are_killed(tmp_path: Path) -> None:
    environments = [{VARIABLE: str(tmp_path)}, {VARIABLE: str(tmp_path / "other")}]
    left, other = [
        subprocess.Popen(["sleep", f"{PATIENCE_SECONDS}"], env={**os.environ, **environment})
        for environment in environments
    ]

    kill_left_behind(VARIABLE, str(tmp_path))

    assert left.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert other.poll() is None
    other.kill()
    other.wait()
