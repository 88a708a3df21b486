"""What went wrong last night, by job, and whether it is over: by a command, on the overview, in the API."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.dashboard import api as api_module
from everytick.errors import NotFoundError
from everytick.store.database import Ledger

import dashboards
from bad_night import EVERY_5, FULL, MIDNIGHT, NOW, hung, outage
from bad_night import shop as shop
from dashboards import api, page
from histories import HOUR, MINUTE, SECOND, ask, ask_json, run, write
from ledgers import found_in


def shown(shop: AsyncIOScheduler, *arguments: str) -> list[str]:
    """Return the lines of the command at a terminal of 80 columns."""
    lines = ask(shop, "troubles", *arguments, COLUMNS="80", FORCE_COLOR="1", NO_COLOR="1").splitlines()
    assert all(len(line) <= 80 for line in lines)
    return lines


def section(ledger: Ledger) -> str:
    """Return what the overview says that went wrong; empty if it says nothing."""
    main = page(ledger, "/").partition("Gone wrong in the last day")[2].partition("<h2>The last day")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", main)).split())


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


def test_of_a_job_without_a_good_run_since_it_is_told_why(shop: AsyncIOScheduler) -> None:
    at = NOW - 10 * MINUTE
    retrying = run("backup", at, "retrying", attempt=2, finished_us=None, due_us=NOW + MINUTE)
    failed = run("rates", at, "failed", error="E: no", finished_us=at + 1)
    write(shop.ledger, "scheduler_runs", [retrying, failed | {"job_id": "gone"}])
    (number,) = found_in(shop.ledger, "SELECT run_id FROM scheduler_runs WHERE job_id = 'backup'")
    attempt = {"run_id": number["run_id"], "attempt": 1, "state": "failed", "process_id": "x"}
    write(
        shop.ledger, "scheduler_attempts", [attempt | {"started_us": at, "finished_us": at, "error": "E: no"}]
    )
    lines = shown(shop)
    assert [line for line in lines if line.startswith("retrying   backup: 1 failed 08:50")], lines
    assert [line for line in lines if line.startswith("removed    gone: 1 failed 08:50")], lines
    assert "retrying" in section(shop.ledger)


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
    assert lines[2] == f"           next in 17 h 30 min; run {number}: OSError: [Errno 28] No space left on…"
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


def test_jobs_that_missed_ticks_in_an_outage_alone_are_told_by_theoutage(shop: AsyncIOScheduler) -> None:
    outage(shop.ledger)
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
    outage(shop.ledger, backup=False)
    sentence = api(shop.ledger, "overview")["sentence"]
    assert sentence == "All is well now; no scheduler was running for a while in the last day."
    assert api(shop.ledger, "jobs", state="troubled")["jobs"] == []
    more = "more: python -m app runs --missed --since 2026-11-30T02:05 --until 2026-11-30T05:00"
    assert " ".join(shown(shop)[-2:]) == more


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
    outage(shop.ledger)
    write(shop.ledger, "scheduler_runs", [run("rates", NOW - 10 * MINUTE, "failed", error=FULL)])
    shown_page = page(shop.ledger, "/")
    assert shown_page.count("No scheduler was running") == 1
    assert shown_page.index("No space left on device") < shown_page.index("No scheduler was running")
