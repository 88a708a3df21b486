"""The server beside the schedule: never in its way, told about once, and gone when it is not wanted."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from everytick.errors import how_to_install

from dashboard.world import TOKEN, Site
from waiting import wait_for

pytestmark = pytest.mark.full


def test_the_first_start_says_where_its_token_is_and_no_log_has_the_token(own_site: Site) -> None:
    del own_site.app.environment["SCHEDULER_DASHBOARD_TOKEN"]
    file = own_site.app.folder / "data" / "dashboard.token"
    typed = f"{own_site.app.typed} dashboard --link"
    for is_first in (True, False):
        with own_site.running() as process:
            process.says(f"dashboard: {own_site.base} ({typed} prints it with the token)")
            assert (f"dashboard: its new token is in {file}" in process.log()) == is_first
            assert file.read_text().strip() not in process.log()
            printed = own_site.app.command("dashboard", "--link").stdout.strip()
            assert printed == f"{own_site.base}/login?token={file.read_text().strip()}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert own_site.app.command("dashboard", "--link").stdout == ""


def test_on_a_terminal_the_first_start_shows_a_link_that_signs_in(own_site: Site) -> None:
    app = own_site.app
    del app.environment["SCHEDULER_DASHBOARD_TOKEN"]
    controller, terminal = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "run"],
        cwd=app.folder, env=app.variables(), stdin=terminal, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    try:
        shown = b""
        while b"prints it with the token" not in shown:
            shown += os.read(controller, 4096)
        link = re.search(
            r"dashboard: (http://127\.0\.0\.1:\d+/login\?token=\S+) \(shown once\)", shown.decode()
        )
        assert link
        assert httpx.get(link[1], follow_redirects=True).url.path == "/"
    finally:
        process.kill()
        process.wait()
        os.close(controller)


def test_a_port_in_use_is_one_warning_and_the_schedule_runs_on(own_site: Site) -> None:
    own_site.app.schedule(
        'scheduler.add_job(quick, trigger="interval", seconds=1, id="tick")',
        "from app.services.my_tasks import quick\n",
    )
    with (
        closing(socket.create_server(("127.0.0.1", own_site.port))),
        own_site.app.running() as process,
    ):
        process.says("no dashboard: ")
        own_site.app.records(2, "succeeded")
        assert process.log().count("WARNING") == 1
        assert f"127.0.0.1:{own_site.port} cannot be listened on: " in process.log()
        assert "give this process another SCHEDULER_DASHBOARD_PORT" in process.log()


def test_a_port_that_becomes_free_is_taken_and_that_is_said(own_site: Site) -> None:
    """As when the process before this one still lets its runs end."""
    with (
        closing(socket.create_server(("127.0.0.1", own_site.port))) as taken,
        own_site.app.running() as process,
    ):
        process.says("no dashboard: ")
        process.says("it is tried again every 5 s")
        taken.close()
        process.says(f"dashboard: {own_site.base} (")
        wait_for(own_site.answers, "the dashboard")
        assert process.log().count("no dashboard: ") == 1


def test_a_wrong_setting_stops_the_start_and_is_named(own_site: Site) -> None:
    own_site.app.environment["SCHEDULER_DASHBOARD_PORT"] = "eighty"
    assert own_site.app.refused().startswith("SCHEDULER_DASHBOARD_PORT=eighty: ")


def test_its_variables_are_settings_and_a_misspelt_one_is_told(own_site: Site) -> None:
    own_site.app.environment |= {"SCHEDULER_DASHBOARD": "false", "SCHEDULER_DASHBORD_PORT": "1"}
    with own_site.app.running() as process:
        warnings = [line for line in process.log().splitlines() if "WARNING" in line]
        (line,) = warnings
        assert "SCHEDULER_DASHBORD_PORT is not a setting" in line
        assert "did you mean 'SCHEDULER_DASHBOARD_PORT'?" in line
        assert not own_site.answers()


def test_an_application_without_the_dashboard_needs_nothing_of_it(own_site: Site) -> None:
    # As it is rendered with the answer no.
    shutil.rmtree(own_site.app.folder / "app/components/dashboard")
    missing = own_site.app.folder / "missing"
    for name in ("fastapi", "jinja2", "starlette", "uvicorn"):
        (missing / name).mkdir(parents=True)
        (missing / name / "__init__.py").write_text(f"raise ImportError('there is no {name}')\n")
    own_site.app.environment = {"PYTHONPATH": str(missing)}
    own_site.app.schedule(
        'scheduler.add_job(quick, trigger="interval", seconds=1, id="tick")',
        "from app.services.my_tasks import quick\n",
    )
    with own_site.app.running() as process:
        own_site.app.records(1, "succeeded")
        (line,) = (line for line in process.log().splitlines() if "dashboard" in line)
        without = f"the application was made without the dashboard: {how_to_install('dashboard')}"
        assert f"SCHEDULER_DASHBOARD has no effect: {without}" in line
    assert "dashboard" not in own_site.app.command("--help").stdout
    refused = own_site.app.command("dashboard")
    assert (refused.returncode, refused.stderr) == (2, f"error: {without}\n")


def test_packages_that_are_not_installed_yet_cost_the_dashboard_alone(own_site: Site) -> None:
    missing = own_site.app.folder / "missing"
    (missing / "fastapi").mkdir(parents=True)
    (missing / "fastapi/__init__.py").write_text("raise ImportError('there is no fastapi')\n")
    own_site.app.environment["PYTHONPATH"] = str(missing)
    with own_site.app.running() as process:
        process.says("no dashboard: the dashboard needs what is not installed: there is no fastapi")
    alone = own_site.app.command("dashboard")
    assert (alone.returncode, alone.stderr) == (
        2,
        "error: the dashboard needs what is not installed: there is no fastapi;"
        f" {how_to_install('dashboard')}\n",
    )


def test_a_stop_ends_at_once_also_with_open_pages(own_site: Site) -> None:
    with own_site.running() as process, own_site.browser() as browser:
        with browser.stream("GET", "/live") as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("retry")
            process.popen.terminate()
            began = time.monotonic()
            process.popen.wait(20)
            assert time.monotonic() - began < 5
        assert process.popen.returncode == 0
        assert "ERROR" not in process.log()


def test_a_page_under_way_does_not_hold_up_the_schedule(own_site: Site) -> None:
    own_site.app.schedule(
        'scheduler.add_job(quick, trigger="interval", seconds=1, id="tick")',
        "from app.services.my_tasks import quick\n",
    )
    (own_site.app.folder / "app/components/dashboard/routes.py").write_text(
        "import time\n\nfrom fastapi import APIRouter\n\nmine = APIRouter()\n\n\n"
        '@mine.get("/mine/block")\nasync def block() -> str:\n'
        "    time.sleep(3)\n    return 'done'\n\n\nrouters = [mine]\n"
    )
    with own_site.running() as process, own_site.client() as client:
        own_site.app.records(1, "succeeded")
        assert client.get("/mine/block").json() == "done"
        rows = own_site.rows("SELECT tick_us, started_us FROM scheduler_runs WHERE state = 'succeeded'")
        assert len(rows) >= 3
        assert max(row["started_us"] - row["tick_us"] for row in rows) < 1_000_000
        assert "does not answer" not in process.log()
        assert httpx.get(f"{own_site.base}/mine/block").status_code == 303


def test_the_command_serves_it_alone_and_ends_cleanly(own_site: Site) -> None:
    with own_site.alone() as process:
        with httpx.Client(base_url=own_site.base) as browser:
            browser.get(f"/login?token={TOKEN}")
            answer = browser.get("/")
            assert answer.status_code == 503
            assert "start the application once" in answer.text
        process.terminate()
        wait_for(lambda: process.poll() is not None, "the end", 10)
    assert process.returncode == 0
    second = own_site.app.command("dashboard", "--no-such")
    assert second.returncode == 2


def memory(pid: int) -> int:
    """Return the resident memory of a process, in kilobytes."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def is_live(site: Site) -> bool:
    """Return whether the server answers to a probe."""
    try:
        return httpx.get(f"{site.base}/health/live", timeout=5).is_success
    except httpx.TransportError:
        return False


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it is read from /proc")
def test_the_pages_take_little_memory_until_somebody_looks_at_them(own_site: Site) -> None:
    with own_site.app.running() as process:
        wait_for(lambda: is_live(own_site), "the server")
        with_pages = memory(process.popen.pid)
    own_site.app.environment["SCHEDULER_DASHBOARD"] = "false"
    with own_site.app.running() as process:
        without = memory(process.popen.pid)
    assert with_pages <= 1.4 * without, (with_pages, without)
