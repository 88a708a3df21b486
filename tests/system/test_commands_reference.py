"""The reference of the commands has each check of `doctor` and each field of `jobs --json`."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_type_hints

import everytick.doctor
from everytick.read.schemas import JobRow

from reading import DOCS

PAGE = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")


def rows_of(section: str) -> set[str]:
    """Return the words in code of the first column of the tables of a section."""
    [text] = re.findall(rf"^## `{section}`\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE)
    cells = re.findall(r"^\| (.*?) \|", text, re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def checks_in_code() -> set[str]:
    found = set()
    [room] = everytick.doctor.__path__
    for path in Path(room).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                place = {"Finding": 1, "ok": 0}.get(node.func.id)
                check = None if place is None else node.args[place]
                if isinstance(check, ast.Constant):
                    found.add(str(check.value))
    return found


def test_each_check_of_doctor_has_a_row() -> None:
    assert "settings" in checks_in_code()
    assert checks_in_code() - rows_of("doctor") == set()


def test_each_field_of_jobs_as_json_has_a_row() -> None:
    assert get_type_hints(JobRow).keys() - rows_of("jobs") == set()
