"""Which application a process belongs to: named by an option, a variable or a file, or by nobody."""

from __future__ import annotations

import ast
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from everytick import ConfigurationError, SchedulerSettings
from everytick import app as which
from everytick.api.loading import configure_logging
from everytick.call_site import is_library_file

SOURCE = Path(which.__file__).parent
SHOP = """
from everytick import AsyncIOScheduler


def task() -> None: ...


def create_scheduler() -> AsyncIOScheduler:
    scheduler = AsyncIOScheduler()
    scheduler.add_job(task, "cron", hour=9, id="{job}")
    return scheduler


def forgets() -> None: ...


number = 3
"""
OTHER = SHOP.format(job="of_other")
TABLE = '[project]\nname = "the-shop"\n\n[tool.everytick]\napp = "shop:create_scheduler"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two schedules in which nothing says which is meant."""
    (tmp_path / "shop.py").write_text(SHOP.format(job="of_shop"))
    (tmp_path / "other.py").write_text(OTHER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(which, "_current", None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv(which.VARIABLE, raising=False)
    # Of the folder of another test.
    monkeypatch.delitem(sys.modules, "own", raising=False)
    return tmp_path


def called(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command `everytick`, as its script does."""
    code = "import sys; sys.path.pop(0); from everytick.__main__ import main; main()"
    clean = {name: it for name, it in os.environ.items() if not name.startswith(("SCHEDULER_", "EVERYTICK"))}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=clean | {"COLUMNS": "200"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def job_ids(folder: Path, *arguments: str, **variables: str) -> list[str]:
    done = called(folder, *arguments, "jobs", "--json", **variables)
    assert done.returncode == 0, done.stderr
    return [job["id"] for job in json.loads(done.stdout)]


# --- the command ---


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


@pytest.mark.parametrize("arguments", ["", "level", "level, log_format, more", "*, level, log_format"])
def test_a_logging_function_that_takes_other_arguments_is_one_sentence(folder: Path, arguments: str) -> None:
    (folder / "own.py").write_text(f"def configure({arguments}): ...\n")
    (folder / "pyproject.toml").write_text(TABLE + 'logging = "own:configure"\n')
    with pytest.raises(ConfigurationError) as refusal:
        configure_logging(SchedulerSettings())
    assert str(refusal.value) == (
        f"{folder}/pyproject.toml: [tool.everytick] logging: own:configure must take two arguments, the level"
        " and the format, as `log_to_stderr` does"
    )


@pytest.mark.parametrize("arguments", ["level, log_format", "*arguments", "level, log_format, more=3"])
def test_a_logging_function_that_takes_both_is_called(
    folder: Path, arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "own.py").write_text(f"def configure({arguments}): print('own logging')\n")
    (folder / "pyproject.toml").write_text(TABLE + 'logging = "own:configure"\n')
    configure_logging(SchedulerSettings())
    assert capsys.readouterr().out == "own logging\n"


def test_without_any_it_is_one_sentence(folder: Path) -> None:
    for command in ("run", "runs", "doctor"):
        done = called(folder, command)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"error: {which.NOT_NAMED}\n"
    for arguments in (("--help",), ("run", "--help"), ("--version",)):
        assert called(folder, *arguments).returncode == 0
    # The square brackets are shown, and are no markup.
    assert "[tool.everytick]" in which.NOT_NAMED


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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[tool\n", "pyproject.toml: not valid TOML: "),
        ("tool = 'x'\n", "pyproject.toml: tool must be a table: [tool]"),
        ("project = 'x'\n[tool.everytick]\napp = 'x:y'\n", "project must be a table: [project]"),
        (
            "[project]\nname = 5\n[tool.everytick]\napp = 'x:y'\n",
            "[project] name = 5 must be text, not empty",
        ),
        ("[tool]\neverytick = 3\n", "pyproject.toml: tool.everytick must be a table: [tool.everytick]"),
        ("[tool.everytick]\nap = 'x:y'\n", "[tool.everytick] has no 'ap'; did you mean 'app'?"),
        ("[tool.everytick]\nzzzzz = 'x:y'\n", "it takes app, settings, logging, name, timezone"),
        ("[tool.everytick]\napp = 3\n", "[tool.everytick] app = 3 must be text, not empty"),
        ("[tool.everytick]\napp = 'a b:c'\n", "[tool.everytick] app: 'a b:c' is not a reference such as"),
    ],
)
def test_a_file_that_cannot_be_understood_is_one_sentence(folder: Path, text: str, sentence: str) -> None:
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        which.find()
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_above_the_nearest_that_cannot_be_read_is_passed_over(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool\n")
    below = folder / "below"
    below.mkdir()
    (below / "pyproject.toml").write_text('[project]\nname = "inner"\n')
    (below / "shop.py").write_text(OTHER)
    assert job_ids(below, "--app", "shop:create_scheduler") == ["of_other"]
    # And it may have been the one that names the application: a nearer one is not there.
    (below / "pyproject.toml").unlink()
    assert "not valid TOML" in called(below, "--app", "shop:create_scheduler", "jobs").stderr


# --- processes that are not a command ---


def test_an_application_that_registered_itself_is_not_looked_for(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.everytick]\napp = 'nothing:of_it'\n")
    mine = which.register(which.Application(schedule="other:create_scheduler"))
    assert which.current() is mine


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


def test_the_modules_of_the_root_come_after_those_of_a_script(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(TABLE)
    before = list(sys.path)
    assert which.current().root == folder
    assert sys.path == [*before, str(folder)]
    which.find(command=True)
    assert sys.path == [str(folder), *before]


def test_an_application_without_a_name_of_its_own_takes_any_ledger(folder: Path) -> None:
    find: Callable[[], Any] = which.find
    assert (find().name, find().owner, find().schedule) == ("app", None, None)
    named = which.find("shop:create_scheduler")
    assert (named.name, named.owner, named.command) == ("shop", None, "everytick --app shop:create_scheduler")
    (folder / "pyproject.toml").write_text(TABLE)
    assert (find().name, find().owner, find().command) == ("the-shop", "the-shop", "everytick")


def test_the_file_of_a_schedule_may_be_that_of_a_package(folder: Path) -> None:
    (folder / "market").mkdir()
    (folder / "market" / "__init__.py").touch()
    assert which.find("market:create").schedule_file == "market/__init__.py"
    assert which.find("shop:create").schedule_file == "shop.py"


@pytest.mark.full
def test_a_command_that_is_advised_is_one_that_can_be_typed(folder: Path) -> None:
    assert (
        "right: everytick --app shop:create_scheduler run"
        in called(folder, "--app", "shop:create_scheduler", "doctor").stdout
    )
    (folder / "pyproject.toml").write_text(TABLE)
    assert "right: everytick run" in called(folder, "doctor").stdout


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


@pytest.fixture
def by_hand(folder: Path) -> Path:
    """A package that registers its application by hand, in a project that another template made."""
    (folder / "market").mkdir()
    (folder / "market" / "__init__.py").write_text(
        "from everytick import Application, register\n\n"
        "application = register(Application(__file__, schedule='shop:create_scheduler', name='market'))\n"
    )
    (folder / "pyproject.toml").write_text('[tool.everytick]\napp = "market"\n')
    (folder / ".copier-answers.yml").write_text("_commit: v1.0\n_src_path: gh:somebody/another\n")
    return folder


def test_an_application_that_was_registered_by_hand_has_no_template(by_hand: Path) -> None:
    for command in ("update", "outdated"):
        done = called(by_hand, command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "this one gets a newer everytick as any other package" in done.stderr
    said = called(by_hand, "--version").stdout
    assert said.startswith("market (not installed) (everytick ")
    assert "v1.0" not in said


def test_the_version_of_the_template_may_be_folded_or_quoted_in_the_answers(by_hand: Path) -> None:
    (by_hand / "market" / "core").mkdir()
    (by_hand / "market" / "core" / "template.toml").write_text('answers = ".mine.yml"\n')
    for written in ("1.0.0", "'1.0.0'", '"1.0.0"', "\n  1.0.0"):
        (by_hand / ".mine.yml").write_text(f"# By Copier\n_commit: {written.lstrip()}\nci: github\n")
        assert "(template 1.0.0, " in called(by_hand, "--version").stdout


def test_the_advised_command_is_the_one_that_found_the_package(by_hand: Path) -> None:
    # It has no `__main__`, so `python -m market` would be of no use.
    assert "right: everytick run\n" in called(by_hand, "doctor").stdout
    assert "right: everytick --app market run\n" in called(by_hand, "--app", "market", "doctor").stdout
    said = "from everytick import app; print(app.current().command)"
    for command in ("everytick", "python -m market"):
        ran = subprocess.run([sys.executable, "-c", said], cwd=by_hand, capture_output=True, text=True)
        assert ran.stdout == f"{command}\n", ran.stderr
        (by_hand / "market" / "__main__.py").touch()


# Only what the template rendered is updated, and that is called `app`.
OF_THE_TEMPLATE = ("update", "installed.py")


@pytest.mark.parametrize(
    "file",
    [it for it in sorted(SOURCE.rglob("*.py")) if it.relative_to(SOURCE).parts[0] not in OF_THE_TEMPLATE],
    ids=lambda it: it.relative_to(SOURCE).as_posix(),
)
def test_no_sentence_names_a_command_of_another_application(file: Path) -> None:
    """What a person types is asked of the application, since not each is called `app`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {ast.get_docstring(it, clean=False) for it in ast.walk(tree) if isinstance(it, documented)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docstrings:
            assert "python -m app" not in node.value, f"{file}:{node.lineno}"


def test_a_package_whose_name_begins_like_the_engines_is_the_users() -> None:
    assert is_library_file(str(SOURCE / "api" / "triggers.py"))
    assert not is_library_file(str(SOURCE.with_name("everytick_shop") / "schedule.py"))
