"""Queries. Batched queries take many keys, send one statement and return the results in the order of the keys."""
