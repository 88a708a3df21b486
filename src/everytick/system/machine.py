"""The machine: its name, users and processes, its clock, and how many files it lets a process open."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from datetime import datetime
from pathlib import Path

# How often this process, and those that it comes from, were forked by Python.
_times_forked = 0


def _count_fork() -> None:
    global _times_forked
    _times_forked += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_count_fork)


def times_forked() -> int:
    """Return a number that is another one in a child that is forked, and costs no call of the system."""
    return _times_forked


def new_token(size: int) -> str:
    """Return a text that cannot be guessed, made of that many random bytes."""
    # Imported only here: only the dashboard needs it.
    import secrets

    return secrets.token_urlsafe(size)


def local_now() -> datetime:
    """Return the present moment in the machine's zone."""
    return datetime.now().astimezone()


def host() -> str:
    """Return a name that differs between machines, boots and containers."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        return f"{socket.gethostname()}/{boot.read_text().strip()}/{os.readlink(space)}"
    except OSError:
        return socket.gethostname()


def user_name() -> str:
    """Return the user of this process. Not what the variable LOGNAME says, if the system knows better."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        pass
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "somebody"


def name_of_user(number: int) -> str:
    """Return the name of a user of this machine; the number itself for one who has none. POSIX only."""
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def is_gone(pid: int) -> bool:
    """Return whether a process of this machine is gone for certain."""
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return _is_defunct(pid)


def _is_defunct(pid: int) -> bool:
    """Return whether a process has ended, and only its parent did not take note of that yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    # Behind the name of the program, which may hold anything.
    return stat.rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for the user of this process alone.

    One that is there keeps its rights.

    Raises:
        OSError: it cannot be made, or there is a file of that name.
    """
    # Not by `parents=True`: the folders above would have the rights that everybody's files have.
    for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    # The error for a file of that name.
    folder.mkdir(mode=0o700, exist_ok=True)


def has_file_handles(number: int) -> bool:
    """Return whether this process can open that number of further files."""
    opened: list[int] = []
    try:
        while len(opened) < number:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    finally:
        for each in opened:
            os.close(each)
    return True


def most_file_handles() -> int:
    """Return how many files this process may have open at once."""
    try:
        import resource
    except ImportError:
        # Windows, where the C library has this limit for files, and none is known for sockets.
        return 8_192
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
