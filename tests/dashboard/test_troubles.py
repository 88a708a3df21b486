"""Whatever went wrong, a page names it: the overview, the page of the job, or that of its run."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from app.components.scheduler.runtime import ticks
from dashboard.world import Site
from inside import scheduler_settings
from troubles import DAY, HOUR, Troubles, application

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Troubles]]:
    """A dashboard beside a ledger full of troubles; no scheduler is up."""
    folder = tmp_path_factory.mktemp("troubles")
    with scheduler_settings(folder):
        app, found = application(folder / "app")
    site = Site(app)
    with site.alone():
        yield site, found


@pytest.fixture
def browser(troubled: tuple[Site, Troubles]) -> Iterator[httpx.Client]:
    """Somebody who looks at it."""
    with troubled[0].browser() as visitor:
        yield visitor


def text(browser: httpx.Client, path: str) -> str:
    """Return what somebody reads on a page."""
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


# Of each trouble: how it looks among the jobs, on its job's page, and what its run's page says of it.
TROUBLES = [
    ("crash", "succeeded", "attempt 2 .* begun again after its process died", r"Attempt 1 began .* was lost"),
    ("lost", "lost", "the process that ran it died", "begun again 3 times after a death of its process"),
    (
        "skipper",
        "lost",
        "what a crash cuts off stays lost",
        'on_crash="skip": what was cut off does not begin',
    ),
    (
        "interrupted",
        "interrupted",
        "the process was stopped before",
        "Nothing took it up again until its grace",
    ),
    ("timeout", "timed out", "longer than its timeout of 30 s", "It timed out at .* after 30 s"),
    ("retry", "succeeded", "attempt 2", "Attempt 1 began .* failed .* ConnectionError: no route"),
    ("cancelled", "cancelled", "somebody asked to cancel it", 'asked to end by carla .*"the wrong customer"'),
    (
        "overlap",
        r"skipped \(overlap\)",
        "the run before it was still going",
        r"In its way was run \d+ .*1 day 10",
    ),
    (
        "missed",
        r"skipped \(missed\)",
        "its time had passed when a scheduler was free",
        "20 min after it was due",
    ),
    (
        "no_slot",
        r"skipped \(missed\)",
        "its time had passed",
        "All slots of its process were busy until then",
    ),
    ("outage", r"skipped \(outage\)", "no scheduler was up", "181 ticks .* It fell into an outage"),
    ("was_paused", r"skipped \(paused\)", "3 ticks.* the job was paused", 'paused by carla .*"on holiday"'),
    ("late", "succeeded", "delayed by up to 10 minutes", "of it is jitter"),
    ("slot", "succeeded", r"at \d\d:00 every day", "it waited 1 min 30 s for a free slot"),
    ("manual", "succeeded", "ValueError: no such customer", "asked for by hand, to stand in for the tick"),
]


@pytest.mark.parametrize(("job_id", "among_jobs", "of_the_job", "of_the_run"), TROUBLES)
def test_a_trouble_is_named_where_somebody_looks_for_it(
    troubled: tuple[Site, Troubles],
    browser: httpx.Client,
    job_id: str,
    among_jobs: str,
    of_the_job: str,
    of_the_run: str,
) -> None:
    assert re.search(rf"{among_jobs} .* ago", text(browser, f"/?q={job_id}"))
    assert re.search(of_the_job, text(browser, f"/job?id={job_id}"))
    assert re.search(of_the_run, text(browser, f"/run/{troubled[1].run_ids[job_id]}"))


def test_what_keeps_a_job_from_running_at_all_is_named(browser: httpx.Client) -> None:
    assert "No scheduler is up" in browser.get("/").text
    for path in ("/?q=gone", "/job?id=gone"):
        found = text(browser, path)
        assert "cannot run" in found
        assert "No module named 'app.services.gone'" in found
    assert re.search("paused the disk is full", text(browser, "/?q=paused"))
    assert re.search(r"Paused since .*: the disk is full", text(browser, "/job?id=paused"))
    assert "This job was removed" in text(browser, "/job?id=removed")
    coming = text(browser, "/coming")
    assert re.search(r"paused ‖ paused 1 .*", coming)
    assert re.search(r"gone ⚠ cannot run 1 .*", coming)


def test_what_never_started_has_no_attempt(troubled: tuple[Site, Troubles], browser: httpx.Client) -> None:
    found = text(browser, f"/run/{troubled[1].run_ids['no_slot']}")
    assert "Attempt 1" not in found
    assert "Recorded" in found


def test_a_resume_is_foretold_alike_everywhere(
    troubled: tuple[Site, Troubles], browser: httpx.Client
) -> None:
    site, found = troubled
    # Two ticks from before the pause are open too: they fell into an outage and are no part of it.
    statement = "UPDATE scheduler_jobs SET watermark_us = ? WHERE job_id = 'paused'"
    site.write(statement, [(found.tick - 3 * DAY,)])
    try:
        assert "records 1 tick as skipped" in text(browser, "/job?id=paused")
        preview = browser.get("/api/v1/jobs/paused").json()["resume_preview"]
        assert preview == {"skipped_ticks": 1, "next_run": ticks.moment(found.tick + DAY).isoformat()}
        done = site.app.command("resume", "paused", "--yes")
        assert "1 tick(s) fell into the pause" in done.stderr
        undone = (
            "UPDATE scheduler_jobs SET paused_us = ?, pause_note = 'the disk is full' WHERE job_id = 'paused'"
        )
        site.write(undone, [(found.tick - HOUR,)])
    finally:
        site.write("DELETE FROM scheduler_runs WHERE job_id = ?", [("paused",)])
        site.write(statement, [(found.tick - DAY,)])


def test_a_job_that_is_due_all_the_time_does_not_hide_the_others(browser: httpx.Client) -> None:
    found = text(browser, "/coming").partition("One after another")[2]
    assert found.count("outage") == 3
    assert "night" in found
    assert "crash" in found
