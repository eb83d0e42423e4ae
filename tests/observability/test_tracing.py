"""Traces, as an OpenTelemetry collector receives them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from sqlalchemy import text

from cli.errors import CommandError
from cli.tracing import exporters_of
from db.database import Database
from tests.cli.conftest import ROOT, Serve
from tests.observability.conftest import Collector
from tests.support import PATIENCE_SECONDS

NESTED = """
query Nested { customers { nodes { id name subscriptions { nodes { plan { name } } } } } }
"""
CREATE = """
mutation Create($email: String!) {
  createCustomer(input: {name: "Ada", email: $email}) { customer { id } userErrors { code } }
}
"""
NEVER_SENT = "http://127.0.0.1:1"


def tracing(collector_url: str, database_url: str, **variables: str) -> dict[str, str]:
    return {
        "BILLING_AUTH": "off",
        "BILLING_RENEW": "off",
        "DATABASE_URL": database_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector_url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        **variables,
    }


def attributes(span: Span) -> dict[str, object]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value") or "") for each in span.attributes}


def test_a_request_is_traced_down_to_its_sql(serve: Serve, database_url: str, collector: Collector) -> None:
    served = serve(environment=tracing(collector.url, database_url, BILLING_LOG_REQUESTS="on"))
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

    served.graphql(CREATE, email="ada@example.com")
    httpx.post(
        f"{served.url}/graphql",
        json={"query": NESTED},
        headers={"traceparent": f"00-{trace}-{parent}-01", "x-request-id": "the-nested-one"},
    )
    operation = collector.wait_for("query Nested")
    collector.wait_for("mutation Create")
    assert served.stop() == 0

    of_trace = [span for span in collector.spans if span.trace_id.hex() == trace]
    by_id = {span.span_id: span for span in of_trace}
    [request] = [span for span in of_trace if span.name == "POST /graphql"]
    assert request.parent_span_id.hex() == parent
    assert request.kind == Span.SPAN_KIND_SERVER
    said = attributes(request)
    assert (said["http.request.method"], said["http.route"], said["http.response.status_code"]) == (
        *("POST", "/graphql"),
        200,
    )
    assert said["billing.request_id"] == "the-nested-one"

    assert operation.parent_span_id == request.span_id
    assert attributes(operation) == {"graphql.operation.type": "query", "graphql.operation.name": "Nested"}

    batches = [span for span in of_trace if span.parent_span_id == operation.span_id]
    assert [span.name for span in batches] == [
        "load Pages customers",
        "load Pages subscriptions by customer_id",
    ]
    statements = [span for span in of_trace if span.name == "SELECT"]
    assert [by_id[span.parent_span_id].name for span in statements] == [span.name for span in batches]
    for span in statements:
        said = attributes(span)
        assert (said["db.system.name"], said["db.operation.name"]) == ("postgresql", "SELECT")
        assert str(said["db.query.text"]).startswith("SELECT ")
        batch = by_id[span.parent_span_id]
        assert batch.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= batch.end_time_unix_nano
    assert len(of_trace) == 2 + len(batches) + len(statements)

    [create] = [span for span in collector.spans if span.name == "mutation Create"]
    of_create = {span.name for span in collector.spans if span.parent_span_id == create.span_id}
    assert {"INSERT", "COMMIT"} <= of_create
    assert b"ada@example.com" not in b"".join(collector.bodies)

    service = {
        each.key: each.value.string_value for each in collector.requests[0].resource_spans[0].resource.attributes
    }
    assert service["service.name"] == "billing"
    lines = [json.loads(line) for line in served.said.read_text().splitlines() if line.startswith("{")]
    [line] = [line for line in lines if line.get("request_id") == "the-nested-one"]
    assert line["trace_id"] == trace


def test_of_a_sample_the_rest_is_not_sent(serve: Serve, database_url: str, collector: Collector) -> None:
    served = serve(
        environment=tracing(
            collector.url,
            database_url,
            OTEL_TRACES_SAMPLER="parentbased_traceidratio",
            OTEL_TRACES_SAMPLER_ARG="0",
            BILLING_LOG_REQUESTS="on",
        )
    )
    sampled = f"00-{'1' * 32}-{'2' * 16}-01"
    httpx.post(f"{served.url}/graphql", json={"query": NESTED}, timeout=30)
    httpx.post(f"{served.url}/graphql", json={"query": NESTED}, headers={"traceparent": sampled}, timeout=30)
    collector.wait_for("query Nested")
    assert served.stop() == 0

    assert {span.trace_id.hex() for span in collector.spans} == {"1" * 32}
    lines = [json.loads(line) for line in served.said.read_text().splitlines() if "Nested" in line]
    assert len({line["trace_id"] for line in lines}) == 2


@pytest.fixture
async def broken(database: Database) -> None:
    """Breaks the database in ways unknown to the server."""
    async with database.sessions.begin() as session:
        await session.execute(text("ALTER TABLE customers ADD CONSTRAINT of_the_test CHECK (name <> 'Ada')"))
        await session.execute(text("ALTER TABLE plans RENAME TO other_plans"))


@pytest.mark.usefixtures("broken")
def test_a_failed_statement_is_marked_and_not_told(serve: Serve, database_url: str, collector: Collector) -> None:
    served = serve(environment=tracing(collector.url, database_url, OTEL_SERVICE_NAME="my-billing"))

    httpx.post(f"{served.url}/graphql", json={"query": CREATE, "variables": {"email": "ada@example.com"}}, timeout=30)
    httpx.post(f"{served.url}/graphql", json={"query": "query Plans { plans { nodes { id } } }"}, timeout=30)
    collector.wait_for("mutation Create")
    collector.wait_for("query Plans")
    assert served.stop() == 0

    failed = [span for span in collector.spans if span.status.code == Status.STATUS_CODE_ERROR]
    assert {(span.name, attributes(span)["error.type"]) for span in failed} == {
        ("INSERT", "CheckViolationError"),
        ("SELECT", "UndefinedTableError"),
        ("load Pages plans", "UndefinedTableError"),
        ("POST /graphql", "INTERNAL_SERVER_ERROR"),
    }
    assert [event for span in collector.spans for event in span.events] == []
    assert {span.status.message for span in collector.spans} == {""}
    assert b"ada@example.com" not in b"".join(collector.bodies)
    service = {
        each.key: each.value.string_value for each in collector.requests[0].resource_spans[0].resource.attributes
    }
    assert service["service.name"] == "my-billing"


def test_a_collector_that_is_silent_keeps_no_server_from_ending(serve: Serve, database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        served = serve(environment=tracing(url, database_url, OTEL_EXPORTER_OTLP_TIMEOUT="120"))
        served.graphql(CREATE, email="ada@example.com")

        began = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - began < 60, "it has waited for the collector"


@pytest.mark.parametrize(
    ("variables", "exporters"),
    [
        ({}, []),
        ({"OTEL_SERVICE_NAME": "billing"}, []),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["otlp"]),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": NEVER_SENT}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": NEVER_SENT}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": NEVER_SENT}, ["otlp"]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": NEVER_SENT, "OTEL_SDK_DISABLED": "True"}, []),
        ({"OTEL_TRACES_EXPORTER": "otlp, console"}, ["otlp", "console"]),
        ({"OTEL_TRACES_EXPORTER": "", "OTEL_EXPORTER_OTLP_ENDPOINT": ""}, []),
    ],
)
def test_the_standard_variables_switch_it_on(variables: Mapping[str, str], exporters: list[str]) -> None:
    assert exporters_of(variables) == exporters


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": NEVER_SENT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
    ],
)
def test_what_is_not_supported_is_refused(variables: Mapping[str, str]) -> None:
    with pytest.raises(CommandError, match=r"^OTEL_\w+ must be "):
        exporters_of(variables)


def test_where_it_is_off_nothing_of_it_is_imported(database_url: str) -> None:
    program = (
        "import os, sys; from cli.serve import app_of; from cli.settings import read_configuration;"
        " from cli.tracing import start_tracing;"
        " app_of(read_configuration(), tracing=start_tracing());"
        " print([name for name in sys.modules if name.partition('.')[0] in ('opentelemetry', 'prometheus_client')])"
    )
    environment = {name: said for name, said in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**environment, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )

    assert done.stdout == "[]\n"
