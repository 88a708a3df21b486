"""What the settings know of the variables of other parts, how missing parts are named, and wrong values."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from everytick import app, masking
from everytick.dashboard.settings import DashboardSettings
from everytick.errors import ConfigurationError, how_to_install
from everytick.masking import masked
from everytick.settings import DASHBOARD_VARIABLES, SchedulerSettings
from pydantic import BaseModel, Field, HttpUrl, PostgresDsn, SecretStr, field_validator, model_validator

from app_session import ROOT


def test_the_variables_of_the_dashboard_are_known_without_loading_it() -> None:
    own = DashboardSettings.model_fields.keys() - SchedulerSettings.model_fields.keys()
    assert {name.upper() for name in own} == DASHBOARD_VARIABLES


@pytest.mark.parametrize("part", ["alerts", "holidays", "postgresql", "tracing"])
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


@pytest.mark.full
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


@pytest.fixture(autouse=True)
def _own_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", {})


class Database(BaseModel):
    login: str = Field(default="me", min_length=2)
    word: SecretStr = SecretStr("")


class OfAShop(SchedulerSettings):
    smtp_password: str = Field(default="a-password-that-is-long", min_length=12)
    mail_login: SecretStr = Field(default=SecretStr("a-login-that-is-long"), min_length=12)
    shop_dsn: PostgresDsn | None = None
    shop_page: HttpUrl | None = None
    shop_database: Database = Database()
    api_keys: list[str] = Field(default_factory=list)
    renamed: SecretStr = Field(default=SecretStr("x" * 12), validation_alias="OTHER_NAME", min_length=12)
    customers: int = 1

    @field_validator("smtp_password")
    @classmethod
    def _no_birthday(cls, value: str) -> str:
        if "1999" in value:
            raise ValueError(f"{value!r} has a birthday in it")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> OfAShop:
        assert "elsewhere" not in str(self.shop_dsn), f"{self.shop_dsn} and {self.shop_database} disagree"
        return self


class CheckedBefore(OfAShop):
    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, values: Any) -> Any:
        raise AssertionError(f"wrong: {values}")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SMTP_PASSWORD": "hunter2"}, "SMTP_PASSWORD: string should have at least 12 characters"),
        ({"SMTP_PASSWORD": "hun"}, "SMTP_PASSWORD: string should have at least 12 characters"),
        ({"SMTP_PASSWORD": "born 1999  hunter2"}, "SMTP_PASSWORD: '*****' has a birthday in it"),
        ({"MAIL_LOGIN": "hunter2"}, "MAIL_LOGIN: "),
        ({"OTHER_NAME": "hunter2"}, "OTHER_NAME: "),
        ({"SHOP_DSN": "postgresql:/me:hunter2@db"}, "SHOP_DSN: "),
        ({"SHOP_DSN": "me:hunter2@db"}, "SHOP_DSN: "),
        ({"SHOP_DSN": "postgresql://me:hunter2@db:port/x"}, "SHOP_DSN: "),
        ({"SHOP_DSN": "mysql://me:hunter2@db/x"}, "SHOP_DSN: "),
        ({"SHOP_PAGE": "ftp://me:hunter2@example.org"}, "SHOP_PAGE: "),
        ({"SHOP_DATABASE": '{"login": "x", "word": "hunter2"}'}, "SHOP_DATABASE: "),
        ({"SHOP_DATABASE": '{"login": ["hunter2"]}'}, "SHOP_DATABASE: "),
        ({"SHOP_DATABASE": '"hunter2"'}, "SHOP_DATABASE: "),
        ({"SHOP_DATABASE": '{"word": "hunter2'}, "SHOP_DATABASE: its value is not JSON"),
        ({"API_KEYS": "hunter2"}, "API_KEYS: its value is not JSON"),
        ({"API_KEYS": '{"a": "hunter2"}'}, "API_KEYS: "),
        ({"SHOP_DSN": "postgresql://me:hunter2@elsewhere/x"}, "the settings: "),
        ({"CUSTOMERS": "me:hunter2@db"}, "CUSTOMERS: "),
    ],
)
def test_an_error_of_the_start_does_not_show_the_secret_that_is_wrong(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        OfAShop()
    sentence = str(caught.value)
    assert sentence.startswith(said)
    assert "hun" not in sentence
    assert "\n" not in sentence


def test_a_check_of_all_values_that_comes_first_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "a-long-hunter2")
    monkeypatch.setenv("SHOP_DATABASE", '{"word": "nested-hunter2"}')
    with pytest.raises(ConfigurationError, match=r"^the settings: wrong: .*smtp_password") as caught:
        CheckedBefore()
    assert "hunter2" not in str(caught.value)


def test_what_is_no_secret_is_shown_with_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERS", "many")
    with pytest.raises(ConfigurationError, match=r"^CUSTOMERS=many: input should be a valid integer"):
        OfAShop()


@pytest.mark.parametrize("line", ["SMTP_PASSWORD hunter2", "SMTP_PASSWORD='hunter2", "hunter2", "=hunter2"])
def test_a_broken_line_of_dotenv_is_told_by_its_number(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"CUSTOMERS=2\n{line}\n", encoding="utf-8")
    monkeypatch.setattr(app, "_current", app.Application(root=tmp_path))
    with pytest.raises(ConfigurationError) as caught:
        OfAShop()
    assert str(caught.value).startswith(f"{tmp_path / '.env'}:2: ")
    assert "hunter2" not in str(caught.value)


def test_the_secrets_of_settings_are_masked_once_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DSN", "postgresql://me:dsn-hunter2@db/x")
    monkeypatch.setenv("SHOP_DATABASE", '{"word": "nested-hunter2"}')
    monkeypatch.setenv("API_KEYS", '["first-hunter2", "other-hunter2"]')
    OfAShop()
    assert masked("dsn-hunter2 nested-hunter2 first-hunter2 other-hunter2") == "***** ***** ***** *****"


@pytest.mark.parametrize("days", ["0", "-1", "1e308", "inf", "nan", "36501"])
def test_days_that_no_history_has_are_one_sentence(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    monkeypatch.setenv("SCHEDULER_HISTORY_DAYS", days)
    with pytest.raises(ConfigurationError, match=f"^SCHEDULER_HISTORY_DAYS={days}: input should be "):
        SchedulerSettings()


@pytest.mark.parametrize("seconds", ["inf", "1e400", "1e18", "31536001"])
def test_a_stop_waits_for_a_year_at_most(monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    monkeypatch.setenv("SCHEDULER_SHUTDOWN_GRACE_TIME", seconds)
    assert SchedulerSettings().scheduler_shutdown_grace_time == 31_536_000


@pytest.mark.parametrize("seconds", ["nan", "-inf", "-1", "soon"])
def test_seconds_that_no_stop_takes_are_one_sentence(monkeypatch: pytest.MonkeyPatch, seconds: str) -> None:
    monkeypatch.setenv("SCHEDULER_SHUTDOWN_GRACE_TIME", seconds)
    with pytest.raises(ConfigurationError, match=r"^SCHEDULER_SHUTDOWN_GRACE_TIME=.*: input should be "):
        SchedulerSettings()


def test_every_setting_that_is_a_number_has_an_end_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = [name for name, it in DashboardSettings.model_fields.items() if it.annotation in (int, float)]
    assert len(numbers) == 7
    numbers.remove("scheduler_shutdown_grace_time")
    for name in numbers:
        for value in ("inf", "-inf", "nan", "1e300", "9" * 30, "-" + "9" * 30):
            with monkeypatch.context() as patch:
                patch.setenv(name.upper(), value)
                with pytest.raises(ConfigurationError, match=f"^{name.upper()}="):
                    DashboardSettings()


def test_two_equal_tokens_are_told_by_the_names_of_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULER_DASHBOARD_URL", "https://dashboard.example.org")
    for name in ("SCHEDULER_DASHBOARD_TOKEN", "SCHEDULER_DASHBOARD_READ_TOKEN"):
        monkeypatch.setenv(name, "scheduler-hunter2-hunter2")
    with pytest.raises(ConfigurationError) as caught:
        DashboardSettings()
    assert str(caught.value) == (
        "the settings: SCHEDULER_DASHBOARD_READ_TOKEN must differ from SCHEDULER_DASHBOARD_TOKEN:"
        " it only reads"
    )


@pytest.mark.parametrize("ending", ["ENABLED", "ENABLE", "ACTIVE", "ON"])
def test_a_switch_by_another_name_is_answered_with_the_setting(
    monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setenv(f"SCHEDULER_DASHBOARD_{ending}", "true")
    found = SchedulerSettings().unknown_variables()
    assert any(it.endswith("has no effect; did you mean 'SCHEDULER_DASHBOARD'?") for it in found), found
