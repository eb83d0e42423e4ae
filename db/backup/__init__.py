"""Backup of all rows, as of one instant, to one file, restore of such a file into an empty database, and the use of a
database in an earlier state.
"""

from db.backup.archive import Manifest, read_manifest
from db.backup.dump import back_up
from db.backup.errors import BackupError
from db.backup.recovery import recover
from db.backup.restore import Backup, checked_backup, restore

__all__ = ["Backup", "BackupError", "Manifest", "back_up", "checked_backup", "read_manifest", "recover", "restore"]
