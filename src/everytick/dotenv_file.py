"""The variables in `.env` of an application: which are there, and whether each line can be read."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from everytick.errors import ConfigurationError


def check(path: Path) -> None:
    """Raise ConfigurationError for a line that would be passed over in silence."""
    from dotenv.parser import parse_stream

    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8") as stream:
            for line in parse_stream(stream):
                if line.error or (line.key and line.value is None):
                    # Not shown: a part of it may be a secret.
                    where = f"{path}:{line.original.line}"
                    raise ConfigurationError(f"{where}: this is not a line such as NAME=value")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not UTF-8 text") from None
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read: {problem.strerror}") from None


def names_in(path: Path) -> set[str]:
    """Return the names of the variables in it, in upper case."""
    from dotenv import dotenv_values

    return {name.upper() for name in dotenv_values(path)} if path.exists() else set()


@cache
def value_in(path: Path, name: str) -> str | None:
    """Return the value of a variable in it, read once; None if it has none, or cannot be read."""
    from dotenv import dotenv_values

    try:
        return dotenv_values(path).get(name)
    except (OSError, ValueError):
        return None


def without_comment(value: str) -> str:
    """Undo what `docker --env-file` and systemd leave in: a trailing ` # comment`, outer quotes."""
    value = value.strip()
    quoted = re.fullmatch(r"""(['"])(.*?)\1(?:\s+#.*)?""", value)
    if quoted:
        return quoted[2]
    return re.sub(r"(^|\s+)#.*$", "", value).strip()
