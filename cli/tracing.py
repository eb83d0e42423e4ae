"""Switches tracing on or off by the standard variables of OpenTelemetry.

See https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. OpenTelemetry's SDK itself reads
the variables for the sampler, the batches and the exporter.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cli.errors import CommandError

if TYPE_CHECKING:
    from graph.observability.tracing import Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXPORTERS = ("otlp", "console")


def exporters_of(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Returns the names of the `EXPORTERS` to use. Empty unless a variable names an exporter or an endpoint.

    Raises `CommandError` for unsupported values.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    said = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if not said:
        said = "otlp" if any(environment.get(name) for name in ENDPOINTS) else "none"
    names = [name.strip() for name in said.split(",")]
    if names == ["none"]:
        return []
    for name in names:
        if name not in EXPORTERS:
            raise CommandError(f"OTEL_TRACES_EXPORTER must be {', '.join(EXPORTERS)} or none, not {said!r}.")
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), "http/protobuf")
    if "otlp" in names and protocol != "http/protobuf":
        raise CommandError(f"{PROTOCOLS[1]} must be http/protobuf, not {protocol!r}.")
    return names


def start_tracing() -> "Tracing | None":
    """Starts tracing as configured. Returns None, and imports nothing, if it is off. Raises `CommandError`."""
    names = exporters_of()
    if not names:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

    from graph.observability.tracing import Tracing

    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(
        resource=Resource.create({} if named else {"service.name": "billing"}), shutdown_on_exit=False
    )
    for name in names:
        exporter: SpanExporter = OTLPSpanExporter() if name == "otlp" else ConsoleSpanExporter()
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return Tracing(provider)
