"""Root fields of queries."""
