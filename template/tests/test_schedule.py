"""The schedule says what it should: an example to copy for your own jobs."""

from everytick import ScheduleUnderTest


def test_the_report_is_due_every_day_at_nine(schedule: ScheduleUnderTest) -> None:
    found = schedule.fires("daily_report", "2027-01-11", "2027-01-14")
    assert [f"{tick:%a %d %H:%M}" for tick in found] == ["Mon 11 09:00", "Tue 12 09:00", "Wed 13 09:00"]


def test_the_backup_is_due_on_sundays_only(schedule: ScheduleUnderTest) -> None:
    found = schedule.fires("weekly_backup", "2027-01-11", "2027-01-25")
    assert [f"{tick:%a %d %H:%M}" for tick in found] == ["Sun 17 04:00", "Sun 24 04:00"]


def test_temporary_files_are_cleaned_six_times_a_day(schedule: ScheduleUnderTest) -> None:
    assert len(schedule.fires("temp_cleanup", "2027-01-11", "2027-01-12")) == 6


def test_a_year_with_a_short_and_a_long_outage(schedule: ScheduleUnderTest) -> None:
    short, long = ("2027-03-01T08:55", "2027-03-01T09:05"), ("2027-06-01", "2027-06-03")

    year = schedule.simulate(days=365, outages=[short, long])

    # Five minutes late is within the ten that a report may be late; two days are not.
    assert year.runs("daily_report") == 363
    assert year.skipped("daily_report") == {"outage": 2}
    year.check()
