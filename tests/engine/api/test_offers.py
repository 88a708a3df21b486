"""Functions that the code offers: what may be offered, what they take, what their jobs are called with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler, ScheduleError
from everytick import app as which
from everytick.api.control import NoSuchJobError
from everytick.api.loading import load_schedule
from everytick.api.offered_jobs import Draft, NotNowError, OfferedJobs, TakenError, Wanted, WrongFieldError
from everytick.model import offers
from everytick.settings import settings

import added_tasks
import offered_tasks
from histories import ask, ask_json, prepared
from inside import rows_of, until
from ledgers import change, found_in

FIRST = "offered_tasks:remind"
HOURLY = {"trigger": "interval", "hours": 1}


@pytest.fixture(autouse=True)
def no_calls_yet() -> Iterator[None]:
    offered_tasks.calls.clear()
    yield
    offered_tasks.calls.clear()


@pytest.fixture
def jobs(scheduler: AsyncIOScheduler) -> OfferedJobs:
    """What a person may do, with a ledger that has one job of the code."""
    for function in (offered_tasks.remind, offered_tasks.export, offered_tasks.later, offered_tasks.sweep):
        scheduler.offer(function)
    scheduler.add_job(added_tasks.note, "interval", hours=1, id="of-the-code")
    prepared(scheduler)
    return OfferedJobs(scheduler.offers, "Anna")


def wanted(**more: Any) -> Wanted:
    return Wanted(**{"schedule": HOURLY, "arguments": {"customer_id": 7}, "job_id": "r-7", **more})


# --- what may be offered


@pytest.mark.parametrize("kind", [AsyncIOScheduler, BackgroundScheduler, BlockingScheduler])
def test_a_function_is_offered_by_a_call_or_by_a_decorator(kind: type[AsyncIOScheduler]) -> None:
    scheduler = kind()
    assert scheduler.offer(offered_tasks.remind) is offered_tasks.remind
    assert scheduler.offer(name="An export")(offered_tasks.export) is offered_tasks.export
    assert {one.reference: one.name for one in scheduler.offers.values()} == {
        FIRST: "remind",
        "offered_tasks:export": "An export",
    }


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (added_tasks.nested(), "inner stands inside of another function, where no process finds it"),
        (lambda: None, "a lambda cannot be found again by another process"),
        (added_tasks.Tasks().of_an_object, "of_an_object is a method of a Tasks object, which is gone"),
        ("os:system", "offer('os:system') takes the function itself, and not its name"),
        (7, "7 is not a function"),
    ],
)
def test_what_no_process_finds_again_is_not_offered(function: Any, sentence: str) -> None:
    with pytest.raises(ScheduleError, match=r"tests/engine/api/test_offers.py:\d+: ") as raised:
        AsyncIOScheduler().offer(function)
    assert sentence in str(raised.value)


def test_a_function_is_offered_once() -> None:
    scheduler = AsyncIOScheduler()
    scheduler.offer(offered_tasks.remind)
    with pytest.raises(ScheduleError, match=r"is offered already, at tests/engine/api/test_offers.py:\d+"):
        scheduler.offer(offered_tasks.remind, name="Once more")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (json.dumps, "'json:dumps' is not allowed: jobs that are added while running may call functions of"),
        (added_tasks.by_lambda, None),
    ],
)
async def test_a_start_refuses_to_offer_what_no_added_job_may_call(
    scheduler: AsyncIOScheduler, function: Any, sentence: str | None
) -> None:
    if sentence is None:
        function = added_tasks.note
        function.__qualname__, before = "shadow", function.__qualname__
        sentence = "cannot be imported"
    try:
        scheduler.offer(function)
        with pytest.raises(ScheduleError) as raised:
            async with scheduler:
                pass
    finally:
        if function is added_tasks.note:
            function.__qualname__ = before
    assert sentence in str(raised.value)
    assert str(raised.value).startswith("tests/engine/api/test_offers.py:")


# --- what they take


def test_each_parameter_is_a_field_of_its_own_kind(jobs: OfferedJobs, scheduler: AsyncIOScheduler) -> None:
    known = scheduler.offers["offered_tasks:export"].parameters
    assert [(it.name, it.kind, it.is_required, it.is_optional) for it in known] == [
        ("day", "date", True, False),
        ("at", "datetime", False, True),
        ("form", "choice", False, False),
        ("colour", "choice", False, False),
        ("share", "number", False, False),
        ("columns", "json", False, True),
        ("more", "json", False, False),
    ]
    assert known[2].choices == ("csv", "xlsx")
    assert known[3].choices == ("red", "blue")
    assert scheduler.offers[FIRST].description == "Send a reminder to a customer."


@pytest.mark.parametrize(
    ("function", "arguments", "field", "sentence"),
    [
        ("remind", {}, "customer_id", "give a value: remind cannot be called without"),
        ("remind", {"customer_id": "7"}, "customer_id", "'7' is not a whole number"),
        ("remind", {"customer_id": True}, "customer_id", "True is not a whole number"),
        ("remind", {"customer_id": None}, "customer_id", "None is not a whole number"),
        ("remind", {"customer_id": 10**400}, "customer_id", "which cannot be kept as it is"),
        ("remind", {"customer_id": 7, "text": 3}, "text", "3 is not text"),
        ("remind", {"customer_id": 7, "text": "\ud800"}, "text", "which cannot be kept as it is"),
        ("remind", {"customer_id": 7, "urgent": 1}, "urgent", "1 is not true or false"),
        ("remind", {"customer_id": 7, "txt": ""}, "txt", "takes no such argument; did you mean 'text'?"),
        ("remind", {"customer_id": 7, "__class__": "x"}, "__class__", "takes no such argument"),
        ("remind", {"customer_id": 7, "self": "x"}, "self", "takes no such argument"),
        ("export", {"day": "soon"}, "day", "'soon' is not a date such as 2026-12-24"),
        ("export", {"day": 7}, "day", "7 is not a date"),
        ("export", {"day": "2026-12-24", "at": "noon"}, "at", "'noon' is not a date and time such as"),
        ("export", {"day": "2026-12-24", "form": "pdf"}, "form", "'pdf' is none of 'csv', 'xlsx'"),
        ("export", {"day": "2026-12-24", "share": float("nan")}, "share", "nan is not a number"),
        ("export", {"day": "2026-12-24", "columns": [1, "2"]}, "columns", "[1]: input should be a valid int"),
        ("export", {"day": "2026-12-24", "columns": 3}, "columns", "input should be a valid list"),
        ("export", {"day": "2026-12-24", "more": {1: 2}}, "more", "a dict with keys that are not text"),
    ],
)
def test_arguments_are_checked_against_the_signature(
    jobs: OfferedJobs, function: str, arguments: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(WrongFieldError) as raised:
        jobs.draft(f"offered_tasks:{function}", wanted(arguments=arguments))
    assert raised.value.field == f"arguments.{field}"
    assert str(raised.value).startswith(f"{field}: ")
    assert sentence in str(raised.value)


def test_no_more_arguments_are_taken_than_are_kept(jobs: OfferedJobs) -> None:
    with pytest.raises(WrongFieldError, match="at most 64 KiB are kept"):
        jobs.draft(FIRST, wanted(arguments={"customer_id": 7, "text": "é" * 20_000}))


def test_what_stands_for_more_arguments_has_no_field() -> None:
    scheduler = AsyncIOScheduler()
    scheduler.offer(offered_tasks.of_any)
    offer = scheduler.offers["offered_tasks:of_any"]
    assert offer.parameters == ()
    assert offer.given((1,), {}) is None
    assert offer.given((), {}) == {}


def test_an_annotation_for_type_checkers_alone_is_a_field_of_json() -> None:
    def untold(value: Nowhere, other: int) -> None:  # type: ignore[name-defined]  # noqa: F821
        raise AssertionError

    made = offers.Offer("x:untold", untold, "untold", "here")
    assert [it.kind for it in made.parameters] == ["json", "json"]


async def test_a_function_gets_what_its_annotations_name(
    jobs: OfferedJobs, scheduler: AsyncIOScheduler
) -> None:
    given = {"day": "2026-12-24", "at": "2026-12-24T18:00+01:00", "colour": "blue", "columns": [3, 4]}
    once = {"trigger": "date"}
    jobs.keep(jobs.draft("offered_tasks:export", Wanted(once, given, "full")))
    jobs.keep(jobs.draft("offered_tasks:export", Wanted(once, {"day": "2026-12-24"}, "least")))
    jobs.keep(jobs.draft("offered_tasks:later", Wanted(once, {"when": "2026-12-24T18:00"}, "soon")))
    async with scheduler:
        await until(lambda: len(offered_tasks.calls) == 3)
    at = datetime.fromisoformat("2026-12-24T18:00+01:00")
    assert sorted(offered_tasks.calls, key=repr) == sorted(
        [
            (date(2026, 12, 24), at, "csv", offered_tasks.Colour.BLUE, 0.5, [3, 4], None),
            (date(2026, 12, 24), None, "csv", offered_tasks.Colour.RED, 0.5, None, None),
            (datetime(2026, 12, 24, 18),),
        ],
        key=repr,
    )


async def test_it_gets_that_also_when_it_is_offered_no_more(
    jobs: OfferedJobs, scheduler: AsyncIOScheduler
) -> None:
    jobs.keep(jobs.draft("offered_tasks:export", Wanted({"trigger": "date"}, {"day": "2026-12-24"}, "least")))
    scheduler._offers.clear()
    async with scheduler:
        await until(lambda: offered_tasks.calls)
        await until(lambda: rows_of(scheduler, "least")[0]["state"] == "succeeded")
    assert offered_tasks.calls[0][0] == date(2026, 12, 24)


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


def test_a_wrong_offer_is_found_by_each_command_that_loads_the_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "an_offering_schedule.py").write_text(
        "import shutil\nfrom everytick import AsyncIOScheduler\n\n\ndef create_scheduler():\n"
        "    scheduler = AsyncIOScheduler()\n    scheduler.offer(shutil.rmtree)\n    return scheduler\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    application = which.Application(schedule="an_offering_schedule:create_scheduler", root=tmp_path)
    monkeypatch.setattr(which, "_current", application)
    with pytest.raises(ScheduleError) as raised:
        load_schedule()
    assert str(raised.value).startswith(
        "an_offering_schedule.py:7: offer(rmtree): 'shutil:rmtree' is not allowed"
    )
