"""Whether all is well, told from the ledger: what fails, is late, paused or long, and the last day."""

from __future__ import annotations

import re
from datetime import datetime
from html import unescape
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient, masking
from everytick.dashboard import overview
from everytick.model import ticks
from everytick.read.hourly import HourlyRuns
from everytick.store.database import Ledger
from everytick.store.querying import connect
from everytick.system import use

from dashboards import api, look, page
from inside import scheduler_settings
from ledgers import change
from standing import beats, run
from statements import Statement, statements

SECOND, MINUTE, HOUR = (ticks.SECOND * size for size in (1, 60, 3_600))


async def quick() -> None:
    """Do nothing."""


@pytest.fixture
async def ledger(scheduler: AsyncIOScheduler) -> Ledger:
    """A ledger with four jobs of which nothing is due; a scheduler is up."""
    for job_id in ("sync_1", "sync_2", "sync_10", "report"):
        scheduler.add_job(quick, "interval", days=300, id=job_id, name=f"{job_id} by name")
    async with scheduler:
        pass
    beats(scheduler.ledger)
    return scheduler.ledger


def sentence(ledger: Ledger) -> str:
    """Return the one sentence, which the page has too."""
    told = str(api(ledger, "overview")["sentence"])
    headline = re.search(r"<h1[^>]*>(.*?)</h1>", page(ledger, "/"), re.DOTALL)
    assert headline
    assert unescape(re.sub(r"<[^>]+>", "", headline[1])).strip()[2:] == told
    return told


@pytest.mark.full
async def test_one_sentence_says_that_all_is_well_or_what_is_not(ledger: Ledger) -> None:
    assert sentence(ledger) == "All is well: 4 jobs."
    run(ledger, "sync_1", "running", 5 * SECOND)
    SchedulerClient().pause_job("sync_2", note="on holiday")
    assert sentence(ledger) == "All is well: 4 jobs, 1 running, 1 paused."
    run(ledger, "report", "failed", MINUTE)
    assert sentence(ledger) == "1 job fails."
    run(ledger, "sync_10", "failed", MINUTE)
    run(ledger, "sync_1", "queued", MINUTE, started=None)
    assert sentence(ledger) == "2 jobs fail, 1 is late."
    beats(ledger, HOUR)
    assert sentence(ledger) == "No scheduler is up, so nothing runs."
    assert api(ledger, "overview")["well"] is False


async def test_what_fails_is_told_with_since_when_and_how_often_in_a_row(ledger: Ledger) -> None:
    run(ledger, "report", "failed", 5 * HOUR)
    run(ledger, "report", "succeeded", 4 * HOUR)
    for hours in (3, 2, 1):
        run(ledger, "report", "timed_out" if hours == 2 else "failed", hours * HOUR)
    run(ledger, "report", "skipped", MINUTE, reason="overlap")
    run(ledger, "report", "running", SECOND)
    run(ledger, "sync_1", "failed", HOUR)
    run(ledger, "sync_1", "succeeded", MINUTE, tick=None)
    run(ledger, "sync_2", "cancelled", MINUTE)
    [failing] = api(ledger, "overview")["failing"]
    assert (failing["job_id"], failing["in_a_row"], failing["state"]) == ("report", 3, "failed")
    assert failing["error"] == "ValueError: no such customer"
    since = ticks.instant(datetime.fromisoformat(failing["since"]))
    assert ticks.now() - 3 * HOUR - MINUTE <= since <= ticks.now() - 3 * HOUR + MINUTE
    shown = page(ledger, "/")
    assert "ValueError: no such customer" in shown
    assert 'href="/job?id=report"' in shown
    assert "sync_1" not in shown[: shown.index("Gone wrong in the last day")]


async def test_an_error_is_cut_behind_the_secret_in_it_is_masked(ledger: Ledger) -> None:
    secret = "sesame-open-4711"
    run(ledger, "report", "failed", MINUTE, error="x" * 395 + secret + "y" * 50_000)
    masking.hide(secret)
    [failing] = api(ledger, "overview")["failing"]
    assert failing["error"] == "x" * 395 + masking.STARS
    assert "sesam" not in page(ledger, "/")


async def test_a_job_that_a_process_cannot_load_is_trouble(ledger: Ledger) -> None:
    change(ledger, "UPDATE scheduler_processes SET cannot_run = ?", '{"sync_2": "no module named shop"}')
    assert sentence(ledger) == "1 job cannot run."
    [found] = api(ledger, "overview")["cannot_run"]
    assert (found["job_id"], "no module named shop" in found["why"]) == ("sync_2", True)
    assert "no module named shop" in page(ledger, "/")
    assert [one["id"] for one in api(ledger, "jobs", state="cannot run")["jobs"]] == ["sync_2"]


async def test_a_run_by_hand_that_fails_counts_like_a_tick(ledger: Ledger) -> None:
    run(ledger, "report", "failed", HOUR)
    run(ledger, "report", "failed", MINUTE, tick=None)
    [failing] = api(ledger, "overview")["failing"]
    assert failing["in_a_row"] == 2


async def test_what_waits_is_told_by_queue_and_late_after_a_moment(ledger: Ledger) -> None:
    change(ledger, "UPDATE scheduler_jobs SET queue = 'reports' WHERE job_id = 'report'")
    run(ledger, "report", "queued", 2 * SECOND, started=None)
    run(ledger, "report", "retrying", MINUTE, started=None)
    run(ledger, "sync_1", "claimed", SECOND, started=None)
    run(ledger, "sync_2", "queued", -HOUR, started=None)
    run(ledger, "sync_10", "queued", HOUR, started=None)
    SchedulerClient().pause_job("sync_10")
    found = api(ledger, "overview")
    assert [(queue["name"], queue["waiting"]) for queue in found["queues"]] == [
        ("default", 1),
        ("reports", 2),
    ]
    assert [late["job_id"] for late in found["late"]] == ["report"]
    assert [one["id"] for one in api(ledger, "jobs", state="late")["jobs"]] == ["report"]


async def test_a_run_is_long_by_what_its_job_takes_or_by_its_timeout(scheduler: AsyncIOScheduler) -> None:
    scheduler.add_job(quick, "interval", days=300, id="usual")
    scheduler.add_job(quick, "interval", days=300, id="new")
    async with scheduler:
        pass
    with_timeout = SchedulerClient()
    with_timeout.add_job(quick, "interval", days=300, id="limited", timeout=100)
    ledger = scheduler.ledger
    beats(ledger)
    for number in range(10):
        run(ledger, "usual", "succeeded", HOUR + number * MINUTE, finished=ticks.now() - HOUR + 20 * SECOND)
    run(ledger, "usual", "running", 15 * MINUTE, tick=None)
    run(ledger, "new", "running", HOUR)
    run(ledger, "limited", "running", 85 * SECOND)
    found = {one["job_id"]: one for one in api(ledger, "overview")["long"]}
    assert set(found) == {"limited"}
    assert found["limited"]["timeout"] == 100
    run(ledger, "usual", "running", HOUR, tick=None)
    found = {one["job_id"]: one for one in api(ledger, "overview")["long"]}
    assert set(found) == {"limited", "usual"}
    assert found["usual"]["timeout"] is None
    assert "Running long" in page(ledger, "/")


async def test_slots_are_those_of_the_processes_that_are_up_and_run_something(ledger: Ledger) -> None:
    run(ledger, "sync_1", "running", SECOND)
    found = api(ledger, "overview")
    assert (found["running"], found["slots"]) == (1, 4)
    change(ledger, "UPDATE scheduler_processes SET role = 'scheduler'")
    assert api(ledger, "overview")["slots"] == 0
    shown = page(ledger, "/")
    assert "pid 4711" in shown
    assert "on shop" in shown


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that waits until the whole day is counted, however busy the machine is."""
    monkeypatch.setattr(overview, "_PATIENCE_SECONDS", 60.0)


@pytest.mark.usefixtures("patient")
async def test_the_last_day_is_counted_by_hours_without_skipped_ticks(ledger: Ledger) -> None:
    begin = ticks.now() // HOUR * HOUR
    for hours, state in (
        (2, "succeeded"),
        (2, "failed"),
        (5, "lost"),
        (5, "interrupted"),
        (5, "skipped"),
        (30, "failed"),
    ):
        at = begin - hours * HOUR + MINUTE
        # Two ticks of a job are never the same.
        run(ledger, "report", state, ticks.now() - at, finished=at, tick=at + len(state) * SECOND)
    hours = api(ledger, "overview")["hours"]
    # Those of the clock, of the first and the last one a part.
    assert len(hours) == 25
    assert [(hour["runs"], hour["failed"]) for hour in hours if hour["runs"]] == [(2, 2), (2, 1)]
    # The list of runs calls the same ones failed.
    assert len(api(ledger, "runs", failed="true", since="1d")["runs"]) == 3
    shown = page(ledger, "/")
    assert "4 runs in the last day, 3 failed" in shown
    assert re.findall(r"<title>from \d\d:00: (\d+ runs?, [12] failed)</title>", shown) == [
        "2 runs, 2 failed",
        "2 runs, 1 failed",
    ]
    assert len(re.findall(r"<title>from \d\d:\d\d: ", shown)) == 25
    assert re.search(r'<td class="n"><a [^>]*>2</a></td><td class="n"><a [^>]*>1</a></td>', shown)


async def test_one_hour_that_takes_long_to_count_is_counted_bit_by_bit(ledger: Ledger) -> None:
    now, hourly = ticks.now() // HOUR * HOUR + 10 * MINUTE, HourlyRuns()
    present = [0.0]

    def later() -> float:
        present[0] += 1.0
        return present[0]

    with connect(ledger) as connection, use(monotonic=later):
        # The hour that goes on takes more statements than there is patience for.
        with statements() as asked:
            assert hourly.read(connection, now, 4.0).hours[-1].runs is None
        assert 0 < len([one for one in asked if "AS failed" in one.sql]) <= 4
        # A server's connection looks at the clock itself.
        counted = [hourly.read(connection, now, 4.0) for _ in range(12)]
        assert counted[-1].hours[-1].runs is not None


# What SQLite and PostgreSQL call a walk through a whole table; partial indexes have few rows.
WHOLE_WALK = r"SCAN (main\.)?(scheduler_)?runs\b|Seq Scan on scheduler_runs"
FEW = "scheduler_runs_(held|waiting|uncounted|cut|cancel|untold)"


def plan(ledger: Ledger, statement: Statement) -> list[str]:
    """Return the steps in which a database would carry out a statement."""
    with connect(ledger) as connection:
        if not connection.is_on_server:
            return statement.plan(connection.plain)
        # With few rows it would rather read them all.
        connection.plain.execute("SET LOCAL enable_seqscan = off")
        return connection.values(f"EXPLAIN {statement.sql}", statement.values)


@pytest.mark.full
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/jobs?state=failing", "/jobs?sort=state", "/jobs?state=late", "/jobs?state=troubled"),
        *("/job?id=report", "/api/v1/troubles", "/api/v1/troubles?job=report"),
    ],
)
async def test_no_page_walks_through_all_runs(ledger: Ledger, path: str) -> None:
    run(ledger, "report", "failed", HOUR)
    run(ledger, "sync_1", "running", HOUR)
    run(ledger, "sync_1", "queued", HOUR - 1)
    with statements() as asked:
        assert look(ledger, path).status_code == 200
    of_runs = [one for one in asked if "scheduler_runs" in one.sql]
    assert of_runs
    for statement in of_runs:
        walks = [step for step in plan(ledger, statement) if re.search(WHOLE_WALK, step)]
        assert [walk for walk in walks if not re.search(FEW, walk)] == [], statement


def shown_ids(page: str) -> list[str]:
    """Return the jobs that a page lists, in its order."""
    return re.findall(r'<th scope="row" class="job"><a class="id" id="job-\d+" href="/job\?id=(\w+)"', page)


@pytest.mark.full
async def test_jobs_are_sorted_and_filtered_in_the_api_and_on_the_page(ledger: Ledger) -> None:
    run(ledger, "sync_10", "failed", HOUR)
    SchedulerClient().pause_job("sync_2")

    def listed(**query: Any) -> list[str]:
        found = [one["id"] for one in api(ledger, "jobs", **query)["jobs"]]
        shown = look(ledger, "/jobs", **query)
        assert shown_ids(shown.text) == found
        return found

    assert listed(sort="id") == ["report", "sync_1", "sync_2", "sync_10"]
    # A list that programs walk through in parts has an order that stays; people see trouble first.
    assert [one["id"] for one in api(ledger, "jobs")["jobs"]] == listed(sort="id")
    assert shown_ids(look(ledger, "/jobs").text) == listed(sort="state")
    assert listed(sort="-id") == ["sync_10", "sync_2", "sync_1", "report"]
    assert listed(sort="state") == ["sync_10", "sync_2", "report", "sync_1"]
    run(ledger, "sync_1", "queued", MINUTE, started=None)
    assert listed(sort="state") == ["sync_10", "sync_1", "sync_2", "report"]
    assert listed(state="late") == ["sync_1"]
    assert listed(sort="next")[-1] == "sync_2"
    assert listed(state="paused") == ["sync_2"]
    assert listed(state="failing") == ["sync_10"]
    assert listed(state="running") == []
    assert listed(q="SYNC", state="paused") == ["sync_2"]
    assert listed(q="by name", sort="-id") == ["sync_10", "sync_2", "sync_1", "report"]
    for wrong in ({"state": "good"}, {"sort": "name"}):
        assert "is none of" in look(ledger, "/jobs", **wrong).text
        assert look(ledger, "/api/v1/jobs", **wrong).status_code == 422


async def test_the_headers_sort_by_links_and_keep_the_filter(ledger: Ledger) -> None:
    shown = unescape(look(ledger, "/jobs", q="sync", sort="id").text)
    assert 'href="/jobs?q=sync&sort=-id"' in shown
    assert 'href="/jobs?q=sync&sort=next"' in shown
    assert 'aria-sort="ascending"' in shown
    assert 'aria-sort="descending"' in look(ledger, "/jobs", sort="-next").text


async def test_links_to_the_list_of_jobs_where_it_was_lead_to_it(ledger: Ledger) -> None:
    for old, new in (("/?q=sync", "/jobs?q=sync"), ("/?number=2", "/jobs?number=2")):
        answer = look(ledger, old)
        assert (answer.status_code, answer.headers["location"]) == (307, new)


def test_without_any_job_the_overview_says_so(tmp_path: Any) -> None:
    with scheduler_settings(tmp_path):
        ledger = AsyncIOScheduler().ledger
        ledger.prepare()
        beats(ledger)
        assert sentence(ledger) == "There are no jobs yet."


def failing_since(ledger: Ledger) -> int:
    """Return how many whole hours ago the one job that fails began to."""
    [failing] = api(ledger, "overview")["failing"]
    return round((ticks.now() - ticks.instant(datetime.fromisoformat(failing["since"]))) / HOUR)


async def test_a_job_fails_since_its_first_failure_whatever_was_tried_again(ledger: Ledger) -> None:
    run(ledger, "report", "succeeded", 6 * HOUR)
    for hours in (5, 4, 3):
        run(ledger, "report", "failed", hours * HOUR)
    assert failing_since(ledger) == 5
    [first, *_] = [row["run_id"] for row in api(ledger, "runs", job="report", state="failed")["runs"]][::-1]
    SchedulerClient().retry_run(first)
    # While its retry waits it is as it was.
    assert failing_since(ledger) == 5
    assert api(ledger, "overview")["failing"][0]["in_a_row"] == 3
    end = "UPDATE scheduler_runs SET state = ?, started_us = ?, finished_us = ? WHERE run_id = ?"
    change(ledger, end, "failed", ticks.now(), ticks.now(), first)
    assert failing_since(ledger) == 5
    # A retry that succeeds is no failure any more.
    SchedulerClient().retry_run(first)
    change(ledger, end, "succeeded", ticks.now(), ticks.now(), first)
    assert failing_since(ledger) == 4
