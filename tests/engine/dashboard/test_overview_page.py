"""The overview as a page: what its numbers lead to, and what it says of the last day."""

from __future__ import annotations

import re
from html import unescape

import pytest
from everytick import AsyncIOScheduler, SchedulerClient
from everytick.dashboard import overview
from everytick.model import ticks
from everytick.store.database import Ledger
from everytick.system import use

from dashboards import api, look, page
from ledgers import change
from standing import beats, run

SECOND, MINUTE, HOUR = (ticks.SECOND * size for size in (1, 60, 3_600))


async def quick() -> None:
    """Do nothing."""


@pytest.fixture
async def ledger(scheduler: AsyncIOScheduler) -> Ledger:
    """A ledger with four jobs of which nothing is due; a scheduler is up."""
    for job_id in ("sync_1", "sync_2", "sync_10", "report"):
        scheduler.add_job(quick, "interval", days=300, id=job_id)
    async with scheduler:
        pass
    beats(scheduler.ledger)
    return scheduler.ledger


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that waits until the whole day is counted, however busy the machine is."""
    monkeypatch.setattr(overview, "_PATIENCE_SECONDS", 60.0)


def listed_by(ledger: Ledger, links: list[str]) -> list[int]:
    """Return how many runs are in the lists to which links lead, which their pages count."""
    found = []
    for link in links:
        shown = page(ledger, unescape(link))
        counted = re.search(r'aria-current="true">[^<]*(?:<span.*?</span>)? <b>([\d,]+)</b>', shown)
        assert counted, link
        rows = len(re.findall(r'<td class="n run">', shown))
        assert rows == int(counted[1])
        found.append(rows)
    return found


def links_of(shown: str, words: str) -> list[str]:
    """Return where the links lead whose text matches."""
    return re.findall(rf'<a href="([^"]+)"[^>]*>{words}</a>', shown)


@pytest.mark.full
@pytest.mark.usefixtures("patient")
async def test_the_numbers_of_the_last_day_lead_to_the_runs_that_they_count(ledger: Ledger) -> None:
    now = ticks.now() // HOUR * HOUR + 25 * MINUTE
    with use(time_ns=lambda: now * 1_000):
        beats(ledger)
        # Within the last 24 hours and before them, in the hour in which they began.
        for ago, state in (
            (24 * HOUR + MINUTE, "failed"),
            (24 * HOUR - MINUTE, "failed"),
            (23 * HOUR + 30 * MINUTE, "succeeded"),
            (5 * HOUR, "lost"),
            (5 * HOUR, "succeeded"),
            (MINUTE, "interrupted"),
            (MINUTE, "cancelled"),
        ):
            at = now - ago
            run(ledger, "report", state, ago, finished=at, tick=at + len(state) * SECOND)
        run(ledger, "sync_1", "skipped", 5 * HOUR, reason="missed")
        run(ledger, "sync_2", "running", MINUTE)
        run(ledger, "sync_10", "failed", 3 * HOUR)
        (failed,) = api(ledger, "runs", job="sync_10")["runs"]
        # A run that is tried again failed all the same, then.
        SchedulerClient().retry_run(failed["run_id"])
        day = api(ledger, "overview")["last_day"]
        assert (day["runs"], day["failed"]) == (7, 4)
        assert len(api(ledger, "runs", failed="true", since="24h")["runs"]) == 4
        shown = page(ledger, "/")
        assert "7 runs in the last day, 4 failed" in shown
        (runs_of_day, *_hours), (failed_of_day,) = links_of(shown, "7"), links_of(shown, "4 failed")
        assert listed_by(ledger, [runs_of_day, failed_of_day]) == [7, 4]
        table = shown[shown.index('<details id="hours">') :]
        (skips,) = re.findall(r'<a class="skips" href="([^"]+)">1</a>', table)
        assert listed_by(ledger, [skips]) == [1]
        table = re.sub(r'<a class="skips".*?</a>', "", table)
        told = [int(number) for number in re.findall(r">(\d+)</a></td>", table)]
        assert told == [2, 1, 1, 1, 2, 1, 2, 1]
        assert listed_by(ledger, links_of(table, r"\d+")) == told
        # The bars of the chart lead to all that ended in their hour, the skipped ticks too.
        chart = shown[shown.index("<svg viewBox") : shown.index('<details id="hours">')]
        bars = re.findall(r'<a href="([^"]+)" tabindex="-1">', chart)
        assert len([bar for bar in bars if "failed=true" in bar]) == 4
        hour = [len(re.findall(r'<td class="n run">', page(ledger, unescape(bar)))) for bar in bars]
        assert sum(hour) == sum(told) + 1 + 2  # The skipped tick, and the run that goes on and the retry.
        assert "1 tick skipped" in chart


async def test_each_kind_of_trouble_leads_to_the_list_that_shows_just_this(ledger: Ledger) -> None:
    for job_id in ("sync_1", "sync_2"):
        run(ledger, job_id, "failed", HOUR)
    run(ledger, "sync_10", "queued", MINUTE, started=None)
    SchedulerClient().pause_job("report")
    shown = page(ledger, "/")
    (headline,) = re.findall(r"<h1.*?</h1>", shown, re.DOTALL)
    assert links_of(headline, "2 jobs fail") == ["/jobs?state=failing"]
    assert links_of(headline, "1 is late") == ["/jobs?state=late"]
    assert links_of(shown, "1 paused") == ["/jobs?state=paused"]
    for words, number in (("Failing", 2), ("Late", 1), ("Paused", 1)):
        (address,) = links_of(shown, rf'{words}<span class="count"> {number}</span>')
        assert len(re.findall(r'<th scope="row" class="job">', page(ledger, unescape(address)))) == number


async def test_the_error_of_a_job_that_fails_is_told_once(ledger: Ledger) -> None:
    run(ledger, "sync_1", "failed", HOUR)
    shown = page(ledger, "/")
    assert "Gone wrong in the last day" in shown
    assert shown.count("ValueError: no such customer") == 1
    # Of a job that is well again only this list tells it.
    run(ledger, "sync_1", "succeeded", MINUTE)
    assert page(ledger, "/").count("ValueError: no such customer") == 1


async def test_a_run_that_waits_makes_its_job_late_on_all_pages(ledger: Ledger) -> None:
    run(ledger, "sync_10", "queued", MINUTE, started=None)
    assert "1 job is late" in page(ledger, "/")
    for address in ("/jobs", "/job?id=sync_10"):
        assert re.search(r"a run is due since .* and has not begun", page(ledger, address)), address
    assert "1 job is late" in re.sub(r"<[^>]+>", "", page(ledger, "/jobs"))
    assert "is due since" not in page(ledger, "/job?id=sync_1")


async def test_what_waits_and_runs_long_leads_to_the_runs(ledger: Ledger) -> None:
    change(ledger, "UPDATE scheduler_jobs SET queue = 'reports' WHERE job_id = 'report'")
    for number in range(30):
        run(ledger, "report", "queued", MINUTE + number, started=None)
    run(ledger, "sync_1", "claimed", SECOND, started=None)
    run(ledger, "sync_2", "queued", -HOUR, started=None)
    for number in range(10):
        run(ledger, "sync_10", "succeeded", HOUR + number * MINUTE)
    run(ledger, "sync_10", "running", MINUTE)
    shown = page(ledger, "/")
    (all_that_waits,) = links_of(shown, "31")
    (of_queue,) = links_of(shown, "reports")
    (long,) = links_of(shown, 'Running long<span class="count"> 1</span>')
    for address, title, number in (
        (all_that_waits, "Waiting", 31),
        (of_queue, "Waiting", 30),
        (long, "Running long", 1),
    ):
        text = page(ledger, unescape(address))
        assert f'<h1>{title} <span class="none">{number}</span></h1>' in text
        rest = re.search(r"and (\d+) more", text)
        assert len(re.findall(r'<td class="n run">', text)) + int(rest[1] if rest else 0) == number
    assert "sync_2" not in page(ledger, unescape(all_that_waits)).partition("<main")[2]
    assert "Nothing that is due waits." in page(ledger, "/running?only=due&queue=none")
    assert look(ledger, "/running?only=most").status_code == 422


@pytest.mark.usefixtures("patient")
async def test_an_outage_is_one_line_that_leads_to_what_was_missed(ledger: Ledger) -> None:
    now = 1_800_000_000 * SECOND // HOUR * HOUR
    with use(time_ns=lambda: now * 1_000):
        beats(ledger)
        down, back = now - 6 * HOUR, now - 3 * HOUR
        run(ledger, "sync_1", "succeeded", now - down + MINUTE)
        for number in range(14):
            run(
                ledger,
                "report",
                "skipped",
                0,
                tick=down + number * MINUTE,
                reason="outage",
                finished=back + number,
                started=None,
            )
        run(ledger, "sync_1", "skipped", HOUR, reason="missed")
        change(ledger, "UPDATE scheduler_runs SET attempt = 0 WHERE state = 'skipped'")
        shown = page(ledger, "/")
        (line,) = re.findall(r'<p class="notice">.*?</p>', shown)
        ((address, words),) = re.findall(r'<a href="([^"]+)">(.*?)</a>', line)
        assert re.fullmatch(
            r"No scheduler was running from .*02:00:00 to .*05:00:00: 14 ticks missed", words
        ), words
        listed = page(ledger, unescape(address))
        assert len(re.findall(r'<td class="n run">', listed)) == 14
        assert "Skipped: outage" in listed
        (outage,) = api(ledger, "overview")["outages"]
        assert (outage["missed"], outage["jobs"]) == (14, 1)


async def test_while_no_scheduler_is_up_it_says_since_when(ledger: Ledger) -> None:
    beats(ledger, 3 * HOUR)
    shown = re.sub(r"<[^>]+>", "", page(ledger, "/"))
    assert "No scheduler is up, so nothing runs." in shown
    assert re.search(r"Next run\s*\S no scheduler is up", shown)
    assert re.search(r"Runs under way\s*0\s", shown)
    assert "Slots used" not in shown
    assert re.search(r"None has been up since .* \([\w ]+ ago\)\.", shown)
    assert re.search(r"No scheduler is up since .* ago", re.sub(r"<[^>]+>", "", page(ledger, "/jobs")))
    # One that stopped in order leaves no heartbeat.
    run(ledger, "sync_1", "succeeded", 2 * HOUR)
    change(ledger, "DELETE FROM scheduler_processes")
    shown = re.sub(r"<[^>]+>", "", page(ledger, "/"))
    assert re.search(r"The last trace of one is of .* \([\w ]+ ago\)\.", shown)


async def test_the_page_of_a_job_that_fails_says_so_at_its_head(ledger: Ledger) -> None:
    for ago in (3 * HOUR, 2 * HOUR):
        run(ledger, "report", "failed", ago)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page(ledger, "/job?id=report")))
    assert re.search(
        r"Failing since [\d: -]+ \([\w ]+ ago\), 2 times in a row\. The last run failed [\w ]+ ago:"
        r" ValueError: no such customer",
        text,
    )
    run(ledger, "report", "succeeded", HOUR)
    assert "Failing" not in page(ledger, "/job?id=report")
    assert "Failing" not in page(ledger, "/job?id=sync_1")
