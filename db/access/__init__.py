"""The ways to the database."""
