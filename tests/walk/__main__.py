"""`./dev walk`: a random walk through all mutations, against a server and a database that are killed on the way."""

import argparse
import json
import sys
import time
from pathlib import Path

from tests.walk.client import Client
from tests.walk.machine import replay, walk_on
from tests.walk.postgres import Postgres
from tests.walk.walk import Walk


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev walk", description=__doc__)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--defect")
    arguments = parser.parse_args()
    began = time.monotonic()
    with Postgres() as postgres, Client(postgres, defect=arguments.defect) as client:
        walk = Walk(postgres, client)
        try:
            if arguments.replay:
                replay(walk, json.loads(arguments.replay.read_text()))
            else:
                walk_on(walk, steps=arguments.steps, from_seed=arguments.seed, shrinks=False)
        except Exception as error:
            Path(f"/tmp/walk-{arguments.seed}.json").write_text(json.dumps(walk.taken, default=str))
            print(f"FAILED: {type(error).__name__} {error}"[:6000])
            print(f"{walk.tally.steps} steps, {len(walk.taken)} since the beginning, last: {walk.taken[-1]}")
            return 1
    print(f"{walk.tally.steps} steps in {time.monotonic() - began:.0f} s", walk.tally, client.fired)
    return 0


if __name__ == "__main__":
    sys.exit(main())
