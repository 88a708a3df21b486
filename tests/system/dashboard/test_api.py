"""The API: what it shows, what it does, who it says did it, and what it answers to nonsense."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from everytick.read.run_pages import SEARCHED

from dashboard.world import HOSTILE, JOBS, Site, described

pytestmark = pytest.mark.full


def get(client: httpx.Client, path: str, **query: Any) -> Any:
    """Return what a GET gives."""
    answer = client.get(f"/api/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(client: httpx.Client, path: str, **body: Any) -> Any:
    """Return what a POST gives."""
    answer = client.post(f"/api/v1/{path}", json=body)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


def test_jobs_are_shown_with_what_became_of_them(site: Site) -> None:
    with site.client() as client:
        run = post(client, "jobs/sweep/run-now")["run_id"]
        site.becomes(run, "succeeded")
        found = get(client, "jobs")
        assert found["total"] == len(JOBS)
        assert [job["id"] for job in found["jobs"]] == sorted(JOBS)
        shown = {job["id"]: job for job in site.app.json("jobs")}
        for job in found["jobs"]:
            at_the_terminal = shown[job["id"]]
            assert set(job) >= set(at_the_terminal)
            # What only the code says is not in the ledger; the others may be due between two looks.
            unlike = {"max_instances", "declared_at", "next_run"}
            if job["id"] != HOSTILE:
                same = {name for name in at_the_terminal if job[name] == at_the_terminal[name]}
                assert set(at_the_terminal) - same <= unlike
        sweep = next(job for job in found["jobs"] if job["id"] == "sweep")
        assert sweep["name"] == "Sweep the floor"
        assert sweep["last_state"] == "succeeded"
        assert sweep["recent"][0] == {"run_id": run, "state": "succeeded"}
        assert 0 <= sweep["p50"] <= sweep["p95"] < 10
        assert [job["id"] for job in get(client, "jobs", q="SWEEP THE")["jobs"]] == ["sweep"]
        assert get(client, "jobs", q="%")["total"] == 0
        assert [job["id"] for job in get(client, "jobs", limit=2, offset=1)["jobs"]] == sorted(JOBS)[1:3]
        detail = get(client, f"jobs/{quote(HOSTILE, safe='')}")
        assert detail["name"] == HOSTILE
        assert len(detail["next_fires"]) == 10


def test_every_action_is_on_record_with_who_when_and_what(site: Site) -> None:
    with site.client(**{"X-Scheduler-Who": "Nightly\tbot"}) as client:
        who = 'api: "Nightly bot" (127.0.0.1)'
        before = len(site.audit())
        begun = post(client, "jobs/export/run-now", note="for the auditors")["run_id"]
        site.becomes(begun, "running")
        assert post(client, "jobs/export/pause", note="moving house", until="2099-01-01T00:00Z")["changed"]
        shown = get(client, "jobs/export")
        assert (shown["paused"], shown["pause_note"], shown["paused_until"], shown["next_run"]) == (
            True,
            "moving house",
            "2099-01-01T00:00:00+00:00",
            None,
        )
        assert shown["resume_preview"]["skipped_ticks"] == 0
        assert post(client, "jobs/export/resume")["changed"]
        assert not post(client, "jobs/export/resume")["changed"]
        assert not post(client, f"runs/{begun}/cancel", note="enough")["over"]
        site.becomes(begun, "cancelled")
        assert post(client, f"runs/{begun}/retry")["run_id"] == begun
        site.becomes(begun, "running")
        post(client, f"runs/{begun}/cancel")
        site.becomes(begun, "cancelled")
        entries = get(client, "audit", limit=100)["entries"][::-1][before:]
    acts = [(entry["action"], entry["job_id"], entry["run_id"], entry["note"]) for entry in entries]
    assert acts == [
        ("run now", "export", begun, "for the auditors"),
        ("pause", "export", None, "until 2099-01-01 00:00:00 UTC: moving house"),
        ("resume", "export", None, None),
        ("cancel", "export", begun, "enough"),
        ("retry", "export", begun, None),
        ("cancel", "export", begun, None),
    ]
    assert {entry["who"] for entry in entries} == {who}
    assert all(entry["at"].endswith("+00:00") for entry in entries)


def test_a_run_may_stand_in_for_a_tick_but_only_for_a_real_one(site: Site) -> None:
    with site.client() as client:
        coming = datetime.fromisoformat(get(client, "jobs/sweep")["next_fires"][0]["tick"])
        tick = (coming - timedelta(hours=5)).isoformat()
        run = post(client, "jobs/sweep/run-now", tick=tick)["run_id"]
        assert get(client, f"runs/{run}")["for_tick"] == tick
        answer = client.post("/api/v1/jobs/sweep/run-now", json={"tick": "2026-01-01T00:00:01"})
        assert answer.status_code == 422
        assert "is no tick of the job 'sweep'" in described(answer)
        answer = client.post("/api/v1/jobs/sweep/run-now", json={"tick": coming.isoformat()})
        assert answer.status_code == 422
        assert "is still to come" in described(answer)


def test_a_failed_run_is_shown_with_its_error_traceback_and_log(site: Site) -> None:
    with site.client() as client:
        run = post(client, "jobs/import/run-now")["run_id"]
        site.becomes(run, "failed")
        shown = get(client, f"runs/{run}")
        (attempt,) = shown["attempts"]
        assert attempt["error"] == shown["error"] == "ValueError: <script>document.title='taken'</script>"
        assert "Traceback" in attempt["traceback"]
        assert {**shown, **site.app.json("show", str(run))} == shown
        assert [entry["action"] for entry in shown["asked"]] == ["run now"]
        [row] = [row for row in site.app.json("runs", "--job", "import") if row["run_id"] == run]
        [listed] = [row for row in get(client, "runs", job="import")["runs"] if row["run_id"] == run]
        assert "traceback" not in listed
        del row["traceback"]
        assert {**listed, **row} == listed
        assert "a log line with <b>markup</b>" in attempt["log"]
        assert get(client, "runs", job="import", state="failed")["runs"][0]["run_id"] == run
        assert get(client, "runs", state="failed", limit=1)["runs"][0]["run_id"] == run
        assert get(client, "runs", job="sweep", state="failed")["runs"] == []


def test_the_plan_is_in_order_bounded_and_says_what_is_odd(site: Site) -> None:
    with site.client() as client:
        night = get(client, "plan", job="night", **{"from": "2027-03-27T00:00Z", "to": "2027-03-30T00:00Z"})
        assert night["complete"]
        assert [fire["tick"] for fire in night["ticks"]] == [
            "2027-03-27T01:30:00+00:00",
            "2027-03-28T01:00:00+00:00",
            "2027-03-29T00:30:00+00:00",
        ]
        assert [bool(fire["note"]) for fire in night["ticks"]] == [False, True, False]
        day = get(client, "plan", limit=50)
        assert not day["complete"]
        assert len(day["ticks"]) == 50
        assert [fire["tick"] for fire in day["ticks"]] == sorted(fire["tick"] for fire in day["ticks"])


def test_ticks_in_a_pause_with_an_end_are_marked_until_then(site: Site) -> None:
    with site.client() as client:
        first, second, *_ = get(client, "jobs/sweep")["next_fires"]
        post(client, "jobs/sweep/pause", until=second["tick"])
        try:
            assert get(client, "jobs/sweep")["next_fires"] == []
            later = "2099-01-01T00:00Z"
            marked = get(client, "plan", job="sweep", to=later, limit=2)["ticks"]
            assert [(fire["tick"], fire["note"]) for fire in marked] == [
                (first["tick"], "paused"),
                (second["tick"], ""),
            ]
        finally:
            post(client, "jobs/sweep/resume")


def test_the_processes_tell_their_heartbeats_and_leases(site: Site) -> None:
    with site.client() as client:
        found = get(client, "processes")
    (process,) = found["processes"]
    assert found["state"] == "up"
    assert 0 < found["ledger_seconds"] < 5
    assert process["alive"]
    assert 0 < process["lease_seconds_left"] <= 15
    assert process["pid"] == site.rows("SELECT pid FROM scheduler_processes")[0]["pid"]


WRONG = [
    ("GET", "jobs/no-such", {}, 404, "there is no job 'no-such'"),
    ("GET", "jobs/swep", {}, 404, "did you mean 'sweep'?"),
    ("GET", "jobs?limit=0", {}, 422, "limit: input should be greater than or equal to 1"),
    ("GET", "jobs?limit=x", {}, 422, "limit: input should be a valid integer"),
    ("GET", "runs/0", {}, 422, "'0' is not the number of a run"),
    ("GET", "runs/99999999", {}, 404, "there is no run 99999999"),
    ("GET", f"runs/{2**64}", {}, 422, "'18446744073709551616' is not the number"),
    ("GET", "runs?state=good", {}, 422, "state: 'good' is none of queued"),
    ("GET", "runs?job=no-such", {}, 404, "there is no job"),
    ("GET", "runs?before=-1", {}, 422, "before: input should be"),
    ("GET", "plan?from=someday", {}, 422, "from: 'someday' is not a date or time such as"),
    ("GET", "plan?from=2026-01-02&to=2026-01-01", {}, 422, "to: must be later than from"),
    ("GET", "plan?from=9999-12-31T23:59-14:00", {}, 422, "must lie between the years"),
    ("GET", "no-such", {}, 404, "there is no such page"),
    ("DELETE", "jobs", {}, 405, "that cannot be done here"),
    ("POST", "jobs/no-such/pause", {}, 404, "there is no job 'no-such'"),
    ("POST", "jobs/no-such/resume", {}, 404, "there is no job"),
    ("POST", "jobs/no-such/run-now", {}, 404, "there is no job"),
    ("POST", "jobs/sweep/pause", {"json": {"until": "2020-01-01"}}, 422, "is over already"),
    ("POST", "jobs/sweep/pause", {"json": {"until": 7}}, 422, "until: input should be a valid string"),
    (
        "POST",
        "jobs/sweep/pause",
        {"json": {"untl": "x"}},
        422,
        "untl: there is no such field; did you mean 'until'?",
    ),
    ("POST", "jobs/sweep/pause", {"json": [1]}, 422, "the request: give a JSON object"),
    ("POST", "jobs/sweep/pause", {"content": b"{"}, 422, "the request is not JSON"),
    ("POST", "jobs/sweep/pause", {"content": b"\xff\xfe"}, 422, "the request is not JSON"),
    ("POST", "jobs/sweep/pause", {"content": b'{"note": "\\ud800"}'}, 422, "note: "),
    ("POST", "jobs/sweep/pause", {"json": {"note": "x" * 501}}, 422, "note: string should have at most 500"),
    ("POST", "runs/99999999/cancel", {}, 404, "there is no run 99999999"),
    ("GET", "runs/x", {}, 422, "'x' is not the number of a run such as 4711"),
    ("POST", "runs/-1/cancel", {}, 422, "'-1' is not the number of a run such as 4711"),
    ("POST", "runs/99999999/retry", {}, 404, "there is no run 99999999"),
]


@pytest.mark.parametrize(("method", "path", "sent", "status", "sentence"), WRONG)
def test_nonsense_gets_a_sentence_and_changes_nothing(
    site: Site, method: str, path: str, sent: dict[str, Any], status: int, sentence: str
) -> None:
    before = site.audit()
    headers = {"Content-Type": "application/json"}
    with site.client() as client:
        answer = client.request(method, f"/api/v1/{path}", headers=headers, **sent)
    assert (answer.status_code, sentence in described(answer).lower() or sentence in described(answer)) == (
        status,
        True,
    ), answer.text
    assert site.audit() == before


def test_a_run_that_ended_cannot_be_cancelled_and_one_that_succeeded_not_retried(site: Site) -> None:
    with site.client() as client:
        run = post(client, "jobs/sweep/run-now")["run_id"]
        site.becomes(run, "succeeded")
        for action, sentence in (("cancel", "is over: it has succeeded"), ("retry", "can be tried again")):
            answer = client.post(f"/api/v1/runs/{run}/{action}")
            assert answer.status_code == 409
            assert sentence in described(answer)


def test_a_long_history_is_walked_in_pieces_without_a_gap_or_a_repetition(site: Site) -> None:
    rows = [("walked", number * 1_000_000, number) for number in range(1, 301)]
    site.write(
        "INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us, finished_us)"
        " VALUES (?, 'scheduled', ?, 'skipped', 0, 0, ?, 9e15)",
        rows,
    )
    by_hand = [("walked", number * 2_500_000) for number in range(1, 101)]
    site.write(
        "INSERT INTO scheduler_runs (job_id, kind, state, attempt, crashes, due_us, finished_us)"
        " VALUES (?, 'manual', 'failed', 1, 0, ?, 9e15)",
        by_hand,
    )
    site.write(
        "INSERT INTO scheduler_jobs (job_id, name, function, trigger, zone, definition, registered_us,"
        " changed_us, watermark_us, on_crash, removed_us)"
        " VALUES (?, ?, 'f', 't', 'UTC', 'd', 0, 0, 0, 'rerun', 1)",
        [("walked", "walked")],
    )
    with site.client() as client:
        for query in ({"job": "walked"}, {"job": "walked", "state": "failed"}, {}):
            seen: list[dict[str, Any]] = []
            before: dict[str, int] = {}
            while True:
                found = get(client, "runs", limit=37, **query, **before)
                seen += found["runs"]
                if found["next_before"] is None:
                    break
                before = {"before": found["next_before"]}
            numbers = [run["run_id"] for run in seen]
            assert len(set(numbers)) == len(numbers)
            wanted = [run for run in seen if run["job_id"] == "walked"]
            assert len(wanted) == (100 if "state" in query else 400)
        assert get(client, "jobs/walked")["removed"]
    assert SEARCHED >= 400
    site.write("DELETE FROM scheduler_runs WHERE job_id = ?", [("walked",)])
    site.write("DELETE FROM scheduler_jobs WHERE job_id = ?", [("walked",)])


def test_without_a_ledger_or_a_scheduler_it_says_so(own_site: Site) -> None:
    with own_site.alone(), own_site.client() as client:
        answer = client.get("/api/v1/jobs")
        assert (answer.status_code, "start the application once" in described(answer)) == (503, True)
    with own_site.running():
        pass
    with own_site.alone(), own_site.client() as client:
        assert get(client, "processes")["state"] == "down"
        assert get(client, "jobs")["total"] == len(JOBS)
        waiting = post(client, "jobs/sweep/run-now")["run_id"]
        assert own_site.state_of(waiting) == "queued"
        assert post(client, f"runs/{waiting}/cancel") == {
            "over": True,
            "said": f"Run {waiting} is cancelled.",
        }


def test_the_description_names_every_endpoint_and_its_errors(site: Site) -> None:
    with site.client() as client:
        described_api = client.get("/api/openapi.json").json()
    paths = {
        (method, path.removeprefix("/api/v1/"))
        for path, methods in described_api["paths"].items()
        for method in methods
    }
    assert paths >= {
        *(
            ("get", p)
            for p in ("jobs", "jobs/{job_id}", "runs", "runs/{run_id}", "plan", "processes", "audit")
        ),
        *(("post", f"jobs/{{job_id}}/{action}") for action in ("run-now", "pause", "resume")),
        *(("post", f"runs/{{run_id}}/{action}") for action in ("cancel", "retry")),
        *(("get", p) for p in ("backfills", "backfills/preview", "backfills/{number}")),
        *(("post", f"backfills{p}") for p in ("", "/{number}/stop", "/{number}/continue")),
    }
    assert described_api["security"] == [{"token": []}]
    assert all(not path.startswith(("/do", "/login")) for path in described_api["paths"])


def test_a_hundred_numbers_of_runs_are_not_confused_by_python_limits(site: Site) -> None:
    with site.client() as client:
        digits = "9" * (sys.get_int_max_str_digits() + 10)
        assert client.get(f"/api/v1/runs/{digits}").status_code == 422
