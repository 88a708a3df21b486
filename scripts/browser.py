"""See to it that there is a Chromium for the tests of the dashboard: found, or installed.

A browser that is not available is reported, and fails in continuous integration.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# The first one has no window at all, so that a page costs it a fifth of what it costs the others.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main() -> int:
    """Find a Chromium or install one; return the exit code."""
    if found():
        return 0
    print("There is no Chromium, which the tests of the dashboard need: installing it", file=sys.stderr)
    for command in ways():
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0 and found():
            return 0
    print("NO CHROMIUM COULD BE HAD: the tests of the dashboard in a browser will fail.", file=sys.stderr)
    return 1 if os.environ.get("CI") else 0


def of_the_system() -> str | None:
    """Return the path of the system's own, if it has one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def found() -> bool:
    """Return whether there is one, of the system or of Playwright."""
    if of_the_system():
        return True
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


def ways() -> list[list[str]]:
    """Return the commands that may install one: the system's, if we may, and Playwright's."""
    own = [sys.executable, "-m", "playwright", "install", "--with-deps", "chromium"]
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        install = "apt-get install -y -qq --no-install-recommends"
        either = f"apt-get update -qq && ({install} chromium-headless-shell || {install} chromium)"
        return [["sh", "-c", either], own]
    return [own, [*own[:4], "chromium"]]


if __name__ == "__main__":
    sys.exit(main())
