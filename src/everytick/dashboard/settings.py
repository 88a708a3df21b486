"""The dashboard's settings: variables of the environment or lines of `.env`, as the scheduler's own are."""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from typing import Any

from everytick.dotenv_file import without_comment
from everytick.settings import SchedulerSettings
from pydantic import Field, SecretStr, field_validator, model_validator

# The least characters of a token: a shorter one could be guessed.
SHORTEST_TOKEN = 16

_PREFIX = "scheduler_dashboard"
_OWN_NAME = re.compile(r"[\w.-]{1,253}")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class DashboardSettings(SchedulerSettings):
    """Where the dashboard listens, and with which tokens it is used.

    Raises:
        ConfigurationError: a value is wrong; one sentence that names the variable.
    """

    scheduler_dashboard: bool = Field(default=True, description="whether `run` serves the dashboard")
    scheduler_dashboard_host: str = Field(default="127.0.0.1", description="address on which it listens")
    scheduler_dashboard_port: int = Field(
        default=8787,
        ge=0,
        le=65_535,
        description="port on which it listens; 0 for any that is free; unset: the next one that is free",
    )
    scheduler_dashboard_token: SecretStr = Field(
        default=SecretStr(""),
        description="it allows everything; empty: made at first start",
    )
    scheduler_dashboard_read_token: SecretStr = Field(
        default=SecretStr(""), description="it allows to see everything and do nothing; empty: there is none"
    )
    scheduler_dashboard_names: str = Field(
        default="", description="names under which a proxy serves it, separated by commas"
    )

    @model_validator(mode="before")
    @classmethod
    def _clean_own(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        # As for the scheduler's own: no comments, and empty means the default.
        cleaned = {
            name: without_comment(value) if name.startswith(_PREFIX) and isinstance(value, str) else value
            for name, value in values.items()
        }
        return {n: value for n, value in cleaned.items() if value != "" or not n.startswith(_PREFIX)}

    @field_validator("scheduler_dashboard_token", "scheduler_dashboard_read_token")
    @classmethod
    def _long_enough(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value()
        if text and (len(text) < SHORTEST_TOKEN or not re.fullmatch(r"[!-~]+", text)):
            raise ValueError(f"a token has at least {SHORTEST_TOKEN} characters, without blanks or accents")
        return token

    @field_validator("scheduler_dashboard_host")
    @classmethod
    def _own_address(cls, host: str) -> str:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            if not _OWN_NAME.fullmatch(host):
                raise ValueError(
                    "this is not an address of this machine such as 127.0.0.1, or its name"
                ) from None
        return host

    @field_validator("scheduler_dashboard_names")
    @classmethod
    def _host_names(cls, names: str) -> str:
        found = [name for name in (part.strip() for part in names.split(",")) if name]
        for number, name in enumerate(found, 1):
            if not _HOST_NAME.fullmatch(name):
                # Not shown: it may be an address with a password.
                which = f"name {number} of {len(found)}" if len(found) > 1 else "this"
                raise ValueError(f"{which} is not a host name such as jobs.example.org, without a port")
        return names

    @model_validator(mode="after")
    def _two_tokens(self) -> DashboardSettings:
        read = self.scheduler_dashboard_read_token.get_secret_value()
        if read and read == self.scheduler_dashboard_token.get_secret_value():
            raise ValueError(
                "SCHEDULER_DASHBOARD_READ_TOKEN must differ from SCHEDULER_DASHBOARD_TOKEN: it only reads"
            )
        return self

    @property
    def has_port(self) -> bool:
        """Whether a setting names the port: then no other one is taken."""
        return "scheduler_dashboard_port" in self.model_fields_set

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        host = self.scheduler_dashboard_host
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host.lower() == "localhost"

    @property
    def names(self) -> frozenset[str]:
        """The names under which it may be asked for; empty: any."""
        own = {"localhost", "127.0.0.1", "[::1]", self.scheduler_dashboard_host.lower()}
        return self.given_names | own if self.is_local else self.given_names

    @property
    def given_names(self) -> frozenset[str]:
        """Those of SCHEDULER_DASHBOARD_NAMES alone."""
        names = (name.strip().lower() for name in self.scheduler_dashboard_names.split(","))
        return frozenset(filter(None, names))


@cache
def dashboard_settings() -> DashboardSettings:
    """Return the dashboard's settings, read once.

    Raises:
        ConfigurationError: a value is wrong.
    """
    return DashboardSettings()
