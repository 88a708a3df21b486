"""Hints name a command as the person called this one, so that they can be copied."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from everytick.app import Application, find
from everytick.cli import entry
from everytick.command_line import as_called, python, script


@pytest.mark.parametrize(
    ("called", "said"),
    [
        (".venv/bin/python -m app runs --limit 3", ".venv/bin/python -m app"),
        ("python -X dev -m app", "python -X dev -m app"),
        # A program of a virtual environment is run by its Python, which nobody typed.
        ("{here}/.venv/bin/python .venv/bin/my-scheduler doctor", ".venv/bin/my-scheduler"),
        ("{here}/.venv/bin/python {here}/.venv/bin/my-scheduler doctor", ".venv/bin/my-scheduler"),
        ("/opt/bin/python -m app", "/opt/bin/python -m app"),
        # By a program of the user's own: its commands need not be these.
        ("python tools/everything.py runs", None),
    ],
)
def test_the_command_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str, said: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    words = called.format(here=tmp_path).split()
    monkeypatch.setattr(sys, "orig_argv", words)
    module = words.index("-m") + 1 if "-m" in words else 1
    monkeypatch.setattr(sys, "argv", [words[module], *words[module + 1 :]])
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    assert as_called() == said


def test_a_command_that_is_found_by_its_name_is_shown_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    program = bin_folder / "my-scheduler"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setattr(sys, "orig_argv", [str(bin_folder / "python"), str(program), "jobs"])
    monkeypatch.setattr(sys, "argv", [str(program), "jobs"])
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    assert as_called() == "my-scheduler"


@pytest.mark.parametrize(
    ("called", "said"),
    [
        ("{bin}/python {bin}/my-scheduler jobs", "uv run my-scheduler"),
        ("{bin}/python -m app jobs", "uv run python -m app"),
        ("python -m app jobs", "uv run python -m app"),
        # Another environment than that of uv.
        ("/opt/bin/python -m app jobs", "/opt/bin/python -m app"),
    ],
)
def test_a_command_that_uv_runs_is_shown_with_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str, said: str
) -> None:
    bin_folder = tmp_path / ".venv/bin"
    bin_folder.mkdir(parents=True)
    for name in ("my-scheduler", "python"):
        (bin_folder / name).touch(0o755)
    # As uv sets them for what it runs: after it the folder is not on the PATH of the shell.
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / ".venv"))
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    monkeypatch.chdir(tmp_path)
    words = called.format(bin=bin_folder).split()
    module = words.index("-m") + 1 if "-m" in words else 1
    monkeypatch.setattr(sys, "orig_argv", words)
    monkeypatch.setattr(sys, "argv", [words[module], *words[module + 1 :]])
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    assert as_called() == said
    assert python() == "uv run python"
    assert script("my-scheduler") == "uv run my-scheduler"
    # Within an environment that is active, uv adds nothing to what the shell has.
    monkeypatch.setenv("VIRTUAL_ENV_PROMPT", "(.venv) ")
    assert python() == "python"


def test_a_program_that_changed_its_arguments_names_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "app", "runs"])
    monkeypatch.setattr(sys, "argv", ["app", "jobs"])
    assert as_called() is None


def test_a_program_that_was_called_by_a_link_is_shown_by_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, on_path = tmp_path / "venv/bin", tmp_path / "bin"
    own.mkdir(parents=True)
    on_path.mkdir()
    (own / "my-scheduler").touch(0o755)
    link = on_path / "my-scheduler"
    link.symlink_to(own / "my-scheduler")
    monkeypatch.setattr(sys, "orig_argv", [str(own / "python"), str(link), "jobs"])
    monkeypatch.setattr(sys, "argv", [str(link), "jobs"])
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    monkeypatch.setenv("PATH", "/usr/bin")
    assert as_called() == str(link)
    monkeypatch.setenv("PATH", str(on_path))
    assert as_called() == "my-scheduler"


@pytest.mark.parametrize("on_path", [True, False])
def test_where_no_command_was_called_hints_name_a_program_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: bool
) -> None:
    own = tmp_path / "elsewhere/bin"
    own.mkdir(parents=True)
    for name in ("python", "everytick"):
        (own / name).touch(0o755)
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    monkeypatch.setenv("PATH", str(own) if on_path else "/usr/bin")
    monkeypatch.chdir(tmp_path)
    folder = "" if on_path else "elsewhere/bin/"
    assert Application(str(tmp_path / "shop/__init__.py")).command == f"{folder}python -m shop"
    assert find().command == f"{folder}everytick"
    (own / "everytick").unlink()
    assert find().command == f"{folder}python -m everytick"


@pytest.mark.parametrize("words", [[".venv/bin/everytick"], [".venv/bin/python", "-m", "everytick"]])
def test_everytick_is_shown_as_it_was_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.everytick]\napp = "shop:create_scheduler"\n')
    monkeypatch.chdir(tmp_path)
    first = words if words[1:] else [str(tmp_path / ".venv/bin/python"), *words]
    monkeypatch.setattr(sys, "orig_argv", [*first, "jobs"])
    monkeypatch.setattr(sys, "argv", [words[0], "jobs"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert find(command=True).command == " ".join(words)
    monkeypatch.setattr(sys, "argv", [words[0], "--app", "shop:create", "jobs"])
    monkeypatch.setattr(sys, "orig_argv", [*first, "--app", "shop:create", "jobs"])
    assert find("shop:create", command=True).command == f"{' '.join(words)} --app shop:create"


@pytest.mark.parametrize(
    ("set_by_bash", "said"),
    [({}, "KeyError: 'COMP_WORDS'"), ({"COMP_WORDS": "everytick jo", "COMP_CWORD": "x"}, "ValueError: ")],
)
def test_a_completion_without_what_bash_sets_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    set_by_bash: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["everytick"])
    for name in ("COMP_WORDS", "COMP_CWORD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"_EVERYTICK_COMPLETE": "complete_bash", **set_by_bash}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as end:
        entry.run(None, "everytick")
    assert end.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"error: what the shell asks to complete cannot be read ({said}")


def test_a_start_that_gets_no_thread_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_application: object, _name: object) -> None:
        with monkeypatch.context() as full:
            full.setattr("_thread.start_new_thread", raising)
            full.setattr("threading._start_new_thread", raising)
            threading.Thread(target=print).start()

    def raising(*_given: object) -> None:
        # As Python says it where the limit of a user or a container is reached.
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(entry, "_command", refused)
    with pytest.raises(SystemExit) as end:
        entry.run(None, None)
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: no thread is left for this process: raise its limit (`ulimit -u`")
    assert said.count("\n") == 1
