"""Object types. The source of an object is its row: a field without a resolver returns the column of the same name."""
