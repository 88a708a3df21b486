"""Each room of the engine says what its modules are for: those that there are, all of them."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import everytick
import pytest
from everytick.store import schema

from sources import parsed

ENGINE = Path(everytick.__file__).parent
TESTS = Path(__file__).parents[1]


def named_in(text: str) -> set[str]:
    """Return the modules that a list in a docstring names: the words before the colon of each entry."""
    entries = (line.partition(":")[0] for line in text.splitlines() if line.startswith("- "))
    return {name for entry in entries for name in re.findall(r"`(\w+)`", entry)}


def modules_of(folder: Path) -> set[str]:
    return {path.stem for path in folder.iterdir() if not path.name.startswith("__")}


@pytest.mark.parametrize("room", sorted(path.parent.name for path in ENGINE.glob("*/__init__.py")))
def test_a_room_lists_its_modules(room: str) -> None:
    said = (ENGINE / room / "__init__.py").read_text(encoding="utf-8")
    assert named_in(said) == modules_of(ENGINE / room)


def test_the_package_lists_its_rooms() -> None:
    assert named_in(everytick.__doc__ or "") | {"former_names"} == modules_of(ENGINE) - {"py"}


def imported_by(file: Path) -> set[str]:
    """Return the modules that a file imports, by the first part of their names; not those beside it."""
    nodes = list(ast.walk(parsed(file)))
    named = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    named += [it.name for node in nodes if isinstance(node, ast.Import) for it in node.names]
    return {name.partition(".")[0] for name in named}


@pytest.mark.full
def test_no_module_imports_the_application() -> None:
    """Which application it is, only `app` is told; its modules are named by references."""
    assert [file.name for file in sorted(ENGINE.rglob("*.py")) if "app" in imported_by(file)] == []


@pytest.mark.full
def test_the_tests_of_the_engine_need_no_application_of_the_template() -> None:
    """What renders one, runs one or is about one is in `tests/template` and `tests/system`."""
    support = {file.stem: imported_by(file) for file in (TESTS / "support").glob("*.py")}
    theirs = {file.stem for room in ("template", "system") for file in (TESTS / room).glob("*.py")}
    theirs |= {"app", "application"}
    while more := {name for name, imported in support.items() if imported & theirs} - theirs:
        theirs |= more
    found = {file.name: imported_by(file) & theirs for file in (TESTS / "engine").rglob("*.py")}
    assert {name: used for name, used in found.items() if used} == {}


# The rooms below and beside `read`: they keep the ledger, write it, or are what the read models are made of.
KEEPERS = {"engine", "model", "read", "store", "text"}
# The modules of other rooms that ask the ledger's tables themselves, and why.
ASK_THEMSELVES = {
    "dryrun/start.py": "copies whole rows into a ledger in memory, on which the functions of a start run",
    "notify/lateness.py": "asks by the connection of its own process's writer, inside of a transaction",
}
QUERY = re.compile(rf"\b(FROM|JOIN|INTO|UPDATE)\s+({'|'.join(schema.metadata.tables)})\b", re.IGNORECASE)
SQL_MODULES = {f"everytick.store.{name}" for name in ("schema", "statements", "job_statements")}


def asks_the_tables(file: Path) -> bool:
    """Return whether a module has a query on the ledger's tables: by their description, or as text."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and QUERY.search(node.value):
            return True
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        within = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        names = {f"{within}{alias.name}" for alias in node.names} | {within.rstrip(".")}
        if names & SQL_MODULES:
            return True
    return False


@pytest.mark.full
def test_what_is_read_of_the_ledger_is_read_in_one_room() -> None:
    """Commands, pages, API, `why`, `doctor`, health and metrics use the read models of `read`."""
    rooms = {path.parent.name for path in ENGINE.glob("*/__init__.py")} - KEEPERS
    assert {"cli", "dashboard", "doctor", "explain", "telemetry"} <= rooms
    files = [file for room in rooms for file in (ENGINE / room).rglob("*.py")]
    found = {str(file.relative_to(ENGINE)) for file in files if asks_the_tables(file)}
    assert found == ASK_THEMSELVES.keys()
    assert asks_the_tables(ENGINE / "read" / "runs.py")
    assert asks_the_tables(ENGINE / "read" / "reader.py")


# Words that stand in for a noun, so that a reader has to guess who does what to which thing.
RIDDLE = re.compile(r"\b(whoever|so many|what is)\b", re.IGNORECASE)
# Users see the docstrings of functions with these decorators: as help, and in the API's description.
SHOWN = re.compile(r"(commands|app|router)\.\w+\(")
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def remarks_in(source: str) -> list[str]:
    """Return the comments of a module, all in one line, and its docstrings, each in one line."""
    # A comment over several lines is one text: code, and only code, separates comments.
    comments = " ".join(
        {tokenize.COMMENT: it.string.removeprefix("#"), tokenize.NL: ""}.get(it.type, "|")
        for it in tokenize.generate_tokens(io.StringIO(source).readline)
    )
    docstrings = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, DOCUMENTED)
        and not any(SHOWN.match(ast.unparse(it)) for it in getattr(node, "decorator_list", ()))
    ]
    return [" ".join(text.split()) for text in (comments, *docstrings)]


@pytest.mark.full
def test_comments_and_docstrings_name_the_thing_they_are_about() -> None:
    found = [
        f"{file.relative_to(ENGINE)}: ...{text[max(0, hit.start() - 30) : hit.end() + 30]}..."
        for file in sorted(ENGINE.rglob("*.py"))
        for text in remarks_in(file.read_text(encoding="utf-8"))
        for hit in RIDDLE.finditer(text)
    ]
    assert found == []


def test_a_riddle_is_found_in_comments_and_docstrings_and_not_in_help() -> None:
    source = (
        '"""Keep what\nis left."""\n# Of so\n# many.\n'
        '@commands.command()\ndef plan():\n    """Show what is due."""\n'
    )
    assert [bool(RIDDLE.search(text)) for text in remarks_in(source)] == [True, True]


def test_no_conflict_of_a_merge_is_left_in_the_code() -> None:
    """A formatter indents what stands in a docstring, so that git does not find its own marks any more."""
    marks = tuple(sign * 7 + " " for sign in "<>")
    root = TESTS.parent
    files = [
        file for room in ("src", "tests", "scripts", "benchmarks") for file in (root / room).rglob("*.py")
    ]
    assert files
    left = [
        f"{file.relative_to(root)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if line.lstrip().startswith(marks)
    ]
    assert left == []
