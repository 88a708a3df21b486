"""`make install` in a rendered application: it never harms an environment that works."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from uv import find_uv_bin

from pythons import clean_environment, found_pythons, run, run_well
from rendering import Project, TemplateHistory, edit, fresh_folder, git, render

STAYS = (
    "error: installing failed, see above. The environment that was there stays: .venv/bin/python -m app run\n"
)
MISSING = '    "no-such-package-of-anybody>=1",\n'
BELOW = "    # yours: packages of your own go below this line; updates leave them alone\n]"


@pytest.fixture
def history() -> TemplateHistory:
    """A template with the engine and one release, 1.0.0."""
    made = TemplateHistory(engine=True)
    made.release("1.0.0")
    return made


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a proxy that leads nowhere: bound, so that nobody else has it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def make(
    folder: Path, *words: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run make as a user would, with further variables of the environment."""
    return subprocess.run(
        ["make", *words],
        cwd=folder,
        env={**clean_environment(), **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def offline(proxy: str) -> dict[str, str]:
    """Return what makes every way to packages lead nowhere, whatever this machine has beside the network."""
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    return dict.fromkeys(names, proxy) | {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_INDEX_URL": "https://packages.invalid/simple",
        "PIP_RETRIES": "0",
        "UV_FIND_LINKS": "",
        "UV_HTTP_RETRIES": "0",
        "UV_NO_CACHE": "1",
        "UV_NO_CONFIG": "1",
    }


def recorded_uv(folder: Path) -> tuple[str, Path]:
    """Return a uv that writes down how it is called, and where it does."""
    program, calls = folder.parent / "uv", folder.parent / "calls"
    program.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\nexec "{find_uv_bin()}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    calls.touch()
    return f"UV={program}", calls


def works(folder: Path) -> bool:
    """Tell whether the installed application and the scripts of its environment run."""
    run_well(folder, folder / ".venv/bin/python", "-m", "app", "jobs", "--json")
    run_well(folder, folder / ".venv/bin/ruff", "--version")
    return not (folder / ".venv.before").exists()


def engine_commit(folder: Path) -> str:
    """Return the commit of the engine that is installed."""
    [origin] = folder.glob(".venv/lib/python*/site-packages/everytick-*.dist-info/direct_url.json")
    return str(json.loads(origin.read_text(encoding="utf-8"))["vcs_info"]["commit_id"])


@pytest.mark.full
def test_an_environment_is_installed_again_when_what_it_is_made_from_changed(project: Project) -> None:
    folder = project.folder
    uv, calls = recorded_uv(folder)
    assert make(folder, "install", uv).returncode == 0
    assert works(folder)
    assert len(calls.read_text().splitlines()) == 1

    # Git writes files anew with the same text, as after a checkout.
    for name in ("pyproject.toml", "uv.lock"):
        os.utime(folder / name)
    assert make(folder, "install", uv).returncode == 0
    assert len(calls.read_text().splitlines()) == 1

    project.edit("pyproject.toml", lambda old: old.replace('version = "0.1.0"', 'version = "0.2.0"'))
    assert make(folder, "install", uv).returncode == 0
    assert len(calls.read_text().splitlines()) == 2
    assert "0.2.0" in run_well(folder, folder / ".venv/bin/python", "-m", "app", "--version")

    # Somebody stopped the machine while another environment was made: the old one is beside it.
    (folder / ".venv").rename(folder / ".venv.before")
    (folder / ".venv/bin").mkdir(parents=True)
    assert make(folder, "install", uv).returncode == 0
    assert len(calls.read_text().splitlines()) == 2
    assert works(folder)


@pytest.mark.full
def test_without_a_network_uv_leaves_what_works(project: Project, nowhere: str) -> None:
    folder = project.folder
    uv = f"UV={find_uv_bin()}"
    assert make(folder, "install", uv).returncode == 0

    os.utime(folder / "pyproject.toml")
    assert make(folder, "install", uv, variables=offline(nowhere)).returncode == 0

    text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    # A package that cannot be had; a Python that is not here, for which uv would first remove what is there.
    wishes = [(BELOW, BELOW.removesuffix("]") + MISSING + "]"), ('">=3.11"', '">=3.15"')]
    if "3.15" in found_pythons():
        wishes.pop()
    for old, new in wishes:
        assert old in text
        (folder / "pyproject.toml").write_text(text.replace(old, new), encoding="utf-8")
        done = make(folder, "run", uv, variables=offline(nowhere))
        assert done.returncode != 0
        assert STAYS in done.stderr, done.stderr
        assert works(folder)

    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    assert make(folder, "install", uv, variables=offline(nowhere)).returncode == 0


@pytest.mark.full
def test_uv_brings_another_commit_of_one_version_and_says_where_the_engine_was(
    history: TemplateHistory, nowhere: str
) -> None:
    project = history.copy()
    folder = project.folder
    uv = f"UV={find_uv_bin()}"
    assert make(folder, "install", uv).returncode == 0
    project.commit("installed")
    first = engine_commit(folder)

    history.edit("src/everytick/errors.py", lambda old: f"{old}\nNEWER = True\n")
    history.release("1.1.0")
    project.update()
    assert make(folder, "install", uv).returncode == 0
    assert engine_commit(folder) == git(history.folder, "rev-parse", "HEAD").strip() != first
    run_well(folder, folder / ".venv/bin/python", "-c", "from everytick.errors import NEWER")

    # On another machine there is no such folder.
    clone = folder.parent / "clone"
    git(folder, "clone", "--quiet", ".", str(clone))
    away = history.folder.rename(history.folder.with_name("away"))
    done = make(clone, "install", uv, variables={"UV_NO_CACHE": "1"})
    away.rename(history.folder)
    assert done.returncode != 0
    assert f"The engine comes from {history.folder}, which this machine does not have" in done.stderr
    assert "error: installing failed, see above\n" in done.stderr


@pytest.mark.full
def test_an_application_that_was_moved_is_installed_again(project: Project) -> None:
    uv = f"UV={find_uv_bin()}"
    assert make(project.folder, "install", uv).returncode == 0
    moved = project.folder.with_name("moved")
    project.folder.rename(moved)
    edit(moved / "app/services/my_tasks.py", lambda old: f"{old}\nMOVED = True\n")
    assert make(moved, "install", uv).returncode == 0
    said = run(
        moved.parent,
        moved / ".venv/bin/python",
        "-c",
        "from app.services import my_tasks; print(my_tasks.MOVED)",
    )
    assert said.stdout == "True\n", said.stderr


# --- without installing anything: what `uv` is told, and when


# Makes an environment of which only the Python works; a file `wait` holds it up.
STAND_IN = f"""#!/bin/sh
echo "$@" >> ../calls
mkdir -p .venv/bin .venv/lib
ln -sf {sys.executable} .venv/bin/python
wc -l < ../calls > .venv/lib/number
while [ -e ../wait ]; do sleep 0.05; done
exit "$(cat ../code 2>/dev/null || echo 0)"
"""


@pytest.fixture
def app() -> Path:
    """A rendered application, with a stand-in for uv beside it."""
    beside = fresh_folder()
    (beside / "uv").write_text(STAND_IN, encoding="utf-8")
    (beside / "uv").chmod(0o755)
    return render(beside / "app")


def started(folder: Path, *words: str, path: str = "") -> subprocess.Popen[str]:
    """Start make as a terminal does, in a process group of its own."""
    return subprocess.Popen(
        ["make", *words, f"UV={folder.parent / 'uv'}"],
        cwd=folder,
        env=clean_environment() | ({"PATH": f"{path}{os.pathsep}{os.environ['PATH']}"} if path else {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell lets what runs in the background ignore Ctrl+C, and so would make.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def done_well(process: subprocess.Popen[str]) -> str:
    """Wait for the end of make; return what it said."""
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said
    return said


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so, at most half a minute."""
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def which_environment(folder: Path) -> int:
    """Return the number of the call that made the environment which is there, and works."""
    run_well(folder, folder / ".venv/bin/python", "-c", "")
    assert [it.name for it in folder.glob(".venv*")] == [".venv"]
    return int((folder / ".venv/lib/number").read_text())


def calls(folder: Path) -> list[str]:
    return (folder.parent / "calls").read_text(encoding="utf-8").splitlines()


@pytest.mark.full
def test_a_second_make_waits_for_the_one_that_installs(app: Path) -> None:
    done_well(started(app, "install"))
    (app.parent / "wait").touch()
    first = started(app, "install", f"PYTHON={sys.executable}")
    until(lambda: len(calls(app)) == 2 and (app / ".venv/lib/number").exists())
    second = started(app, "install")
    assert second.stderr is not None
    assert "Another make installs here; waiting for it" in second.stderr.readline()
    (app.parent / "wait").unlink()
    done_well(first)
    done_well(second)
    assert which_environment(app) == 2
    assert len(calls(app)) == 2


@pytest.mark.full
def test_the_environment_that_a_killed_make_left_is_put_back(app: Path) -> None:
    done_well(started(app, "install"))
    (app.parent / "wait").touch()
    killed = started(app, "install", f"PYTHON={sys.executable}")
    until(lambda: len(calls(app)) == 2 and (app / ".venv/lib/number").exists())
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    (app.parent / "wait").unlink()
    done_well(started(app, "install"))
    assert which_environment(app) == 1
    assert len(calls(app)) == 2


@pytest.mark.full
def test_stopped_while_the_old_environment_is_removed_the_new_one_stays(app: Path) -> None:
    done_well(started(app, "install"))
    tools = fresh_folder("tools")
    removes = f'/bin/rm -rf "$last/bin"; kill -INT 0; exec {shutil.which("sleep")} 30'
    (tools / "rm").write_text(
        "#!/bin/sh\nfor last; do :; done\n"
        f'case "$last" in *before) if [ -d "$last" ]; then {removes}; fi;; esac\nexec /bin/rm "$@"\n'
    )
    (tools / "rm").chmod(0o755)
    stopped = started(app, "install", f"PYTHON={sys.executable}", path=str(tools))
    stopped.communicate(timeout=60)
    assert stopped.returncode != 0
    done_well(started(app, "install", f"PYTHON={sys.executable}"))
    assert which_environment(app) >= 2


@pytest.mark.full
def test_a_python_that_is_named_is_used_and_only_once(app: Path) -> None:
    done_well(started(app, "install"))
    own = fresh_folder("a b") / "python"
    own.symlink_to(sys.executable)
    for _ in range(2):
        done_well(started(app, "install", f"PYTHON={own}"))
    done_well(started(app, "install"))
    assert calls(app) == ["sync", f"sync --python {own}"]
    # And where it does not serve, what was there stays.
    (app.parent / "code").write_text("2")
    refused = started(app, "install", "PYTHON=/not/there")
    assert STAYS in refused.communicate(timeout=60)[1]
    assert refused.returncode != 0
    assert which_environment(app) == 2


@pytest.mark.full
def test_without_uv_a_python_that_is_named_is_the_only_one(app: Path) -> None:
    own = fresh_folder("a b") / "python"
    # It makes no environment: a venv takes long, and where packages are had is not of interest here.
    own.write_text(
        f'#!/bin/sh\necho "$@" >> "{app.parent}/calls"\n'
        f'[ "$1" != -m ] || exit 1\nexec "{sys.executable}" "$@"\n'
    )
    own.chmod(0o755)
    assert make(app, "install", "UV=", f"PYTHON={own}").returncode != 0
    assert calls(app)[-1] == "-m venv .venv"
    refused = make(app, "install", "UV=", "PYTHON=/not/there")
    assert refused.returncode != 0
    assert (
        "PYTHON=/not/there cannot be used. No suitable Python found: pyproject.toml asks for"
        in refused.stderr
    )


@pytest.mark.full
@pytest.mark.parametrize("name", ["a b", "größe", "100%", "it's"])
def test_a_template_that_is_there_is_not_said_to_be_missing(app: Path, name: str) -> None:
    place = fresh_folder() / name
    place.mkdir()
    address = place.as_uri().replace("file://", "file://localhost")
    line = f'    "everytick @ git+{address}@{"0" * 40}",'
    lines = (app / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    lines = [line if it.startswith('    "everytick') else it for it in lines]
    (app / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")
    (app.parent / "code").write_text("2")
    assert make(app, "install", f"UV={app.parent / 'uv'}").stderr.startswith("error: installing failed")
    place.rmdir()
    # Also in a list on one line.
    edit(
        app / "pyproject.toml",
        lambda old: re.sub(r'"loguru>=0.7.3",\n(?: *#.*\n)? *"every', '"loguru>=0.7.3", "every', old),
    )
    said = make(app, "install", f"UV={app.parent / 'uv'}").stderr
    assert f"The engine comes from {place}, which this machine does not have" in said
