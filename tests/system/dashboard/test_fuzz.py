"""The API as it describes itself, called with what nobody would think of."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dashboard.world import TOKEN, Site

SECONDS = 20


@pytest.mark.full
def test_no_call_makes_it_fail_and_every_answer_is_as_described(own_site: Site) -> None:
    with own_site.running() as process:
        call_everything(own_site)
        assert "ERROR    dashboard:" not in process.log()


def call_everything(site: Site) -> None:
    """Call each endpoint with what fits its description, and with what does not."""
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{site.base}/api/openapi.json"),
            *("--header", f"Authorization: Bearer {TOKEN}", "--checks", checks, "--max-time", str(SECONDS)),
            *("--max-examples", "60", "--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-color"),
            *("--suppress-health-check", "all", "--request-timeout", "10"),
        ],
        cwd=site.app.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    with site.client() as client:
        assert client.get("/api/v1/jobs").status_code == 200
