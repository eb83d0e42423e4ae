"""Observability of requests for operators: log lines, metrics and traces.

`exchange` holds the facts about one request, and `middleware` collects them. `metrics` and `tracing` are imported only
if they are switched on.
"""

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable with the folder in which workers share their metrics. prometheus-client reads it when it is imported."""
