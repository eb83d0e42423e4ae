"""The object types. The source of an object is its row: a field without a resolver is the column of its name."""
