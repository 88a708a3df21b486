"""The servers that peers need: a PostgreSQL and a Redis of the benchmark's own, gone at its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from database_server import programs, ways
from ports import free_port
from servers import Server, running_server

# Numbered databases that a Redis has as shipped.
_REDIS_PLACES = 16


class Servers:
    """The started servers; None for one that is not available."""

    def __init__(self, postgres: Server | None, redis: int | None) -> None:
        self._postgres, self._redis = postgres, redis
        self._numbers = count(1)

    @property
    def missing(self) -> set[str]:
        """The kinds of server that could not be had."""
        return {kind for kind, had in (("postgres", self._postgres), ("redis", self._redis)) if had is None}

    def fresh(self, kind: str) -> str:
        """Return the address of an empty place on a server."""
        if kind == "redis":
            assert self._redis is not None
            place = next(self._numbers) % _REDIS_PLACES
            _redis_command(self._redis, "-n", str(place), "FLUSHDB")
            return f"redis://127.0.0.1:{self._redis}/{place}"
        assert self._postgres is not None
        name = f"benchmark_{next(self._numbers)}"
        self._postgres.execute(f"CREATE DATABASE {name}")
        return f"postgresql://postgres@127.0.0.1:{self._postgres.port}/{name}"

    def forget(self, url: str) -> None:
        """Remove a place that `fresh` gave."""
        if url.startswith("postgresql") and self._postgres is not None:
            self._postgres.drop(url.rpartition("/")[2])


@contextmanager
def running_servers(kinds: set[str]) -> Iterator[Servers]:
    """Start what is asked for; what cannot be had is said loudly and left out."""
    with ExitStack() as stack:
        postgres, redis = None, None
        if "postgres" in kinds and _had("PostgreSQL", lambda: programs() is not None, ways()):
            postgres = stack.enter_context(running_server())
        if "redis" in kinds and _had(
            "Redis", lambda: shutil.which("redis-server") is not None, _ways_to_redis()
        ):
            redis = stack.enter_context(_running_redis())
        yield Servers(postgres, redis)


@contextmanager
def _running_redis() -> Iterator[int]:
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="benchmark-redis-"))
    # Redis's own defaults: snapshots now and then, no append-only file.
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        give_up = time.monotonic() + 10
        while not _answers(port):
            if time.monotonic() > give_up:
                raise TimeoutError("redis-server does not answer")
            time.sleep(0.05)
        yield port
    finally:
        # Nothing in it is to be kept.
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _redis_command(port: int, *words: str) -> None:
    subprocess.run(["redis-cli", "-p", str(port), *words], check=True, stdout=subprocess.DEVNULL)


def _answers(port: int) -> bool:
    asked = subprocess.run(["redis-cli", "-p", str(port), "PING"], capture_output=True, text=True)
    return asked.stdout.strip() == "PONG"


def _ways_to_redis() -> list[list[str]]:
    if not (shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0):
        return []
    # Debian would let it run as a service.
    install = "apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq --no-install-recommends redis-server"
    return [["sh", "-c", install]]


def _had(name: str, there: Callable[[], bool], ways: list[list[str]]) -> bool:
    for command in ways:
        if there():
            return True
        print(f"{name} is needed: installing it", file=sys.stderr)
        with contextlib.suppress(OSError):
            subprocess.run(command, stdout=subprocess.DEVNULL)
    if not there():
        print(f"NO {name.upper()} COULD BE HAD: the peers that need it are left out.", file=sys.stderr)
    return there()
