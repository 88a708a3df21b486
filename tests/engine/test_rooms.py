"""Each room of the engine says what its modules are for: those that there are, all of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import everytick
import pytest

ENGINE = Path(everytick.__file__).parent


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


def test_no_module_imports_the_application() -> None:
    """Which application it is, only `app` is told; its modules are named by references."""
    found = [
        (file.name, node.lineno)
        for file in sorted(ENGINE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if (
            isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "app"
        )
        or (isinstance(node, ast.Import) and any(it.name.split(".")[0] == "app" for it in node.names))
    ]
    assert found == []
