"""The domain: rules, amounts and records. No I/O, no GraphQL, no HTTP."""
