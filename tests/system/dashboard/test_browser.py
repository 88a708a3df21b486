"""The dashboard in a real browser: what a person sees, whoever they are and on whatever screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.visiting import ADDRESSES, visit
from dashboard.world import HOSTILE, READ_TOKEN, TOKEN, Site

pytestmark = pytest.mark.full

# Where the visible cells and rows of all tables are.
BOXES = """() => ["table tbody td", "table tbody tr"].map(
    what => [...document.querySelectorAll(what)]
        .map(it => it.getBoundingClientRect().toJSON())
        .filter(box => box.width > 0 && box.height > 0))"""


def test_signing_in_with_the_form_and_out_again(browser: Browser, site: Site) -> None:
    context = browser.new_context(base_url=site.base)
    page = context.new_page()
    page.goto("/runs")
    expect(page).to_have_url(re.compile("/login"))
    page.get_by_label("Token").fill("not-the-token-at-all")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("that is not the token")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_label("Your name").fill("Anna")
    page.get_by_label("Your name").press("Enter")
    expect(page).to_have_url(f"{site.base}/runs")
    assert context.cookies()[0]["httpOnly"]
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{site.base}/login")
    page.goto("/runs")
    expect(page).to_have_url(re.compile("/login"))
    context.close()


def test_who_signs_out_sees_nothing_in_the_other_tabs_either(browser: Browser, site: Site) -> None:
    context = browser.new_context(base_url=site.base)
    other, page = context.new_page(), context.new_page()
    other.goto(f"/login?token={TOKEN}&next=/jobs")
    expect(other.locator("#live")).to_contain_text("● Live.")
    page.goto("/runs")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{site.base}/login")
    # Its stream ends within a quarter of a minute, if nothing happens before.
    expect(other).to_have_url(f"{site.base}/login", timeout=30_000)
    context.close()


def test_each_screen_shows_what_it_is_for(browser: Browser, site: Site, failed: int) -> None:
    with visit(browser, site) as page:
        expect(page.locator("#vitals")).to_contain_text("Scheduler up")
        page.get_by_text("1 process").click()
        expect(page.locator("#vitals table")).to_contain_text("alive")
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name="import", exact=True))
        expect(row).to_contain_text("every 300 days")
        expect(row).to_contain_text("failed")
        row.get_by_role("link", name="import", exact=True).click()
        expect(page.locator(".fires li")).to_have_count(10)
        expect(
            page.get_by_role("group", name=re.compile("Duration: the only run|Duration: .* newest runs"))
        ).to_be_visible()
        page.get_by_role("link", name=str(failed), exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("failed")
        expect(page.locator(".attempt")).to_contain_text("Traceback (most recent call last)")
        expect(page.locator(".attempt")).to_contain_text("a log line with <b>markup</b>")
        page.get_by_role("link", name="Coming").click()
        expect(page.locator(".lane").filter(has_text="sweep")).to_be_visible()
        page.get_by_role("link", name="Runs", exact=True).click()
        page.locator(".tabs").get_by_role("link", name="failed").click()
        expect(page.get_by_role("row").nth(1)).to_contain_text("ValueError")
        page.get_by_role("link", name="Audit").click()
        expect(page.get_by_role("row").nth(1)).to_contain_text("run now")


def test_an_open_page_follows_without_a_reload(browser: Browser, site: Site) -> None:
    with visit(browser, site) as page:
        expect(page.locator("#live")).to_contain_text("Live")
        page.evaluate("window.same = true")
        page.get_by_label("Find a job").fill("exp")
        shown = page.get_by_role("row").filter(has=page.get_by_role("link", name="export", exact=True))
        with site.client() as client:
            client.post("/api/v1/jobs/export/pause", json={"note": "seen from afar"})
            expect(shown).to_contain_text("seen from afar", timeout=10_000)
            client.post("/api/v1/jobs/export/resume")
        expect(shown).not_to_contain_text("seen from afar", timeout=10_000)
        expect(page.get_by_label("Find a job")).to_have_value("exp")
        assert page.evaluate("window.same")


def test_focus_open_details_and_half_written_notes_survive_an_update(browser: Browser, site: Site) -> None:
    with visit(browser, site) as page:
        page.get_by_text("1 process").click()
        page.locator("#now-2").focus()
        with site.client() as client:
            run = client.post("/api/v1/jobs/sweep/run-now").json()["run_id"]
            site.becomes(run, "succeeded")
            client.post("/api/v1/jobs/export/pause", json={"note": "a change"})
        expect(page.locator("#jobs")).to_contain_text("a change", timeout=10_000)
        assert page.evaluate("document.activeElement.id") == "now-2"
        expect(page.locator("#vitals table")).to_be_visible()
        page.goto("/job?id=sweep")
        page.locator(".acts").get_by_label("Note").first.fill("half a")
        with site.client() as client:
            client.post("/api/v1/jobs/export/resume")
            run = client.post("/api/v1/jobs/sweep/run-now").json()["run_id"]
        expect(page.locator("#history").get_by_role("link", name=str(run), exact=True)).to_be_visible(
            timeout=10_000
        )
        expect(page.locator(".acts").get_by_label("Note").first).to_have_value("half a")


def test_a_hostile_name_does_nothing(browser: Browser, site: Site, failed: int) -> None:
    with visit(browser, site) as page:
        for address in (
            *ADDRESSES,
            f"/run/{failed}",
            "/jobs?q=" + HOSTILE.replace("#", "%23").replace("&", "%26"),
        ):
            page.goto(address)
            expect(page.locator("#live")).to_contain_text("● Live")
            assert "taken" not in page.title(), address
            assert page.locator("main img, main script, #vitals img").count() == 0
        page.goto("/jobs")
        page.locator("#jobs .id").filter(has_text="<script>").click()
        expect(page.locator("h1 .id")).to_have_text(HOSTILE)
        page.get_by_role("button", name="Run now").click()
        expect(page.locator("#said")).to_contain_text(HOSTILE)
        assert "taken" not in page.title() or HOSTILE in page.title()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_and_the_switch(browser: Browser, site: Site, scheme: Any) -> None:
    def is_dark(page: Page) -> bool:
        shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", shade)[:3])) < 200

    with visit(browser, site, color_scheme=scheme) as page:
        assert is_dark(page) == (scheme == "dark")
        switch = page.locator("#theme")
        seen = []
        for _ in range(3):
            switch.click()
            seen.append(is_dark(page))
        assert seen == [False, True, scheme == "dark"]
        switch.click()
        switch.click()
        page.goto("/runs")
        assert is_dark(page)
        expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()


@pytest.mark.parametrize("address", ["/jobs", "/job?id=import", "/coming", "/audit"])
def test_on_a_phone_each_row_is_a_few_lines_and_shows_all_of_it(
    browser: Browser, site: Site, failed: int, address: str
) -> None:
    with site.client() as client:
        client.post("/api/v1/jobs/night/pause", json={"note": "a long reason " * 20})
        client.post("/api/v1/jobs/night/resume")
    with visit(browser, site, viewport={"width": 390, "height": 800}) as page:
        page.goto(address)
        # At once: the page of what is coming is drawn anew each second.
        cells, rows = page.evaluate(BOXES)
        assert cells
        for box in cells:
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
        short = [box for box in rows if box["height"] <= 130]
        # A long note or error takes what it takes.
        assert len(short) >= len(rows) // 2


def test_a_long_note_lets_the_ids_beside_it_be(browser: Browser, site: Site) -> None:
    with site.client() as client:
        client.post("/api/v1/jobs/night/pause", json={"note": "n" * 400})
        client.post("/api/v1/jobs/night/resume")
    with visit(browser, site, viewport={"width": 1280, "height": 800}) as page:
        page.goto("/audit")
        link = page.locator("td.job a", has_text="night").first
        box = link.bounding_box()
        assert box is not None
        assert box["height"] < 30


@pytest.mark.parametrize("width", [320, 375, 768])
def test_no_screen_scrolls_sideways_on_a_phone(browser: Browser, site: Site, failed: int, width: int) -> None:
    with visit(browser, site, viewport={"width": width, "height": 700}) as page:
        for address in (*ADDRESSES, f"/run/{failed}"):
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_the_overview_says_whether_all_is_well_and_leads_to_what_is_not(
    browser: Browser, site: Site, failed: int
) -> None:
    with visit(browser, site) as page:
        page.get_by_role("link", name="Overview").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("1 job fails.")
        failing = page.get_by_role("region", name="Failing jobs")
        expect(failing).to_contain_text("ValueError")
        expect(page.get_by_role("group", name=re.compile("runs? in the last day"))).to_be_visible()
        page.get_by_text("As a table").click()
        expect(page.locator("#hours tbody tr")).to_have_count(25)
        # A click on the red part of a bar leads to what failed in that hour.
        page.locator(".day-chart svg a .went-wrong").last.click()
        expect(page.locator(".tabs [aria-current]")).to_contain_text("Gone wrong")
        expect(page.locator("table.runs tbody tr")).not_to_have_count(0)
        page.go_back()
        failing.get_by_role("button", name="Retry").click()
        expect(page.locator("#said")).to_contain_text("begins one more attempt")
        page.locator("#said a").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Run")
        expect(page).to_have_url(re.compile(r"/run/\d+$"))


def test_who_may_only_read_sees_no_buttons_that_act(browser: Browser, site: Site, failed: int) -> None:
    with visit(browser, site, READ_TOKEN) as page:
        for address in (*ADDRESSES, f"/run/{failed}"):
            page.goto(address)
            expect(page.get_by_text("read only")).to_be_visible()
            assert page.locator("[hx-post^='/do/']").count() == 0


def test_without_scripts_everything_can_still_be_read(browser: Browser, site: Site) -> None:
    with visit(browser, site, java_script_enabled=False) as page:
        for address in ADDRESSES:
            page.goto(address)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            expect(page.locator("#live")).to_contain_text("Not live")


def test_a_dashboard_that_stops_is_told_on_the_page(browser: Browser, own_site: Site, tmp_path: Path) -> None:
    with own_site.running():
        context = browser.new_context(base_url=own_site.base)
        page = context.new_page()
        page.goto(f"/login?token={TOKEN}&next=/jobs")
        expect(page.locator("#live")).to_contain_text("● Live")
    expect(page.locator("#live")).to_contain_text("Not live", timeout=10_000)
    with own_site.alone():
        expect(page.locator("#live")).to_contain_text("● Live", timeout=15_000)
        expect(page.locator("#vitals")).to_contain_text("No scheduler is up", timeout=10_000)
    context.close()
