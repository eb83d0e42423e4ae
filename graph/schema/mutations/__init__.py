"""Mutations by noun, with their inputs and payloads. They only translate between the schema and the services."""
