"""A short run of the chaos test. Run `./dev chaos` for longer ones."""

from pathlib import Path

from tests.faults.chaos import run

SEED = 6


async def test_nothing_acknowledged_is_lost_or_doubled_whatever_happens(data_dir: Path) -> None:
    said: list[str] = []

    chaos = await run(data_dir, seconds=14, every=2, connections=16, seed=SEED, say=said.append)

    assert chaos.record.answered > 100, said
    assert chaos.faults == len(said) >= 2, said
