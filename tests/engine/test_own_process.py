"""A function in a process of its own: what comes back, who may read along, and what becomes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from everytick import own_process
from everytick.own_process import NoOwnProcess
from everytick.store.connections import Unavailable
from everytick.system import system

from waiting import wait_for

pytestmark = pytest.mark.full

# This file is the module: its folder is on the path of the tests, which the other process is told.
HERE = "test_own_process"


def said_by_child(text: str) -> tuple[str, str, int]:
    print("something else, with no end of line", end="")
    return text.upper(), Path("/proc/self/cmdline").read_text(), os.getpid()


def refuse(text: str) -> None:
    raise Unavailable(text, refused=True)


def end_at_once() -> None:
    os._exit(7)


def leave_one_behind() -> str:
    # It has the same standard output.
    return str(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid)


def import_what_is_not_there() -> None:
    raise AssertionError("its module cannot be imported")


def wait(folder: str) -> str:
    Path(folder, "begun").write_text(str(os.getpid()))
    wait_for(Path(folder, "go").exists, "the word to go on")
    return "went on"


def test_it_gives_back_what_the_function_returns_and_tells_nobody_what_it_was_given() -> None:
    text, command, pid = own_process.call(f"{HERE}:said_by_child", "a pässword")
    assert text == "A PÄSSWORD"
    assert "import own_process" in command
    assert "ssword" not in command
    assert pid != os.getpid()


def test_it_raises_what_the_function_raises() -> None:
    with pytest.raises(Unavailable, match=r"^gone$") as caught:
        own_process.call(f"{HERE}:refuse", "gone")
    assert caught.value.refused


def test_a_process_that_ends_without_an_answer_is_told() -> None:
    with pytest.raises(NoOwnProcess, match="exit code 7"):
        own_process.call(f"{HERE}:end_at_once")
    with pytest.raises(NoOwnProcess, match="No module named 'not_there'"):
        own_process.call("not_there:anything")


def test_what_it_has_started_and_left_behind_holds_up_nobody() -> None:
    left = int(own_process.call(f"{HERE}:leave_one_behind"))
    assert not system.is_gone(left)
    os.kill(left, signal.SIGKILL)


def test_no_program_is_started_that_is_not_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(NoOwnProcess, match="is not Python itself"):
        own_process.call(f"{HERE}:end_at_once")
    monkeypatch.delattr(sys, "frozen")
    monkeypatch.setattr(sys, "executable", "/opt/apps/sales/sales")
    with pytest.raises(NoOwnProcess, match="sales is not Python itself"):
        own_process.call(f"{HERE}:end_at_once")


CALLER = f"""
import sys
sys.path[:0] = {[str(Path(__file__).parent), str(Path(wait_for.__code__.co_filename).parent)]!r}
from everytick import own_process
print(own_process.call("{HERE}:wait", sys.argv[1]))
"""


def calling(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """Return a process that calls, begun as by a shell, and the number of the one that it waits for."""
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    begun = folder / "begun"
    return caller, int(wait_for(lambda: begun.exists() and begun.read_text(), "the process of its own"))


def test_ctrl_c_ends_both(tmp_path: Path) -> None:
    caller, child = calling(tmp_path)
    os.killpg(caller.pid, signal.SIGINT)
    assert "KeyboardInterrupt" in caller.communicate(timeout=60)[1]
    wait_for(lambda: system.is_gone(child), "the end of the process of its own")


def test_who_goes_on_in_spite_of_a_signal_gets_the_answer(tmp_path: Path) -> None:
    caller, child = calling(tmp_path)
    os.kill(child, signal.SIGTERM)
    os.kill(child, signal.SIGINT)
    (tmp_path / "go").touch()
    assert caller.communicate(timeout=60)[0] == "went on\n"


def test_it_ends_with_a_caller_that_is_killed(tmp_path: Path) -> None:
    caller, child = calling(tmp_path)
    caller.kill()
    caller.communicate(timeout=60)
    wait_for(lambda: system.is_gone(child), "the end of the process of its own")
