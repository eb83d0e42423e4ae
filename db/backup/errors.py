"""The one error of backups."""


class BackupError(Exception):
    """A backup cannot be made or restored: one clear line for the person who asked for it."""
