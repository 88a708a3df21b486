"""See to it that there is axe-core for the tests of the pages' accessibility: kept, or fetched with npm.

One that cannot be had is reported, and fails in continuous integration.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "4.10.3"
SCRIPT = Path(__file__).parents[1] / ".cache" / f"axe-core-{VERSION}" / "axe.min.js"
MISSING = "NO AXE-CORE COULD BE HAD: the accessibility of the pages is not tested."


def main() -> int:
    """Find axe-core or fetch it; return the exit code."""
    if SCRIPT.exists():
        return 0
    try:
        _fetch()
    except (OSError, subprocess.SubprocessError, KeyError, tarfile.TarError) as problem:
        print(f"{MISSING} {problem}", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    return 0


def _fetch() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("npm is not installed")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"axe-core@{VERSION}"]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=120)
        with tarfile.open(Path(folder) / packed.stdout.split()[-1]) as archive:
            found = archive.extractfile("package/axe.min.js")
            assert found is not None
            content = found.read()
    SCRIPT.parent.mkdir(parents=True, exist_ok=True)
    # Two that fetch it at the same time write the same.
    partial = SCRIPT.with_suffix(f".{os.getpid()}")
    partial.write_bytes(content)
    partial.replace(SCRIPT)


if __name__ == "__main__":
    sys.exit(main())
