"""What lists, pages and `doctor` say of single runs and jobs on the day after a bad night."""

from __future__ import annotations

import re
from html import unescape
from unittest.mock import patch

import pytest
from everytick import AsyncIOScheduler
from everytick.api.loading import declared
from everytick.dashboard import overview
from everytick.read import in_the_way
from everytick.store.querying import connect

import dashboards
from bad_night import FULL, MIDNIGHT, NOW, hung, outage
from bad_night import shop as shop
from dashboards import api, page
from histories import HOUR, MINUTE, ask, ask_json, run, write
from ledgers import change


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


def test_a_list_names_the_run_that_was_in_the_way_of_each_skipped_tick(shop: AsyncIOScheduler) -> None:
    hung(shop.ledger)
    hung(shop.ledger, job_id="rates", begin=NOW - HOUR, minutes=30)
    behind = {row["job_id"]: row["run_id"] for row in ask_json(shop, "runs", "--state", "timed_out")}
    skipped = ask_json(shop, "runs", "--reason", "overlap", "-n", "100")
    assert len(skipped) == 17 + 5
    assert all(row["behind"] == [behind[row["job_id"]]] for row in skipped)
    assert all("behind" not in row for row in ask_json(shop, "runs", "--state", "succeeded"))
    listed = ask(shop, "runs", "--reason", "overlap", "--job", "rates")
    assert listed.count(f"behind run {behind['rates']}") == 5
    link = f'the run before it was not over yet: <a href="/run/{behind["rates"]}">run {behind["rates"]}</a>'
    assert page(shop.ledger, "/runs", job="rates", reason="overlap").count(link) == 5
    assert page(shop.ledger, "/job", id="rates").count(link) == 5
    by_api = api(shop.ledger, "runs", job="rates", reason="overlap")["runs"]
    assert [row["behind"] for row in by_api] == [[behind["rates"]]] * 5


def test_one_run_is_looked_for_once_however_many_ticks_it_was_in_the_way_of(shop: AsyncIOScheduler) -> None:
    def asked(minutes: int) -> int:
        with connect(shop.ledger) as connection:
            rows = connection.rows(
                "SELECT * FROM scheduler_runs WHERE reason = 'overlap' ORDER BY run_id DESC"
            )
        with (
            connect(shop.ledger) as connection,
            patch.object(in_the_way, "runs_in_the_way", wraps=in_the_way.runs_in_the_way) as looked,
        ):
            assert len(in_the_way.runs_in_the_way_of(connection, rows[:minutes])) == minutes
        return looked.call_count

    hung(shop.ledger)
    assert asked(17) == asked(2) == 1


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
    outage(shop.ledger)
    shown_page = page(shop.ledger, "/runs", since="24h")
    assert re.search(r"skipped</span> <b>36</b> ticks", shown_page)
    counts = api(shop.ledger, "runs", since="24h")["counts"]
    assert (counts["by_state"]["skipped"], counts["skipped_ticks"]) == (2, 36)
    assert api(shop.ledger, "overview")["last_day"]["skipped"] == 36
    assert "252 runs in the last day, 0 failed, 36 ticks skipped" in page(shop.ledger, "/")


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


def test_the_doctor_names_the_disk_that_it_measured(shop: AsyncIOScheduler) -> None:
    found = {one["check"]: one["what"] for one in ask_json(shop, "doctor")["findings"]}
    assert found["disk"].startswith(f"the disk of the ledger, {shop.ledger.folder}, has ")


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
