"""Whatever went wrong, a page names it: the overview, the page of the job, or that of its run."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest
from everytick.model import ticks
from everytick.read.signs import SIGNS

from dashboard.world import Site
from inside import scheduler_settings
from sample_ledger import DAY, HOUR, SampleLedger, application

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, SampleLedger]]:
    """A dashboard beside a ledger full of troubles; no scheduler is up."""
    folder = tmp_path_factory.mktemp("troubles")
    with scheduler_settings(folder):
        app, found = application(folder / "app")
    site = Site(app)
    with site.alone():
        yield site, found


@pytest.fixture
def browser(troubled: tuple[Site, SampleLedger]) -> Iterator[httpx.Client]:
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
UNAVAILABLE = [
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
    ("timeout", "timed out", "longer than its timeout of 30 seconds", "It timed out at .* after 30 s"),
    ("retry", "succeeded", "attempt 2", "Attempt 1 began .* failed .* ConnectionError: no route"),
    (
        "cancelled",
        "cancelled",
        "its cancellation was requested",
        'asked to end by carla .*"the wrong customer"',
    ),
    (
        "overlap",
        r"skipped \(overlap\)",
        "the run before it was not over yet",
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


@pytest.mark.parametrize(("job_id", "among_jobs", "of_the_job", "of_the_run"), UNAVAILABLE)
def test_a_trouble_is_named_where_somebody_looks_for_it(
    troubled: tuple[Site, SampleLedger],
    browser: httpx.Client,
    job_id: str,
    among_jobs: str,
    of_the_job: str,
    of_the_run: str,
) -> None:
    assert re.search(rf"{among_jobs} .* ago", text(browser, f"/?q={job_id}"))
    assert re.search(of_the_job, text(browser, f"/job?id={job_id}"))
    assert re.search(of_the_run, text(browser, f"/run/{troubled[1].run_ids[job_id]}"))


def test_the_reason_why_a_job_cannot_run_at_all_is_named(browser: httpx.Client) -> None:
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


def test_ticks_that_are_due_and_not_claimed_are_told_everywhere(
    troubled: tuple[Site, SampleLedger], browser: httpx.Client
) -> None:
    _site, found = troubled
    said = text(browser, "/?q=gone")
    assert re.search(r"1 tick due and not claimed since", said)
    assert re.search(r"jobs have ticks that are due and not claimed, the first since .* gone", said)
    assert re.search(r"1 tick due and not claimed since .* ago", text(browser, "/job?id=gone"))
    assert "not claimed" not in text(browser, "/job?id=fine")
    job = browser.get("/api/v1/jobs/gone").json()
    assert job["unclaimed"] == {"ticks": 1, "since": ticks.moment(found.tick).isoformat()}
    assert browser.get("/api/v1/jobs/fine").json()["unclaimed"] is None
    listed = {one["id"]: one["unclaimed"] for one in browser.get("/api/v1/jobs").json()["jobs"]}
    assert (listed["gone"], listed["paused"]) == (job["unclaimed"], None)
    assert listed["outage"]["ticks"] >= 60
    trace = browser.get("/api/v1/processes").json()["last_trace_at"]
    assert trace == ticks.moment(found.tick + 20 * 60 * ticks.SECOND).isoformat()
    assert re.search(
        r"No scheduler is up: its last trace is of", re.sub("<[^>]+>", "", browser.get("/").text)
    )


def test_a_visitor_may_ask_about_a_tick(troubled: tuple[Site, SampleLedger], browser: httpx.Client) -> None:
    _site, found = troubled
    tick = ticks.moment(found.tick)
    for job_id, verdict, sentence in (
        ("overlap", "overlap", "In its way was run"),
        ("gone", "cannot_run", "The job cannot run"),
        ("outage", "nobody_up", "No scheduler is up: its last trace"),
        ("fine", "no_tick", "The one before is"),
    ):
        minute = 1 if job_id in ("outage", "fine") else 0
        asked = tick.replace(minute=minute).isoformat()
        answer = browser.get(f"/api/v1/jobs/{job_id}/why", params={"tick": asked})
        assert answer.status_code == 200, answer.text
        given = answer.json()
        assert (given["verdict"], given["tick"]) == (verdict, asked)
        assert any(sentence in one for one in given["sentences"])
        assert not any("working tree" in one for one in given["sentences"])
        page = text(browser, "/job?" + str(httpx.QueryParams({"id": job_id, "tick": asked})))
        assert sentence in page
    assert browser.get("/api/v1/jobs/overlap/why").json()["verdict"] == "overlap"
    assert "In its way was run" in text(browser, "/job?id=overlap&tick=&ask=1")
    assert "In its way was run" not in text(browser, "/job?id=overlap")
    assert browser.get("/api/v1/jobs/none/why").status_code == 404
    assert browser.get("/api/v1/jobs/fine/why?tick=soon").status_code == 422
    assert browser.get("/job?id=fine&tick=soon").status_code == 422


def test_zones_are_named_and_changes_of_the_clock_marked(
    troubled: tuple[Site, SampleLedger], browser: httpx.Client
) -> None:
    page = text(browser, "/job?id=night")
    assert "Next fires times in Europe/Berlin" in page
    assert "History times in UTC" in page
    assert "clock change" in page
    assert "clock change" in text(browser, "/runs?job=night")
    assert "clock change" not in text(browser, "/runs?job=fine")
    assert "The clock jumps over the planned time" in text(browser, f"/run/{night(troubled[0])}")
    assert "times in" not in text(browser, "/job?id=fine")


def night(site: Site) -> int:
    """Return the run of the night in which the clock jumped."""
    return int(site.rows("SELECT run_id FROM scheduler_runs WHERE job_id = 'night'")[0]["run_id"])


def test_claimed_and_running_runs_are_shown_apart(
    troubled: tuple[Site, SampleLedger], browser: httpx.Client
) -> None:
    site, found = troubled
    number = found.run_ids["timeout"]
    [kept] = site.rows("SELECT state, started_us, finished_us FROM scheduler_runs WHERE run_id = ?", number)
    statement = "UPDATE scheduler_runs SET state = ?, started_us = ?, finished_us = ? WHERE run_id = ?"
    site.write(statement, [("claimed", None, None, number)])
    try:
        assert "Running now 0 claimed, not begun: 1" in text(browser, "/running")
        assert "1 claimed" in text(browser, "/?q=timeout")
        assert "Attempt 1" not in text(browser, f"/run/{number}")
        assert site.app.json("show", str(number))["attempts"] == []
    finally:
        site.write(statement, [(kept["state"], kept["started_us"], kept["finished_us"], number)])


def test_signs_are_the_same_on_pages_as_at_the_terminal(
    troubled: tuple[Site, SampleLedger], browser: httpx.Client
) -> None:
    for job_id in ("lost", "cancelled", "interrupted", "timeout"):
        state = browser.get(f"/api/v1/jobs/{job_id}").json()["last_state"]
        assert f"{SIGNS[state][0]} {state.replace('_', ' ')}" in text(browser, f"/?q={job_id}")


def test_a_run_that_never_started_has_no_attempt(
    troubled: tuple[Site, SampleLedger], browser: httpx.Client
) -> None:
    found = text(browser, f"/run/{troubled[1].run_ids['no_slot']}")
    assert "Attempt 1" not in found
    assert "Recorded" in found


def test_a_resume_is_foretold_alike_everywhere(
    troubled: tuple[Site, SampleLedger], browser: httpx.Client
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
        assert "1 tick(s) of the pause will be recorded as skipped" in done.stderr
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
