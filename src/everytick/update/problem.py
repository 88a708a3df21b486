"""The error of an update."""

import re

# In `https://token@host` and `ssh://user:password@host`; the `git@` of an address without a password stays.
_CREDENTIALS = re.compile(r"(https?://)[^/\s]+@|(\w://[^/@:\s]*:)[^/\s]+@")


class UpdateError(Exception):
    """An update cannot go on: one sentence for the person at the keyboard (exit code 1)."""

    def __init__(self, sentence: str) -> None:
        super().__init__(without_credentials(sentence))


def without_credentials(text: str) -> str:
    """Return text in which the passwords and tokens of addresses are stars."""
    return _CREDENTIALS.sub(r"\1\2***@", text)
