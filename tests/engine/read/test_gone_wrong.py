"""What went wrong last night, by job, and whether it is over: by a command, on the overview, in the API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick import app as which
from everytick.api.loading import declared
from everytick.dashboard import api as api_module
from everytick.dashboard import overview
from everytick.errors import NotFoundError
from everytick.store.database import Ledger
from everytick.system import use

import dashboards
from dashboards import api, page
from histories import HOUR, MINUTE, SECOND, ask, ask_json, prepared, run, write
from ledgers import change
from standing import beats

NOW = int(datetime(2026, 11, 30, 9, 0, tzinfo=UTC).timestamp()) * SECOND
MIDNIGHT = NOW - 9 * HOUR
FULL = "OSError: [Errno 28] No space left on device: '/backup/shop-2026-11-30.sql'"
EVERY_5 = range(NOW - 24 * HOUR + 5 * MINUTE, NOW, 5 * MINUTE)


def task() -> None:
    """The body of all jobs."""


@pytest.fixture
def shop(scheduler: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsyncIOScheduler]:
    """A shop in the morning: a scheduler is up, and nothing went wrong so far."""
    monkeypatch.setattr(which.current(), "command", "python -m app")
    monkeypatch.setenv("TERM", "xterm")
    with use(time_ns=lambda: NOW * 1_000):
        scheduler.add_job(task, "interval", minutes=5, timezone="UTC", id="sync_stock")
        scheduler.add_job(task, "cron", hour=2, minute=30, timezone="UTC", id="backup")
        scheduler.add_job(task, "cron", minute=10, timezone="UTC", id="rates")
        ledger = prepared(scheduler)
        # All ticks so far are accounted for.
        change(ledger, "UPDATE scheduler_jobs SET watermark_us = ?", NOW)
        beats(ledger)
        yield scheduler


def shown(shop: AsyncIOScheduler, *arguments: str) -> list[str]:
    """Return the lines of the command at a terminal of 80 columns."""
    lines = ask(shop, "troubles", *arguments, COLUMNS="80", FORCE_COLOR="1", NO_COLOR="1").splitlines()
    assert all(len(line) <= 80 for line in lines)
    return lines


def section(ledger: Ledger) -> str:
    """Return what the overview says that went wrong; empty if it says nothing."""
    main = page(ledger, "/").partition("Gone wrong in the last day")[2].partition("<h2>The last day")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


def hung(ledger: Ledger, begin: int = MIDNIGHT + 30 * MINUTE, minutes: int = 90) -> None:
    """Let a run of the stock have gone on for that time, which ended by its timeout; others were skipped."""
    end, rows = begin + minutes * MINUTE, []
    for tick in EVERY_5:
        if tick == begin:
            late = {"finished_us": end, "error": "it took longer than its timeout", "claimed_us": begin}
            rows.append(run("sync_stock", tick, "timed_out", **late))
        elif begin < tick < end:
            rows.append(run("sync_stock", tick, "skipped", reason="overlap", claimed_us=None))
        else:
            rows.append(run("sync_stock", tick, claimed_us=tick, finished_us=tick + 4 * SECOND))
    write(ledger, "scheduler_runs", [{"claimed_us": None, **row} for row in rows])


def test_where_nothing_went_wrong_that_is_said(shop: AsyncIOScheduler) -> None:
    write(shop.ledger, "scheduler_runs", [run("sync_stock", tick) for tick in EVERY_5])
    assert shown(shop) == ["nothing went wrong since 2026-11-29 09:00 UTC"]
    assert shown(shop, "--since", "18:00") == ["nothing went wrong since 2026-11-29 18:00 UTC"]
    found = ask_json(shop, "troubles")
    assert (found["jobs"], found["total"], found["complete"], found["scheduler"]) == ([], 0, True, "up")
    assert section(shop.ledger) == ""
    assert api(shop.ledger, "overview")["sentence"] == "All is well: 3 jobs."


def test_a_run_that_hung_is_named_with_the_ticks_behind_it_and_that_it_is_over(
    shop: AsyncIOScheduler,
) -> None:
    hung(shop.ledger)
    (number,) = (row["run_id"] for row in ask_json(shop, "runs", "--failed"))
    assert shown(shop, "--since", "18:00") == [
        "since 2026-11-29 18:00, times in UTC: 1 job had trouble",
        "over       sync_stock since 02:00: 1 timed out 02:00, 17 skipped 00:35 to 01:55",
        f"           behind run {number}: 1 h 30 min, usually 4 s; 84 succeeded since",
        f"more: python -m app show {number}, python -m app why sync_stock --run {number}",
    ]
    told = api(shop.ledger, "overview")
    assert told["sentence"] == "All is well now; 1 job had trouble in the last day."
    assert (told["well"], told["troubles"]) == (True, ask_json(shop, "troubles")["jobs"])
    assert section(shop.ledger).startswith(
        f"1 Job Now What went wrong More sync_stock run {number} over since 02:00"
        f" 1 timed out 02:00, 17 skipped 00:35 to 01:55 behind run {number}"
    )
    assert [one["id"] for one in api(shop.ledger, "jobs", state="troubled")["jobs"]] == ["sync_stock"]


def test_the_runs_that_went_wrong_are_listed_behind_the_words_of_the_page(shop: AsyncIOScheduler) -> None:
    hung(shop.ledger)
    (address,) = re.findall(r'<a href="([^"]+)">1 timed out 02:00', page(shop.ledger, "/"))
    listed = page(shop.ledger, unescape(address))
    assert len(re.findall(r'<td class="n run">', listed)) == 18


def test_what_goes_on_comes_first_then_what_is_the_newest(shop: AsyncIOScheduler) -> None:
    hung(shop.ledger)
    night = MIDNIGHT + 150 * MINUTE
    failed = {"error": FULL, "finished_us": night + MINUTE}
    write(shop.ledger, "scheduler_runs", [run("backup", night, "failed", **failed)])
    rates = [run("rates", NOW - 70 * MINUTE, "failed"), run("rates", NOW - 10 * MINUTE)]
    write(shop.ledger, "scheduler_runs", rates)
    found = ask_json(shop, "troubles")["jobs"]
    assert [(one["job_id"], one["still"]) for one in found] == [
        ("backup", "failing"),
        ("rates", None),
        ("sync_stock", None),
    ]
    backup = found[0]
    assert backup["last_failure"]["error"] == FULL
    assert backup["still_since"] == "2026-11-30T02:31:00+00:00"
    assert backup["next_tick"] == "2026-12-01T02:30:00+00:00"
    lines = shown(shop)
    assert lines[0] == "since 2026-11-29 09:00, times in UTC: 3 jobs had trouble, 1 still"
    assert lines[1] == "failing    backup since 02:31: 1 failed 02:31"
    number = backup["last_failure"]["run_id"]
    assert (
        lines[2] == f"           next in 17 h 30 min; run {number}: OSError: [Errno 28] No space left on d…"
    )
    assert api(shop.ledger, "overview")["sentence"] == "1 job fails."


def test_a_job_that_fails_since_before_that_time_is_told_all_the_same(shop: AsyncIOScheduler) -> None:
    long_ago = NOW - 78 * HOUR - 30 * MINUTE
    write(shop.ledger, "scheduler_runs", [run("backup", long_ago, "failed", error=FULL)])
    (found,) = ask_json(shop, "troubles", "--since", "2h")["jobs"]
    assert (found["job_id"], found["still"], found["counts"]) == ("backup", "failing", [])
    assert shown(shop)[1] == "failing    backup since 2026-11-27 02:30"


def test_a_run_that_still_is_in_the_way_goes_on(shop: AsyncIOScheduler) -> None:
    begin = NOW - HOUR
    rows = [run("sync_stock", tick, finished_us=tick + 4 * SECOND) for tick in EVERY_5 if tick < begin]
    goes_on = {"finished_us": None, "claimed_us": begin, "process_id": "p"}
    skipped = [run("sync_stock", tick, "skipped", reason="overlap") for tick in EVERY_5 if begin < tick < NOW]
    write(shop.ledger, "scheduler_runs", rows)
    write(shop.ledger, "scheduler_runs", [run("sync_stock", begin, "running", **goes_on)])
    write(shop.ledger, "scheduler_runs", skipped)
    (found,) = ask_json(shop, "troubles", "--since", "2h")["jobs"]
    assert (found["still"], found["in_the_way"]["goes_on"]) == ("long", True)
    assert found["in_the_way"]["took"] == 3600
    assert found["long_run"] == found["in_the_way"]["run_id"]
    assert shown(shop)[1] == "long       sync_stock since 08:00: 11 skipped 08:05 to 08:55"


def test_jobs_that_missed_ticks_in_an_outage_alone_are_told_by_the_outage(shop: AsyncIOScheduler) -> None:
    _outage(shop.ledger)
    lines = shown(shop)
    assert lines == [
        "since 2026-11-29 09:00, times in UTC: 1 job had trouble, 1 still",
        "missed     backup since 02:30: 1 missed (outage) 02:30",
        "           no scheduler was up; next in 17 h 30 min",
        "outage     no scheduler was running from 02:05:00 to 05:00:00: 36 ticks missed",
        "over       1 other job missed ticks in an outage, ran since",
        "more: python -m app why backup",
    ]
    # Who asks about that job is told.
    assert shown(shop, "sync_*")[1] == "over       sync_stock since 05:00: 35 missed (outage) 02:05 to 04:55"
    assert any("outage " in line for line in shown(shop, "sync_*"))
    assert not any("outage " in line for line in shown(shop, "rates"))


def test_an_outage_that_cost_no_job_more_than_ticks_is_no_trouble_of_a_job(shop: AsyncIOScheduler) -> None:
    _outage(shop.ledger, backup=False)
    sentence = api(shop.ledger, "overview")["sentence"]
    assert sentence == "All is well now; no scheduler was running for a while in the last day."
    assert api(shop.ledger, "jobs", state="troubled")["jobs"] == []
    more = "more: python -m app runs --missed --since 2026-11-30T02:05 --until 2026-11-30T05:00"
    assert " ".join(shown(shop)[-2:]) == more


def _outage(ledger: Ledger, *, backup: bool = True) -> None:
    """Let no scheduler have been up from two to five; the job of the night has not run since."""
    begin, end = MIDNIGHT + 2 * HOUR, MIDNIGHT + 5 * HOUR
    missed = {"reason": "outage", "finished_us": end}
    first = begin + 5 * MINUTE
    stock = {"last_tick_us": end - 5 * MINUTE, "tick_count": 35}
    write(
        ledger,
        "scheduler_runs",
        [
            *(
                run("sync_stock", tick, finished_us=tick + 4 * SECOND)
                for tick in EVERY_5
                if not begin < tick < end
            ),
            run("sync_stock", first, "skipped", **missed, **stock),
            *([run("backup", begin + 30 * MINUTE, "skipped", **missed)] if backup else []),
        ],
    )


def test_a_run_that_failed_and_was_tried_again_went_wrong(shop: AsyncIOScheduler) -> None:
    write(shop.ledger, "scheduler_runs", [run("backup", MIDNIGHT + 150 * MINUTE, "failed", error=FULL)])
    (failed,) = ask_json(shop, "runs", "--failed")
    SchedulerClient().retry_run(failed["run_id"])
    (found,) = ask_json(shop, "troubles")["jobs"]
    assert [(one["kind"], one["number"]) for one in found["counts"]] == [("failed", 1)]


def test_the_api_says_the_same_and_refuses_what_there_is_not(shop: AsyncIOScheduler) -> None:
    hung(shop.ledger)
    asked: dict[str, Any] = {"since": "2026-11-29T18:00", "job": "sync_*"}
    assert api(shop.ledger, "troubles", **asked) == ask_json(shop, "troubles", "--since", "18:00", "sync_*")
    with pytest.raises(NotFoundError, match="there is no job 'sync'"):
        ask(shop, "troubles", "sync")
    assert "there is no job 'sync'" in dashboards.refused(shop.ledger, "troubles", job="sync")
    assert dashboards.look(shop.ledger, "/api/v1/troubles", since="2030-01-01").status_code == 422


def test_of_very_many_outcomes_the_newest_are_looked_at_and_that_is_said(
    shop: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung(shop.ledger)
    monkeypatch.setattr(api_module, "LOOKED_AT", 90)
    found = api(shop.ledger, "troubles")
    assert found["complete"] is False
    assert "2026-11-30T00:35:00+00:00" < found["since"] < "2026-11-30T02:00:00+00:00"
    (count,) = [one for one in found["jobs"][0]["counts"] if one["kind"] == "overlap"]
    assert 0 < count["number"] < 17
    # A person at the terminal waits for all of them.
    assert ask_json(shop, "troubles")["complete"] is True


def test_an_outage_stands_behind_what_fails_on_the_overview(shop: AsyncIOScheduler) -> None:
    _outage(shop.ledger)
    write(shop.ledger, "scheduler_runs", [run("rates", NOW - 10 * MINUTE, "failed", error=FULL)])
    shown_page = page(shop.ledger, "/")
    assert shown_page.count("No scheduler was running") == 1
    assert shown_page.index("No space left on device") < shown_page.index("No scheduler was running")


def test_the_doctor_finds_a_run_that_hung_last_night_and_says_where_its_traceback_is(
    shop: AsyncIOScheduler,
) -> None:
    hung(shop.ledger)
    night = MIDNIGHT + 150 * MINUTE
    failed = run("backup", night, "failed", error=FULL)
    write(shop.ledger, "scheduler_runs", [failed])
    (hung_run,) = ask_json(shop, "runs", "--state", "timed_out")
    (failed_run,) = ask_json(shop, "runs", "--state", "failed")
    found = {one["check"]: one for one in ask_json(shop, "doctor")["findings"]}
    assert found["hung"]["what"] == (
        "job sync_stock within a day: 1 timed out 02:00, 17 skipped 00:35 to 01:55"
        f" (behind run {hung_run['run_id']}: 1 h 30 min, usually 4 s; 84 succeeded since); over since 02:00"
    )
    assert found["hung"]["right"] == f"python -m app show {hung_run['run_id']}"
    assert found["failures"]["right"] == f"python -m app show {failed_run['run_id']}"
    levels = [line.split()[0] for line in ask(shop, "doctor").splitlines() if not line.startswith(" ")]
    order = ["ok", "error", "warning", "note"]
    ranks = [order.index(level) for level in levels if level in order]
    assert ranks == sorted(ranks)


def test_the_doctor_names_the_disk_that_it_measured(shop: AsyncIOScheduler) -> None:
    found = {one["check"]: one["what"] for one in ask_json(shop, "doctor")["findings"]}
    assert found["disk"].startswith(f"the disk of the ledger, {shop.ledger.folder}, has ")


def test_the_list_of_jobs_marks_what_its_last_outcomes_do_not_show_any_more(shop: AsyncIOScheduler) -> None:
    hung(shop.ledger)
    night = MIDNIGHT + 150 * MINUTE
    write(shop.ledger, "scheduler_runs", [run("backup", night, "failed", error=FULL)])
    width = {"COLUMNS": "80", "FORCE_COLOR": "1", "NO_COLOR": "1"}
    lines = ask(shop, "jobs", **width).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert re.search(r"sync_stock .* ✓{10}  1 timed out  every 5 minutes", "\n".join(lines))
    # Of that job the failure is the last outcome.
    assert re.search(r"backup .* ✗ {10,}at 02:30 every day", "\n".join(lines))
    assert "last day" not in ask(shop, "jobs", "backup", **width)
    shown_page = page(shop.ledger, "/jobs")
    (address,) = re.findall(r'<a class="tag odd" href="([^"]+)">1 timed out in the last day</a>', shown_page)
    assert len(re.findall(r'<td class="n run">', page(shop.ledger, unescape(address)))) == 18


def read(path: str, shop: AsyncIOScheduler) -> str:
    """Return what somebody reads on a page, where the code is loaded that declares the jobs."""
    ledger = shop.ledger
    dashboards._app(ledger).state.declared = lambda: declared(shop)
    main = page(ledger, path).partition("<main")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


def test_a_run_that_was_in_the_way_says_what_it_cost_and_the_skipped_ticks_name_it(
    shop: AsyncIOScheduler,
) -> None:
    hung(shop.ledger)
    (hung_run,) = ask_json(shop, "runs", "--state", "timed_out")
    skipped = ask_json(shop, "runs", "--reason", "overlap")[0]
    number = hung_run["run_id"]
    assert "overlap   17 ticks skipped because of it" in ask(shop, "show", str(number))
    assert ask_json(shop, "show", str(number))["ticks_behind"] == 17
    assert "17 ticks of the job were skipped because of it." in ask(
        shop, "why", "sync_stock", "--run", str(number)
    )
    assert "Skipped because of it 17 ticks" in read(f"/run/{number}", shop)
    assert f"behind    run {number}, which was under way" in ask(shop, "show", str(skipped["run_id"]))
    assert ask_json(shop, "show", str(skipped["run_id"]))["behind"] == [number]
    assert f'<b>Behind</b> <a href="/run/{number}">run {number}</a>' in page(
        shop.ledger, f"/run/{skipped['run_id']}"
    )


def test_a_failing_run_names_the_last_good_one_its_retries_and_the_next_tick(shop: AsyncIOScheduler) -> None:
    night = MIDNIGHT + 150 * MINUTE
    before = run("backup", night - 24 * HOUR)
    write(shop.ledger, "scheduler_runs", [before, run("backup", night, "failed", error=FULL)])
    bad, good = ask_json(shop, "runs", "--job", "backup")
    sentences = [
        f"The last run before it that succeeded is run {good['run_id']}, which ended at"
        " 2026-11-29 02:30:01 UTC.",
        "The next tick is at 2026-12-01 02:30:00 UTC.",
        "The job has retries=0: it is not tried again.",
    ]
    told = read(f"/run/{bad['run_id']}", shop)
    explained = " ".join(ask(shop, "why", "backup", "--run", str(bad["run_id"])).split())
    for sentence in sentences:
        assert sentence in told
        assert sentence in explained
    assert f"Last good run {good['run_id']} 2026-11-29 02:30:01" in told
    assert f"good run  {good['run_id']}, the last one, ended 2026-11-29 02:30:01 UTC" in ask(
        shop, "show", "backup"
    )
    assert ask_json(shop, "show", "backup")["last_success"]["run_id"] == good["run_id"]


def test_a_date_and_an_outcome_that_all_rows_have_stand_once_above_them(shop: AsyncIOScheduler) -> None:
    night = NOW - 18 * HOUR
    rows = [run("rates", night + n * HOUR, "failed", error=FULL) for n in range(3)]
    write(shop.ledger, "scheduler_runs", rows)
    lines = ask(shop, "runs", "--failed", COLUMNS="80", FORCE_COLOR="1", NO_COLOR="1").splitlines()
    assert lines[0] == "3 runs, newest first, all failed, of 2026-11-29, times in UTC"
    assert lines[1].split() == ["run", "job", "tick", "seconds", "error"]
    assert lines[3].split()[2:4] == ["17:00:00", "1.000"]
    assert FULL[:40] in lines[3]


def test_an_empty_list_of_runs_is_none(shop: AsyncIOScheduler) -> None:
    assert ask(shop, "runs", "--missed").splitlines() == ["none"]


@pytest.mark.full
def test_a_length_of_time_is_not_bent_within_it(shop: AsyncIOScheduler) -> None:
    hung(shop.ledger)
    for width in range(40, 100):
        told = ask(shop, "doctor", COLUMNS=str(width), FORCE_COLOR="1", NO_COLOR="1")
        if "hung:" in told:
            assert re.search(r"1 h 30 min", told), width


def test_the_addresses_that_people_guess_lead_to_the_run_and_the_job(shop: AsyncIOScheduler) -> None:
    hung(shop.ledger)
    for guessed, real in (("/runs/3", "/run/3"), ("/jobs/sync_stock", "/job?id=sync_stock")):
        answer = dashboards.look(shop.ledger, guessed)
        assert (answer.status_code, answer.headers["location"]) == (307, real)
    assert dashboards.look(shop.ledger, "/runs/none").status_code == 404


def test_the_fields_of_a_filter_by_time_show_the_whole_time(shop: AsyncIOScheduler) -> None:
    shown_page = page(shop.ledger, "/runs", since="2026-11-29T18:00:00+00:00")
    assert re.search(r'name="since" value="2026-11-29T18:00:00\+00:00"[^>]* size="25"', shown_page)
    assert re.search(r'name="until" value=""[^>]* size="13"', shown_page)


def test_a_schedule_that_changed_is_told_in_words(shop: AsyncIOScheduler) -> None:
    moments = (NOW - 48 * HOUR, NOW - HOUR)
    change(shop.ledger, "UPDATE scheduler_jobs SET registered_us = ?, changed_us = ?", *moments)
    told = " ".join(ask(shop, "why", "sync_stock", "2026-11-29T18:00").split())
    assert "became what it is (every 5 minutes), at 2026-11-30 08:00:00 UTC" in told


def test_ticks_are_counted_and_not_the_rows_that_stand_for_them(
    shop: AsyncIOScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A page waits until the whole day is counted, however busy the machine is.
    monkeypatch.setattr(overview, "_PATIENCE_SECONDS", 60.0)
    _outage(shop.ledger)
    shown_page = page(shop.ledger, "/runs", since="24h")
    assert re.search(r"skipped</span> <b>36</b> ticks", shown_page)
    counts = api(shop.ledger, "runs", since="24h")["counts"]
    assert (counts["by_state"]["skipped"], counts["skipped_ticks"]) == (2, 36)
    assert api(shop.ledger, "overview")["last_day"]["skipped"] == 36
    assert "252 runs in the last day, 0 failed, 36 ticks skipped" in page(shop.ledger, "/")
