"""Size of the shared buffers of an embedded PostgreSQL."""

from pathlib import Path

import pytest

from db.embedded.memory import SHARED_BUFFERS, shared_buffers, usable_bytes


@pytest.mark.parametrize(
    ("limits", "expected"), [((str(512 << 20),), 512 << 20), (("max", str(256 << 20)), 256 << 20)], ids=["v2", "v1"]
)
def test_the_limit_of_the_cgroup_counts(tmp_path: Path, limits: tuple[str, ...], expected: int) -> None:
    paths = []
    for number, said in enumerate(limits):
        paths.append(tmp_path / str(number))
        paths[-1].write_text(f"{said}\n")

    assert usable_bytes((*paths, tmp_path / "missing")) == expected


def test_without_a_limit_it_is_the_machine(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")

    assert usable_bytes((tmp_path / "memory.max",)) == usable_bytes(()) > 1 << 28


def test_buffers_are_a_quarter_and_at_most_2_gb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SHARED_BUFFERS)
    found = shared_buffers()
    assert found == f"{min(2048, (usable_bytes() // 4) >> 20)}MB"
