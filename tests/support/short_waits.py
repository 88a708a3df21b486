"""Processes that wait for seconds where they wait for long in truth: leases, and the sleep of the clock."""

from __future__ import annotations

from application import Application

# In seconds. Lease and heartbeat have the relation that they have in truth.
LEASE, BEAT = 6.0, 2.0
# How long the clock sleeps at most, whatever is due when.
SLEEP = 3.0

_LEASES = f"""\
from everytick.engine import heartbeats
heartbeats.LEASE_SECONDS, heartbeats.BEAT_SECONDS = {LEASE}, {BEAT}
"""
_SLEEPS = f"""\
from everytick.engine import admission, clock
admission.LONGEST_SLEEP = clock.LONGEST_SLEEP = {SLEEP}
"""


def shorten_leases(app: Application) -> None:
    """Let the processes that start from now on beat often, and declare dead soon who does not."""
    app.main_file.write_text(_LEASES + app.main_file.read_text())


def shorten_sleeps(app: Application) -> None:
    """Let the processes that start from now on look at their clock often."""
    app.main_file.write_text(_SLEEPS + app.main_file.read_text())
