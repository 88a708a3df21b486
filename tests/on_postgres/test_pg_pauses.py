"""Told once more on PostgreSQL: see `tests/test_pauses.py`."""

from test_pauses import *  # noqa: F403
