"""The pages about runs in a real browser: filters, several at once, and a log that grows while one looks."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.visiting import tab_to, visit
from dashboard.world import READ_TOKEN, Site

pytestmark = pytest.mark.full

TASKS = """
import asyncio
from pathlib import Path

from loguru import logger


async def grows():
    for number in range(400):
        logger.info("line {} of a log that grows", number)
    while not Path("go").exists():
        await asyncio.sleep(0.05)
    logger.info("the line that came later")
    await asyncio.sleep(600)


async def bad():
    raise ValueError("no such customer " + "x" * 300)


async def quick():
    logger.info("done")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on which some runs have failed."""
    made = Site.made_in(tmp_path_factory.mktemp("runs"))
    made.app.tasks(TASKS)
    made.app.schedule(
        "\n".join(
            f'scheduler.add_job({name}, trigger="interval", days=300, id="{job_id}", max_instances=20)'
            for name, job_id in (
                ("grows", "grows"),
                ("bad", "sync_shop"),
                ("bad", "sync_stock"),
                ("quick", "report"),
            )
        ),
        "from app.services.my_tasks import bad, grows, quick\n",
    )
    with made.running():
        with made.client() as client:
            for job_id, state in (("sync_shop", "failed"), ("sync_stock", "failed"), ("report", "succeeded")):
                run = client.post(f"/api/v1/jobs/{job_id}/run-now").json()["run_id"]
                made.becomes(run, state)
        yield made


def run_of(site: Site, job_id: str) -> int:
    """Return the newest run of a job."""
    rows = site.rows("SELECT max(run_id) AS newest FROM scheduler_runs WHERE job_id = ?", job_id)
    return int(rows[0]["newest"])


def rows_of(page: Page) -> list[str]:
    """Return the jobs of the runs that are listed."""
    return page.locator("table.runs tbody td.job").all_inner_texts()


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_a_run_takes_a_few_lines(browser: Browser, site: Site, width: int) -> None:
    # Before the other tests here: a run that they try again says so, in a line more.
    with visit(browser, site, viewport={"width": width, "height": 800}) as page:
        page.goto("/runs?state=succeeded")
        row = page.locator("table.runs tbody tr").first.bounding_box()
        assert row is not None
        assert row["height"] < 75
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_runs_are_found_by_part_of_an_id_and_text_of_the_error(browser: Browser, site: Site) -> None:
    with visit(browser, site) as page:
        page.goto("/runs")
        page.get_by_label("Job", exact=True).fill("SYNC")
        page.get_by_label("Job", exact=True).press("Enter")
        expect(page.locator("table.runs tbody tr")).to_have_count(2)
        page.get_by_label("Error").fill("no such customer")
        page.get_by_label("Since").fill("1h")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**/runs?*error=no*")
        assert sorted(rows_of(page)) == ["sync_shop", "sync_stock"]
        expect(page.locator(".tabs")).to_contain_text("Gone wrong 2")
        page.get_by_label("Error").fill("nothing like that")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#runs")).to_contain_text("No run is like that")
        page.get_by_role("link", name="Clear").click()
        page.wait_for_url("**/runs")
        assert len(rows_of(page)) > 2
        page.locator(".tabs").get_by_role("link", name="succeeded").click()
        page.wait_for_url("**/runs?state=succeeded")
        assert set(rows_of(page)) == {"report"}


def test_several_runs_are_retried_at_once(browser: Browser, site: Site) -> None:
    before = len(site.audit())
    with visit(browser, site) as page:
        page.goto("/runs?failed=true")
        boxes = page.locator("input[name=run_id]")
        for box in (boxes.nth(0), boxes.nth(1)):
            box.check()
        page.get_by_role("button", name="Retry").click()
        expect(page.locator("#said")).to_contain_text("2 runs begin one more attempt each")
        expect(page.locator("#said a")).to_have_count(2)
    assert [entry["action"] for entry in site.audit()[before:]] == ["retry", "retry"]
    for job_id in ("sync_shop", "sync_stock"):
        site.becomes(run_of(site, job_id), "failed")


def test_of_several_an_action_is_for_those_in_a_state_for_it_and_the_preview_says_which_are_left_out(
    browser: Browser, site: Site
) -> None:
    shop, stock = run_of(site, "sync_shop"), run_of(site, "sync_stock")
    with site.client() as client, visit(browser, site) as page:
        under_way = client.post("/api/v1/jobs/grows/run-now").json()["run_id"]
        site.becomes(under_way, "running")
        page.goto("/runs")
        retry, cancel = page.locator("#retry-selected"), page.locator("#cancel-selected")
        page.locator(f"#pick-{shop}").check()
        expect(retry).to_be_enabled()
        expect(cancel).to_be_disabled()
        page.locator(f"#pick-{shop}").uncheck()
        page.locator(f"#pick-{under_way}").check()
        expect(retry).to_be_disabled()
        expect(cancel).to_be_enabled()
        for run_id in (shop, stock):
            page.locator(f"#pick-{run_id}").check()
        expect(retry).to_have_text("Retry 2 of 3")
        expect(cancel).to_have_text("Cancel 1 of 3")
        asked: list[str] = []
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        cancel.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text(f"Run {under_way}")
        (question,) = asked
        assert question.startswith("Cancel 1 of the 3 selected?")
        assert question.endswith(f"{stock}: failed\n{shop}: failed")
        # The keyboard goes on at the message, and those that were left out stay selected.
        expect(page.locator("#said")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.locator("#said a")).to_be_focused()
        expect(page.locator("#how-many")).to_have_text("2 selected")
        expect(page.locator(f"#pick-{shop}")).to_be_checked()
    site.becomes(under_way, "cancelled")


def test_a_message_goes_by_itself_but_not_from_under_the_keyboard(browser: Browser, site: Site) -> None:
    shop = run_of(site, "sync_shop")
    with visit(browser, site) as page:
        page.clock.install()
        page.goto("/runs?failed=true")
        page.locator(f"#pick-{shop}").focus()
        page.keyboard.press("Space")
        page.locator("#retry-selected").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#said .good")).to_be_visible()
        page.clock.fast_forward(60_000)
        expect(page.locator("#said .good")).to_be_visible()
        page.locator("#main").focus()
        page.clock.fast_forward(60_000)
        expect(page.locator("#said")).to_be_empty()
    site.becomes(shop, "failed")


def test_those_for_whom_an_action_is_refused_stay_selected_and_the_message_stays(
    browser: Browser, site: Site
) -> None:
    shop = run_of(site, "sync_shop")
    with site.client() as client, visit(browser, site) as page:
        under_way = client.post("/api/v1/jobs/grows/run-now").json()["run_id"]
        site.becomes(under_way, "running")
        page.clock.install()
        page.goto("/runs")
        for run_id in (shop, under_way):
            page.locator(f"#pick-{run_id}").check()
        # As on a page that has not heard yet that the run goes on.
        page.locator(f"#pick-{under_way}").evaluate("box => { box.dataset.can = 'retry'; }")
        page.locator("#selected").get_by_role("button", name="Retry").click()
        expect(page.locator("#said .partly")).to_contain_text(f"Refused for 1: {under_way}: ")
        expect(page.locator("#how-many")).to_have_text("1 selected")
        expect(page.locator(f"#pick-{under_way}")).to_be_checked()
        # A message that all was done is gone after some seconds.
        page.clock.fast_forward(60_000)
        expect(page.locator("#said .partly")).to_be_visible()
        page.locator("#selected").get_by_role("button", name="Cancel").click()
        expect(page.locator("#said .good")).to_be_visible()
        expect(page.locator("#how-many")).to_have_text("0 selected")
        page.clock.fast_forward(60_000)
        expect(page.locator("#said")).to_be_empty()
    site.becomes(under_way, "cancelled")
    site.becomes(shop, "failed")


def test_several_runs_are_retried_with_the_keyboard_and_without_a_script(
    browser: Browser, site: Site
) -> None:
    before = len(site.audit())
    with visit(browser, site, java_script_enabled=False) as page:
        page.goto("/runs?failed=true&q=shop")
        tab_to(page, lambda: page.locator("input[name=run_id]:focus").count())
        page.keyboard.press("Space")
        expect(page.locator("input[name=run_id]")).to_be_checked()
        page.get_by_role("button", name="Retry").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text("begins one more attempt")).to_be_visible()
        page.get_by_role("link", name="Back").click()
        expect(page).to_have_url(re.compile(r"/runs\?failed=true&q=shop$"))
    assert [entry["action"] for entry in site.audit()[before:]] == ["retry"]
    site.becomes(run_of(site, "sync_shop"), "failed")


def test_the_log_of_a_run_grows_while_one_looks_and_the_message_leads_to_the_run(
    browser: Browser, site: Site
) -> None:
    with visit(browser, site) as page:
        page.goto("/job?id=grows")
        page.get_by_role("button", name="Run now").click()
        page.locator("#said a").click()
        expect(page.locator("h1")).to_contain_text("running", timeout=15_000)
        log = page.locator("pre[data-follow]")
        expect(log).to_contain_text("line 399 of a log that grows", timeout=15_000)
        expect(page.locator(".steps")).to_contain_text("pid ")
        at_end = "log => log.scrollTop + log.clientHeight >= log.scrollHeight - 4"
        log.evaluate("log => { log.scrollTop = log.scrollHeight; }")
        page.evaluate("window.same = true")
        (site.app.folder / "go").touch()
        expect(log).to_contain_text("the line that came later", timeout=15_000)
        assert page.evaluate("window.same")
        assert log.evaluate(at_end)
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("h1")).to_contain_text("cancelled", timeout=15_000)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_of_a_traceback_is_outside_of_what_is_seen(browser: Browser, site: Site, width: int) -> None:
    with visit(browser, site, viewport={"width": width, "height": 800}) as page:
        page.goto(f"/run/{run_of(site, 'sync_shop')}")
        trace = page.locator("pre.trace")
        assert not trace.evaluate(
            "it => it.scrollWidth > it.clientWidth || it.scrollHeight > it.clientHeight"
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_of_a_list_of_several_pages_it_is_said_how_many_are_not_selected(
    browser: Browser, site: Site
) -> None:
    columns = "job_id, kind, due_us, state, attempt, started_us, finished_us, crashes, error"
    now = time.time_ns() // 1_000
    rows = [("report", "manual", now, "failed", 1, now, now, 0, "of many pages") for _ in range(31)]
    site.write(f"INSERT INTO scheduler_runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    with visit(browser, site) as page:
        page.goto("/runs?failed=true&error=of+many+pages")
        page.locator("#all").check()
        expect(page.locator("#how-many")).to_have_text(
            "25 selected, all on this page; 6 more are on other pages"
        )
        asked: list[str] = []
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        page.get_by_role("button", name="Retry").click()
        expect(page.locator("#said")).to_contain_text("25 runs begin one more attempt each")
        # What is about many is asked about first, though it can be undone.
        assert asked == ["Retry 25 selected?"]


def test_who_may_only_read_sees_runs_without_boxes(browser: Browser, site: Site) -> None:
    with visit(browser, site, READ_TOKEN) as page:
        page.goto("/runs")
        assert len(rows_of(page)) > 2
        expect(page.locator("main input[type=checkbox]")).to_have_count(0)
