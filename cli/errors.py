"""Errors that the user of a command can fix."""


class CommandError(Exception):
    """The command cannot run. The message is one line for the user."""
