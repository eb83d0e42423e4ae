"""Backups: all rows as of one instant in one file, and a file made into a database again."""

from db.backup.archive import Manifest, read_manifest
from db.backup.dump import back_up
from db.backup.errors import BackupError
from db.backup.restore import restore

__all__ = ["BackupError", "Manifest", "back_up", "read_manifest", "restore"]
