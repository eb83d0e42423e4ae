"""Building blocks for the fields of the schema: edges, connections, payloads, scalars and the request context."""
