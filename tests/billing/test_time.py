"""Rules and use cases receive the time as `now` and never read a clock."""

import re
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("billing", "services")
FILES = {folder: sorted((ROOT / folder).rglob("*.py")) for folder in FOLDERS}
LOOKS_AT_A_CLOCK = re.compile(r"\bnow\(|\btoday\(|\btime\.time\(|\butcnow\b|\bcurrent_timestamp\b", re.IGNORECASE)


def test_no_rule_looks_at_a_clock() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in chain.from_iterable(FILES.values())
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if LOOKS_AT_A_CLOCK.search(line)
    ]

    assert all(len(files) > 10 for files in FILES.values()), "there is something to look at"
    assert found == []


def test_a_look_at_a_clock_would_be_found() -> None:
    for line in ("datetime.now(UTC)", "date.today()", "func.now()", "time.time()", "datetime.utcnow"):
        assert LOOKS_AT_A_CLOCK.search(line)
