"""Told once more on PostgreSQL: see `tests/engine/engine`."""

from __future__ import annotations

import pytest

from test_cancelled_of_the_dead import *  # noqa: F403

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("nothing_left_behind")]
