"""Build the package `everytick` into build/dist (or a folder that is named) and check it: `make package`.

Checks the metadata, compares what is in the wheel and the sdist with what is in the repository, installs the
wheel into clean environments of the oldest and the newest Python of this machine, and runs a schedule there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from packaging.metadata import Metadata
from packaging.version import Version
from uv import find_uv_bin

from app_session import ROOT
from pythons import clean_environment, found_pythons

BUILT = ROOT / "build" / "dist"
PACKAGE = "src/everytick/"
# In the wheel beside the package's own files: `update` tells what is new from it.
ADDED = {"everytick/CHANGELOG.md"}
# Files that a schedule or a dashboard would miss at run time only.
NEEDED = (
    "everytick/py.typed",
    "everytick/dashboard/pages/base.html",
    "everytick/dashboard/static/htmx.min.js",
    "everytick/store/migrations/env.py",
    "everytick/store/new_ledger/postgresql.sql",
    "everytick/store/new_ledger/sqlite.sql",
)
PATIENCE = 60.0
JOBS = """\
from everytick import AsyncIOScheduler


def task() -> None:
    print("ran")


def create_scheduler() -> AsyncIOScheduler:
    scheduler = AsyncIOScheduler()
    scheduler.add_job(task, "interval", seconds=1, id="task")
    return scheduler
"""


class PackageError(Exception):
    """An error in the package, in a sentence or with the output that shows it."""


def main(folder: Path) -> int:
    """Build into a folder and check; return the exit code."""
    try:
        wheel, sdist = build(folder)
        check_metadata(wheel, sdist)
        check_contents(wheel, sdist)
        pythons = found_pythons()
        if not pythons:
            raise PackageError("there is no Python here in which the wheel could be tried")
        tried = sorted({min(pythons, key=Version), max(pythons, key=Version)}, key=Version)
        for version in tried:
            try_out(wheel, pythons[version])
    except PackageError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(f"{wheel.name} and {sdist.name} are in order; tried on Python {' and '.join(tried)}")
    return 0


def call(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command, return what it prints; what it says is in the error when it fails."""
    done = subprocess.run(
        [str(it) for it in command],
        cwd=cwd,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()
        raise PackageError(f"`{' '.join(map(str, command))}` ended with {done.returncode}:\n{said}")
    return done.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel out of it, into a folder of their own; return the wheel, the sdist."""
    shutil.rmtree(folder, ignore_errors=True)
    call(find_uv_bin(), "build", "--quiet", "--out-dir", folder)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def check_metadata(wheel: Path, sdist: Path) -> None:
    """Raise PackageError for metadata that an index refuses, or shows in another way than is meant."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [it for it in archive.namelist() if it.endswith(".dist-info/METADATA")]
        in_wheel = archive.read(name)
    with tarfile.open(sdist) as archive_of_source:
        found = archive_of_source.extractfile(f"{sdist.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert found is not None, "every sdist has it"
        in_sdist = found.read()
    if in_wheel != in_sdist:
        raise PackageError("the metadata of the wheel and of the sdist differ")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for sentence in wrong_metadata(in_wheel, project):
        raise PackageError(sentence)


def wrong_metadata(text: bytes, project: dict[str, Any]) -> list[str]:
    """Return what is wrong with core metadata, beside what pyproject.toml says."""
    try:
        said = Metadata.from_email(text, validate=True)
    except ExceptionGroup as problems:
        return [f"the metadata is not valid: {it}" for it in problems.exceptions]
    found = []
    for field, is_so, right in (
        ("name", said.name, project["name"]),
        ("version", str(said.version), project["version"]),
        ("licence", said.license_expression, project["license"]),
        ("form of the description", said.description_content_type, "text/markdown"),
    ):
        if is_so != right:
            found.append(f"the metadata has the {field} {is_so}, and not {right}")
    found += [f"an index refuses the direct reference {it}" for it in said.requires_dist or () if it.url]
    # The page of an index has no other files.
    for link in re.findall(r"\]\((?!https?://|#)([^)]*)\)", said.description or ""):
        found.append(f"the link to {link} in the description would lead nowhere")
    return found


def check_contents(wheel: Path, sdist: Path) -> None:
    """Raise PackageError for a file that is missing in what was built, or that does not belong there."""
    tracked = call("git", "ls-files", "--cached", "--others", "--exclude-standard", PACKAGE).splitlines()
    ours = {it.removeprefix("src/") for it in tracked if (ROOT / it).exists()}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    others = {name for name in names if ".dist-info/" not in name}
    with tarfile.open(sdist) as archive_of_source:
        inside = {it.name.partition("/")[2] for it in archive_of_source.getmembers() if it.isfile()}
    beside = {"src/README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "PKG-INFO", ".gitignore"}
    for what, has, wanted in (
        ("wheel", others, ours | ADDED),
        ("sdist", inside, {f"src/{it}" for it in ours} | beside),
    ):
        if wrong := has ^ wanted:
            name = min(wrong)
            raise PackageError(f"the {what} {'has' if name in has else 'lacks'} {name} ({len(wrong)} such)")
    if missing := [it for it in NEEDED if it not in others]:
        raise PackageError(f"the wheel lacks {missing[0]}")
    if not any(it.endswith("/licenses/LICENSE") for it in names):
        raise PackageError("the wheel lacks the licence")


def try_out(wheel: Path, python: str) -> None:
    """Install the wheel alone, without the repository and without any extra, and run a schedule with it."""
    with tempfile.TemporaryDirectory(prefix="everytick-") as name:
        folder = Path(name)
        uv = find_uv_bin()
        call(uv, "venv", "--quiet", "--python", python, folder / "env", cwd=folder)
        binaries = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        call(uv, "pip", "install", "--quiet", "--python", binaries / "python", wheel, cwd=folder)
        everytick = binaries / "everytick"
        if "--app" not in call(everytick, "--help", cwd=folder):
            raise PackageError("`everytick --help` does not name --app")
        (folder / "jobs.py").write_text(JOBS, encoding="utf-8")
        run_a_schedule(everytick, folder)


def run_a_schedule(everytick: Path, folder: Path) -> None:
    """Run the schedule of a folder until a run has succeeded, and stop it as a service would."""
    command = [str(everytick), "--app", "jobs:create_scheduler"]
    log = folder / "log.txt"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "run"], cwd=folder, env=clean_environment(), stdout=stream, stderr=stream
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not has_succeeded(command, folder):
            if process.poll() is not None or time.monotonic() > deadline:
                raise PackageError(f"no run succeeded:\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        if process.wait(PATIENCE) != 0:
            raise PackageError(f"the schedule ended in a wrong way:\n{log.read_text(encoding='utf-8')}")
    finally:
        process.kill()
        process.wait()


def has_succeeded(command: list[str], folder: Path) -> bool:
    """Return whether the ledger has a run that succeeded."""
    if not (folder / "data" / "ledger.db").exists():
        return False
    try:
        runs = json.loads(call(*command, "runs", "--json", cwd=folder))
    except PackageError:
        # The first question may come before the ledger is ready.
        return False
    return any(run["state"] == "succeeded" for run in runs)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else BUILT))
