"""A task is a plain function, so it is tested like one: call it, look at what it did."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from everytick import ScheduleUnderTest

from app.services import my_tasks


@pytest.fixture
def temp_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the task work in a folder of the test's own."""
    monkeypatch.setattr(my_tasks, "TEMP_FOLDER", tmp_path)
    return tmp_path


async def test_cleaning_removes_old_files_and_keeps_new_ones(temp_folder: Path) -> None:
    old, new = temp_folder / "below" / "old.txt", temp_folder / "new.txt"
    old.parent.mkdir()
    for path in (old, new):
        path.write_text("x")
    os.utime(old, (0, 0))  # last changed in 1970

    await my_tasks.cleanup_temp_files()

    assert not old.exists()
    assert new.exists()


async def test_the_scheduled_job_does_so_too(temp_folder: Path, schedule: ScheduleUnderTest) -> None:
    old = temp_folder / "old.txt"
    old.touch()
    os.utime(old, (0, 0))

    await schedule.run("temp_cleanup")

    assert not old.exists()


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    missing = tmp_path / "not" / "there"

    assert my_tasks.remove_old_files(missing, keep=timedelta(days=1)) == 0

    assert missing.is_dir()
