"""`./dev walk`: a random walk through all mutations, while the server and its database are killed.

After each step, the database must agree with a model of billing. If it does not, the walk is shrunk, printed, and
written to a file that `--replay` can run again.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from tests.walk.defects import DEFECTS
from tests.walk.machine import as_json, replay, walk_on
from tests.walk.walk import Walk, walking

TELL_EVERY_SECONDS = 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev walk", description=__doc__)
    parser.add_argument("--steps", type=int, default=500, metavar="N", help="take so many steps [500]")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the same seed takes the same steps [1]")
    parser.add_argument("--no-shrink", action="store_true", help="leave a walk that fails as long as it is")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="take the steps that a failed walk has written")
    parser.add_argument(
        "--defect", choices=sorted(DEFECTS), help="break a rule in the server, and see that it is found"
    )
    parser.add_argument("--no-faults", action="store_true", help="kill nothing and cut no connection")
    asked = parser.parse_args()
    with walking(defect=asked.defect, causes_faults=not asked.no_faults) as walk, telling(walk):
        began = time.monotonic()
        try:
            if asked.replay:
                replay(walk, json.loads(asked.replay.read_text()))
            else:
                walk_on(walk, steps=asked.steps, from_seed=asked.seed, shrinks=not asked.no_shrink)
        except BaseException:
            keep(walk, Path(f"walk-{asked.seed}.json"))
            raise
        report(walk, time.monotonic() - began)
    return 0


@contextmanager
def telling(walk: Walk) -> Iterator[None]:
    """Prints the progress of the walk every 30 seconds."""
    ended = Event()
    began = time.monotonic()

    def tell() -> None:
        while not ended.wait(TELL_EVERY_SECONDS):
            faults = sum(walk.tally.faults.values())
            say(f"{time.monotonic() - began:.0f} s: {walk.tally.steps} steps, {faults} faults")

    Thread(target=tell, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def keep(walk: Walk, file: Path) -> None:
    """Writes the steps that lead to a failure to `file`."""
    steps = walk.failed or walk.taken
    file.write_text(as_json(steps))
    found = walk.failed_at or walk.tally.steps
    say(f"\nFailed after {found} steps. {len(steps)} lead there: ./dev walk --replay {file}\n")


def report(walk: Walk, seconds: float) -> None:
    tally = walk.tally
    say(f"{tally.steps} steps in {seconds:.0f} s; the model and the database agreed after each.")
    for name in sorted({*tally.accepted, *tally.refused}):
        say(f"  {name:30} {tally.accepted[name]:6} done {tally.refused[name]:6} refused")
    say_counts("Refusals", tally.codes)
    say_counts("Faults", tally.faults)
    say_counts("Mutations of which it was not known whether they were done", tally.unsure)
    say(f"All invariants of `billing verify` held, {tally.verified} times.")


def say_counts(title: str, counts: Mapping[str, int]) -> None:
    say(f"{title}: {sum(counts.values())}")
    for name, count in sorted(counts.items()):
        say(f"  {count:6} {name}")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
