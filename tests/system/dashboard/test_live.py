"""Open pages are told of changes: soon, by one who looks, and only while somebody listens."""

from __future__ import annotations

import time

import pytest

from dashboard.world import Site


@pytest.mark.full
def test_a_run_is_told_within_moments(site: Site) -> None:
    with site.browser() as browser, browser.stream("GET", "/live") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        while next(lines) != "event: here":
            pass
        began = time.monotonic()
        with site.client() as client:
            client.post("/api/v1/jobs/sweep/run-now")
        while next(lines) != "event: ledger":
            pass
        assert time.monotonic() - began < 5
