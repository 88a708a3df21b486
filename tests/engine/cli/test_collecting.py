"""How often Python looks for garbage in a command, and in a process that goes on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from everytick import AsyncIOScheduler
from everytick.api import loading, service
from everytick.cli import collecting, program
from typer.testing import CliRunner

from inside import scheduler_settings

# What Python 3.11 to 3.13 begin with. The tests themselves look more seldom.
PYTHONS_OWN = 700, 10, 10


@pytest.fixture(autouse=True)
def as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with what a new process has, and let the other tests have what they had."""
    before = gc.get_threshold()
    gc.set_threshold(*PYTHONS_OWN)
    monkeypatch.setattr(collecting, "_USUAL", PYTHONS_OWN)
    yield
    collecting.as_usual()
    gc.set_threshold(*before)


def test_a_command_that_soon_ends_hardly_looks_for_garbage() -> None:
    usual = gc.get_threshold()
    collecting.seldom()
    assert gc.get_threshold()[0] >= 100 * usual[0]
    collecting.as_usual()
    assert gc.get_threshold() == usual


def test_a_schedule_that_runs_looks_for_garbage_as_usual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, seen = gc.get_threshold(), list[tuple[int, int, int]]()

    def run(*_arguments: object) -> int:
        seen.append(gc.get_threshold())
        return 0

    monkeypatch.setattr(service, "run_until_stopped", run)
    monkeypatch.setattr(loading, "configure_logging", lambda _settings: None)
    with scheduler_settings(tmp_path):
        monkeypatch.setattr(loading, "load_schedule", AsyncIOScheduler)
        collecting.seldom()
        assert CliRunner().invoke(program.app, ["run"]).exit_code == 0
    assert seen == [usual]
