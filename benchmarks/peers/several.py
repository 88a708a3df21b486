"""Start several programs, each an argument of words with blanks; stop them when this one is stopped."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

bin_folder = Path(sys.executable).parent
started: list[subprocess.Popen[bytes]] = []


def stop(number: int, frame: FrameType | None) -> None:
    """Pass the wish to stop on."""
    for process in started:
        process.send_signal(signal.SIGTERM)


signal.signal(signal.SIGTERM, stop)
for words in sys.argv[1:]:
    program, *rest = shlex.split(words)
    started.append(subprocess.Popen([str(bin_folder / program), *rest]))
sys.exit(max(abs(process.wait()) for process in started) and 0)
