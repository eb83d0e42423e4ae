"""Reports of a bench: a table for each operation, and all measurements as JSON."""

import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.measuring import Cell
from bench.operations import Operation
from bench.servers import Kind

RESULTS = Path(__file__).parent / "results"

HEAD = (
    f"{'':<24}{'server':>8}{'best':>8}{'postgres':>10}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'KB':>8}"
    f"{'× ours':>8}{'with pg':>9}"
)


def table(operation: Operation, kinds: Sequence[Kind], cells: Sequence[Cell]) -> str:
    """Returns a table with a line for each server, as medians over the rounds."""
    lines = [f"{operation.name}: {operation.title}", HEAD]
    for kind in kinds:
        mine = [cell for cell in cells if (cell.server, cell.operation) == (kind.name, operation.name)]
        if not mine:
            continue

        def median(value: Callable[[Cell], float], of: Iterable[Cell] = mine) -> float:
            return statistics.median(value(cell) for cell in of)

        lines.append(
            f"{kind.title:<24}{median(lambda c: c.server_ms):>8.2f}{min(c.best_server_ms for c in mine):>8.2f}"
            f"{median(lambda c: c.postgres_ms):>10.2f}{median(lambda c: c.requests_per_second):>12.0f}"
            f"{median(lambda c: c.p50_ms):>9.1f}{median(lambda c: c.p99_ms):>9.1f}{median(lambda c: c.kilobytes):>8.1f}"
            f"{times(ratio(mine, cells, lambda c: c.server_ms)):>8}"
            f"{times(ratio(mine, cells, lambda c: c.server_ms + c.postgres_ms)):>9}"
        )
    return "\n".join(lines)


def summary(operations: Sequence[Operation], kinds: Sequence[Kind], cells: Sequence[Cell]) -> str:
    """Returns one table with a line for each server and a column for each operation."""
    lines = [
        "CPU ms for each request, server + PostgreSQL; in brackets, how many times ours",
        f"{'':<24}" + "".join(f"{operation.name:>22}" for operation in operations),
    ]
    for kind in kinds:
        columns = []
        for operation in operations:
            mine = [cell for cell in cells if (cell.server, cell.operation) == (kind.name, operation.name)]
            if not mine:
                columns.append("")
                continue
            server, postgres = (
                statistics.median(value) for value in zip(*((c.server_ms, c.postgres_ms) for c in mine), strict=True)
            )
            columns.append(
                f"{server:.2f} + {postgres:.2f} ({times(ratio(mine, cells, lambda c: c.server_ms + c.postgres_ms))})"
            )
        lines.append(f"{kind.title:<24}" + "".join(f"{column:>22}" for column in columns))
    return "\n".join(lines)


def ratio(mine: Sequence[Cell], cells: Sequence[Cell], value: Callable[[Cell], float]) -> float | None:
    """Returns the median over the rounds of a value relative to that of our server in the same round."""
    ours = {cell.round: cell for cell in cells if cell.server == "ours" and cell.operation == mine[0].operation}
    found = [value(cell) / value(ours[cell.round]) for cell in mine if cell.round in ours]
    return statistics.median(found) if found else None


def times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def save(name: str, facts: dict[str, Any], **found: Any) -> Path:
    """Writes all results to a new file in `results/`, and returns its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": facts, **found}, indent=1, ensure_ascii=False) + "\n")
    return path


def rows(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Returns the cells for JSON, with numbers rounded to four significant digits."""
    return [
        {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in asdict(cell).items()}
        for cell in cells
    ]


def read(path: Path) -> list[Cell]:
    """Returns the cells of an earlier run."""
    return [Cell(**row) for row in json.loads(path.read_text())["cells"]]
