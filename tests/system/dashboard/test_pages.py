"""The pages as they are sent: escaped, small, without anything inline or from elsewhere."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from everytick.dashboard import addresses

from dashboard.world import HOSTILE, Site, csrf_token

pytestmark = pytest.mark.full

MOST_BYTES = 50_000


class Elements(HTMLParser):
    """Which elements and attributes a page has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def full_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with many jobs, of which each has a long history with long and hostile texts."""
    site = Site.made_in(tmp_path_factory.mktemp("full"))
    fill(site)
    with site.alone():
        yield site


def fill(site: Site) -> None:
    """Write a ledger for that."""
    with site.running() as process:
        process.says("| ledger ")
    long = (HOSTILE + " ") * 40
    site.write(
        "INSERT INTO scheduler_jobs (job_id, name, function, trigger, zone, definition, registered_us,"
        " changed_us, watermark_us, on_crash, pause_note, paused_us, schedule_data)"
        " SELECT ?, ?, ?, ?, 'Zone', ?,"
        " 0, 0, watermark_us, 'rerun', ?, ?, schedule_data FROM scheduler_jobs WHERE job_id = 'night'",
        [
            (f"{HOSTILE}{n:03}", long, long, long, str(n), long if n % 2 else None, n % 2 or None)
            for n in range(300)
        ],
    )
    states = ["succeeded", "failed", "timed_out", "cancelled", "interrupted", "lost", "skipped", "retrying"]
    site.write(
        "INSERT INTO scheduler_runs (job_id, kind, tick_us, state, reason, attempt, crashes, due_us,"
        " started_us, finished_us, error, traceback, process_id)"
        " VALUES (?, 'scheduled', ?, ?, ?, 1, 0, ?, ?, ?, ?, ?, 'p')",
        [
            (
                f"{HOSTILE}{n % 30:03}",
                n * 1_000_000,
                states[n % len(states)],
                HOSTILE,
                n,
                n,
                n + 10**6,
                long[:2_000],
                long * 5,
            )
            for n in range(1, 3_002)
        ],
    )
    newest = site.rows("SELECT max(run_id) AS newest FROM scheduler_runs")[0]["newest"]
    site.write(
        "INSERT INTO scheduler_logs (run_id, attempt, text) VALUES (?, 1, ?)", [(newest, HOSTILE * 600)]
    )
    site.write(
        "INSERT INTO scheduler_audit (at_us, who, action, job_id, note) VALUES (?, ?, ?, ?, ?)",
        [(n, long, HOSTILE, f"{HOSTILE}{n:03}", long) for n in range(500)],
    )


def pages(site: Site) -> list[str]:
    """Return the addresses of all kinds of pages."""
    from urllib.parse import quote

    rows = site.rows("SELECT run_id, job_id FROM scheduler_runs ORDER BY run_id DESC LIMIT 1")
    job = quote(rows[0]["job_id"], safe="")
    run = rows[0]["run_id"]
    return [
        *(
            "/",
            "/jobs",
            "/jobs?number=3",
            "/jobs?state=paused&sort=-next",
            f"/jobs?q={quote(HOSTILE)}",
            f"/job?id={job}",
            "/runs",
            "/running",
            "/coming",
            "/backfills",
            f"/backfills?job={job}&from=2h&only_missed=true",
            "/audit",
        ),
        *(f"/runs?job={job}&state=failed", f"/run/{run}", "/coming?number=2", f"/run/{run - 1}"),
    ]


def test_hostile_and_long_texts_are_shown_as_text_on_small_pages(full_site: Site) -> None:
    with full_site.browser(name=HOSTILE) as browser:
        for page in pages(full_site):
            answer = browser.get(page)
            assert answer.status_code == 200, page
            assert len(answer.content) < MOST_BYTES, (page, len(answer.content))
            assert "<script>document" not in answer.text
            assert "<img" not in answer.text
            assert "49" not in re.findall(r"'&amp;(\d+)", answer.text)


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(full_site: Site) -> None:
    with full_site.browser() as browser:
        for page in [*pages(full_site), "/login", "/no-such"]:
            for tag, attributes in Elements(browser.get(page).text).found:
                assert "style" not in attributes
                assert not [name for name in attributes if name.startswith("on")], (page, tag, attributes)
                assert tag != "style"
                if tag == "script":
                    assert (attributes.get("src") or "").startswith("/static/")
                for name in ("src", "href", "action", "hx-post"):
                    address = attributes.get(name)
                    assert address is None or address.startswith(("/", "#")), (page, tag, address)
                    assert not (address or "").startswith("//")


def test_all_that_a_run_said_can_be_had_as_plain_text(full_site: Site) -> None:
    run = full_site.rows("SELECT max(run_id) AS newest FROM scheduler_logs")[0]["newest"]
    with full_site.browser() as browser:
        answer = browser.get(f"/run/{run}/text")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.count(HOSTILE) >= 600


def test_a_run_tells_who_asked_for_it(site: Site) -> None:
    with site.client(**{"X-Scheduler-Who": "Anna"}) as client:
        run = client.post("/api/v1/jobs/export/run-now", json={"note": "the auditors <3"}).json()["run_id"]
        site.becomes(run, "running")
        client.post(f"/api/v1/runs/{run}/cancel", json={"note": "enough"})
        site.becomes(run, "cancelled")
    with site.browser() as browser:
        text = re.sub(r"<[^>]+>", "", browser.get(f"/run/{run}").text)
    assert re.search(r"run now by api: &#34;Anna&#34; \(127\.0\.0\.1\), [\d:]+: the auditors &lt;3", text)
    assert re.search(r"cancel by api: &#34;Anna&#34; \(127\.0\.0\.1\), [\d:]+: enough", text)


def test_every_control_has_a_name_and_every_picture_words(full_site: Site) -> None:
    with full_site.browser() as browser:
        for page in pages(full_site):
            text = browser.get(page).text
            elements = Elements(text).found
            identifiers = [attributes["id"] for _tag, attributes in elements if attributes.get("id")]
            assert len(set(identifiers)) == len(identifiers), page
            assert [tag for tag, _ in elements].count("h1") == 1
            for picture in re.findall(r'<svg[^>]*role="img".*?</svg>', text):
                assert re.search(r'^<svg[^>]* aria-label="[^"]+"|<title>[^<]+</title>', picture), picture
            assert 'lang="en"' in text


def test_each_colour_is_written_once_with_its_light_and_its_dark_side() -> None:
    styles = (Path(addresses.STATIC) / "style.css").read_text(encoding="utf-8")
    named = re.findall(r"--([\w-]+):", styles)
    assert len(named) == len(set(named)) > 10
    assert len(re.findall(r"light-dark\(", styles)) == len(named)
    assert "prefers-color-scheme" not in styles
    # All other colours are these.
    rest = re.sub(r"--[\w-]+: light-dark\([^)]*\);", "", styles)
    assert re.findall(r"#[0-9a-f]{3,8}\b(?=[;,) ])", rest) == []


def test_an_address_without_a_page_is_a_sentence(full_site: Site) -> None:
    with full_site.browser() as browser:
        given = {"X-CSRF-Token": csrf_token(browser), "HX-Request": "true"}
        for path, status in [
            ("/job?id=no-such", 404),
            ("/run/0", 422),
            ("/run/999999999", 404),
            ("/runs?state=good", 200),
            ("/?number=x", 422),
            ("/nothing/here", 404),
            ("/static/../settings.py", 404),
            ("/static/%2e%2e/settings.py", 404),
        ]:
            assert browser.get(path).status_code == status, path
        for action, form, status in [
            ("burn", {}, 404),
            ("run-now", {}, 422),
            ("run-now", {"job_id": "no-such"}, 404),
            ("run-now", {"job_id": "sweep", "tick": "soon"}, 422),
            ("pause", {"job_id": "sweep", "hours": "-1"}, 422),
            ("pause", {"job_id": "sweep", "hours": "٣"}, 422),
            ("pause", {"job_id": "sweep", "until": "2001-01-01T00:00"}, 422),
            ("cancel", {"run_id": "1e3"}, 422),
            ("cancel", {"run_id": str(2**70)}, 422),
            ("retry", {"run_id": "999999999"}, 404),
        ]:
            answer = browser.post(f"/do/{action}", data=form, headers=given)
            assert answer.status_code == status, (action, form, answer.text)
            assert answer.text.startswith('<p class="said bad">')
        many = "&".join(f"f{n}=1" for n in range(301))
        assert browser.post("/do/pause", content=many, headers=given).status_code == 422
        assert browser.post("/do/pause", content=b"job_id=\xff", headers=given).status_code == 422


def test_the_vendored_script_is_what_it_says_with_its_licence() -> None:
    text = (Path(addresses.STATIC) / "htmx.min.js").read_text(encoding="ascii")
    first = text.splitlines()[0]
    assert first.startswith("/*! htmx 2.")
    assert "Zero-Clause BSD" in first
    version = first.split()[2].rstrip(",")
    assert f'version:"{version}"' in text


def test_a_number_that_is_none_of_a_run_is_told_as_at_the_terminal(site: Site) -> None:
    with site.browser() as browser:
        answer = browser.get("/run/abc")
        headers = {"X-CSRF-Token": csrf_token(browser), "HX-Request": "true"}
        said = browser.post("/do/retry", data={"run_id": "abc"}, headers=headers)
    for told in (answer, said):
        assert told.status_code == 422
        assert "&#39;abc&#39; is not the number of a run such as 4711" in told.text


def test_the_note_and_the_end_of_a_pause_can_be_changed_while_it_lasts(site: Site) -> None:
    with site.browser() as browser:
        headers = {"X-CSRF-Token": csrf_token(browser)}
        job = {"job_id": "night"}
        assert browser.post("/do/pause", data={**job, "note": "first"}, headers=headers).status_code == 200
        shown = browser.get("/job?id=night").text
        assert 'id="change-pause" method="post" action="/do/pause"' in shown
        changed = {**job, "note": "second", "until": "2099-01-01T00:00"}
        assert browser.post("/do/pause", data=changed, headers=headers).status_code == 200
        shown = browser.get("/job?id=night").text
        assert "2099-01-01 00:00:00" in shown
        assert ": second" in shown
        browser.post("/do/resume", data=job, headers=headers)
        assert "change-pause" not in browser.get("/job?id=night").text


def test_a_further_attempt_of_a_paused_job_is_not_said_to_begin(site: Site) -> None:
    site.write(
        "INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us, finished_us)"
        " VALUES (?, 'scheduled', ?, 'failed', 1, 0, ?, ?)",
        [("night", 77, 77, time.time_ns() // 1000)],
    )
    (row,) = site.rows("SELECT run_id FROM scheduler_runs WHERE job_id = 'night' AND tick_us = 77")
    with site.client() as client:
        client.post("/api/v1/jobs/night/pause")
        said = client.post(f"/api/v1/runs/{row['run_id']}/retry").json()["said"]
        client.post(f"/api/v1/runs/{row['run_id']}/cancel")
        client.post("/api/v1/jobs/night/resume")
    assert said == f"Run {row['run_id']} waits until the job night is resumed."


def test_supervisors_may_ask_for_the_head_alone(site: Site) -> None:
    for path in ("/health/live", "/health/ready"):
        answer = httpx.head(f"{site.base}{path}")
        assert (answer.status_code, answer.content) == (200, b"")
