"""What is told of the requests to those who run the server: log lines, metrics and traces.

`exchange` is what is known of one request, and `middleware` keeps it; `metrics` and `tracing` are imported only where
they are switched on.
"""

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder in which the workers of a server keep their metrics; prometheus-client reads it when imported."""
