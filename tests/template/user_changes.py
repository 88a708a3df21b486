"""What users do to their projects between two updates: one class for each kind of change.

None of them knows more of a version than its files, whose they are, and the separators. Each is made
in two parts, since the second is also made to a fresh render, to learn what must come out.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rendering import Project, files
from test_ownership import SCHEDULE, add, put

CONFIG = "app/core/config.py"
PROJECT = "app/core/project.toml"
LOG = "app/core/log.py"
PYPROJECT = "pyproject.toml"
RETURN = "    return scheduler\n"

# The line that says where the user's part begins, and what has room there.
SEPARATOR = r"^( *# yours: (.*?) (?:\(.*\) )?goe?s? below this line.*)$"
ADDED = {
    "packages of your own": '    "httpx>=0.28",\n',
    "tools of your own": '    "hypothesis>=6",\n',
    "settings of your own tools": '\n[tool.ruff.lint.per-file-ignores]\n"tests/*" = ["S101"]\n',
    "settings of your own": "\n# The door bell.\n# BELL=1\n",
    "targets of your own": "\ndeploy: ## put it on the server\n\t@echo deployed\n",
    "patterns of your own": "/secrets/\n",
    "steps of your own": "\nUSER root\nRUN apt-get update\nUSER app\n",
    "lines of your own for this service": '    ports: ["80:80"]\n',
    "services of your own": "\n  redis:\n    image: redis\n",
    "volumes of your own": "  redis:\n",
}


def samples(yours: list[str]) -> list[str]:
    """Return the modules with tasks."""
    return [name for name in yours if re.fullmatch(r"app/services/(?!__)\w+\.py", name)]


def replace(pattern: str, text: str) -> Callable[[str], str]:
    """Return an edit that replaces what a pattern finds first."""
    return lambda old: re.sub(pattern, text, old, count=1, flags=re.MULTILINE)


def put_below(line: str, text: str) -> Callable[[str], str]:
    """Return an edit that puts a text below a line."""
    return lambda old: old.replace(f"{line}\n", f"{line}\n{text}", 1)


def write(text: str) -> Callable[[str], str]:
    """Return an edit that writes a file anew."""
    return lambda _: text


def text_of(path: Path) -> str:
    """Return a text, and nothing of what is none."""
    return path.read_bytes().decode("utf-8", errors="ignore")


def reformat(folder: Path, names: list[str]) -> None:
    """Format Python files in a taste that is not the template's."""
    python = [name for name in names if name.endswith(".py")]
    taste = ["--line-length", "60", "--config", "format.quote-style = 'single'"]
    command = [sys.executable, "-m", "ruff", "format", "--quiet", "--isolated", "--no-cache", *taste]
    subprocess.run([*command, *python], cwd=folder, check=True)


ROUTES = "app/components/dashboard/routes.py"


class Kind:
    """A kind of change."""

    # Whether the scheduler's own files matter; without them a test is faster.
    whole = False
    # Whether the version after the newest is meant, which ships more files.
    planted = False
    # What survives as it is, whoever owned it when the project was made.
    survives: frozenset[str] = frozenset()

    def yours(self, project: Project, yours: list[str]) -> None:
        """Change what is the user's alone."""

    def theirs(self, project: Project) -> None:
        """Change what is shared or the template's."""

    def may_conflict(self, name: str) -> bool:
        """Tell whether both may have changed the same lines of that file."""
        return False


class Nothing(Kind):
    """The project stays as it was made."""

    whole = True


class ALineInEachFile(Kind):
    """Everything that is the user's is edited."""

    def yours(self, project: Project, yours: list[str]) -> None:
        for name in yours:
            project.edit(name, add("# mine\n"))


class AnotherSchedule(Kind):
    """Jobs are added, and all others are due at another time."""

    def yours(self, project: Project, yours: list[str]) -> None:
        job = '    scheduler.add_job(print, trigger="interval", hours=2, id="mine")\n\n'
        project.edit(SCHEDULE, put(RETURN, job))
        project.edit(SCHEDULE, lambda old: re.sub(r"(hours?)=\d+", r"\1=7", old))


class AnotherTask(Kind):
    """The samples are rewritten in part, and get company."""

    def yours(self, project: Project, yours: list[str]) -> None:
        for name in samples(yours):
            project.edit(name, replace(r'^"""', '"""Mine. '))
            project.edit(name, add("\n\ndef mine() -> None:\n    pass\n"))


class NoSamples(Kind):
    """All examples are deleted, and the pages and the pipeline with them."""

    def yours(self, project: Project, yours: list[str]) -> None:
        gone = set(samples(yours)) | {name for name in yours if not name.startswith("app/")}
        assert len(gone) >= 4
        assert {name.split("/")[0] for name in gone} >= {"app", "tests", "README.md", ".github"}
        for name in gone:
            (project.folder / name).unlink()
        project.edit(SCHEDULE, lambda old: re.sub(r"^from app\.services.*\n", "", old, flags=re.M))
        project.edit(SCHEDULE, lambda old: re.sub(r"\n    # .*?(?=    return)", "", old, flags=re.S))


class FilesOfEverySort(Kind):
    """Files are added: in all folders, binary, empty, with strange names and line ends, ignored by git."""

    def yours(self, project: Project, yours: list[str]) -> None:
        added = {
            "app/services/watering.py": b"AMOUNT = 3\n",
            "app/services/garden/__init__.py": b"",
            "app/services/garden/roses and tulips.txt": b"no newline at the end",
            "app/services/gie\u00dfen.py": "WORT = 'gie\u00dfen'\n".encode(),
            "app/components/web/main.py": b"PORT = 80\n",
            "app/components/scheduler/runtime/of_mine.py": b"MINE = True\n",
            "app/core/picture.png": bytes(range(256)),
            "tests/test_windows.py": b'"""Lines end as on Windows."""\r\n',
            "docs/index.md": b"# Mine\n",
            "uv.lock": b"version = 1\n",
            ".env": b"SECRET=1\n",
            "data/notes.txt": b"ignored by git\n",
        }
        # Where the template had none yet when the project was made.
        for name in ("Dockerfile", "compose.yaml", ".dockerignore"):
            if not (project.folder / name).exists():
                added[name] = b"# mine\n"
        for name, data in added.items():
            path = project.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (project.folder / "docs/deploy.sh").write_bytes(b"#!/bin/sh\n")
        (project.folder / "docs/deploy.sh").chmod(0o755)


class FilesOfALaterVersion(Kind):
    """Files are added where a later version has some too: one in a folder of the user's, one elsewhere."""

    planted = True

    def yours(self, project: Project, yours: list[str]) -> None:
        project.edit("app/services/later.py", write("MINE = 1\n"))

    def theirs(self, project: Project) -> None:
        project.edit("app/later.py", write('"""Mine."""\n\nMINE = 2\n'))

    def may_conflict(self, name: str) -> bool:
        return name == "app/later.py"


class BelowTheSeparators(Kind):
    """Dependencies, tools, targets, settings and patterns are added where there is room for them."""

    def __init__(self) -> None:
        self._used: set[tuple[str, str]] = set()

    def theirs(self, project: Project) -> None:
        first = not self._used
        for name in files(project.folder):
            for line, room in re.findall(SEPARATOR, text_of(project.folder / name), re.MULTILINE):
                if first:
                    self._used.add((name, line))
                # A separator that only a later version has is left as it is.
                if (name, line) in self._used:
                    project.edit(name, put_below(line, ADDED[room]))
        assert len(self._used) >= 6


class OwnFilesReformatted(Kind):
    """What is the user's is formatted in another taste."""

    def yours(self, project: Project, yours: list[str]) -> None:
        reformat(project.folder, yours)


class EverythingReformatted(OwnFilesReformatted):
    """All Python files are formatted in another taste, the template's too."""

    whole = True

    def theirs(self, project: Project) -> None:
        reformat(project.folder, files(project.folder))

    def may_conflict(self, name: str) -> bool:
        return name.endswith(".py")


class OtherNames(Kind):
    """A module of tasks and one of its functions get other names, everywhere."""

    def yours(self, project: Project, yours: list[str]) -> None:
        schedule = (project.folder / SCHEDULE).read_text(encoding="utf-8")
        found = re.search(r"^from app\.services\.(\w+) import (\w+)", schedule, re.MULTILINE)
        assert found
        module, function = found.groups()
        old = project.folder / f"app/services/{module}.py"
        old.rename(old.with_name("garden.py"))
        for name in {*yours, "app/services/garden.py"} - {f"app/services/{module}.py"}:
            path = project.folder / name
            if name.endswith(".py"):
                text = re.sub(rf"\b{function}\b", "the_first", path.read_text(encoding="utf-8"))
                path.write_text(re.sub(rf"\b{module}\b", "garden", text), encoding="utf-8")


class OtherSettings(Kind):
    """Settings are added and changed, in the user's files and in the shared ones."""

    def yours(self, project: Project, yours: list[str]) -> None:
        fields = '    smtp_host: str = "localhost"\n    smtp_port: int = 25\n'
        project.edit(CONFIG, replace(r"^class Settings\(.*\n(?: +\"\"\".*\n)?", rf"\g<0>\n{fields}"))
        project.edit(PROJECT, replace(r"^timezone = .*", 'timezone = "Asia/Tokyo"'))

    def theirs(self, project: Project) -> None:
        project.edit(PYPROJECT, replace(r"^version = .*", 'version = "3.2.1"'))
        project.edit(PYPROJECT, replace(r"^line-length = .*", "line-length = 79"))

    def may_conflict(self, name: str) -> bool:
        return name == PYPROJECT


class LogsOfOnesOwn(Kind):
    """Another place for the logs is added to `log.py`, and how they look is changed."""

    survives = frozenset({LOG})

    def yours(self, project: Project, yours: list[str]) -> None:
        project.edit(LOG, replace(r'^"""', '"""Mine. '))
        project.edit(LOG, add('\n\ndef also_to_a_file() -> None:\n    logger.add("data/plants.log")\n'))


class ARouterOnTheDashboard(Kind):
    """The dashboard gets an endpoint; a project without one has a file of that name all the same."""

    def yours(self, project: Project, yours: list[str]) -> None:
        router = 'mine = APIRouter(prefix="/mine")\nrouters: list[APIRouter] = [mine]\n'
        project.edit(ROUTES, write(f"from fastapi import APIRouter\n\n{router}"))


KINDS: list[type[Kind]] = [
    Nothing,
    ALineInEachFile,
    AnotherSchedule,
    AnotherTask,
    NoSamples,
    FilesOfEverySort,
    FilesOfALaterVersion,
    BelowTheSeparators,
    OwnFilesReformatted,
    EverythingReformatted,
    OtherNames,
    OtherSettings,
    LogsOfOnesOwn,
    ARouterOnTheDashboard,
]
