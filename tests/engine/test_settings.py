"""What the settings know of the variables of other parts."""

from __future__ import annotations

from everytick.dashboard.settings import DashboardSettings
from everytick.settings import DASHBOARD_VARIABLES, SchedulerSettings


def test_the_variables_of_the_dashboard_are_known_without_loading_it() -> None:
    own = DashboardSettings.model_fields.keys() - SchedulerSettings.model_fields.keys()
    assert {name.upper() for name in own} == DASHBOARD_VARIABLES
