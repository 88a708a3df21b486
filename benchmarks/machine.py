"""On what it was measured: the machine and the versions, for the document."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.environments import ROOT, versions
from benchmarks.registry import ALL, Field
from benchmarks.results import Results
from database_server import programs


def describe(results: Results, field: Field) -> None:
    """Write down the machine, the day and the versions of all that is measured."""
    memory = _first(Path("/proc/meminfo"), r"MemTotal:\s+(\d+)")
    gigabytes = f"{int(memory) / 1024 / 1024:.0f} GB of memory" if memory else ""
    processor = _first(Path("/proc/cpuinfo"), r"model name\s*:\s*(.+)") or platform.processor()
    results.about = {
        "Date": f"{datetime.now(UTC):%Y-%m-%d}",
        "Commit": _said("git", "-C", str(ROOT), "log", "-1", "--format=%h")
        + (" and what was not committed" if _said("git", "-C", str(ROOT), "status", "--porcelain") else ""),
        "Machine": f"{os.cpu_count()} cores ({processor.strip()}), {gigabytes}",
        "System": f"{_system()}, Linux {platform.release()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
    }
    found = programs()
    if found:
        results.about["PostgreSQL"] = _version(_said(str(found / "postgres"), "--version"))
    results.about["Redis"] = _version(_said("redis-server", "--version"))
    for peer in ALL:
        if peer.shown and peer.key not in results.failures:
            for package, version in versions(field.python(peer), peer.shown).items():
                known = results.versions.get(package, "").split(" and ")
                results.versions[package] = " and ".join(sorted({version, *known} - {""}))


def _first(file: Path, pattern: str) -> str:
    found = re.search(pattern, file.read_text()) if file.exists() else None
    return found[1] if found else ""


def _system() -> str:
    return _first(Path("/etc/os-release"), r'PRETTY_NAME="(.+)"') or platform.system()


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _version(text: str) -> str:
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else "none"
