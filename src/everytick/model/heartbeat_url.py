"""Checks the address of `ping=`, which is called when a job's run begins and when it has ended."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Where the state of the run goes: start, success or fail.
STATE_PLACE = "{state}"

_LONGEST_ADDRESS = 2_000
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~%:\[\]-]+(/[!-~]*|\?[!-~]*)?", re.IGNORECASE)


def check(address: object) -> None:
    """Raise ValueError unless it is an address to call. The error does not repeat it: it is a secret."""
    if is_address(address):
        return
    raise ValueError(
        "ping= must be an http or https address such as 'https://hc-ping.com/<uuid>', in which {state} may"
        " stand for start, success or fail"
    )


def is_address(address: object) -> bool:
    """Return whether it is an address to call: of http or https, with a host and without a user."""
    if not (isinstance(address, str) and len(address) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(address)):
        return False
    try:
        parts = urlsplit(address)
        _port = parts.port
    except ValueError:
        return False
    rest = address.replace(STATE_PLACE, "")
    return bool(parts.hostname) and re.search(r"[{}#]", rest) is None
