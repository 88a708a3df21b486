"""Who may come in, and what a stranger, a foreign page and a thief of a cookie get."""

from __future__ import annotations

import http.client
import socket

import httpx
import pytest

from dashboard.world import READ_TOKEN, TOKEN, Site, csrf_token, described

pytestmark = pytest.mark.full

PAGES = [
    "/",
    "/job?id=sweep",
    "/runs",
    "/run/1",
    "/run/1/text",
    "/running",
    "/coming",
    "/backfills",
    "/audit",
]
READS = ["jobs", "jobs/sweep", "runs", "runs/1", "plan", "processes", "audit"]
ACTS = ["jobs/sweep/run-now", "jobs/sweep/pause", "jobs/sweep/resume", "runs/1/cancel", "runs/1/retry"]


def test_without_a_token_nothing_can_be_read_or_done(site: Site) -> None:
    before = site.audit()
    with httpx.Client(base_url=site.base) as stranger:
        for page in PAGES:
            answer = stranger.get(page)
            assert (answer.status_code, answer.headers["location"][:6]) == (303, "/login"), page
            assert answer.text == ""
        answer = stranger.get("/live")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        for path in [f"v1/{name}" for name in READS] + ["openapi.json", "no-such"]:
            answer = stranger.get(f"/api/{path}")
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert described(answer).startswith("a token is needed")
        for path in ACTS:
            assert stranger.post(f"/api/v1/{path}").status_code == 401
        assert stranger.post("/do/run-now", data={"job_id": "sweep"}).status_code == 303
        for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
            assert stranger.request(method, "/api/v1/jobs").status_code == 401
    assert site.audit() == before


def test_a_wrong_token_opens_nothing_and_the_cookie_is_not_the_token(site: Site) -> None:
    with site.client("wrong-wrong-wrong-wrong") as wrong:
        assert wrong.get("/api/v1/jobs").status_code == 401
    with httpx.Client(base_url=site.base) as stranger:
        stranger.cookies.set(f"scheduler_{site.port}", TOKEN)
        assert stranger.get("/").status_code == 303
    with site.browser() as visitor:
        (cookie,) = visitor.cookies.jar
        assert TOKEN not in (cookie.value or "")
        assert visitor.get("/").status_code == 200


def test_who_scrapes_the_metrics_without_the_token_gets_a_plain_refusal(site: Site) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong-wrong-wrong-wrong"}, {"Authorization": "Basic eDp5"}):
        answer = httpx.get(f"{site.base}/metrics", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert "token" in answer.text
        assert "<" not in answer.text
        answer = httpx.get(f"{site.base}/api/v1/jobs", headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "token" in described(answer)
    with site.client(READ_TOKEN) as scraper:
        assert "scheduler_job_paused" in scraper.get("/metrics").text


def test_a_link_with_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(site: Site) -> None:
    with httpx.Client(base_url=site.base) as browser:
        answer = browser.get(f"/login?token={TOKEN}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "secure" not in cookie
        assert browser.get("/").status_code == 200
    with httpx.Client(base_url=site.base, headers={"X-Forwarded-Proto": "https"}) as behind_tls:
        assert "secure" in behind_tls.get(f"/login?token={TOKEN}").headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "onward", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "x", ""]
)
def test_signing_in_leads_on_to_no_other_site(site: Site, onward: str) -> None:
    answer = httpx.post(f"{site.base}/login", data={"token": TOKEN, "next": onward})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    answer = httpx.post(f"{site.base}/login", data={"token": TOKEN, "next": "/job?id=sweep"})
    assert answer.headers["location"] == "/job?id=sweep"


def test_an_action_from_a_cookie_needs_the_proof_and_the_right_origin(site: Site) -> None:
    before = site.audit()
    with site.browser() as browser, site.browser() as other:
        given = {"X-CSRF-Token": csrf_token(browser)}
        refused = [
            {},
            {"X-CSRF-Token": "0" * 64},
            {"X-CSRF-Token": csrf_token(other)},
            {**given, "Origin": "http://evil.example"},
            {**given, "Origin": "null"},
            {**given, "Origin": f"http://127.0.0.1:{site.port + 1}"},
            {**given, "Sec-Fetch-Site": "cross-site"},
            {**given, "Sec-Fetch-Site": "same-site"},
        ]
        for headers in refused:
            for path in ("/do/run-now", "/api/v1/jobs/sweep/run-now"):
                answer = browser.post(path, data={"job_id": "sweep"}, headers=headers)
                assert answer.status_code == 403, (path, headers)
        assert site.audit() == before
        good = {**given, "Origin": site.base, "Sec-Fetch-Site": "same-origin"}
        assert browser.post("/do/run-now", data={"job_id": "sweep"}, headers=good).status_code == 200
    assert len(site.audit()) == len(before) + 1


def test_the_token_for_reading_reads_everything_and_does_nothing(site: Site) -> None:
    before = site.audit()
    with site.client(READ_TOKEN) as reader:
        for name in READS:
            assert reader.get(f"/api/v1/{name}").status_code in (200, 404), name
        for path in ACTS:
            answer = reader.post(f"/api/v1/{path}")
            assert (answer.status_code, described(answer)) == (
                403,
                "you may look but not act: that takes the other token",
            )
    with site.browser(READ_TOKEN) as reader:
        for page in PAGES[:3]:
            answer = reader.get(page)
            assert answer.status_code == 200
            assert "read only" in answer.text
            assert "/do/" not in answer.text
        given = {"X-CSRF-Token": csrf_token(reader)}
        assert reader.post("/do/run-now", data={"job_id": "sweep"}, headers=given).status_code == 403
        assert reader.post("/logout", headers=given).status_code == 204
        assert reader.get("/").status_code == 303
    assert site.audit() == before


def test_a_foreign_name_that_points_here_is_refused(site: Site) -> None:
    for host in (
        "evil.example",
        f"evil.example:{site.port}",
        "127.0.0.1.evil.example",
        "",
        "[",
        "localhost.evil",
    ):
        for path in ("/login", "/static/style.css", "/api/v1/jobs"):
            answer = httpx.get(
                site.base + path, headers={"Host": host, "Authorization": f"Bearer {TOKEN}"}, timeout=10
            )
            assert answer.status_code in (400, 421), (host, path)
    for host in (f"localhost:{site.port}", f"127.0.0.1:{site.port}", "LOCALHOST", f"[::1]:{site.port}"):
        assert httpx.get(f"{site.base}/login", headers={"Host": host}).status_code == 200


def test_probes_are_answered_under_any_name_and_without_one(site: Site) -> None:
    for path in ("/health/live", "/health/ready"):
        for host in ("10.42.0.7:8787", "evil.example", ""):
            answer = httpx.get(site.base + path, headers={"Host": host}, timeout=10)
            assert answer.status_code in (200, 503), (host, path)
        with socket.create_connection(("127.0.0.1", site.port), timeout=10) as raw:
            raw.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            assert raw.recv(100).split()[1] in (b"200", b"503"), path


def test_every_answer_has_the_headers_that_keep_a_browser_safe(site: Site) -> None:
    with site.browser() as browser:
        answers = [browser.get(page) for page in (*PAGES[:-1], "/login", "/no-such", "/static/page.js")]
        answers.append(httpx.get(f"{site.base}/", headers={"Host": "evil.example"}))
        answers.append(httpx.get(f"{site.base}/api/v1/jobs"))
    for answer in answers:
        policy = dict(
            part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "server" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


def test_who_tries_many_tokens_has_to_wait(own_site: Site) -> None:
    with own_site.alone():
        codes = [
            httpx.post(f"{own_site.base}/login", data={"token": f"wrong{n}"}).status_code for n in range(12)
        ]
        assert codes == [401] * 10 + [429] * 2
        with own_site.client("wrong-wrong-wrong-wrong") as client:
            answer = client.get("/api/v1/jobs")
            assert answer.status_code == 429
            assert answer.headers["retry-after"] == "60"
        with own_site.client() as client:
            # Who has the right one, at the same address, is not kept out.
            assert "there is no ledger" in described(client.get("/api/v1/jobs"))
        with own_site.browser() as browser:
            assert browser.get("/login").status_code == 200


def test_too_much_and_what_is_no_request_is_refused(site: Site) -> None:
    with site.client() as client:
        answer = client.post("/api/v1/jobs/sweep/pause", content=b"x" * 70_000)
        assert (answer.status_code, described(answer)[:16]) == (413, "that is too much")
        pieces = (b"x" * 10_000 for _ in range(8))
        assert client.post("/api/v1/jobs/sweep/pause", content=pieces).status_code == 413
    raw = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    raw.putrequest("GET", "/api/v1/jobs", skip_host=True)
    raw.endheaders()
    assert raw.getresponse().status in (400, 421)
    raw.close()
