"""The scheduler's settings: environment variables first, then `.env` at the app's root.

- `parts`: the parts that an application may lack, and the variables that have no effect then
- `wrong_values`: the sentence about a value that is wrong
"""

from __future__ import annotations

import os
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from everytick import app, dotenv_file
from everytick.errors import ConfigurationError, how_to_install, nearest
from everytick.masking import hide_secrets, hide_unchecked
from everytick.model.allowed_functions import AllowedFunctions
from everytick.model.group_limits import GroupLimits
from everytick.model.job_filter import JobFilter
from everytick.model.roles import Role, check_queue
from everytick.references import referred
from everytick.text.zone_hints import zone_by_name
from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from .parts import DASHBOARD_VARIABLES, made_without, missing_part, names_of_parts, without_effect
from .wrong_values import sentence_of

__all__ = [
    "ALERT_KINDS",
    "DASHBOARD_VARIABLES",
    "SchedulerSettings",
    "alerts_not_installed",
    "made_without",
    "missing_part",
    "settings",
    "zone_of_logs",
]

# The kinds of alerts; `store.problems` defines each.
ALERT_KINDS = ("failed", "lost", "missed", "overlap", "late")

# Without a name and a password, which would stand in each alert, and without a query.
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#@\\]+(/[^\s?#@\\]*)?")


# Seconds. A moment that far off can still be told to the machine.
_YEAR = 31_536_000


class SchedulerSettings(BaseSettings):
    """The settings of the engine. `app.core.config.Settings` derives from it and adds your own fields.

    Every field is the environment variable of the same name in upper case.

    Raises:
        ConfigurationError: a value is wrong; one sentence that names the variable.

    Example:
        from everytick import SchedulerSettings

        class Settings(SchedulerSettings):
            shop_name: str = "The shop"

        settings = Settings()
    """

    model_config = SettingsConfigDict(env_file_encoding="utf-8", extra="ignore", validate_default=True)

    scheduler_timezone: str = Field(
        default_factory=lambda: app.current().timezone,
        description="IANA name of the zone in which the schedule is read",
    )
    scheduler_max_workers: int = Field(
        default=10, ge=1, le=10_000, description="runs at once in one process, coroutines and functions"
    )
    scheduler_misfire_grace_time: int = Field(
        default=600,
        ge=1,
        le=100 * _YEAR,
        description="seconds after its tick in which a run may still start",
    )
    scheduler_database_url: str = Field(
        default="", description="where the ledger is; empty: data/ledger.db under the app's root"
    )
    scheduler_shutdown_grace_time: float = Field(
        default=30, ge=0, description="seconds that running jobs get when the process is asked to stop"
    )
    scheduler_role: Literal["all", "scheduler", "worker"] = Field(
        default="all", description="the role of this process: claim ticks, run them, or both"
    )
    scheduler_queues: str = Field(
        default="", description="the queues whose runs this process takes, with commas; empty for all"
    )
    scheduler_enabled_jobs: str = Field(
        default="",
        description="the jobs that this process runs, with commas: ids or patterns (report-*); empty for all",
    )
    scheduler_group_limits: str = Field(
        default="",
        description="how many runs of a group may be under way, over all processes: database=2,api=5",
    )
    scheduler_disabled_jobs: str = Field(
        default="",
        description="the jobs that this process does not run, with commas: ids, or patterns such as mail-*",
    )
    scheduler_allowed_packages: str = Field(
        default="",
        description="packages, with commas, beside the application's own whose functions may be called by"
        " jobs that are added while running",
    )
    scheduler_history_days: float = Field(
        default=30, gt=0, le=36_500, description="days for which runs that ended are kept in the ledger"
    )
    scheduler_tracing: bool = Field(
        default=False, description="whether each run is a span of OpenTelemetry; needs everytick[tracing]"
    )
    scheduler_alert_urls: SecretStr = Field(
        default=SecretStr(""), description="where alerts go: addresses as Apprise takes them"
    )
    scheduler_alert_on: str = Field(
        default=" ".join(kind for kind in ALERT_KINDS if kind != "overlap"),
        description="which problems are alerted: failed, lost, missed, overlap, late",
    )
    scheduler_alert_late_after: float = Field(
        default=300, ge=1, le=86_400, description="seconds that a due tick may wait before it is late"
    )
    scheduler_alert_window: float = Field(
        default=900,
        ge=1,
        le=604_800,
        description="seconds before an alert about the same problem is repeated",
    )
    scheduler_dashboard_url: str = Field(
        default="", description="where people reach the dashboard, for the links in alerts; empty: no links"
    )
    log_level: Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    _own_prefix: ClassVar[str] = "SCHEDULER_"

    def __init__(self, **values: Any) -> None:
        try:
            dotenv = app.current().root / ".env"
            dotenv_file.check(dotenv)
            super().__init__(**{"_env_file": dotenv, **values})
        except ValidationError as problem:
            raise ConfigurationError(
                sentence_of(type(self), SchedulerSettings.model_fields, problem)
            ) from None
        except SettingsError as problem:
            name = re.search('"(.*?)"', str(problem))
            variable = name[1].upper() if name else "a setting"
            raise ConfigurationError(f"{variable}: its value is not JSON, as its type asks for") from None

    @model_validator(mode="wrap")
    @classmethod
    def _hide_secrets(cls, values: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        hide_unchecked(cls, values)
        made = check(values)
        hide_secrets(made)
        return made

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        # Only the engine's own fields: a `#` in a password of yours is part of the password.
        own = SchedulerSettings.model_fields
        cleaned = {
            name: dotenv_file.without_comment(value) if name in own and isinstance(value, str) else value
            for name, value in values.items()
        }
        # An empty variable (`SCHEDULER_TIMEZONE=`) means the default, as in a shell script.
        return {name: value for name, value in cleaned.items() if value != "" or name not in own}

    @field_validator("scheduler_timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        zone_by_name(name)
        return name

    @field_validator("scheduler_shutdown_grace_time")
    @classmethod
    def _bounded(cls, seconds: float) -> float:
        # No wait of the machine is without an end, as `inf` asks for.
        return min(seconds, _YEAR)

    @field_validator("scheduler_tracing")
    @classmethod
    def _traceable(cls, wanted: bool) -> bool:
        # `opentelemetry` alone may have come with another package; without the SDK no span goes anywhere.
        if wanted and (find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None):
            raise ValueError(f"OpenTelemetry is not installed: {how_to_install('tracing')}, or turn this off")
        return wanted

    @field_validator("scheduler_alert_on")
    @classmethod
    def _known_kinds(cls, names: str) -> str:
        for name in _words(names):
            if name not in ALERT_KINDS:
                hint = nearest(name, ALERT_KINDS)
                raise ValueError(f"'{name}' is none of {', '.join(ALERT_KINDS)}{hint}")
        return names

    @field_validator("scheduler_dashboard_url")
    @classmethod
    def _web_address(cls, address: str) -> str:
        if address and not _WEB_ADDRESS.fullmatch(address):
            raise ValueError("this is not an address such as https://jobs.example.org")
        return address.rstrip("/")

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("log_format", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @field_validator("scheduler_queues")
    @classmethod
    def _known_queues(cls, names: str) -> str:
        for name in _listed(names):
            check_queue(name)
        return names

    @field_validator("scheduler_group_limits")
    @classmethod
    def _readable_limits(cls, text: str) -> str:
        GroupLimits.read(text)
        return text

    @field_validator("scheduler_allowed_packages")
    @classmethod
    def _named_packages(cls, names: str) -> str:
        for name in _listed(names):
            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(f"{name!r} is no package or module, such as shop or shop.tasks")
        return names

    @property
    def allowed_functions(self) -> AllowedFunctions:
        """The functions that jobs may call which are added while running, and so stand in the ledger."""
        more = _listed(self.scheduler_allowed_packages)
        return AllowedFunctions(tuple(dict.fromkeys([*app.current().packages, *more])))

    @property
    def role(self) -> Role:
        """The role of this process: it claims ticks, runs them, or both."""
        return Role(self.scheduler_role, tuple(_listed(self.scheduler_queues)))

    @property
    def job_filter(self) -> JobFilter:
        """The jobs that this process is set to run."""
        enabled, disabled = map(_listed, (self.scheduler_enabled_jobs, self.scheduler_disabled_jobs))
        return JobFilter(tuple(enabled), tuple(disabled))

    @property
    def group_limits(self) -> GroupLimits:
        """How many runs of each group may be under way."""
        return GroupLimits.read(self.scheduler_group_limits)

    @property
    def zone(self) -> ZoneInfo:
        """The scheduler's zone."""
        return ZoneInfo(self.scheduler_timezone)

    @property
    def alert_kinds(self) -> frozenset[str]:
        """The kinds of problems for which alerts are sent."""
        return frozenset(_words(self.scheduler_alert_on))

    @property
    def database_url(self) -> str:
        """The ledger's URL with the default filled in."""
        return self.scheduler_database_url or f"sqlite:///{app.current().root / 'data' / 'ledger.db'}"

    def unknown_variables(self) -> list[str]:
        """Return one sentence for each `SCHEDULER_...` variable that nothing reads.

        They are reported, not refused: an orchestrator may set such names for a service that
        happens to be called "scheduler".
        """
        known = {name.upper() for name in type(self).model_fields} | names_of_parts()
        seen = {name.upper() for name in os.environ} | dotenv_file.names_in(app.current().root / ".env")
        strange = sorted(n for n in seen if n.startswith(self._own_prefix) and n not in known)
        ours = [n for n in known if n.startswith(self._own_prefix)]
        return [without_effect(name, ours) for name in strange]


def alerts_not_installed(chosen: SchedulerSettings) -> str | None:
    """Return why no alert can be sent from this installation; None if one can, or none is wanted."""
    if (
        not chosen.scheduler_alert_urls.get_secret_value().strip(" \t\r\n,")
        or find_spec("apprise") is not None
    ):
        return None
    return (
        "SCHEDULER_ALERT_URLS is set, but Apprise, which sends the alerts, is not installed:"
        f" {how_to_install('alerts')}"
    )


def _listed(text: str) -> list[str]:
    """Return the words between commas and blanks."""
    return [word for word in re.split(r"[\s,]+", text) if word]


def _words(text: str) -> list[str]:
    """Return the words between commas and blanks, in lower case."""
    return _listed(text.lower())


@cache
def settings() -> SchedulerSettings:
    """Return the settings of the application that this process belongs to, read once.

    Raises:
        ConfigurationError: a value is wrong, or the module of the settings is.
    """
    application = app.current()
    if application.settings is None:
        return SchedulerSettings()
    found = referred(application.settings, application.named_by("settings"))
    if not isinstance(found, SchedulerSettings):
        module, _, name = application.settings.partition(":")
        where = f"{module.replace('.', '/')}.py"
        raise ConfigurationError(f"{where}: `{name}` must derive from SchedulerSettings")
    return found


def zone_of_logs() -> ZoneInfo:
    """Return the zone in which log lines show times: the scheduler's.

    Before the settings were read it is what SCHEDULER_TIMEZONE says at that moment. They are not read for a
    log line: the program may not have said yet which application it is. Raises nothing.
    """
    if settings.cache_info().currsize:
        return settings().zone
    application = app.registered()
    named = os.environ.get("SCHEDULER_TIMEZONE") or dotenv_file.value_in(
        (Path.cwd() if application is None else application.root) / ".env", "SCHEDULER_TIMEZONE"
    )
    try:
        return ZoneInfo(
            dotenv_file.without_comment(named or (application.timezone if application else "")) or "UTC"
        )
    except (KeyError, ValueError, OSError, ConfigurationError):
        return ZoneInfo("UTC")
