"""A browser of this machine, and somebody who has signed in with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from browser import of_the_system
from dashboard.world import REMIND, TOKEN, Site

ADDRESSES = ["/", "/jobs", "/job?id=import", "/running", "/coming", "/runs", "/backfills", "/audit", "/add"]
ADDRESSES += [f"/add?function={REMIND}"]


def launch(chromium: Any) -> Browser:
    """Start a browser of this machine, or the one that playwright keeps; without one this fails."""
    try:
        started: Browser = chromium.launch(executable_path=of_the_system(), args=["--no-sandbox"])
    except Error as problem:
        pytest.fail(f"no Chromium: install one, or run `python -m playwright install chromium`: {problem}")
    return started


@contextmanager
def visit(browser: Browser, site: Site, token: str = TOKEN, **options: Any) -> Iterator[Page]:
    """Give a page that is signed in; at the end nothing may have been complained about."""
    context: BrowserContext = browser.new_context(base_url=site.base, **options)
    complaints: list[str] = []
    foreign: list[str] = []
    page = context.new_page()
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.on(
        "request", lambda asked: foreign.append(asked.url) if not asked.url.startswith(site.base) else None
    )
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"/login?token={token}&next=/jobs")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    yield page
    context.close()
    assert complaints == []
    assert foreign == []


def tab_to(page: Page, there: Callable[[], Any]) -> None:
    """Press Tab until something has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if there():
            return
    raise AssertionError("Tab does not lead there")
