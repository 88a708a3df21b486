"""The name of the project: what it may be, and the better one that a wrong one is answered with."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement

from questions import canonical, included, refusal
from rendering import fresh_folder, render, rendered


@pytest.mark.parametrize("name", ["a", "app", "scheduler", "my-app", "a1-b2-3", "x" * 63])
def test_a_project_name_may_be(name: str) -> None:
    assert refusal("project_name", name) == ""


@pytest.mark.parametrize(
    ("name", "better"),
    [
        ("My App", "my-app"),
        ("my_app", "my-app"),
        ("my--app", "my-app"),
        ("-my-app-", "my-app"),
        ("2fast", "fast"),
        ("my-app\n", "my-app"),
        ("my.app", "my-app"),
        ("../app", "app"),
        ("app; rm -rf /", "app-rm-rf"),
        ("größe", "gr-e"),
        ("日本", "my-scheduler"),
        ("", "my-scheduler"),
        ("x" * 64, "my-scheduler"),
    ],
)
def test_a_wrong_project_name_is_answered_with_a_right_one(name: str, better: str) -> None:
    assert refusal("project_name", name) == (
        f"Use {better}, or up to 63 lower-case letters, digits and hyphens."
    )
    assert refusal("project_name", better) == ""


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("garden-tasks", "garden-tasks"),
        ("Garden Tasks", "garden-tasks"),
        ("2027_reports", "reports"),
        ("loguru", "my-loguru"),
        ("日本", "my-scheduler"),
        ("x" * 70, "my-scheduler"),
    ],
)
def test_a_project_is_called_as_its_folder_unless_another_name_is_given(folder: str, name: str) -> None:
    made = render(fresh_folder() / folder)
    told = tomllib.loads((made / "pyproject.toml").read_text(encoding="utf-8"))
    assert told["project"]["name"] == name
    assert refusal("project_name", name) == ""


@pytest.mark.full
def test_a_project_cannot_have_the_name_of_something_that_it_needs() -> None:
    with pytest.raises(
        ValueError, match="Use my-loguru or another name; the application itself needs loguru"
    ):
        render(fresh_folder("refused") / "app", project_name="loguru")
    for name in included("taken-names.txt"):
        assert refusal("project_name", name).startswith(f"Use my-{name} or another name; ")


def test_every_package_that_the_application_draws_in_is_among_the_taken_names() -> None:
    taken = set(included("taken-names.txt"))
    project = tomllib.loads((rendered() / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
    ]
    seen: set[str] = set()
    while wanted:
        requirement = Requirement(wanted.pop())
        name = canonical(requirement.name)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if name in seen or not applies:
            continue
        seen.add(name)
        try:
            wanted += requires(name) or []
        except PackageNotFoundError:
            assert name == "hatchling", f"{name} is not installed, so what it needs is unknown"
    assert seen - taken == set(), "run python scripts/lists.py"
    assert {"python", "python3", "pip", "uv", "uvx", "dotenv", "greenlet", "typer"} <= taken
