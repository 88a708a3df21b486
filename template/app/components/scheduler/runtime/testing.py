"""The pytest plugin by the name that it had until version 0.1; it is `everytick.testing` now."""

import warnings

from everytick import ScheduleUnderTest
from everytick.testing import schedule

__all__ = ["ScheduleUnderTest", "schedule"]

warnings.warn(
    f"the pytest plugin {__name__} is everytick.testing now, which pytest finds by itself: name none",
    DeprecationWarning,
    stacklevel=2,
)
