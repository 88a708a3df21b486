"""Jobs that a person adds, changes and removes in a browser: with scripts and without, by the keyboard."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from dashboard.test_accessibility import axe, violations
from dashboard.visiting import tab_to, visit
from dashboard.world import REMIND, TOKEN, Site
from waiting import wait_for

pytestmark = pytest.mark.full
__all__ = ["axe"]

# The smallest one.
PHONE = {"viewport": {"width": 320, "height": 640}}


def field(page: Page, name: str) -> Locator:
    """Return a field of the form, not the hidden one of a preview."""
    return page.locator(f'.asks [name="{name}"]')


def has_focus(it: Locator) -> Callable[[], Any]:
    """Return what tells whether a field has the focus."""
    return lambda: it.evaluate("it => it === document.activeElement")


def fill(page: Page, job_id: str) -> None:
    """Fill in the form of a reminder that is sent once, now."""
    page.goto("/add")
    page.get_by_label("Function").select_option(REMIND)
    page.get_by_role("button", name="Go on").click()
    field(page, "id").fill(job_id)
    field(page, "arguments.customer_id").fill("42")
    field(page, "arguments.day").fill("2026-12-24")
    field(page, "arguments.by").select_option("letter")
    page.get_by_label("once").check()


@contextmanager
def signed_in(browser: Browser, site: Site, **options: Any) -> Iterator[Page]:
    context = browser.new_context(base_url=site.base, **options)
    page = context.new_page()
    page.goto(f"/login?token={TOKEN}&next=/jobs")
    yield page
    context.close()


def state(site: Site, job_id: str) -> str:
    found = site.rows("SELECT state FROM scheduler_runs WHERE job_id = ?", job_id)
    return str(found[0]["state"]) if found else ""


def test_a_job_is_added_runs_is_changed_and_removed(browser: Browser, site: Site) -> None:
    with visit(browser, site) as page:
        page.get_by_role("link", name="Add a job").click()
        fill(page, "reminder-1")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#previewed")).to_contain_text("customer_id=42")
        page.locator("#previewed").get_by_label("note").fill("he asked for it")
        page.locator("#save").click()
        expect(page.locator(".said.good")).to_contain_text("The job is added")
        expect(page.locator("#job")).to_contain_text("added while running by dashboard: no name given")
        wait_for(lambda: state(site, "reminder-1") == "succeeded", "the run of the job that was added")
        [run] = site.rows("SELECT run_id FROM scheduler_runs WHERE job_id = 'reminder-1'")
        page.goto(f"/run/{run['run_id']}")
        expect(page.get_by_text("42 gets a letter on 2026-12-24")).to_be_visible()

        fill(page, "reminder-2")
        page.get_by_label("interval").check()
        field(page, "interval.hours").fill("5")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#previewed li")).to_have_count(10)
        page.locator("#save").click()
        page.get_by_role("link", name="Change", exact=True).click()
        field(page, "arguments.customer_id").fill("43")
        page.get_by_label("crontab").check()
        field(page, "crontab.line").fill("0 9 * * 1")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#previewed")).to_contain_text("at 09:00 on Mondays")
        page.locator("#save").click()
        expect(page.locator(".said.good")).to_contain_text("The job is changed")
        expect(page.locator("#job")).to_contain_text("customer_id=43")
        page.get_by_text("Remove", exact=True).click()
        page.get_by_role("button", name="Remove the job").click()
        expect(page.locator("#job")).to_contain_text("This job was removed")
    acts = [(it["action"], it["job_id"]) for it in site.audit() if str(it["job_id"]).startswith("reminder")]
    assert acts == [
        ("add", "reminder-1"),
        ("add", "reminder-2"),
        ("change", "reminder-2"),
        ("remove", "reminder-2"),
    ]


def test_it_works_without_scripts_and_says_what_is_wrong(browser: Browser, site: Site) -> None:
    with signed_in(browser, site, java_script_enabled=False) as page:
        fill(page, "night")
        field(page, "arguments.customer_id").fill("forty")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator(".wrong")).to_contain_text("'forty' is not a whole number")
        expect(field(page, "arguments.customer_id")).to_have_attribute("aria-invalid", "true")
        field(page, "arguments.customer_id").fill("44")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator(".wrong")).to_contain_text("'night' is taken by a job of the code")
        field(page, "id").fill("reminder-3")
        page.get_by_label("interval").check()
        field(page, "interval.days").fill("1")
        page.get_by_role("button", name="Preview").click()
        page.locator("#save").click()
        expect(page.get_by_text("The job is added.")).to_be_visible()
        page.get_by_text("Remove", exact=True).click()
        page.get_by_role("button", name="Remove the job").click()
        expect(page.get_by_text("This job was removed")).to_be_visible()


def test_holidays_are_left_out_and_shown_before(browser: Browser, site: Site) -> None:
    with signed_in(browser, site, java_script_enabled=False) as page:
        fill(page, "workdays")
        page.get_by_label("interval").check()
        field(page, "interval.days").fill("1")
        page.locator(".of-many summary").click()
        field(page, "exclude").fill("sat-sun")
        field(page, "holidays").fill("DE/XX")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator(".wrong")).to_contain_text("holidays('DE', 'XX'): no such part of it is known")
        field(page, "holidays").fill("DE/BY")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#left-out li")).to_have_count(10)
        expect(page.locator("#left-out")).to_contain_text("is excluded")
        page.locator("#save").click()
        expect(page.locator("#job")).to_contain_text("except sat-sun, holidays('DE', 'BY')")
        page.get_by_role("link", name="Change", exact=True).click()
        page.get_by_label("interval").check()
        expect(field(page, "holidays")).to_have_value("DE/BY")
    with site.client() as client:
        assert client.delete("/api/v1/jobs/workdays").status_code == 200


def test_times_that_no_field_of_a_browser_shows_stay_as_they_are(browser: Browser, site: Site) -> None:
    at = "2099-12-24T18:00:00.123456+00:00"
    body = {
        "function": REMIND,
        "id": "exact",
        "schedule": {"trigger": "date", "run_date": at},
        "arguments": {"customer_id": 7, "day": "2026-12-24"},
    }
    with site.client() as client:
        assert client.post("/api/v1/jobs", json=body).status_code == 201
        with visit(browser, site) as page:
            page.goto("/change?id=exact")
            page.get_by_label("once").check()
            field(page, "arguments.customer_id").fill("8")
            page.get_by_role("button", name="Preview").click()
            page.locator("#save").click()
            expect(page.locator("#job")).to_contain_text("customer_id=8")
        assert client.get("/api/v1/jobs/exact").json()["next_fires"][0]["tick"] == at
        assert client.delete("/api/v1/jobs/exact").status_code == 200


def test_only_the_fields_of_the_chosen_schedule_are_there(browser: Browser, site: Site) -> None:
    kinds = {
        "crontab": "crontab.line",
        "calendar fields": "cron.day_of_week",
        "interval": "interval.seconds",
        "once": "date.run_date",
        "months, years": "calendarinterval.months",
    }
    with visit(browser, site) as page:
        page.goto(f"/add?function={REMIND}")
        for kind in kinds:
            page.get_by_label(kind, exact=True).check()
            for other, name in kinds.items():
                expect(field(page, name)).to_be_visible(visible=other == kind)


def test_the_keyboard_alone_adds_a_job(browser: Browser, site: Site) -> None:
    with visit(browser, site) as page:
        page.goto("/add?function=app.services.my_tasks:quick")
        tab_to(page, has_focus(field(page, "id")))
        page.keyboard.type("by-keyboard")
        tab_to(page, has_focus(page.locator("[value=crontab]")))
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        tab_to(page, has_focus(field(page, "interval.hours")))
        page.keyboard.type("7")
        page.keyboard.press("Enter")
        expect(page.locator("#previewed")).to_contain_text("every 7 hours")
        tab_to(page, has_focus(page.locator("#save")))
        page.keyboard.press("Enter")
        expect(page.locator(".said.good")).to_contain_text("The job is added")
    with site.client() as client:
        assert client.delete("/api/v1/jobs/by-keyboard").status_code == 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, PHONE], ids=["wide", "phone"])
def test_no_step_breaks_a_rule_of_accessibility(
    browser: Browser, site: Site, axe: str, scheme: Any, options: dict[str, Any]
) -> None:
    pictures = os.environ.get("PICTURES")
    found: dict[str, list[str]] = {}

    def look(page: Page, step: str) -> None:
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        if broken := violations(page, axe):
            found[step] = broken
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            found[f"{step} is too wide"] = [str(wide)]
        if pictures:
            name = f"{step}-{scheme}-{'phone' if options else 'wide'}.png"
            page.screenshot(path=str(Path(pictures) / name), full_page=True)

    with visit(browser, site, color_scheme=scheme, **options) as page:
        page.goto("/add")
        look(page, "choose")
        fill(page, "reminder-4")
        page.get_by_label("interval").check()
        look(page, "form")
        page.get_by_label("calendar fields").check()
        field(page, "cron.hour").fill("2")
        field(page, "cron.minute").fill("30")
        field(page, "timezone").fill("Europe/Berlin")
        field(page, "holidays").fill("DE/BY, AT")
        look(page, "cron")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator("#previewed")).to_be_visible()
        look(page, "preview")
        page.locator("#save").click()
        expect(page.locator(".said.good")).to_be_visible()
        look(page, "job")
        page.get_by_role("link", name="Change", exact=True).click()
        look(page, "change")
    # Of an answer that refuses something a browser complains by itself.
    with signed_in(browser, site, color_scheme=scheme, **options) as page:
        page.goto("/change?id=reminder-4")
        field(page, "arguments.customer_id").fill("x")
        page.get_by_role("button", name="Preview").click()
        expect(page.locator(".wrong")).to_be_visible()
        look(page, "wrong")
    with site.client() as client:
        assert client.delete("/api/v1/jobs/reminder-4").status_code == 200
    assert found == {}
