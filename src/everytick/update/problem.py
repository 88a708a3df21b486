"""The error of an update."""


class UpdateError(Exception):
    """An update cannot go on: one sentence for the person at the keyboard (exit code 1)."""
