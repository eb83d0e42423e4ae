"""What a person who runs a command can mend."""


class CommandError(Exception):
    """The command cannot do its work. The message is one line for the person who ran it."""
