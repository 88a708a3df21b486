"""Told once more on PostgreSQL: see `tests/engine/api/test_pauses.py` and `test_request_commands.py`."""

from test_pauses import *  # noqa: F403
from test_request_commands import (
    test_a_pause_tells_its_note_and_its_end as test_a_pause_tells_its_note_and_its_end,
)
