"""Fill huey's schedule, then become its consumer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["HUEY_FILL"] = "1"
import huey_app  # noqa: F401

del os.environ["HUEY_FILL"]
consumer = Path(sys.executable).parent / "huey_consumer"
os.execv(consumer, [str(consumer), "huey_app.huey"])
