"""Whatever went wrong, a page names it: the overview, the page of the job, or that of its run."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest
from everytick import AsyncIOScheduler
from everytick.cli import program
from everytick.model import ticks
from everytick.read.signs import SIGNS
from typer.testing import CliRunner

from dashboards import api, look, page
from histories import ask_json
from inside import scheduler_settings
from ledgers import change, found_in
from sample_ledger import DAY, HOUR, SampleLedger, fill


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleLedger]:
    """A ledger full of troubles; no scheduler is up."""
    with scheduler_settings(tmp_path_factory.mktemp("troubles")):
        yield fill(AsyncIOScheduler().ledger)


def text(troubled: SampleLedger, path: str) -> str:
    """Return what somebody reads on a page."""
    main = page(troubled.ledger, path).partition("<main")[2].partition("</main>")[0]
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
    troubled: SampleLedger,
    job_id: str,
    among_jobs: str,
    of_the_job: str,
    of_the_run: str,
) -> None:
    assert re.search(rf"{among_jobs} .* ago", text(troubled, f"/jobs?q={job_id}"))
    assert re.search(of_the_job, text(troubled, f"/job?id={job_id}"))
    assert re.search(of_the_run, text(troubled, f"/run/{troubled.run_ids[job_id]}"))


def test_the_reason_why_a_job_cannot_run_at_all_is_named(troubled: SampleLedger) -> None:
    assert "No scheduler is up" in page(troubled.ledger, "/jobs")
    for path in ("/jobs?q=gone", "/job?id=gone"):
        found = text(troubled, path)
        assert "cannot run" in found
        assert "No module named 'app.services.gone'" in found
    assert re.search("paused the disk is full", text(troubled, "/jobs?q=paused"))
    assert re.search(r"Paused since .*: the disk is full", text(troubled, "/job?id=paused"))
    assert "This job was removed" in text(troubled, "/job?id=removed")
    coming = text(troubled, "/coming")
    assert re.search(r"paused ‖ paused 1 .*", coming)
    assert re.search(r"gone ⚠ cannot run 1 .*", coming)


def test_ticks_that_are_due_and_not_claimed_are_told_everywhere(troubled: SampleLedger) -> None:
    said = text(troubled, "/jobs?q=gone")
    assert re.search(r"1 tick due and not claimed since", said)
    assert re.search(r"\d jobs are late , the first since .* gone", said)
    assert re.search(r"1 tick due and not claimed since .* ago", text(troubled, "/job?id=gone"))
    assert "not claimed" not in text(troubled, "/job?id=fine")
    job = api(troubled.ledger, "jobs/gone")
    assert job["unclaimed"] == {"ticks": 1, "since": ticks.moment(troubled.tick).isoformat()}
    assert api(troubled.ledger, "jobs/fine")["unclaimed"] is None
    listed = {one["id"]: one["unclaimed"] for one in api(troubled.ledger, "jobs")["jobs"]}
    assert (listed["gone"], listed["paused"]) == (job["unclaimed"], None)
    assert listed["outage"]["ticks"] >= 60
    trace = api(troubled.ledger, "processes")["last_trace_at"]
    assert trace == ticks.moment(troubled.tick + 20 * 60 * ticks.SECOND).isoformat()
    assert re.search(
        r"No scheduler is up: its last trace is of", re.sub("<[^>]+>", "", page(troubled.ledger, "/jobs"))
    )


def test_a_visitor_may_ask_about_a_tick(troubled: SampleLedger) -> None:
    tick = ticks.moment(troubled.tick)
    for job_id, verdict, sentence in (
        ("overlap", "overlap", "In its way was run"),
        ("gone", "cannot_run", "The job cannot run"),
        ("outage", "nobody_up", "No scheduler is up: its last trace"),
        ("fine", "no_tick", "The nearest is"),
    ):
        minute = 1 if job_id in ("outage", "fine") else 0
        asked = tick.replace(minute=minute).isoformat()
        answer = look(troubled.ledger, f"/api/v1/jobs/{job_id}/why", tick=asked)
        assert answer.status_code == 200, answer.text
        given = answer.json()
        assert (given["verdict"], given["tick"]) == (verdict, asked)
        assert any(sentence in one for one in given["sentences"])
        assert not any("working tree" in one for one in given["sentences"])
        page = text(troubled, "/job?" + str(httpx.QueryParams({"id": job_id, "tick": asked})))
        assert sentence in page
    assert api(troubled.ledger, "jobs/overlap/why")["verdict"] == "overlap"
    assert "In its way was run" in text(troubled, "/job?id=overlap&tick=&ask=1")
    assert "In its way was run" not in text(troubled, "/job?id=overlap")
    assert look(troubled.ledger, "/api/v1/jobs/none/why").status_code == 404
    assert look(troubled.ledger, "/api/v1/jobs/fine/why?tick=soon").status_code == 422
    # A page that is open goes on to follow the schedule, so this is no error.
    shown = look(troubled.ledger, "/job?id=fine&tick=soon")
    assert shown.status_code == 200
    field = re.search(r"<form[^>]*#why.*?</form>", shown.text, re.DOTALL)
    assert field
    assert 'value="soon"' in field[0]
    assert 'aria-invalid="true"' in field[0]
    assert "&#39;soon&#39; is not a date or time" in field[0]
    assert 'aria-label="Pages"' in shown.text


def test_zones_are_named_and_changes_of_the_clock_marked(troubled: SampleLedger) -> None:
    page = text(troubled, "/job?id=night")
    assert "Next fires times in Europe/Berlin" in page
    assert "History times in UTC" in page
    assert "clock change" in page
    assert "clock change" in text(troubled, "/runs?job=night")
    assert "clock change" not in text(troubled, "/runs?job=fine")
    assert "The clock jumps over the planned time" in text(troubled, f"/run/{night(troubled)}")
    assert "times in" not in text(troubled, "/job?id=fine")


def night(troubled: SampleLedger) -> int:
    """Return the run of the night in which the clock jumped."""
    return int(
        found_in(troubled.ledger, "SELECT run_id FROM scheduler_runs WHERE job_id = 'night'")[0]["run_id"]
    )


def test_claimed_and_running_runs_are_shown_apart(troubled: SampleLedger) -> None:
    number = troubled.run_ids["timeout"]
    [kept] = found_in(
        troubled.ledger, "SELECT state, started_us, finished_us FROM scheduler_runs WHERE run_id = ?", number
    )
    statement = "UPDATE scheduler_runs SET state = ?, started_us = ?, finished_us = ? WHERE run_id = ?"
    change(troubled.ledger, statement, "claimed", None, None, number)
    try:
        assert "Running now 0 claimed, not begun: 1" in text(troubled, "/running")
        assert "1 claimed" in text(troubled, "/jobs?q=timeout")
        assert "Attempt 1" not in text(troubled, f"/run/{number}")
        assert ask_json(AsyncIOScheduler(), "show", str(number))["attempts"] == []
    finally:
        change(troubled.ledger, statement, kept["state"], kept["started_us"], kept["finished_us"], number)


def test_signs_are_the_same_on_pages_as_at_the_terminal(troubled: SampleLedger) -> None:
    for job_id in ("lost", "cancelled", "interrupted", "timeout"):
        state = api(troubled.ledger, f"jobs/{job_id}")["last_state"]
        assert f"{SIGNS[state][0]} {state.replace('_', ' ')}" in text(troubled, f"/jobs?q={job_id}")


def test_a_run_that_never_started_has_no_attempt(troubled: SampleLedger) -> None:
    found = text(troubled, f"/run/{troubled.run_ids['no_slot']}")
    assert "Attempt 1" not in found
    assert "Recorded" in found


def test_a_resume_is_foretold_alike_everywhere(troubled: SampleLedger) -> None:
    # Two ticks from before the pause are open too: they fell into an outage and are no part of it.
    statement = "UPDATE scheduler_jobs SET watermark_us = ? WHERE job_id = 'paused'"
    change(troubled.ledger, statement, troubled.tick - 3 * DAY)
    try:
        assert "records 1 tick as skipped" in text(troubled, "/job?id=paused")
        preview = api(troubled.ledger, "jobs/paused")["resume_preview"]
        assert preview == {"skipped_ticks": 1, "next_run": ticks.moment(troubled.tick + DAY).isoformat()}
        done = CliRunner().invoke(program.app, ["resume", "paused", "--yes"])
        assert "1 tick of the pause will be recorded as skipped" in done.stderr
        undone = (
            "UPDATE scheduler_jobs SET paused_us = ?, pause_note = 'the disk is full' WHERE job_id = 'paused'"
        )
        change(troubled.ledger, undone, troubled.tick - HOUR)
    finally:
        change(troubled.ledger, "DELETE FROM scheduler_runs WHERE job_id = ?", "paused")
        change(troubled.ledger, statement, troubled.tick - DAY)


def test_a_job_that_is_due_all_the_time_does_not_hide_the_others(troubled: SampleLedger) -> None:
    found = text(troubled, "/coming").partition("One after another")[2]
    assert found.count("outage") == 3
    assert "night" in found
    assert "crash" in found
