"""The command `why`: in words, as data, and of what really runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from everytick.model import ticks

from application import Application
from bodies import deploy, entered, let
from inside import scheduler_settings
from sample_ledger import SampleLedger
from troubled_application import troubled_application


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> tuple[Application, SampleLedger]:
    """An application in which all of it happened."""
    folder = tmp_path_factory.mktemp("app")
    with scheduler_settings(folder):
        return troubled_application(folder / "app")


@pytest.mark.full
def test_the_command_says_it_in_words_and_as_data(app: tuple[Application, SampleLedger]) -> None:
    story, troubled = app
    spoken = story.command("why", "overlap")
    assert spoken.returncode == 0, spoken.stderr
    assert "max_instances=1 was reached" in spoken.stdout
    data = story.json("why", "overlap")
    assert data["verdict"] == "overlap"
    assert spoken.stdout.splitlines() == data["sentences"]
    assert [row["job_id"] for row in data["runs"]] == ["overlap", "overlap"]
    assert data["tick"] == ticks.moment(troubled.tick).isoformat()


@pytest.mark.full
def test_the_command_refuses_what_it_cannot_know(app: tuple[Application, SampleLedger]) -> None:
    story, _troubled = app
    for arguments, sentence in (
        (("overlapp",), "did you mean 'overlap'?"),
        (("overlap", "noon"), "TIME 'noon' is not a date or time"),
        (("overlap", "2026-01-01", "--run", "3"), "give a time or --run, not both"),
    ):
        done = story.command("why", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: ")
        assert sentence in done.stderr


@pytest.mark.full
def test_the_command_explains_while_the_schedule_is_broken(tmp_path: Path) -> None:
    with scheduler_settings(tmp_path):
        story, _troubled = troubled_application(tmp_path / "app")
    story.schedule("scheduler.add_job(nothing)")
    done = story.command("why", "crash")
    assert done.returncode == 0
    assert "Attempt 1 began at" in done.stdout
    assert re.search(r"does not load, so nothing can start: app/components/.*main\.py:\d+", done.stdout)


@pytest.mark.full
def test_real_runs_are_explained_as_they_happen(tmp_path: Path) -> None:
    story = Application(tmp_path / "app")
    deploy(story, 'long, "interval", seconds=1, id="long"')
    with story.running():
        entered(story, "long")
        story.records(2, "skipped")
        [first] = [row for row in story.recorded() if row["state"] == "running"]
        found = story.json("why", "long", str(ticks.moment(first["tick_us"])))
        assert found["verdict"] == "running"
        newest = story.recorded("skipped")[-1]
        found = story.json("why", "long", str(ticks.moment(newest["tick_us"])))
        assert found["verdict"] == "overlap"
        assert f"run {first['run_id']} " in " ".join(found["sentences"])
        let(story, "release")
    found = story.json("why", "long", "--run", str(first["run_id"]))
    assert found["verdict"] == "succeeded"
