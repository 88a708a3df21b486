"""The pages about jobs in a real browser: how jobs are found, and what is done with one and with several."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from dashboard.visiting import tab_to, visit
from dashboard.world import TOKEN, Site

pytestmark = pytest.mark.full


def newest(site: Site, job_id: str) -> int:
    """Return the newest run of a job."""
    query = "SELECT max(run_id) AS newest FROM scheduler_runs WHERE job_id = ?"
    return int(site.rows(query, job_id)[0]["newest"])


def test_a_job_around_a_change_of_the_clocks_says_so(browser: Browser, own_site: Site) -> None:
    own_site.app.schedule(
        'scheduler.add_job(quick, trigger="cron", month=3, day=28, hour=2, minute=30, id="spring",'
        ' timezone="Europe/Berlin", start_date="2027-01-01")',
        "from app.services.my_tasks import quick\n",
    )
    with own_site.running(), visit(browser, own_site) as page:
        page.goto("/job?id=spring")
        expect(page.locator(".fires li").first).to_contain_text("2027-03-28 03:00:00")
        expect(page.locator(".fires li").first).to_contain_text("⚠")


def test_run_pause_resume_cancel_and_retry_with_the_buttons(browser: Browser, site: Site) -> None:
    before = len(site.audit())
    with visit(browser, site) as page:
        page.goto("/job?id=export")
        page.locator(".acts").get_by_label("Note").first.fill("by hand")
        page.get_by_role("button", name="Run now").click()
        expect(page.locator("#said")).to_contain_text("of export begins")
        run = newest(site, "export")
        site.becomes(run, "running")

        page.locator("select[name=hours]").select_option("8")
        page.locator("#pause").get_by_label("Note").fill("moving")
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("#resume")).to_contain_text("moving")
        expect(page.locator("#resume")).to_contain_text("skips nothing")
        expect(page.locator("#pause")).to_have_count(0)
        expect(page.locator(".fires")).to_have_count(0)
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("#resume")).to_have_count(0)
        expect(page.locator("#pause")).to_be_visible()
        expect(page.locator(".fires li")).to_have_count(10)

        page.get_by_role("link", name="Running", exact=True).click()
        row = page.get_by_role("row").filter(has_text="export")
        expect(row).to_contain_text("pid ")
        row.get_by_role("button", name="Cancel").click()
        expect(page.locator("#said")).to_contain_text("was asked to end")
        expect(page.get_by_role("row").filter(has_text="export")).to_have_count(0, timeout=15_000)

        page.goto(f"/run/{run}")
        expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled")
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("running", timeout=15_000)
        expect(page.locator(".attempt")).to_have_count(2)
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("cancelled", timeout=15_000)
    entries = site.audit()[before:]
    assert [entry["action"] for entry in entries] == [
        "run now",
        "pause",
        "resume",
        "cancel",
        "retry",
        "cancel",
    ]
    assert {entry["who"] for entry in entries} == {"dashboard: no name given (127.0.0.1)"}
    assert entries[0]["note"] == "by hand"
    assert re.fullmatch(r"until [\d-]+ [\d:]+ UTC: moving", entries[1]["note"])


def test_a_run_for_a_tick_and_a_wrong_one(browser: Browser, site: Site) -> None:
    with site.client() as client:
        coming = client.get("/api/v1/jobs/sweep").json()["next_fires"][0]["tick"]
    tick = (datetime.fromisoformat(coming) - timedelta(hours=5)).isoformat()
    with visit(browser, site) as page:
        page.goto("/job?id=sweep")
        page.get_by_label("for the tick").fill(tick.removesuffix("+00:00"))
        page.get_by_role("button", name="Run now").click()
        expect(page.locator("#said")).to_contain_text("of sweep begins")
        expect(page.locator("#history")).to_contain_text("manual for")
    context = browser.new_context(base_url=site.base)
    page = context.new_page()
    page.goto(f"/login?token={TOKEN}")
    page.goto("/job?id=sweep")
    page.get_by_label("for the tick").fill("soon")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("#said .bad")).to_contain_text("'soon' is not a date or time")
    expect(page.get_by_label("for the tick")).to_have_value("soon")
    context.close()


def test_the_keyboard_alone_finds_a_job_and_pauses_it(browser: Browser, site: Site) -> None:
    with visit(browser, site) as page:
        page.goto("/jobs")
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        tab_to(page, lambda: page.evaluate("document.activeElement.id") == "q")
        page.keyboard.type("sweep")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{site.base}/jobs?q=sweep")
        tab_to(page, lambda: page.evaluate("document.activeElement.textContent") == "sweep")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Enter")
        expect(page.locator("h1 .id")).to_have_text("sweep")
        tab_to(page, lambda: page.evaluate("document.activeElement.id") == "do-pause")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("sweep is paused")
        expect(page.locator("#resume")).to_be_visible()
        tab_to(page, lambda: page.evaluate("document.activeElement.id") == "do-resume")
        page.keyboard.press("Space")
        expect(page.locator("#said")).to_contain_text("sweep is resumed")


def test_the_list_of_jobs_is_filtered_as_one_types(browser: Browser, site: Site) -> None:
    with visit(browser, site) as page:
        rows = page.locator("#jobs tbody tr")
        expect(rows).to_have_count(5)
        page.evaluate("window.same = true")
        page.get_by_label("Find a job").press_sequentially("swe")
        expect(rows).to_have_count(1)
        expect(page).to_have_url(f"{site.base}/jobs?q=swe")
        page.get_by_label("Find a job").fill("")
        expect(rows).to_have_count(5)
        page.get_by_label("State", exact=True).select_option("paused")
        expect(page.locator("#jobs")).to_contain_text("No job is paused")
        assert page.evaluate("window.same")
        page.goto("/jobs")
        page.get_by_role("link", name="Job", exact=False).and_(page.locator("thead a")).first.click()
        expect(page).to_have_url(f"{site.base}/jobs?sort=id")


def test_several_jobs_are_selected_paused_and_resumed(browser: Browser, site: Site) -> None:
    with visit(browser, site) as page:
        pause = page.locator("#selected").get_by_role("button", name="Pause")
        expect(pause).to_be_disabled()
        for job_id in ("sweep", "night"):
            page.get_by_role("checkbox", name=job_id, exact=True).check()
        expect(page.locator("#how-many")).to_have_text("2 selected")
        # A change of the ledger leaves the selection as it is.
        with site.client() as client:
            run = client.post("/api/v1/jobs/sweep/run-now").json()["run_id"]
            site.becomes(run, "succeeded")
        expect(page.locator("#jobs")).to_contain_text(re.compile(r"succeeded \d s ago"), timeout=10_000)
        expect(page.locator("#how-many")).to_have_text("2 selected")
        pause.click()
        expect(page.locator("#said")).to_contain_text("2 jobs are paused.")
        expect(page.locator("#how-many")).to_have_text("0 selected")
        expect(page.locator("#jobs .paused")).to_have_count(2, timeout=10_000)
        page.locator("#all").check()
        expect(page.locator("#how-many")).to_have_text("5 selected")
        resume = page.locator("#selected").get_by_role("button", name="Resume")
        expect(resume).to_have_text("Resume 2 of 5")
        resume.click()
        expect(page.locator("#said")).to_contain_text("2 jobs are resumed.")
        expect(page.locator("#said")).not_to_contain_text("not paused")


def test_without_scripts_jobs_are_found_selected_and_acted_on(browser: Browser, site: Site) -> None:
    with visit(browser, site, java_script_enabled=False) as page:
        page.get_by_label("Find a job").fill("sweep")
        page.get_by_role("button", name="Find").click()
        expect(page.locator("#jobs tbody tr")).to_have_count(1)
        page.get_by_role("checkbox", name="sweep").check()
        page.locator("#selected").get_by_role("button", name="Pause").click()
        expect(page.locator("main")).to_contain_text("sweep is paused.")
        page.get_by_role("link", name="Back").click()
        expect(page).to_have_url(re.compile(r"/jobs\?q=sweep"))
        expect(page.locator("#jobs .paused")).to_have_count(1)
        page.get_by_role("link", name="sweep", exact=True).click()
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("main")).to_contain_text("sweep is resumed.")
        page.goto("/jobs")
        page.get_by_role("row").filter(has_text="sweep").get_by_role("button", name="Run now").click()
        expect(page.locator("main")).to_contain_text("of sweep begins.")
        page.goto("/jobs")
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_url(f"{site.base}/login")


# Where something of a cell is drawn outside of it: the cell's words, and by how much.
_OUTSIDE = """() => [...document.querySelectorAll("table.jobs tbody :is(td, th)")]
    .filter(cell => cell.getBoundingClientRect().width > 0)
    .flatMap(cell => [...cell.querySelectorAll("*")].map(it => {
        const [outer, inner] = [cell.getBoundingClientRect(), it.getBoundingClientRect()]
        const by = inner.width && Math.max(inner.right - outer.right, outer.left - inner.left)
        return [cell.className, it.textContent.trim(), Math.round(by)]
    }))
    .filter(([, , by]) => by > 1)"""


@pytest.mark.parametrize("width", [390, 768, 1024, 1280, 1600])
def test_nothing_in_the_list_of_jobs_is_wider_than_its_cell_nor_the_list_than_the_page(
    browser: Browser, troubled: Site, width: int
) -> None:
    with visit(browser, troubled, viewport={"width": width, "height": 900}) as page:
        page.goto("/jobs")
        expect(page.locator(".lately .tag").first).to_be_visible()
        assert page.evaluate(_OUTSIDE) == []
        seen, whole = page.evaluate(
            "(() => { const it = document.querySelector('.scroll');"
            " return [it.clientWidth, it.scrollWidth] })()"
        )
        assert whole <= seen
        # A length of time is not parted from its unit.
        is_parted = "lengths => lengths.some(it => it.getClientRects().length > 1)"
        assert not page.locator(".jobs td.n .t").evaluate_all(is_parted)
        assert width < 900 or page.locator(".jobs td.n .t").count()
        # The id of a job that has a short one stays on its line.
        box = page.locator("th.job a", has_text="skipping").bounding_box()
        assert box is not None
        assert box["height"] < 30
