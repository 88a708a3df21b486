"""A clock that the processes of an application see, and a test can set."""

from __future__ import annotations

from pathlib import Path

from application import Application

# Loaded by each process before anything else.
_BOUNDARY = """
import os, time
_real, _offset = time.time_ns, [0, 0.0]

def time_ns():
    now = time.monotonic()
    if now - _offset[1] > 0.05:
        try:
            _offset[:] = [int(float(open(os.environ["CLOCK_FILE"]).read()) * 1e9), now]
        except (OSError, ValueError):
            pass
    return _real() + _offset[0]

time.time_ns = time_ns
"""


def give_clock(app: Application) -> Path:
    """Let the processes of `app` see a clock that is stepped by writing seconds into a file.

    It holds for those that start from now on. Returns the file; `CLOCK_FILE` in the environment may name
    another one for the next process.
    """
    file, site = app.folder / "clock-offset", app.folder / "site"
    file.write_text("0")
    site.mkdir()
    (site / "sitecustomize.py").write_text(_BOUNDARY)
    app.environment |= {"PYTHONPATH": str(site), "CLOCK_FILE": str(file)}
    return file
