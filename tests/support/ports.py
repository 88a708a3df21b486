"""Ports for servers of tests whose address must be known before they start."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

# Systems give the ports above these to connections that ask for none, some of which would take one that waits
# for its server.
_NOBODYS = range(15_000, 32_000)
_CHANCE = random.SystemRandom()


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    while True:
        port = _CHANCE.choice(_NOBODYS)
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port
