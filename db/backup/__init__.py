"""Backup of all rows, as of one instant, to one file, and restore of such a file into an empty database."""

from db.backup.archive import Manifest, read_manifest
from db.backup.dump import back_up
from db.backup.errors import BackupError
from db.backup.restore import Backup, checked_backup, restore

__all__ = ["Backup", "BackupError", "Manifest", "back_up", "checked_backup", "read_manifest", "restore"]
