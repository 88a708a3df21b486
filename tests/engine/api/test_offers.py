"""Functions that the code offers: what may be offered, and what they take."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler, BackgroundScheduler, BlockingScheduler, ScheduleError
from everytick import app as which
from everytick.api.drafts import Wanted, WrongFieldError
from everytick.api.loading import load_schedule
from everytick.api.offered_jobs import OfferedJobs
from everytick.model import offers

import added_tasks
import offered_tasks
from inside import rows_of, until
from offering import FIRST, wanted
from offering import jobs as jobs
from offering import no_calls_yet as no_calls_yet

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
        (None, "offer(None) offers nothing: give the function itself"),
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


@pytest.mark.parametrize("name", [3, True, ["a"], "", " ", "a\nb", "a\x1b[31mb", "a\u202eb", "a\ud800"])
def test_a_name_that_nobody_can_choose_by_is_refused(name: Any) -> None:
    scheduler = AsyncIOScheduler()
    with pytest.raises(ScheduleError, match=r"^tests/engine/api/test_offers.py:\d+: name=") as raised:
        scheduler.offer(offered_tasks.remind, name=name)
    assert "must be text of one line, not empty, without control characters" in str(raised.value)
    assert str(raised.value).isprintable()
    assert not scheduler.offers


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


# --- wrong offers


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
