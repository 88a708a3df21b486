"""See to it that there are a PostgreSQL and a PgBouncer for the tests: found, or installed.

A server that is not available is reported, and fails in continuous integration.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_PLACES = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin")


def main() -> int:
    """Find the programs or install them; return the exit code."""
    if programs() and bouncer():
        return 0
    print("The tests of many machines need PostgreSQL and PgBouncer: installing them", file=sys.stderr)
    for command in ways():
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0 and programs() and bouncer():
            return 0
    print("NO POSTGRESQL OR NO PGBOUNCER COULD BE HAD: the tests on it will fail.", file=sys.stderr)
    return 1 if os.environ.get("CI") else 0


def programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`, of the newest version that is there."""
    for pattern in _PLACES:
        root = Path(pattern[: pattern.index("*")]).parent
        rest = pattern[len(str(root)) + 1 :]
        found = [folder for folder in root.glob(rest) if (folder / "initdb").exists()]
        if found:
            return max(found, key=_version)
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def bouncer() -> Path | None:
    """Return the program of PgBouncer."""
    # It stands where the path of people who are not the administrator may not lead.
    found = shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
    return Path(found) if found else None


def ways() -> list[list[str]]:
    """Return the commands that may install one."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql pgbouncer"
        return [["sh", "-c", install]]
    if shutil.which("brew"):
        return [["brew", "install", "--quiet", "postgresql@17", "pgbouncer"]]
    return []


def _version(folder: Path) -> int:
    digits = "".join(sign for sign in folder.parent.name if sign.isdigit())
    return int(digits or 0)


if __name__ == "__main__":
    sys.exit(main())
