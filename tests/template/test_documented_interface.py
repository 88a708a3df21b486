"""The public interface is what its page says, and the user's own files use nothing else of the template."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import everytick
import pytest
from everytick.cli.program import app as commands
from everytick.dashboard.settings import DashboardSettings
from everytick.settings import SchedulerSettings

from app.core import ledger, log
from app_session import ROOT
from rendering import files, rendered
from test_render import ownership, row_of

DOCS = ROOT / "docs"
RUNTIME = "everytick"


def tables() -> dict[str, list[str]]:
    """Return what the tables of the page list, by the heading above them."""
    found: dict[str, list[str]] = {}
    heading = ""
    for line in (DOCS / "reference" / "interface.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ").removeprefix("From ").strip("`")
        elif row := re.match(r"\| `([\w-]+)` \|", line):
            found.setdefault(heading, []).append(row[1])
    return found


TABLES = tables()
PROMISED = {module: names for module, names in TABLES.items() if module.split(".")[0] in ("app", "everytick")}


def yours() -> dict[str, str]:
    """Return the Python files that the table of owners gives to the user, with their text."""
    folder = rendered()
    rows = ownership(folder)
    return {
        name: (folder / name).read_text(encoding="utf-8")
        for name in files(folder)
        if name.endswith(".py") and rows[row_of(name, rows)[0]] == "yours"
    }


def own_packages() -> tuple[str, ...]:
    """Return the packages in which users write what they like, and import it as they like."""
    rows = ownership(rendered())
    folders = [row for row, owner in rows.items() if owner == "yours" and row.endswith("/")]
    return tuple(folder.rstrip("/").replace("/", ".") for folder in folders)


def imported(text: str) -> Iterator[tuple[str, str]]:
    """Yield each import of the application: a module, and a name in it or nothing for the module itself."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((it.name, "") for it in node.names if it.name.split(".")[0] in ("app", "everytick"))
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            if module.split(".")[0] in ("app", "everytick", ""):
                yield from ((module, it.name) for it in node.names)


def not_promised(text: str) -> list[str]:
    """Return what a file imports of the application beyond the page and the user's own packages."""
    found = []
    for module, name in imported(text):
        whole = f"{module}.{name}" if name else module
        own = any(f"{whole}.".startswith(f"{package}.") for package in own_packages())
        if not own and whole not in PROMISED and name not in PROMISED.get(module, []):
            found.append(whole)
    return found


# --- the page is the code


def test_each_name_of_the_interface_is_listed_once() -> None:
    functions = [name for name, it in inspect.getmembers(ledger, inspect.isfunction) if name[0] != "_"]
    here = [name for name in functions if getattr(ledger, name).__module__ == ledger.__name__]
    assert sorted(PROMISED[RUNTIME]) == sorted(everytick.__all__)
    assert sorted(PROMISED["app.core.ledger"]) == sorted(here)
    assert sorted(PROMISED["app.core.log"]) == sorted(log.__all__)


@pytest.mark.parametrize("module", PROMISED)
def test_each_listed_name_can_be_imported(module: str) -> None:
    there = importlib.import_module(module)
    assert [name for name in PROMISED[module] if not hasattr(there, name)] == []


def all_commands() -> dict[str, Callable[..., Any]]:
    """Return every command with its function."""
    groups, found = [commands], []
    while groups:
        group = groups.pop()
        found += group.registered_commands
        groups += [it.typer_instance for it in group.registered_groups if it.typer_instance]
    return {it.name or it.callback.__name__.replace("_", "-"): it.callback for it in found if it.callback}


def test_each_command_and_each_variable_is_listed_once() -> None:
    assert sorted(TABLES["Commands"]) == sorted(all_commands())
    variables = {
        name.upper() for kind in (SchedulerSettings, DashboardSettings) for name in kind.model_fields
    }
    assert sorted(TABLES["Variables"]) == sorted(variables)


def test_the_commands_said_to_have_json_are_those_that_have_it() -> None:
    page = (DOCS / "reference" / "interface.md").read_text(encoding="utf-8")
    said = re.findall(r"^\| `([\w-]+)` \| [^|]+ \| yes \|$", page, re.MULTILINE)
    have = [name for name, it in all_commands().items() if "as_json" in inspect.signature(it).parameters]
    assert sorted(said) == sorted(have)


# --- the user's files use the page, and nothing else


def test_the_users_files_import_only_what_is_promised() -> None:
    found = yours()
    assert {"app/components/scheduler/main.py", "app/core/config.py", "app/core/log.py"} < set(found)
    assert any(name.startswith("app/services/") for name in found)
    assert any(name.startswith("tests/") for name in found)
    assert {name: missing for name, text in found.items() if (missing := not_promised(text))} == {}


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.stem)
def test_the_examples_import_only_what_is_promised(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^ *(from (?:app|everytick)[.\w]* import [\w, ]+)$", text, re.MULTILINE)
    # Files of the reader's own, which the page has told to write.
    own = {name.replace("/", ".") for name in re.findall(r"^# (app/\S+)\.py$", text, re.MULTILINE)}
    assert not_promised("\n".join(it for it in lines if it.split()[1] not in own)) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"from {RUNTIME} import Run", []),
        (f"from {RUNTIME}.context import Run", [f"{RUNTIME}.context.Run"]),
        (f"from {RUNTIME} import context", [f"{RUNTIME}.context"]),
        (f"import {RUNTIME}.context", [f"{RUNTIME}.context"]),
        ("def later():\n    from everytick.cli.program import main", ["everytick.cli.program.main"]),
        ("from app.core import ledger, template", ["app.core.template"]),
        ("from app.core.ledger import _ledger", ["app.core.ledger._ledger"]),
        ("from ..cli import main", ["..cli.main"]),
        ("from app.services.mail import send\nimport app.services.mail", []),
        ("from application import main\nimport apps", []),
    ],
)
def test_an_import_of_anything_else_is_found(line: str, found: list[str]) -> None:
    assert not_promised(line) == found


# --- without make


def test_each_target_of_the_makefile_has_its_commands_without_make() -> None:
    makefile = (ROOT / "template" / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z][a-z-]*):.* ## ", makefile, re.MULTILINE)
    page = (DOCS / "how-to" / "windows-without-make.md").read_text(encoding="utf-8")
    for part in page.split("or with Python alone:"):
        assert re.findall(r"^\| `make ([a-z-]+)` \| .*\S.* \|$", part, re.MULTILINE) == targets
