"""Use cases: each loads, decides and stores, in the transaction of its caller."""
