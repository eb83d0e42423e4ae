"""Use cases. Each loads data, applies the rules and stores the result, in the transaction of its caller."""
