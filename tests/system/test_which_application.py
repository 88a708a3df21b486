"""Which application a command or a script belongs to, each as a process."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from a_shop import TABLE, called, job_ids
from a_shop import folder as folder


@pytest.mark.full
def test_the_option_goes_before_the_variable_and_that_before_the_file(folder: Path) -> None:
    named = {"EVERYTICK_APP": "other:create_scheduler"}
    assert job_ids(folder, "--app", "shop:create_scheduler") == ["of_shop"]
    assert job_ids(folder, **named) == ["of_other"]
    (folder / "pyproject.toml").write_text(TABLE)
    assert job_ids(folder) == ["of_shop"]
    assert job_ids(folder, **named) == ["of_other"]
    assert job_ids(folder, "--app", "shop:create_scheduler", **named) == ["of_shop"]


@pytest.mark.full
def test_the_file_may_lie_above_and_its_folder_is_the_root(folder: Path) -> None:
    below = folder / "deep" / "below"
    below.mkdir(parents=True)
    # One of another tool does not hide it.
    (below / "pyproject.toml").write_text('[project]\nname = "inner"\n')
    (folder / "pyproject.toml").write_text(TABLE)
    assert job_ids(below) == ["of_shop"]
    said = called(below, "doctor").stdout
    assert f"at {folder / 'data' / 'ledger.db'}" in said
    assert called(below, "--version").stdout.startswith("the-shop (not installed) (everytick ")


@pytest.mark.full
def test_python_m_everytick_is_the_same_command(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(TABLE)
    done = subprocess.run(
        [sys.executable, "-m", "everytick", "jobs", "--json"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert [job["id"] for job in json.loads(done.stdout)] == ["of_shop"]


@pytest.mark.full
def test_what_the_file_says_besides_holds(folder: Path) -> None:
    (folder / "own.py").write_text(
        "from everytick import SchedulerSettings, log_to_stderr\n\n"
        "settings = SchedulerSettings(scheduler_max_workers=3)\n\n\n"
        "def configure(level: str, log_format: str) -> None:\n"
        "    print('own logging', level)\n"
        "    raise SystemExit(7)\n"
    )
    more = 'name = "kept"\ntimezone = "Asia/Tokyo"\nsettings = "own:settings"\nlogging = "own:configure"\n'
    (folder / "pyproject.toml").write_text(TABLE + more)
    assert called(folder, "--version").stdout.startswith("kept ")
    assert "times in Asia/Tokyo" in called(folder, "jobs").stdout
    ran = called(folder, "run", LOG_LEVEL="DEBUG")
    assert (ran.returncode, ran.stdout) == (7, "own logging DEBUG\n")


@pytest.mark.full
@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("shop.create_scheduler", "--app: 'shop.create_scheduler' names the module 'shop.create_scheduler'"),
        (
            "shop",
            "--app: 'shop' registers no application: name the function that makes the schedule, shop:cr",
        ),
        ("own", "name the function that makes the schedule, such as own.jobs:create_scheduler"),
        ("", "--app: nothing is named: write a reference such as package.module:create_scheduler"),
        ("./shop.py", "--app: './shop.py' is neither a package nor a reference such as package.module:"),
        ("own:asynchronous", "own.py: asynchronous() is an `async def`: make it a plain `def`"),
        ("shop:", "--app: 'shop:' is not a reference such as package.module:create_scheduler"),
        ("./shop.py:create", "is not a reference such as package.module:create_scheduler"),
        ("shopp:create_scheduler", "names the module 'shopp', which is neither in "),
        (
            "shop:create_schedule",
            "the module shop has no 'create_schedule'; did you mean 'create_scheduler'?",
        ),
        ("shop:number", "--app: shop:number is int and no function: name a function that returns"),
        ("shop:forgets", "shop.py: forgets() returned nothing: end it with `return scheduler`"),
        ("shop:dict", "the module shop has no 'dict'"),
        ("collections:OrderedDict", "OrderedDict() returned collections.OrderedDict, which keeps no ledger"),
        ("broken:create_scheduler", "broken.py:2: No module named 'what_nobody_has'"),
        ("broken", "--app: broken cannot be imported: No module named 'what_nobody_has'"),
    ],
)
def test_a_reference_that_leads_to_no_schedule_is_one_sentence(
    folder: Path, reference: str, sentence: str
) -> None:
    (folder / "broken.py").write_text("import json\nimport what_nobody_has\n")
    (folder / "own.py").write_text("async def asynchronous(): ...\n")
    done = called(folder, "--app", reference, "jobs")
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.full
def test_a_package_that_registers_its_application_may_be_named(folder: Path) -> None:
    (folder / "market").mkdir()
    (folder / "market" / "__init__.py").write_text(
        "from everytick import Application, register\n\n"
        "application = register(Application(__file__, schedule='shop:create_scheduler', name='market'))\n"
    )
    assert job_ids(folder, "--app", "market") == ["of_shop"]
    (folder / "pyproject.toml").write_text('[tool.everytick]\napp = "market"\nname = "another"\n')
    done = called(folder, "jobs")
    assert done.returncode == 2
    assert "[tool.everytick] name has no effect beside app = 'market'" in done.stderr


CLIENT = """
from everytick import SchedulerClient

client = SchedulerClient()
client.add_job("shop:task", "date", run_date="2099-01-01", id="by_script")
print(client.ledger.folder, client.timezone)
"""


EMBEDDED = """
import asyncio
from everytick import AsyncIOScheduler
from shop import task

async def main():
    scheduler = AsyncIOScheduler()
    scheduler.add_job(task, "date", run_date="2099-01-01", id="embedded")
    async with scheduler:
        print(scheduler.ledger.folder, scheduler.timezone)

asyncio.run(main())
"""


@pytest.mark.full
@pytest.mark.parametrize("program", [CLIENT, EMBEDDED], ids=["a client", "a schedule within"])
@pytest.mark.parametrize("named_by", ["the variable", "the file", "nothing"])
def test_a_script_finds_the_same_application(folder: Path, program: str, named_by: str) -> None:
    (folder / "scripts").mkdir()
    (folder / "scripts" / "program.py").write_text(program)
    table = {
        "the file": f'{TABLE}timezone = "Asia/Tokyo"\n',
        "the variable": '[project]\nname = "the-shop"\n',
    }
    if named_by in table:
        (folder / "pyproject.toml").write_text(table[named_by])
    variables = {"PYTHONPATH": str(folder)}
    if named_by == "the variable":
        variables["EVERYTICK_APP"] = "shop:create_scheduler"
    ran = subprocess.run(
        [sys.executable, "scripts/program.py"],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == [str(folder / "data"), "Asia/Tokyo" if named_by == "the file" else "UTC"]
    with closing(sqlite3.connect(folder / "data" / "ledger.db")) as ledger:
        owner = ledger.execute("SELECT name FROM scheduler_application").fetchall()
    # A ledger of nobody is taken over by the first application that has a name.
    is_named = named_by != "nothing" and program is EMBEDDED
    assert owner == ([("the-shop",)] if is_named else [])
    if named_by != "nothing":
        variables = {"EVERYTICK_APP": "shop:create_scheduler"}
        assert "by_script" in job_ids(folder, **variables) or program is EMBEDDED
        (folder / "pyproject.toml").write_text('[project]\nname = "another"\n')
        told = called(folder, "jobs", **variables).stderr
        assert ("is that of the application the-shop" in told) == is_named


@pytest.mark.full
def test_a_command_that_is_advised_is_one_that_can_be_typed(folder: Path) -> None:
    # With its folder where that is not on the PATH.
    advised = re.compile(r"right: (/\S+/)?everytick --app shop:create_scheduler run$", re.MULTILINE)
    assert advised.search(called(folder, "--app", "shop:create_scheduler", "doctor").stdout)
    (folder / "pyproject.toml").write_text(TABLE)
    assert re.search(r"right: (/\S+/)?everytick run$", called(folder, "doctor").stdout, re.MULTILINE)


@pytest.mark.full
def test_commands_for_applications_from_the_template_touch_no_other(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(TABLE)
    # Of another template, from which this project was made.
    (folder / ".copier-answers.yml").write_text("_commit: v1.0\n_src_path: gh:somebody/another\n")
    for command in ("update", "outdated"):
        done = called(folder, command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "this one gets a newer everytick as any other package" in done.stderr
        assert done.stderr.count("\n") == 1
