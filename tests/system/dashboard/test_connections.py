"""Connections that send nothing, little, or nonsense: jobs keep their file handles, probes their answers."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from application import Running
from bodies import needs_fork
from dashboard.world import Site
from waiting import wait_for

pytestmark = pytest.mark.full

TASKS = """
import subprocess


def starts_a_program():
    subprocess.run(["true"], check=True, capture_output=True)
"""
SCHEDULE = """
for number in range(4):
    scheduler.add_job(starts_a_program, trigger="interval", seconds=1, id=f"job-{number}")
"""


@contextmanager
def handles(number: int) -> Iterator[None]:
    """Let this process, and those that it starts, open that number of files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def running(site: Site, limit: int) -> Iterator[Running]:
    """Run a schedule of jobs that need file handles, which may have that number of them."""
    site.app.tasks(TASKS)
    site.app.schedule(SCHEDULE, "from app.services.my_tasks import starts_a_program\n")
    with ExitStack() as stack:
        with handles(limit):
            process = stack.enter_context(site.running())
        yield process


def connections(site: Site, number: int, sent: bytes = b"") -> ExitStack:
    """Open connections of which each sends this and no more; close the stack to close them."""
    stack = ExitStack()
    for _ in range(number):
        made = stack.enter_context(closing(socket.create_connection(("127.0.0.1", site.port), timeout=10)))
        # It may be closed already, to make room.
        with suppress(OSError):
            made.sendall(sent)
    return stack


def probed(site: Site) -> int:
    """Return the status with which a probe is answered, as a supervisor asks: on a new connection."""
    return httpx.get(f"{site.base}/health/live", timeout=5).status_code


@pytest.mark.parametrize(
    ("number", "sent"),
    [
        (1_150, b""),
        (205, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A"),
        (300, b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\ntoken="),
    ],
    ids=["nothing", "half of the headers", "half of a body"],
)
def test_jobs_keep_their_file_handles_and_probes_their_answers(
    own_site: Site, number: int, sent: bytes
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert min(soft, hard) > number + 200, "this test needs more file handles: ulimit -n 4096"
    with running(own_site, 1_024) as process, connections(own_site, number, sent):
        before = len(own_site.app.recorded("succeeded"))
        for further in range(1, 21):
            assert probed(own_site) == 200
            own_site.app.records(before + further, "succeeded")
        assert not own_site.app.recorded("failed", "lost", "timed_out")
        assert len(process.log()) < 50_000
    assert process.popen.returncode == 0


def test_what_is_no_request_and_what_is_broken_off_cannot_fill_the_log(own_site: Site) -> None:
    with own_site.running() as process:
        before = process.log()
        for _ in range(100):
            with connections(own_site, 1, b"\x16\x03\x01 this is TLS\r\n\r\n"):
                pass
            head = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\ntoken="
            with connections(own_site, 1, head):
                pass
            with connections(
                own_site,
                1,
                b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            ):
                pass
        for _ in range(12):
            httpx.get(f"{own_site.base}/metrics", headers={"Authorization": "Bearer wrong"})
        assert probed(own_site) == 200
        said = process.log().removeprefix(before)
        assert "Traceback" not in said
        assert len(said.splitlines()) <= 6, said


@needs_fork
def test_a_forked_child_keeps_neither_the_port_nor_the_open_pages(own_site: Site) -> None:
    own_site.app.tasks(
        "import os, time\nfrom pathlib import Path\n\n\ndef forks():\n"
        "    child = os.fork()\n    if child == 0:\n        time.sleep(600)\n"
        "    Path('child').write_text(str(child))\n"
    )
    own_site.app.schedule("scheduler.add_job(forks, id='forks')", "from app.services.my_tasks import forks\n")
    child = own_site.app.folder / "child"
    with own_site.running(), own_site.client() as client, connections(own_site, 5):
        assert probed(own_site) == 200
        client.post("/api/v1/jobs/forks/run-now").raise_for_status()
        wait_for(lambda: child.exists() and child.read_text(), "the child")
    number = int(child.read_text())
    try:
        assert Path(f"/proc/{number}").exists()
        opened_again = socket.create_server(("127.0.0.1", own_site.port))
        opened_again.close()
        assert not sockets_of(number)
    finally:
        os.kill(number, signal.SIGKILL)


def sockets_of(pid: int) -> list[str]:
    """Return the ports of the TCP sockets that a process has."""
    owned = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(each)
        if target.startswith("socket:["):
            owned.add(target[8:-1])
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return [line.split()[1] for line in lines if line.split()[9] in owned]
