"""The runs on pages and in the API: their filters, their counts by state, and what is done with several."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from everytick import AsyncIOScheduler
from everytick.dashboard.application import create_app
from everytick.dashboard.authentication import Authenticator
from everytick.masking import hide
from everytick.model import ticks
from everytick.read import run_counts
from everytick.store.database import Ledger

from histories import MINUTE, SECOND, prepared, run, write
from inside import scheduler_settings
from ledgers import change, found_in

TOKEN, READ_TOKEN = "all-all-all-all-all-all", "read-read-read-read-read"


@pytest.fixture
def begin() -> int:
    """When the first run of the history was due: two days ago."""
    return ticks.now() // MINUTE * MINUTE - 48 * 60 * MINUTE


@pytest.fixture
def ledger(tmp_path: Path, begin: int) -> Any:
    """A ledger with runs of two jobs: some hours old, a few minutes old, and one that is under way."""
    with scheduler_settings(tmp_path):
        scheduler = AsyncIOScheduler()
        for job_id in ("sync_shop", "report"):
            scheduler.add_job(print, "cron", minute="*", id=job_id)
        now = ticks.now()
        rows = [
            run("sync_shop", begin, "failed", error="ConnectTimeout: no answer"),
            run("sync_shop", begin + MINUTE),
            run("report", begin + 2 * MINUTE, "timed_out", error="it took longer than its timeout"),
            run("report", begin + 3 * MINUTE, "skipped", reason="overlap"),
            run("report", now - 5 * MINUTE, started_us=now - 4 * MINUTE, finished_us=now - 3 * MINUTE),
            run("sync_shop", now - MINUTE, "running", finished_us=None),
        ]
        write(prepared(scheduler), "scheduler_runs", rows)
        yield scheduler.ledger


def client(ledger: Ledger, token: str = TOKEN) -> httpx.AsyncClient:
    """Return what asks a dashboard."""
    app = create_app(ledger, Authenticator(TOKEN, READ_TOKEN), frozenset(), 0)
    given = {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here", headers=given)


async def listed(ledger: Ledger, **query: Any) -> dict[str, Any]:
    """Return what the API lists, with the numbers of the runs only."""
    async with client(ledger) as asked:
        answer = await asked.get("/api/v1/runs", params=query)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return {**found, "runs": [row["run_id"] for row in found["runs"]]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"q": "SYNC"}, [6, 2, 1]),
        ({"job": "report"}, [5, 4, 3]),
        ({"state": "failed"}, [1]),
        ({"state": ["failed", "running"]}, [6, 1]),
        ({"failed": "true"}, [3, 1]),
        ({"failed": "true", "q": "rep"}, [3]),
        ({"error": "no answer"}, [1]),
        ({"q": "nothing"}, []),
        ({"since": "1h"}, [6, 5]),
        ({"until": "24h"}, [4, 3, 2, 1]),
        ({"since": "72h", "until": "24h", "failed": "true"}, [3, 1]),
    ],
)
async def test_the_api_lists_runs_by_job_state_and_error(
    ledger: Ledger, query: dict[str, Any], expected: list[int]
) -> None:
    assert (await listed(ledger, **query))["runs"] == expected


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"since": "soon"}, "since: 'soon' is not a date or time such as"),
        ({"since": "1h", "until": "2h"}, "until: must be later than since"),
        ({"state": "good"}, "state: 'good' is none of queued"),
        ({"job": "nowhere"}, "there is no job 'nowhere'"),
    ],
)
async def test_the_api_refuses_a_filter_that_means_nothing(
    ledger: Ledger, query: dict[str, str], sentence: str
) -> None:
    async with client(ledger) as asked:
        answer = await asked.get("/api/v1/runs", params=query)
    assert answer.status_code == (404 if "job" in query else 422)
    assert answer.json()["error"].startswith(sentence)


async def test_the_api_counts_by_state_what_its_other_filters_want(ledger: Ledger) -> None:
    found = await listed(ledger, state="failed", q="sync")
    assert found["counts"] == {
        "by_state": {"failed": 1, "succeeded": 1, "running": 1},
        "skipped_ticks": 0,
        "complete": True,
    }


async def test_the_api_tells_how_late_a_run_began(ledger: Ledger) -> None:
    async with client(ledger) as asked:
        rows = (await asked.get("/api/v1/runs")).json()["runs"]
        one = (await asked.get("/api/v1/runs/5")).json()
    assert [row["late"] for row in rows] == [0, 60, None, 0, 0, 0]
    assert one["late"] == 60


# --- the page


async def page(ledger: Ledger, address: str, token: str = TOKEN) -> str:
    """Return the text of a page, with its elements."""
    async with client(ledger, token) as asked:
        answer = await asked.get(address)
    assert answer.status_code == 200, answer.text
    return answer.text


def runs_on(text: str) -> list[int]:
    """Return the numbers of the runs that a page lists."""
    return [int(number) for number in re.findall(r'class="n run"><a href="/run/(\d+)"', text)]


def tabs_on(text: str) -> dict[str, str]:
    """Return the states to choose from, with how many runs each has."""
    found = re.findall(r"<li><a href=\"[^\"]*\"[^>]*>(.*?)</a></li>", text)
    plain = [re.sub(r"<[^>]+>|[^\w, ]", "", one).split() for one in found]
    return {" ".join(words[:-1]): words[-1] for words in plain}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [6, 5, 4, 3, 2, 1]),
        ("?q=sync", [6, 2, 1]),
        ("?job=report", [5, 4, 3]),
        ("?job=report&state=succeeded", [5]),
        ("?failed=true", [3, 1]),
        ("?ended=true&q=sync", [2, 1]),
        ("?reason=overlap", [4]),
        ("?error=NO+answer", [1]),
        ("?since=3d&until=1d&q=rep", [4, 3]),
    ],
)
async def test_the_page_lists_runs_by_the_same_filters(
    ledger: Ledger, query: str, expected: list[int]
) -> None:
    assert runs_on(await page(ledger, f"/runs{query}")) == expected


async def test_the_page_counts_by_state_beside_the_filters(ledger: Ledger) -> None:
    assert tabs_on(await page(ledger, "/runs")) == {
        "All": "6",
        "Ended": "4",
        "Gone wrong": "2",
        "running": "1",
        "succeeded": "2",
        "failed": "1",
        "timed out": "1",
        "skipped": "1",
    }
    narrowed = await page(ledger, "/runs?q=sync&state=failed")
    assert tabs_on(narrowed) == {
        "All": "3",
        "Ended": "2",
        "Gone wrong": "1",
        "running": "1",
        "succeeded": "1",
        "failed": "1",
    }
    assert re.search(r'href="/runs\?q=sync&amp;state=failed" aria-current="true"', narrowed)
    assert re.search(r'href="/runs\?q=sync"', narrowed)


async def test_counts_beyond_the_bound_say_among_how_many(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_counts, "COUNTED", 2)
    assert "Counted among the newest" in await page(ledger, "/runs")


@pytest.mark.parametrize(
    "query", ["q=nowhere", "job=nowhere", "error=nowhere", "state=nowhere", "since=soon", "until=nowhen"]
)
async def test_an_unknown_filter_is_an_empty_list(ledger: Ledger, query: str) -> None:
    text = await page(ledger, f"/runs?{query}")
    assert runs_on(text) == []
    assert ("No run is like that" in text) != ('role="alert"' in text)
    field, _, value = query.partition("=")
    is_time = field in ("since", "until")
    assert bool(re.search(rf'name="{field}" value="{value}"[^>]* aria-invalid="true"', text)) == is_time


async def test_a_list_that_goes_on_keeps_its_filters(ledger: Ledger, begin: int) -> None:
    write(
        ledger,
        "scheduler_runs",
        [run("report", begin + (10 + number) * MINUTE, "failed", error="no") for number in range(40)],
    )
    first = await page(ledger, "/runs?q=rep&failed=true&error=no")
    older = re.search(r'<a href="([^"]*)" rel="next"', first)
    assert older is not None
    rest = await page(ledger, older[1].replace("&amp;", "&"))
    assert runs_on(first) + runs_on(rest) == list(range(46, 6, -1))


async def test_lateness_and_duration_have_columns(ledger: Ledger) -> None:
    text = await page(ledger, "/runs?state=succeeded&q=report")
    assert '<td class="n late very">1 min</td>' in text
    assert '<td class="n took">1 min</td>' in text


async def test_several_runs_are_retried_and_cancelled_without_a_script(ledger: Ledger) -> None:
    text = await page(ledger, "/runs")
    # What succeeded, and what was skipped, is neither retried nor cancelled.
    assert re.findall(r'form="selected" name="run_id" value="(\d+)"', text) == ["6", "3", "1"]
    form = re.search(r'<form id="selected".*?</form>', text, re.DOTALL)
    assert form is not None
    assert 'method="post" action="/do/retry"' in form[0]
    assert 'formaction="/do/cancel"' in form[0]
    assert "disabled" not in form[0]
    # A button is for those that are in a state for it.
    text = await page(ledger, "/runs?state=failed")
    assert 'data-can="retry"' in text
    assert re.search(r'<button id="cancel-selected"[^>]* disabled>', text)
    assert re.search(r'<button id="retry-selected"[^>]*"Retry|/do/retry">Retry', text)
    async with client(ledger) as asked:
        done = await asked.post("/do/retry", data={"run_id": ["3", "1"]})
        assert done.status_code == 200
        assert "<html" in done.text
        assert '<a href="/run/3">3</a>' in done.text
        await asked.post("/do/cancel", data={"run_id": ["3", "6"]})
    states = found_in(ledger, "SELECT run_id, state, cancel_us FROM scheduler_runs ORDER BY run_id")
    assert [row["state"] for row in states] == [
        "queued",
        "succeeded",
        # As it was before it was tried again.
        "timed_out",
        "skipped",
        "succeeded",
        "running",
    ]
    assert states[5]["cancel_us"] is not None
    # It cannot be asked to end once more.
    assert "/do/cancel" not in await page(ledger, "/run/6")
    assert 'id="pick-6"' not in await page(ledger, "/runs")


async def test_who_may_only_read_selects_nothing(ledger: Ledger) -> None:
    text = await page(ledger, "/runs", READ_TOKEN)
    assert "checkbox" not in text
    assert "/do/" not in text


# --- a run


async def test_a_run_leads_to_its_job_and_to_the_runs_beside_it(ledger: Ledger) -> None:
    text = await page(ledger, "/run/2")
    assert 'href="/job?id=sync_shop"' in text
    assert re.search(r'rel="prev" href="/run/1"', text)
    assert re.search(r'rel="next" href="/run/6"', text)
    assert 'rel="next"' not in await page(ledger, "/run/6")
    assert 'rel="prev"' not in await page(ledger, "/run/3")


@pytest.mark.parametrize("address", ["/jobs?state=bogus", "/jobs?sort=bogus", "/runs?state=bogus"])
async def test_a_filter_that_means_nothing_is_an_empty_list_with_a_sentence(
    ledger: Ledger, address: str
) -> None:
    async with client(ledger) as asked:
        answer = await asked.get(address)
        assert answer.status_code == 200
        assert "&#39;bogus&#39; is none of" in answer.text
        assert 'class="list jobs"' not in answer.text
        assert (await asked.get(f"/api/v1{address}")).status_code == 422


async def test_attempts_that_ended_alike_are_shown_once_and_others_side_by_side(ledger: Ledger) -> None:
    write(
        ledger,
        "scheduler_attempts",
        [
            {
                "run_id": 1,
                "attempt": number,
                "state": "failed",
                "process_id": "x",
                "started_us": number,
                "finished_us": number + SECOND,
                "error": "ConnectTimeout: no answer",
            }
            for number in (1, 2)
        ],
    )
    change(ledger, "UPDATE scheduler_runs SET attempt = 3 WHERE run_id = 1")
    assert (await page(ledger, "/run/1")).count('<article class="attempt">') == 1
    change(ledger, "UPDATE scheduler_runs SET error = 'another' WHERE run_id = 1")
    text = await page(ledger, "/run/1")
    assert text.count('<article class="attempt">') == 2
    assert text.index("Attempt 3") < text.index("Attempts 1 to 2")


async def test_the_log_of_a_run_that_goes_on_is_on_its_page(ledger: Ledger) -> None:
    assert "Nothing logged so far." in await page(ledger, "/run/6")
    write(ledger, "scheduler_logs", [{"run_id": 6, "attempt": 1, "text": "half of it <b>\n"}])
    text = await page(ledger, "/run/6")
    assert re.search(r"<pre [^>]*data-follow>half of it &lt;b&gt;\n</pre>", text)


@pytest.mark.parametrize("address", ["/runs", "/running", "/run/6", "/run/1"])
async def test_pages_about_runs_name_processes_as_people_know_them(ledger: Ledger, address: str) -> None:
    async with client(ledger) as asked:
        text = (await asked.get(address)).text
    main = re.sub(r"<[^>]+>", " ", text[text.index("<main") :])
    assert not re.search(r"\b[Ll]ease\b|somebody", main), main


async def test_a_secret_at_the_place_where_a_list_cuts_an_error_is_masked_as_a_whole(ledger: Ledger) -> None:
    secret = "sesame-open-the-door"
    hide(secret)
    rows = [
        run("report", None, "failed", due_us=1, error=f"{'x' * (400 - length)}{secret}")
        for length in (3, 9, 20)
    ]
    write(ledger, "scheduler_runs", rows)
    async with client(ledger) as asked:
        answer = await asked.get("/api/v1/runs", params={"limit": 3})
        text = answer.text + await page(ledger, "/runs")
    assert "sesam" not in text
    assert "xses" not in text
    assert {len(found["error"]) for found in answer.json()["runs"]} == {385, 396, 400}
