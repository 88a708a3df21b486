"""`make screenshots`: pictures of the dashboard, of a rendered application that really runs.

Its history is written by `pictured_shop`; what is under way, and what failed last, happens here.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import socket
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, sync_playwright

from app_session import SCHEDULE, AppSession, SessionError, fresh_folder, render
from browser import of_the_system
from pictured_shop import SCHEDULE as SHOP
from pictured_shop import TASKS, ZONE, write_history

MOST_BYTES = 150_000
PATIENCE_SECONDS = 120.0
JSON = "application/json"
TOKEN = "only-for-these-pictures"

WIDE = {"viewport": {"width": 1200, "height": 830}}
HIGH = {"viewport": {"width": 1200, "height": 1160}}
PHONE = {"viewport": {"width": 390, "height": 1320}, "device_scale_factor": 2, "is_mobile": True}


def main() -> int:
    """Write the pictures into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    target: Path = parser.parse_args().folder
    target.mkdir(parents=True, exist_ok=True)
    try:
        made = pictures(target)
    except (SessionError, Error, OSError) as problem:
        print(f"The pictures were not made. {problem}", file=sys.stderr)
        return 1
    for path in made:
        print(f"{path}: {path.stat().st_size // 1024} KiB")
    large = [path.name for path in made if path.stat().st_size >= MOST_BYTES]
    if large:
        print(f"Too large: {', '.join(large)}; at most {MOST_BYTES // 1000} kB", file=sys.stderr)
    return 1 if large else 0


def pictures(target: Path) -> list[Path]:
    """Run the shop and take all pictures; return their files."""
    port = _free_port()
    base = f"http://127.0.0.1:{port}"
    settings = {"SCHEDULER_DASHBOARD_PORT": str(port), "SCHEDULER_DASHBOARD_TOKEN": TOKEN}
    with fresh_folder("shop-") as folder:
        app = AppSession(folder / "corner-shop", settings)
        _make(app)
        with app.running():
            _until(lambda: urllib.request.urlopen(f"{base}/health/ready").close() is None, "the dashboard")
            index = _begin(base, "rebuild_index", "the shelves were moved")
            failed = _begin(base, "import_invoices", "the mailbox is back")
            pause = {"note": "the bank moves its service", "until": _in_days(2)}
            _post(base, "refresh_rates/pause", pause)
            _until(lambda: _state(app, failed) == "failed" and _state(app, index) == "running", "runs")
            made = _take(target, base, failed)
            app.ask("cancel", str(index))
            _until(lambda: _state(app, index) == "cancelled", "the end of what runs")
    return made


def _make(app: AppSession) -> None:
    render(app.folder, {"project_name": app.folder.name, "timezone": str(ZONE), "dashboard": True})
    app.install()
    (app.folder / "app/services/my_tasks.py").write_text(TASKS, encoding="utf-8")
    (app.folder / SCHEDULE).write_text(SHOP, encoding="utf-8")
    # The first start makes the ledger and registers the jobs.
    with app.running():
        _until(lambda: app.ask("health"), "the first start")
    write_history(app.folder / "data" / "ledger.db")


def _begin(base: str, job_id: str, note: str) -> int:
    return int(_post(base, f"{job_id}/run-now", {"note": note})["run_id"])


def _post(base: str, what: str, body: dict[str, str]) -> dict[str, Any]:
    """Ask for something as Carla, who is in the pictures."""
    headers = {"Authorization": f"Bearer {TOKEN}", "X-Scheduler-Who": "Carla", "Content-Type": JSON}
    asked = urllib.request.Request(f"{base}/api/v1/jobs/{what}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _state(app: AppSession, run_id: int) -> str:
    return str(json.loads(app.ask("show", str(run_id), "--json"))["state"])


def _in_days(days: int) -> str:
    return time.strftime("%Y-%m-%dT08:00", time.localtime(time.time() + days * 86_400))


def _until(condition: Callable[[], Any], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(SessionError, OSError):
            if condition():
                return
        time.sleep(0.3)
    raise SessionError(f"Waited in vain for {what}.")


def _take(target: Path, base: str, failed: int) -> list[Path]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=of_the_system(), args=["--no-sandbox"])
        shots: list[tuple[str, str, str, dict[str, Any]]] = [
            ("dashboard-overview", "/", "light", WIDE),
            ("dashboard-jobs", "/jobs", "light", WIDE),
            ("dashboard-job", "/job?id=import_invoices", "light", HIGH),
            ("dashboard-coming", "/coming", "dark", WIDE),
            ("dashboard-runs", "/runs?failed=true&since=30d", "light", WIDE),
            ("dashboard-run", f"/run/{failed}", "light", PHONE),
        ]
        return [
            _shot(browser, base, path, target / f"{name}.webp", scheme, options)
            for name, path, scheme, options in shots
        ]


def _shot(browser: Browser, base: str, path: str, file: Path, scheme: Any, options: dict[str, Any]) -> Path:
    context = browser.new_context(base_url=base, color_scheme=scheme, **options)
    context.set_default_timeout(PATIENCE_SECONDS * 1_000)
    page = context.new_page()
    page.goto(f"/login?token={TOKEN}")
    page.goto(path)
    page.get_by_text("Live.", exact=False).wait_for()
    # A traceback ends with what matters.
    page.evaluate("document.querySelectorAll('pre').forEach(text => { text.scrollTop = text.scrollHeight })")
    # Playwright itself writes no WebP, which is half as large.
    taken = context.new_cdp_session(page).send("Page.captureScreenshot", {"format": "webp", "quality": 85})
    file.write_bytes(base64.b64decode(taken["data"]))
    context.close()
    return file


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
