"""Told once more on PostgreSQL: see `tests/engine/api/test_pauses.py`."""

from test_pauses import *  # noqa: F403
