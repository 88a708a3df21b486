"""Told once more on PostgreSQL: see `tests/engine/engine/test_runs.py`."""

from test_runs import *  # noqa: F403
