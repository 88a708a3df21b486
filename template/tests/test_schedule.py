"""The schedule says what it should: an example to copy for your own jobs."""

from datetime import datetime

from app.components.scheduler.main import create_scheduler


def due(job_id: str, begin: datetime, end: datetime) -> list[str]:
    """Return when a job is due, in its own zone, written in a way that is easy to compare."""
    job = create_scheduler().get_job(job_id)
    assert job is not None
    return [f"{tick:%a %d %H:%M}" for tick in job.ticks_between(begin, end)]


def test_the_report_is_due_every_day_at_nine() -> None:
    found = due("daily_report", datetime(2027, 1, 11), datetime(2027, 1, 14))
    assert found == ["Mon 11 09:00", "Tue 12 09:00", "Wed 13 09:00"]


def test_the_backup_is_due_on_sundays_only() -> None:
    found = due("weekly_backup", datetime(2027, 1, 11), datetime(2027, 1, 25))
    assert found == ["Sun 17 02:00", "Sun 24 02:00"]


def test_temporary_files_are_cleaned_six_times_a_day() -> None:
    assert len(due("temp_cleanup", datetime(2027, 1, 11), datetime(2027, 1, 12))) == 6
