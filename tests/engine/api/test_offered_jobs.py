"""Jobs of functions on offer: drafts of them, and what is kept, changed and removed."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from everytick import AsyncIOScheduler
from everytick.api.control import NoSuchJobError
from everytick.api.drafts import Draft, TakenError, Wanted, WrongFieldError
from everytick.api.offered_jobs import OfferedJobs
from everytick.api.requests import NotNowError
from everytick.settings import settings

import offered_tasks
from histories import ask, ask_json
from inside import rows_of, until
from ledgers import change, found_in
from offering import FIRST, HOURLY, wanted
from offering import jobs as jobs
from offering import no_calls_yet as no_calls_yet

# --- drafts


def test_a_draft_says_when_it_will_be_due_and_writes_nothing(
    jobs: OfferedJobs, scheduler: AsyncIOScheduler
) -> None:
    daily = {"trigger": "crontab", "line": "30 2 * * 0", "timezone": "Europe/Berlin"}
    draft = jobs.draft(FIRST, wanted(schedule=daily))
    fires = [datetime.fromtimestamp(tick / 1e6, draft.job.schedule.zone) for tick, _note in draft.fires(60)]
    assert {(one.isoweekday(), one.strftime("%H:%M")) for one in fires} <= {(7, "02:30"), (7, "03:00")}
    assert len(fires) == 60
    assert [note for _tick, note in draft.fires(60) if note]
    assert found_in(scheduler.ledger, "SELECT job_id FROM scheduler_jobs") == [{"job_id": "of-the-code"}]
    assert found_in(scheduler.ledger, "SELECT * FROM scheduler_audit") == []


@pytest.mark.parametrize(
    ("more", "field", "sentence"),
    [
        ({"schedule": {"trigger": "cron", "hour": 25}}, "schedule", "hour"),
        ({"schedule": {"trigger": "crontab", "line": "1 2 3"}}, "schedule", "which has five fields"),
        ({"schedule": {"trigger": "crontab", "line": "0 9 1 * 1"}}, "schedule", "add a job for each"),
        ({"schedule": {"trigger": "interval"}}, "schedule", "is too short"),
        ({"schedule": {"trigger": "date", "run_date": "1999-01-01"}}, "schedule", "SCHEDULER_HISTORY_DAYS"),
        ({"schedule": {"trigger": "cron", "year": 1999}}, "schedule", "has no time to come"),
        ({"schedule": {"trigger": "cron", "hour": 9, "timezone": "Mars"}}, "schedule", "timezone='Mars'"),
        ({"schedule": {"trigger": "sundial"}}, "schedule", "unknown trigger 'sundial'"),
        ({"schedule": {**HOURLY, "nonsense": 1}}, "schedule", "nonsense= is neither"),
        ({"schedule": {**HOURLY, "exclude": ["someday"]}}, "schedule", "exclude='someday' is no day"),
        ({"schedule": {"trigger": "cron"}}, "schedule", "it would be due every second: give at least one"),
        ({"schedule": {"trigger": "cron", "jitter": 5}}, "schedule", "it would be due every second"),
        ({"schedule": None}, "schedule", "give a trigger"),
        ({"options": {"retries": -1}}, "options", "retries=-1 must be a whole number"),
        ({"options": {"ping": "https://example.org"}}, "options", "'ping' stands in the code alone"),
        ({"options": {"func": "os:system"}}, "options", "'func' is none"),
        ({"job_id": "a\nb"}, "id", "no control characters"),
        ({"job_id": "a" * 600}, "id", "at most 500 long"),
        ({"name": "a" * 2_000}, "name", "name= has 2,000 characters"),
        ({"name": "a\x1b[2Jb"}, "name", "has control characters"),
    ],
)
def test_what_is_wrong_is_said_with_its_field(
    jobs: OfferedJobs, more: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(WrongFieldError) as raised:
        jobs.draft(FIRST, wanted(**more))
    assert (raised.value.field, sentence in str(raised.value)) == (field, True), raised.value


@pytest.mark.parametrize(
    "named",
    ["os:system", "added_tasks:note", "offered_tasks:not_offered", "offered_tasks:remind.__call__", ""],
)
def test_nothing_but_what_is_offered_can_be_named(jobs: OfferedJobs, named: str) -> None:
    with pytest.raises(WrongFieldError, match="is not offered by the code") as raised:
        jobs.draft(named, wanted())
    assert raised.value.field == "function"


@pytest.mark.parametrize("line", ["0 9 * * 1-5", "@daily", "CRON_TZ=Asia/Tokyo 0 9 * * mon", "*/5 * * * *"])
def test_a_line_of_a_crontab_is_taken_as_cron_means_it(jobs: OfferedJobs, line: str) -> None:
    draft = jobs.draft(FIRST, wanted(schedule={"trigger": "crontab", "line": line}))
    expected = {
        "0 9 * * 1-5": {"minute": "0", "hour": "9", "day_of_week": "mon-fri"},
        "@daily": {"hour": "0"},
        "CRON_TZ=Asia/Tokyo 0 9 * * mon": {"minute": "0", "hour": "9", "day_of_week": "mon"},
        "*/5 * * * *": {"minute": "*/5"},
    }[line]
    fields = draft.job.schedule.data["fields"]
    assert {name: it for name, it in fields.items() if it != "*"} == expected
    assert draft.job.schedule.zone_name == ("Asia/Tokyo" if "Tokyo" in line else "UTC")


def test_warnings_say_what_a_person_should_know(jobs: OfferedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    past = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    assert jobs.draft(FIRST, wanted(schedule={"trigger": "date", "run_date": past})).warnings == [
        "its date is past: it is recorded as skipped"
    ]
    assert jobs.draft(FIRST, wanted(schedule={"trigger": "date"})).warnings == ["it runs at once"]
    jobs.keep(jobs.draft(FIRST, wanted()))
    jobs.remove("r-7")
    assert jobs.draft(FIRST, wanted()).warnings == [
        "a job of this id was there before: the history of both is one"
    ]
    monkeypatch.setenv("SCHEDULER_DISABLED_JOBS", "n-*")
    settings.cache_clear()
    assert jobs.draft(FIRST, wanted(job_id="n-7")).warnings == [
        "SCHEDULER_DISABLED_JOBS=n-* disables it where this dashboard runs"
    ]


# --- what is kept


def test_a_draft_is_kept_with_who_asked(jobs: OfferedJobs, scheduler: AsyncIOScheduler) -> None:
    assert jobs.keep(jobs.draft(FIRST, wanted(options={"retries": 2})), note="as he asked")
    [row] = found_in(scheduler.ledger, "SELECT * FROM scheduler_jobs WHERE job_id = 'r-7'")
    assert row["function"] == FIRST
    kept = json.loads(row["call_data"])
    assert (kept["args"], kept["kwargs"], kept["options"]) == ([], {"customer_id": 7}, {"retries": 2})
    # A version that does not know what annotations mean can read it.
    assert "annotated" not in kept
    [entry] = found_in(scheduler.ledger, "SELECT who, action, job_id, note FROM scheduler_audit")
    assert entry == {"who": "Anna", "action": "add", "job_id": "r-7", "note": "as he asked"}


def test_without_an_id_the_same_twice_is_the_same_job(jobs: OfferedJobs) -> None:
    draft = jobs.draft(FIRST, wanted(job_id=None))
    assert jobs.keep(draft)
    again = jobs.draft(FIRST, wanted(job_id=None))
    assert again.warnings == ["the very same job is there already: nothing is added"]
    assert not jobs.keep(again)


def test_an_id_that_is_taken_is_refused_also_by_one_who_came_a_moment_later(jobs: OfferedJobs) -> None:
    first, second = (jobs.draft(FIRST, wanted(arguments={"customer_id": it})) for it in (7, 8))
    assert jobs.keep(first)
    with pytest.raises(TakenError, match="id: 'r-7' is taken by a job that was added before"):
        jobs.keep(second)
    with pytest.raises(TakenError, match="is taken by a job of the code"):
        jobs.draft(FIRST, wanted(job_id="of-the-code"))


def test_a_change_keeps_what_it_does_not_name(jobs: OfferedJobs, scheduler: AsyncIOScheduler) -> None:
    jobs.keep(jobs.draft(FIRST, wanted(options={"retries": 2}, name="Seven")))
    jobs.pause_job("r-7")
    draft = jobs.draft_change("r-7", Wanted(None, {"customer_id": 8}, options={"timeout": 5}))
    jobs.keep(draft, note="another one")
    job = jobs.get_job("r-7")
    assert job is not None
    assert (job.kwargs, job.name, job.options.retries, job.options.timeout, job.schedule.text) == (
        {"customer_id": 8},
        "Seven",
        2,
        5,
        "interval[1:00:00]",
    )
    assert jobs.paused_jobs() == {"r-7"}
    jobs.keep(jobs.draft_change("r-7", Wanted({"trigger": "cron", "hour": 9}, None)))
    [row] = found_in(scheduler.ledger, "SELECT * FROM scheduler_jobs WHERE job_id = 'r-7'")
    assert (row["trigger"], json.loads(row["call_data"])["kwargs"]) == ("cron[hour='9']", {"customer_id": 8})


def test_excluded_days_stay_with_another_trigger(jobs: OfferedJobs) -> None:
    jobs.keep(jobs.draft(FIRST, wanted(schedule={**HOURLY, "exclude": ["sat-sun"]})))
    draft = jobs.draft_change("r-7", Wanted({"trigger": "cron", "hour": 9}, None))
    days = {datetime.fromtimestamp(tick / 1e6, UTC).isoweekday() for tick, _note in draft.fires(20)}
    assert days == {1, 2, 3, 4, 5}
    once = jobs.draft_change("r-7", Wanted({"trigger": "date", "run_date": "2099-12-24"}, None))
    assert once.warnings == ["its exclude= is gone, since a date is one instant"]
    assert once.fires(10) == [(once.job.only_tick, "")]


def test_of_two_who_change_a_job_the_second_is_told(jobs: OfferedJobs) -> None:
    jobs.keep(jobs.draft(FIRST, wanted()))
    row = jobs.draft_change("r-7", Wanted(None, None)).row
    assert row is not None
    hers = jobs.draft_change("r-7", Wanted(None, {"customer_id": 8}), row.serial)
    his = jobs.draft_change("r-7", Wanted(None, {"customer_id": 9}), row.serial)
    jobs.keep(hers)
    for late in (
        lambda: jobs.keep(his),
        lambda: jobs.draft_change("r-7", Wanted(None, {"customer_id": 9}), row.serial),
    ):
        with pytest.raises(NotNowError, match="job 'r-7' was changed meanwhile"):
            late()
    kept = jobs.get_job("r-7")
    assert kept is not None
    assert kept.kwargs == {"customer_id": 8}


def test_only_added_jobs_of_offered_functions_are_changed_or_removed(
    jobs: OfferedJobs, scheduler: AsyncIOScheduler
) -> None:
    jobs.add_job(offered_tasks.not_offered, "interval", hours=1, args=[1], id="internal")
    for act in (lambda id: jobs.draft_change(id, Wanted(None, None)), jobs.remove):
        with pytest.raises(NotNowError, match="stands in the schedule's code"):
            act("of-the-code")
        with pytest.raises(NotNowError, match=r"which the code does not offer: `.*remove` removes it"):
            act("internal")
        with pytest.raises(NoSuchJobError):
            act("gone")
        with pytest.raises(NoSuchJobError):
            act("\ud800")
    assert {it.id for it in jobs.get_jobs()} == {"internal"}


def test_a_job_whose_function_was_changed_gets_other_arguments(
    jobs: OfferedJobs, scheduler: AsyncIOScheduler
) -> None:
    jobs.keep(jobs.draft(FIRST, wanted()))
    change(
        scheduler.ledger,
        "UPDATE scheduler_jobs SET call_data = replace(call_data, 'customer_id', 'customer')"
        " WHERE job_id = 'r-7'",
    )
    with pytest.raises(WrongFieldError, match="cannot be called with these arguments"):
        jobs.draft_change("r-7", Wanted({"trigger": "cron", "hour": 9}, None))
    jobs.keep(jobs.draft_change("r-7", Wanted(None, {"customer_id": 8})))
    assert jobs.get_job("r-7") is not None


def test_a_row_that_cannot_be_read_is_told_and_can_be_removed(
    jobs: OfferedJobs, scheduler: AsyncIOScheduler
) -> None:
    jobs.keep(jobs.draft(FIRST, wanted()))
    change(scheduler.ledger, "UPDATE scheduler_jobs SET call_data = '{}' WHERE job_id = 'r-7'")
    with pytest.raises(NotNowError, match="job 'r-7' cannot be changed here: its arguments cannot be read"):
        jobs.draft_change("r-7", Wanted(None, {"customer_id": 8}))
    jobs.remove("r-7")
    assert jobs.get_jobs() == []


def test_why_says_who_added_a_job_and_who_changed_it(jobs: OfferedJobs, scheduler: AsyncIOScheduler) -> None:
    jobs.keep(jobs.draft(FIRST, wanted()), note="as he asked")
    assert re.search(
        r'It was added while running by Anna at [-\d]+ [:\d]+.* \(note: "as he asked"\)\.',
        ask(scheduler, "why", "r-7"),
    )
    jobs.keep(jobs.draft_change("r-7", Wanted(None, {"customer_id": 8})))
    said = ask_json(scheduler, "why", "r-7")
    assert re.search(
        r"It was added while running by Anna at .*, and changed by Anna at ", said["sentences"][-1]
    )
    assert [entry["action"] for entry in said["audit"]] == ["add", "change"]


async def test_a_run_says_who_added_its_job(jobs: OfferedJobs, scheduler: AsyncIOScheduler) -> None:
    jobs.keep(jobs.draft(FIRST, wanted(schedule={"trigger": "date"})))
    async with scheduler:
        await until(
            lambda: rows_of(scheduler, "r-7") and rows_of(scheduler, "r-7")[0]["state"] == "succeeded"
        )
    assert re.search(r"added while running +add by Anna, ", ask(scheduler, "show", "r-7"))


def test_of_many_at_once_one_adds_a_job_and_one_changes_it(
    jobs: OfferedJobs, scheduler: AsyncIOScheduler
) -> None:
    def act(draft: Draft) -> str:
        try:
            OfferedJobs(scheduler.offers, "one of many").keep(draft)
        except NotNowError as problem:
            return type(problem).__name__
        return "kept"

    def at_once(drafts: list[Draft]) -> list[str]:
        with ThreadPoolExecutor(len(drafts)) as pool:
            return sorted(pool.map(act, drafts))

    numbers = range(1, 7)
    drafts = [jobs.draft(FIRST, wanted(arguments={"customer_id": it})) for it in numbers]
    assert at_once(drafts) == ["TakenError"] * 5 + ["kept"]
    drafts = [jobs.draft_change("r-7", Wanted(None, {"customer_id": 10 + it})) for it in numbers]
    assert at_once(drafts) == ["NotNowError"] * 5 + ["kept"]
    entries = found_in(scheduler.ledger, "SELECT action FROM scheduler_audit ORDER BY audit_id")
    assert [entry["action"] for entry in entries] == ["add", "change"]


def test_a_job_of_every_second_is_one_that_says_so(jobs: OfferedJobs) -> None:
    draft = jobs.draft(FIRST, wanted(schedule={"trigger": "cron", "second": "*"}))
    assert draft.job.schedule.text == "cron[second='*']"


@pytest.mark.parametrize(
    ("run_date", "note"),
    [
        ("2098-03-30T02:30", "the clock jumps over the planned time this day: due at 03:00"),
        ("2098-10-26T02:30", "02:30 comes twice this day: due at the first only"),
        ("2098-10-26T02:30+01:00", ""),
        ("2098-10-26T04:30", ""),
    ],
)
def test_a_date_that_the_clock_does_not_show_once_has_a_note(
    jobs: OfferedJobs, run_date: str, note: str
) -> None:
    schedule = {"trigger": "date", "run_date": run_date, "timezone": "Europe/Berlin"}
    draft = jobs.draft(FIRST, wanted(schedule=schedule))
    assert [found for _tick, found in draft.fires(10)] == [note]
    jobs.keep(jobs.draft(FIRST, wanted()))
    changed = jobs.draft_change("r-7", wanted(schedule=schedule))
    assert [found for _tick, found in changed.fires(10)] == [note]
