"""Error of backup and restore."""


class BackupError(Exception):
    """A backup cannot be created or restored. The message is one line for the person who started the command."""
