"""What is told of the requests to those who run the server: log lines, metrics and traces.

`exchange` is what is known of one request, and `middleware` keeps it; `metrics` and `tracing` are imported only where
they are switched on.
"""
