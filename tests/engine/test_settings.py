"""What the settings know of the variables of other parts, how missing parts are named, and wrong values."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from everytick.dashboard.settings import DashboardSettings
from everytick.errors import ConfigurationError, how_to_install
from everytick.settings import DASHBOARD_VARIABLES, SchedulerSettings

from app_session import ROOT


def test_the_variables_of_the_dashboard_are_known_without_loading_it() -> None:
    own = DashboardSettings.model_fields.keys() - SchedulerSettings.model_fields.keys()
    assert {name.upper() for name in own} == DASHBOARD_VARIABLES


@pytest.mark.parametrize("part", ["alerts", "postgresql", "tracing"])
def test_a_part_that_is_named_to_be_installed_is_one(part: str) -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    choices = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))["parts"]["choices"]
    assert part in pyproject["project"]["optional-dependencies"]
    assert part in choices.values()
    assert how_to_install(part) == (
        f"install everytick[{part}] (made from the template: name `{part}` in the answer `parts`)"
    )


def test_how_the_dashboard_is_installed_names_its_own_question() -> None:
    assert "dashboard" in yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    assert how_to_install("dashboard") == (
        "install everytick[dashboard] (made from the template: answer `dashboard` with yes)"
    )


def test_a_ledger_on_postgresql_without_its_driver_is_one_sentence() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path\n"
        "from everytick.store.opening import ledger_at\n"
        "try: ledger_at('postgresql://nobody@localhost/none', root=Path('.'), application=None)\n"
        "except Exception as problem: print(type(problem).__name__, problem)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(
        "ConfigurationError SCHEDULER_DATABASE_URL names PostgreSQL, whose driver is"
    )
    assert "not installed: install everytick[postgresql] (" in done.stdout


@pytest.mark.parametrize("days", ["0", "-1", "1e308", "inf", "nan", "36501"])
def test_days_that_no_history_has_are_one_sentence(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    monkeypatch.setenv("SCHEDULER_HISTORY_DAYS", days)
    with pytest.raises(ConfigurationError, match=f"^SCHEDULER_HISTORY_DAYS={days}: input should be "):
        SchedulerSettings()
