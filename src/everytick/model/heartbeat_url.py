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
    if isinstance(address, str) and len(address) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(address):
        try:
            parts = urlsplit(address)
            _port = parts.port
        except ValueError:
            parts = None
        rest = address.replace(STATE_PLACE, "")
        if parts is not None and parts.hostname and not re.search(r"[{}#]", rest):
            return
    raise ValueError(
        "ping= must be an http or https address such as 'https://hc-ping.com/<uuid>', in which {state} may"
        " stand for start, success or fail"
    )
