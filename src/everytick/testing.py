"""For your tests: a pytest plugin with the fixture `schedule`.

pytest finds it where the package is installed, so nothing has to be named. What the fixture answers is
reckoned; nothing waits for the clock, and no ledger is read or written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .schedule_under_test import ScheduleUnderTest


@pytest.fixture
def schedule(pytestconfig: pytest.Config) -> ScheduleUnderTest:
    """Your schedule, as `create_scheduler()` declares it.

    Raises:
        ConfigurationError: no test has imported your application, and `[tool.everytick]` names none.
    """
    # Imported when it is asked for: pytest loads this file in every suite of the environment.
    from everytick import app

    from .schedule_under_test import ScheduleUnderTest

    app.current(pytestconfig.rootpath)
    return ScheduleUnderTest()
