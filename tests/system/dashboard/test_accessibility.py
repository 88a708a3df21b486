"""Every page as axe-core judges it, in both colour schemes and on a phone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from axe import MISSING, SCRIPT
from dashboard.visiting import ADDRESSES, visit
from dashboard.world import Site

pytestmark = pytest.mark.full

PHONE = {"viewport": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, which is fetched the first time."""
    scripts = Path(__file__).parents[3] / "scripts"
    subprocess.run([sys.executable, scripts / "axe.py"], timeout=180)
    if not SCRIPT.exists():
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return SCRIPT.read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[str]:
    """Return what axe-core finds on a page: the rule, and the first elements that break it."""
    # Not by an element of the page, which its policy forbids.
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found["violations"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "phone"])
def test_no_page_breaks_a_rule_of_accessibility(
    browser: Browser,
    site: Site,
    failed: int,
    axe: str,
    scheme: Any,
    options: dict[str, Any],
) -> None:
    with site.client() as client:
        client.post("/api/v1/jobs/night/pause", json={"note": "on holiday"})
    found = {}
    with visit(browser, site, color_scheme=scheme, **options) as page:
        for address in (*ADDRESSES, "/job?id=night", "/jobs?q=nothing-like-this", f"/run/{failed}"):
            page.goto(address)
            # What is folded up is part of the page.
            page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
            if broken := violations(page, axe):
                found[address] = broken
    context = browser.new_context(base_url=site.base, color_scheme=scheme, **options)
    page = context.new_page()
    page.goto("/login")
    if broken := violations(page, axe):
        found["/login"] = broken
    context.close()
    with site.client() as client:
        client.post("/api/v1/jobs/night/resume")
    assert found == {}


@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "phone"])
def test_no_page_about_trouble_breaks_a_rule_of_accessibility(
    browser: Browser, troubled: Site, axe: str, options: dict[str, Any]
) -> None:
    found = {}
    with visit(browser, troubled, **options) as page:
        page.goto("/")
        for words in ("Failing", "Late", "Last tick missed", "Paused", "Gone wrong in the last day"):
            expect(page.get_by_role("heading", name=words)).to_be_visible()
        for address in (
            *ADDRESSES[:2],
            *ADDRESSES[3:],
            "/job?id=late",
            "/job?id=failing",
            "/jobs?state=late",
        ):
            page.goto(address)
            page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
            if broken := violations(page, axe):
                found[address] = broken
    assert found == {}
