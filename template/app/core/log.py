"""Logs: `from app.core.log import logger`, then `logger.info(...)`.

Every line that a run writes carries its job, tick and attempt. The standard library's logging goes
the same way, so that libraries are seen too.
"""

from everytick import log_to_stderr
from loguru import logger

__all__ = ["configure_logging", "logger"]


def configure_logging(level: str = "INFO", log_format: str = "text") -> None:
    """Say where logs go; called at the start with LOG_LEVEL and LOG_FORMAT."""
    log_to_stderr(level, log_format)
    # Further places, for example: logger.add("data/app.log", level=level, rotation="10 MB")
