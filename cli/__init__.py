"""The command `billing`."""

__version__ = "0.1.0"
