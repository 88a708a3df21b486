"""Rows of the ledger that somebody wrote by hand, or that another version wrote: R8, and who may run what."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from everytick import AsyncIOScheduler, ScheduleError, SchedulerClient
from everytick.doctor.history import examine_history
from everytick.engine import heartbeats
from everytick.masking import hide
from everytick.model import ticks
from everytick.model.allowed_functions import AllowedFunctions
from everytick.read.known_job import undeclared
from everytick.store.querying import connect
from loguru import logger

import added_tasks
from dashboards import api, look
from histories import ask, ask_json
from inside import rows_of, until
from ledgers import change, found_in

TRACE = "import pathlib\npathlib.Path(__file__).with_suffix('.trace').touch()\n\ndef work(): ...\n"


@pytest.fixture
def log() -> Iterator[list[str]]:
    """What is logged."""
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    yield lines
    logger.remove(sink)


@pytest.fixture(autouse=True)
def no_calls_yet() -> Iterator[None]:
    added_tasks.calls.clear()
    added_tasks.opened.clear()
    yield
    for name in ("outside", "owner"):
        sys.modules.pop(name, None)


def module(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a module that can be imported; return the file that its import leaves behind."""
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    return folder / f"{name}.trace"


async def with_rows(scheduler: AsyncIOScheduler, rows: Mapping[str, Mapping[str, str]]) -> None:
    """Leave jobs behind, of which somebody has changed some columns while nothing was up."""
    async with scheduler:
        for job_id in (*rows, "other"):
            scheduler.add_job(
                added_tasks.note, "interval", seconds=0.2, id=job_id, args=[job_id], misfire_grace_time=None
            )
    for job_id, columns in rows.items():
        for column, value in columns.items():
            statement = f"UPDATE scheduler_jobs SET {column} = ? WHERE job_id = ?"
            change(scheduler.ledger, statement, value, job_id)


def problems(scheduler: AsyncIOScheduler) -> dict[str, str]:
    """Return what `jobs` says is wrong, by job."""
    return {row["id"]: str(row["problem"]) for row in ask_json(scheduler, "jobs") if row["id"] != "other"}


async def starts_without_them(log: list[str], *job_ids: str) -> dict[str, str]:
    """Start the application: the other job must run, and these not. Return what is said of each."""
    again = AsyncIOScheduler()
    before = {job_id: len(rows_of(again, job_id)) for job_id in job_ids}
    log.clear()
    async with again:
        added_tasks.calls.clear()
        await until(lambda: ("other",) in added_tasks.calls)
        assert [job.id for job in again.get_jobs()] == ["other"]
    assert set(added_tasks.calls) == {("other",)}
    assert {job_id: len(rows_of(again, job_id)) for job_id in job_ids} == before
    assert not found_in(again.ledger, "SELECT * FROM scheduler_jobs WHERE removed_us IS NOT NULL")
    kept = (line.partition(" is kept, but cannot run: ") for line in log)
    return {job.removeprefix("job "): said for job, separator, said in kept if separator}


def is_readable(scheduler: AsyncIOScheduler, *job_ids: str) -> None:
    """Look at everything that shows the rows: none of it may fail."""
    for path in ("/", "/coming", "/api/v1/jobs", "/api/v1/plan"):
        assert look(scheduler.ledger, path).status_code == 200, path
    for job_id in job_ids:
        assert look(scheduler.ledger, "/job", id=job_id).status_code == 200, job_id
        assert look(scheduler.ledger, f"/api/v1/jobs/{job_id}").status_code == 200, job_id
        ask_json(scheduler, "why", job_id)
    for command in (["plan"], ["runs"], ["diff"], ["simulate", "--days", "1"]):
        ask(scheduler, *command)


OWN = """
from functools import partial, wraps
from subprocess import run
from pydantic import BaseModel

class Own(BaseModel):
    size: int = 1

    @classmethod
    def made(cls): ...

    def grown(self): ...

own = Own()
part = partial(run, "id")

def decorated(function):
    @wraps(function)
    def inner(): return function()
    return inner

@decorated
def work(): ...
"""
# What a class inherits, and what an object can do, is not the application's.
INHERITED = ["Own.parse_raw", "Own.model_validate", "Own.mro", "Own.__subclasses__", "own.__setattr__"]
INHERITED += [
    "own.model_dump",
    "own.grown",
    "Own.model_dump",
    "part",
    "run",
    "own.__class__",
    "work.__call__",
]
FOREIGN = [
    "os:system",
    "builtins:exec",
    "this:x",
    "subprocess:run",
    "outside:work",
    "added_tasks:threading.Thread",
    "added_tasks:opened.set",
    "added_tasks:note.__globals__.clear",
    "everytick.cli.program:app.__class__",
]


@pytest.mark.full
async def test_a_row_runs_no_code_but_the_applications(
    scheduler: AsyncIOScheduler, log: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = module(tmp_path, "outside", TRACE, monkeypatch)
    await with_rows(scheduler, {f"{number}": {"function": it} for number, it in enumerate(FOREIGN)})
    sys.modules.pop("this", None)
    told = await starts_without_them(log, *map(str, range(len(FOREIGN))))
    shown = problems(scheduler)
    assert set(told) == set(shown) == set(map(str, range(len(FOREIGN))))
    for said in (*told.values(), *shown.values()):
        assert " is not allowed: " in said
    assert "jobs that are added while running may call functions of" in shown["0"]
    assert "SCHEDULER_ALLOWED_PACKAGES names more packages" in shown["0"]
    is_readable(scheduler, *shown)
    assert "this" not in sys.modules
    assert not trace.exists()
    assert not added_tasks.opened.is_set()


def test_an_allowed_module_lends_nothing_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(tmp_path, "owner", OWN, monkeypatch)
    allowed = AllowedFunctions(("owner",))
    for name in INHERITED:
        for find in (allowed.load, allowed.look_up):
            with pytest.raises(ValueError, match="is not allowed"):
                find(f"owner:{name}")
    for name in ("work", "Own.made"):
        assert callable(allowed.load(f"owner:{name}"))


# Of a file every column takes every type; of a server every number of 64 bits.
ODD = {
    "scheduler_jobs": [
        ("function", b"\xff"), ("function", 7), ("name", b"\xff"), ("name", 7), ("trigger", b"\xff"),
        ("serial", None),
        ("serial", "soon"), ("watermark_us", "soon"), ("watermark_us", -(2**63)), ("watermark_us", 2**63 - 1),
        ("paused_us", 2**63 - 1), ("registered_us", -(2**63)), ("job_id", b"\xff\xfe"),
    ],
    "scheduler_processes": [("start_number", "first"), ("beat_us", 2**63 - 1), ("started_us", 2**63 - 1)],
}  # fmt: skip


@pytest.mark.full
async def test_odd_values_in_a_row_stop_no_other_job(scheduler: AsyncIOScheduler, log: list[str]) -> None:
    rows: dict[str, dict[str, str]] = {f"row {number}": {} for number in range(len(ODD["scheduler_jobs"]))}
    await with_rows(scheduler, rows)
    for job_id, (column, value) in zip(rows, ODD["scheduler_jobs"], strict=True):
        change(scheduler.ledger, f"UPDATE scheduler_jobs SET {column} = ? WHERE job_id = ?", value, job_id)
    columns = "process_id, host, pid, started_us, beat, beat_us, start_number"
    for number, (column, value) in enumerate(ODD["scheduler_processes"]):
        insert = f"INSERT INTO scheduler_processes ({columns}) VALUES (?, 'moon', 7, 1, 1, 1, 1)"
        change(scheduler.ledger, insert, f"odd {number}")
        statement = f"UPDATE scheduler_processes SET {column} = ? WHERE process_id = ?"
        change(scheduler.ledger, statement, value, f"odd {number}")
    async with AsyncIOScheduler():
        added_tasks.calls.clear()
        await until(lambda: added_tasks.calls.count(("other",)) >= 3)


@pytest.mark.parametrize("instant", [2**63 - 1, pytest.param(-(2**63), marks=pytest.mark.full)])
async def test_instants_beyond_the_calendar_are_shown_as_its_end(
    scheduler: AsyncIOScheduler, instant: int
) -> None:
    scheduler.add_job(added_tasks.note, "interval", hours=1, id="row")
    async with scheduler:
        SchedulerClient().run_job_now("row")
        await until(lambda: rows_of(scheduler, "row"))
        SchedulerClient().pause_job("row")
    for table, column in (
        ("audit", "at_us"), ("jobs", "watermark_us"), ("jobs", "paused_us"), ("runs", "due_us"),
        ("runs", "claimed_us"), ("runs", "started_us"), ("runs", "finished_us"),
    ):  # fmt: skip
        change(scheduler.ledger, f"UPDATE scheduler_{table} SET {column} = ?", instant)
    is_readable(scheduler, "row")
    for path in ("/audit", "/runs", "/running", "/api/v1/runs", "/api/v1/audit", "/api/v1/processes"):
        assert look(scheduler.ledger, path).status_code == 200, path


async def test_such_a_function_is_refused_when_it_is_added(
    scheduler: AsyncIOScheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = module(tmp_path, "outside", TRACE, monkeypatch)
    async with scheduler:
        for who in (scheduler, SchedulerClient("carla")):
            for function in ("outside:work", "os:system", os.getcwd, "added_tasks:threading.Thread"):
                with pytest.raises(ScheduleError, match="is not allowed"):
                    who.add_job(function, "interval", hours=1, id="row")
            who.add_job(added_tasks.note, "interval", hours=1, id="mine", replace_existing=True)
            with pytest.raises(ScheduleError, match="is not allowed"):
                who.modify_job("mine", func="outside:work")
    assert not trace.exists()
    # The user's own code may name any function.
    AsyncIOScheduler().add_job("outside:work", "interval", hours=1)
    assert trace.exists()


async def test_a_setting_allows_another_package(
    scheduler: AsyncIOScheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = module(tmp_path, "outside", TRACE, monkeypatch)
    scheduler.settings.scheduler_allowed_packages = "shop, outside"
    async with scheduler:
        scheduler.add_job("outside:work", "interval", hours=1, id="row")
    assert trace.exists()


@pytest.mark.full
async def test_a_function_that_is_no_longer_allowed_does_not_run(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        job = scheduler.add_job(added_tasks.note, "interval", hours=1, id="row")
        job.func = print
        SchedulerClient().run_job_now("row")
        await until(lambda: [row["state"] for row in rows_of(scheduler, "row")] == ["failed"])
    assert "'builtins:print' is not allowed" in rows_of(scheduler, "row")[0]["error"]


BROKEN = {
    "lacking": (TRACE.replace("work", "play"), "AttributeError: module 'lacking' has no attribute 'work'"),
    "misspelt": (TRACE.replace("def work", "def def"), "SyntaxError"),
    "failing": (TRACE + "raise OSError('no')\n", "None"),
    "sound": (TRACE, "None"),
    "starred": ("from added_tasks import *\n" + TRACE.replace("work", "play"), "None"),
    "dynamic": ("def __getattr__(name): ...\n" + TRACE.replace("work", "play"), "None"),
}


@pytest.mark.full
async def test_to_read_nothing_is_imported(
    scheduler: AsyncIOScheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler.settings.scheduler_allowed_packages += "".join(f" {name}" for name in (*BROKEN, "boxes"))
    traces = [module(tmp_path, name, text, monkeypatch) for name, (text, _said) in BROKEN.items()]
    (tmp_path / "boxes").mkdir()
    for name in ("__init__", "inside"):
        (tmp_path / "boxes" / f"{name}.py").write_text(TRACE, encoding="utf-8")
    importlib.invalidate_caches()
    rows = {name: {"function": f"{name}:work"} for name in BROKEN}
    rows["inside"] = {"function": "boxes.inside:work"}
    rows["nowhere"] = {"function": "boxes.nowhere:work"}
    await with_rows(scheduler, rows)
    shown = problems(scheduler)
    for name, (_text, said) in BROKEN.items():
        assert said in shown[name]
    assert shown["inside"] == "None"
    assert "ModuleNotFoundError: No module named 'boxes.nowhere'" in shown["nowhere"]
    is_readable(scheduler, *rows)
    listed = {job.id for job in SchedulerClient().get_jobs()}
    assert listed == {"other", *(name for name, said in shown.items() if said == "None")}
    assert sys.modules.keys().isdisjoint([*BROKEN, "boxes", "boxes.inside"])
    assert [it for it in (*traces, *(tmp_path / "boxes").glob("*.trace")) if it.exists()] == []


@pytest.mark.full
async def test_a_job_that_only_the_running_process_knows_not_to_run_is_seen_everywhere(
    scheduler: AsyncIOScheduler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.05)
    hide("not-to-be-told")
    scheduler.settings.scheduler_allowed_packages += " failing"
    text = "raise OSError('no\\nnot-to-be-told ' + 'x' * 10_000)\n\ndef work(): ...\n"
    module(tmp_path, "failing", text, monkeypatch)
    await with_rows(scheduler, {"row": {"function": "failing:work"}})
    assert problems(scheduler) == {"row": "None"}, "to read nothing is imported"

    again = AsyncIOScheduler()
    again.settings.scheduler_allowed_packages += " failing"
    async with again:
        said = await until(lambda: problems(scheduler)["row"].replace("None", ""))
        assert re.fullmatch(r".*OSError: no \*+ x+ \(as process \d+ on .+ says\)", said)
        assert len(said) < 500
        assert api(scheduler.ledger, "jobs/row")["problem"] == said
        assert said in unescape(look(scheduler.ledger, "/job", id="row").text)
        assert said in " ".join(ask_json(scheduler, "why", "row")["sentences"])
        with connect(scheduler.ledger) as connection:
            found = examine_history(connection, undeclared(scheduler.settings), ticks.now(), UTC)
        assert f"job row cannot run: {said}" in {finding.what for finding in found}
        assert api(scheduler.ledger, "jobs/other")["problem"] is None
        # Mended while it runs: what a process says is what is so now.
        row: dict[str, Any] = {"trigger": "interval", "hours": 1, "id": "row", "args": ["row"]}
        SchedulerClient().add_job(added_tasks.note, replace_existing=True, **row)
        await until(lambda: problems(scheduler) == {"row": "None"})
        change(scheduler.ledger, "UPDATE scheduler_jobs SET function = 'failing:work' WHERE job_id = 'row'")
    async with AsyncIOScheduler() as again:
        await until(lambda: problems(scheduler)["row"] != "None")
    assert problems(scheduler) == {"row": "None"}, "who said so is gone"


@pytest.mark.full
async def test_what_a_process_is_made_to_say_by_hand_hurts_nobody(scheduler: AsyncIOScheduler) -> None:
    async with scheduler:
        scheduler.add_job(added_tasks.note, "interval", hours=1, id="row", args=["row"])
        odd = ("no JSON", "[]", '{"row": 3}', '{"row": {}}', "[" * 100_000, "9" * 300_000)
        for text in (*odd, '{"row": "\\u001b[31m"}'):
            change(scheduler.ledger, "UPDATE scheduler_processes SET cannot_run = ?", text)
            assert look(scheduler.ledger, "/").status_code == 200
            assert problems(scheduler)["row"].isprintable()
