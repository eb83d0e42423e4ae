"""The command `billing`."""
