"""Requests of scanners: each gets a meaningful response, never an internal error, and takes little time and memory."""

import pytest

from bench.machine import reference_ms
from tests.cli.conftest import Served
from tests.scanners.floods import GRAPHQL_PROBES
from tests.scanners.probes import HTTP_PROBES, QUERY, Probe, request
from tests.scanners.wire import Usage, exchange

CODES = frozenset(
    {
        "BAD_USER_INPUT",
        "COST_LIMIT",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "PERSISTED_QUERY_NOT_SUPPORTED",
        "UNAUTHENTICATED",
    }
)
MOST_CPU = 10
"""Maximum processor time of a probe in units of `reference_ms`, in total about a second."""
MOST_MEMORY = 100 * 2**20
PROBES = {probe.name: probe for probe in (*HTTP_PROBES, *GRAPHQL_PROBES)}
assert len(PROBES) == len(HTTP_PROBES) + len(GRAPHQL_PROBES), "each probe has a name of its own"


@pytest.fixture(scope="module", autouse=True)
def _warm(served: Served) -> None:
    """Loads and caches everything that the process needs once, so that no probe is charged for it."""
    for query in ("{ __schema { types { name } } }", "{ customers { nodes { id } totalCount } }"):
        served.graphql(query)
    Usage.at_rest(served.process.pid)


@pytest.fixture(scope="module")
def most_cpu_seconds() -> float:
    return MOST_CPU * reference_ms() / 1000


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_a_probe_is_answered_and_costs_little(served: Served, most_cpu_seconds: float, probe: Probe) -> None:
    said, before = served.said.stat().st_size, Usage.of(served.process.pid)

    answer = exchange(served.url, probe.sent(), waits=probe.waits, hangs_up=probe.hangs_up)

    after = Usage.at_rest(served.process.pid)
    with served.said.open() as log:
        log.seek(said)
        logged = log.read()
    assert answer.status in probe.statuses, (answer, logged)
    assert b"INTERNAL_SERVER_ERROR" not in answer.body, logged
    assert probe.garbles or "Traceback" not in logged, logged
    if probe.speaks_graphql and answer.status >= 400:
        assert answer.document["errors"][0]["extensions"]["code"] in CODES
        assert "data" not in answer.document
    assert after.cpu_seconds - before.cpu_seconds <= most_cpu_seconds
    assert after.grown(before) <= MOST_MEMORY


def test_documents_that_all_differ_are_not_kept_without_bound(served: Served) -> None:
    before = Usage.at_rest(served.process.pid)

    for number in range(250):
        small = " ".join(f"f{number}x{field}" for field in range(500))
        for query in (f"{{ {small} }}", f"{{ {number} " + "query" * 40_000 + "\\ud83d\\ude00 }"):
            answer = exchange(served.url, request(f'{{"query": "{query}"}}'))
            assert answer.status == 400

    assert Usage.at_rest(served.process.pid).grown(before) <= MOST_MEMORY


def test_after_all_of_them_the_server_is_well(served: Served) -> None:
    assert exchange(served.url, request(QUERY)).document["data"] == {"__typename": "Query"}
    assert served.graphql("{ customers { totalCount nodes { id } } }") == {"customers": {"totalCount": 0, "nodes": []}}
    served.until("/ready")
