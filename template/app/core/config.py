"""Your settings. Add fields here: each is read from the environment or from `.env`.

A field `smtp_host` is the variable `SMTP_HOST`; the scheduler's own settings come from the base.
"""

from everytick import SchedulerSettings


class Settings(SchedulerSettings):
    """The settings of this application."""


settings = Settings()
