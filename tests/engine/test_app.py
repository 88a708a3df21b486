"""Which application a process belongs to: named by an option, a variable or a file, or by nobody."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from everytick import ConfigurationError, SchedulerSettings, project_file
from everytick import app as which
from everytick.api.loading import configure_logging
from everytick.call_site import is_library_file
from everytick.command_line import python, script
from everytick.system import rights

from a_shop import OTHER, TABLE, called, job_ids
from a_shop import folder as folder
from sources import parsed

SOURCE = Path(which.__file__).parent
# A user of the machine without a name.
BOB = 4_000_123


# --- the command ---


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


@pytest.mark.full
def test_without_any_it_is_one_sentence(folder: Path) -> None:
    for command in ("run", "runs", "doctor"):
        done = called(folder, command)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"error: {which.not_named()}\n"
    for arguments in (("--help",), ("run", "--help"), ("--version",)):
        assert called(folder, *arguments).returncode == 0
    # The square brackets are shown, and are no markup.
    assert "[tool.everytick]" in which.not_named()


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


@pytest.mark.full
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


# --- files that others may have put there ---

_TRAP = "from pathlib import Path\nPath(__file__).with_name('caught').touch()\n"


@pytest.fixture
def trap(folder: Path) -> Path:
    """A folder to work in, with nothing in it, below one that everybody may write to, such as /tmp."""
    (folder / "pyproject.toml").write_text(TABLE)
    (folder / ".env").write_text("SCHEDULER_TIMEZONE=Asia/Tokyo\n")
    (folder / "shop.py").write_text(_TRAP)
    folder.chmod(0o1777)
    below = folder / "below"
    below.mkdir()
    return below


@pytest.mark.full
def test_what_lies_above_in_a_folder_for_everybody_is_not_run(trap: Path) -> None:
    done = called(trap, "jobs")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {trap.parent}/pyproject.toml is not taken, for everybody may write to the folder"
        f" {trap.parent}; if it is trusted, name the application: --app package.module:create_scheduler, or"
        " EVERYTICK_APP=package.module:create_scheduler\n"
    )
    assert not (trap.parent / "caught").exists()
    # Its own table in a folder of one's own hides it, and so does a name for the application.
    (trap / "pyproject.toml").write_text(TABLE)
    (trap / "shop.py").write_text(OTHER)
    assert job_ids(trap) == ["of_other"]
    (trap / "pyproject.toml").unlink()
    assert job_ids(trap, "--app", "shop:create_scheduler") == ["of_other"]


@pytest.mark.full
def test_modules_of_the_working_directory_are_no_part_of_a_command_that_nobody_named(folder: Path) -> None:
    for module in ("colorsys", "logging", "markdown_it"):
        (folder / f"{module}.py").write_text(_TRAP)
    # Only then are they imported.
    assert called(folder, "jobs", "--help").returncode == 0
    assert not (folder / "caught").exists()


@pytest.mark.parametrize("of_stranger", ["pyproject.toml", ".env", ".", "below"])
def test_what_belongs_to_another_user_is_not_taken(
    trap: Path, of_stranger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap.parent.chmod(0o755)
    assert which.find(folder=trap).schedule == "shop:create_scheduler"
    mine, stranger = os.geteuid(), 4_000_123
    owned = trap.parent / of_stranger
    monkeypatch.setattr(project_file, "_owners", lambda path: (mine, stranger if path == owned else 0))
    file = trap.parent / (".env" if of_stranger == ".env" else "pyproject.toml")
    with pytest.raises(ConfigurationError) as refusal:
        which.find(folder=trap)
    assert str(refusal.value).startswith(f"{file} is not taken, for {owned} belongs to the user 4000123; if")
    # As in a container, whose files belong to the user who built it.
    assert which.find("shop:create_scheduler", folder=trap).root == trap.parent
    monkeypatch.setenv(which.VARIABLE, "shop:create_scheduler")
    assert which.find(folder=trap).root == trap.parent


def test_what_belongs_to_another_user_is_not_taken_in_the_working_directory_either(
    trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One's own, in a folder that everybody may write to, as in many containers.
    assert which.find(folder=trap.parent).schedule == "shop:create_scheduler"
    monkeypatch.setattr(project_file, "_owners", lambda _path: (4_000_123, 0))
    with pytest.raises(ConfigurationError, match="belongs to the user 4000123"):
        which.find(folder=trap.parent)


# --- modules that others may have put there ---

_SHARED = {
    "everybody": (0o1777, None),
    "everybody, and no sticky bit": (0o777, None),
    "another user": (0o755, BOB),
}


def shared_with(others: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let others write to a folder, and return how a sentence says who does."""
    mode, owner = _SHARED[others]
    folder.chmod(mode)
    if owner is None:
        return f"everybody on this machine may write to the folder {folder}, and can"
    seen = rights.look

    def look(path: Path) -> os.stat_result | None:
        found = seen(path)
        return os.stat_result((*found[:4], owner, *found[5:])) if found and path == folder else found

    monkeypatch.setattr(rights, "look", look)
    return f"the folder {folder} belongs to the user {owner}, who can"


@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
@pytest.mark.parametrize("others", _SHARED)
@pytest.mark.parametrize("command", [True, False])
@pytest.mark.parametrize("by", ["--app", which.VARIABLE])
def test_modules_are_not_looked_for_where_others_can_put_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch, others: str, command: bool, by: str
) -> None:
    before = list(sys.path)
    who = shared_with(others, folder, monkeypatch)
    if by == which.VARIABLE:
        monkeypatch.setenv(by, "planted_shop:create_scheduler")
    found = which.find("planted_shop:create_scheduler" if by == "--app" else None, command=command)
    assert sys.path == before
    # Nor may an added job name a function of what lies there.
    assert found.packages == ("planted_shop",)
    with pytest.raises(ConfigurationError) as refusal:
        which.import_referred("planted_shop:create_scheduler", by)
    assert str(refusal.value) == (
        f"{by}: 'planted_shop:create_scheduler' names the module 'planted_shop', which is not installed;"
        f" modules are not looked for in {folder}, for {who} put modules there: install the application, or"
        " have it in a folder of your own, or, if all that is there is trusted, set"
        f" PYTHONPATH={folder}; else write it as `import` has it, such as package.module:create_scheduler"
    )
    # Who says by Python's own variable that it is trusted has it so.
    monkeypatch.syspath_prepend(folder)
    which.find("planted_shop:create_scheduler", command=command)
    with pytest.raises(ConfigurationError, match=f"neither in {folder} nor installed: write it"):
        which.import_referred("planted_shop:create_scheduler", by)


@pytest.mark.full
@pytest.mark.skipif(os.name != "posix", reason="other systems have other rights")
def test_an_installed_application_runs_in_a_folder_for_everybody_and_takes_no_module_there(
    folder: Path,
) -> None:
    installed = folder / "installed"
    installed.mkdir()
    (folder / "shop.py").rename(installed / "shop.py")
    here = folder / "shared"
    here.mkdir()
    here.chmod(0o1777)
    for module in ("shop", "apprise", "colorsys"):
        (here / f"{module}.py").write_text(_TRAP)
    assert job_ids(here, "--app", "shop:create_scheduler", PYTHONPATH=str(installed))
    (here / "pyproject.toml").write_text(TABLE)
    done = called(here, "jobs")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"modules are not looked for in {here}, for everybody on this machine may write to" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (here / "caught").exists()


# --- processes that are not a command ---


def test_an_application_that_registered_itself_is_not_looked_for(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.everytick]\napp = 'nothing:of_it'\n")
    mine = which.register(which.Application(schedule="other:create_scheduler"))
    assert which.current() is mine


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
    assert (named.name, named.owner) == ("shop", None)
    assert named.command == f"{script('everytick')} --app shop:create_scheduler"
    (folder / "pyproject.toml").write_text(TABLE)
    assert (find().name, find().owner, find().command) == ("the-shop", "the-shop", script("everytick"))


def test_the_file_of_a_schedule_may_be_that_of_a_package(folder: Path) -> None:
    (folder / "market").mkdir()
    (folder / "market" / "__init__.py").touch()
    assert which.find("market:create").schedule_file == "market/__init__.py"
    assert which.find("shop:create").schedule_file == "shop.py"


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


@pytest.mark.full
def test_an_application_that_was_registered_by_hand_has_no_template(by_hand: Path) -> None:
    for command in ("update", "outdated"):
        done = called(by_hand, command)
        assert (done.returncode, done.stdout) == (2, "")
        assert "this one gets a newer everytick as any other package" in done.stderr
    said = called(by_hand, "--version").stdout
    assert said.startswith("market (not installed) (everytick ")
    assert "v1.0" not in said


@pytest.mark.full
def test_the_version_of_the_template_may_be_folded_or_quoted_in_the_answers(by_hand: Path) -> None:
    (by_hand / "market" / "core").mkdir()
    (by_hand / "market" / "core" / "template.toml").write_text('answers = ".mine.yml"\n')
    for written in ("1.0.0", "'1.0.0'", '"1.0.0"', "\n  1.0.0"):
        (by_hand / ".mine.yml").write_text(f"# By Copier\n_commit: {written.lstrip()}\nci: github\n")
        assert "(template 1.0.0, " in called(by_hand, "--version").stdout


@pytest.mark.full
def test_the_advised_command_is_the_one_that_found_the_package(by_hand: Path) -> None:
    # It has no `__main__`, so `python -m market` would be of no use.
    own = script("everytick")
    assert f"right: {own} run\n" in called(by_hand, "doctor").stdout
    assert f"right: {own} --app market run\n" in called(by_hand, "--app", "market", "doctor").stdout
    said = "from everytick import app; print(app.current().command)"
    for command in (own, f"{python()} -m market"):
        ran = subprocess.run([sys.executable, "-c", said], cwd=by_hand, capture_output=True, text=True)
        assert ran.stdout == f"{command}\n", ran.stderr
        (by_hand / "market" / "__main__.py").touch()


@pytest.mark.full
def test_the_advised_command_stays_the_one_that_was_typed_when_a_package_registers_later(
    by_hand: Path,
) -> None:
    (by_hand / "market" / "__main__.py").touch()
    (by_hand / "market" / "jobs.py").write_text("from shop import create_scheduler\n")
    named = "market.jobs:create_scheduler"
    assert (
        f"right: {script('everytick')} --app {named} run\n"
        in called(by_hand, "--app", named, "doctor").stdout
    )


@pytest.mark.full
def test_a_package_that_is_run_as_a_file_advises_a_python_that_is_there(by_hand: Path) -> None:
    (by_hand / "market" / "__main__.py").write_text(
        "from everytick import cli\nfrom market import application\n\n"
        "cli.main(application, 'python -m market')\n"
    )
    program = (
        "import sys, runpy; sys.argv[:] = ['x', 'doctor']; runpy.run_module('market', run_name='__main__')"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=by_hand, capture_output=True, text=True)
    assert f"right: {python()} -m market run\n" in ran.stdout, ran.stderr


# Only what the template rendered is updated, and that is called `app`.
OF_THE_TEMPLATE = ("update", "installed.py")


def test_no_sentence_names_a_command_of_another_application() -> None:
    """What a person types is asked of the application, since not each is called `app`."""
    files = [it for it in SOURCE.rglob("*.py") if it.relative_to(SOURCE).parts[0] not in OF_THE_TEMPLATE]
    assert len(files) > 100
    suspects = [it for it in sorted(files) if "python -m app" in it.read_text("utf-8")]
    assert not [found for file in suspects for found in _said(file, "python -m app")]


def _said(file: Path, words: str) -> list[str]:
    """Return where a text other than a docstring has the words."""
    tree = parsed(file)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {ast.get_docstring(it, clean=False) for it in ast.walk(tree) if isinstance(it, documented)}
    return [
        f"{file}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docstrings
        if words in node.value
    ]


def test_a_package_whose_name_begins_like_the_engines_is_the_users() -> None:
    assert is_library_file(str(SOURCE / "api" / "triggers.py"))
    assert not is_library_file(str(SOURCE.with_name("everytick_shop") / "schedule.py"))
