"""The map in the docstring of this package names every fact, and no other."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path

import copier_facts


def test_every_fact_is_on_the_map_and_says_what_is_built_on_it() -> None:
    facts = {
        name: test
        for path in Path(__file__).parent.glob("test_*.py")
        if path != Path(__file__)
        for name, test in vars(import_module(f"copier_facts.{path.stem}")).items()
        if name.startswith("test_")
    }
    assert [name for name, test in facts.items() if not inspect.getdoc(test)] == []
    assert sorted(re.findall(r"\btest_\w+", copier_facts.__doc__ or "")) == sorted(facts)
