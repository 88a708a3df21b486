"""An engine that is not the one which the application names is noticed by any command."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from everytick import app as which
from everytick import cli, command_line, installed
from everytick.app import Application
from everytick.errors import ConfigurationError

OLD, NEW = "a" * 40, "b" * 40
PROJECT = """\
[project]
name = "plant-care"
dependencies = [
    "loguru>=0.7.3",
    "{line}",
]
"""


@pytest.fixture
def origin(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """What pip or uv wrote down about the installed engine."""
    said: dict[str, str | None] = {
        "direct_url.json": f'{{"url": "file:///srv/t", "vcs_info": {{"vcs": "git", "commit_id": "{OLD}"}}}}'
    }

    class Distribution:
        def read_text(self, name: str) -> str | None:
            return said[name]

    monkeypatch.setattr(installed, "distribution", lambda _: Distribution())
    return said


def project(folder: Path, line: str) -> Path:
    """Write a project that has its engine from there."""
    (folder / "pyproject.toml").write_text(PROJECT.format(line=line), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "line",
    [
        f"everytick[alerts,dashboard] @ git+file://localhost/srv/t@{NEW}",
        f"everytick @ git+https://example.org/t.git@{NEW}",
        f"everytick@git+ssh://git@example.org/t.git@{NEW}",
    ],
)
def test_another_commit_is_told_in_a_sentence(
    line: str, tmp_path: Path, origin: dict[str, str | None]
) -> None:
    with pytest.raises(ConfigurationError) as problem:
        installed.check(project(tmp_path, line), of_the_template=True)
    assert "is not the one that pyproject.toml names: run `make install`" in str(problem.value)
    with pytest.raises(ConfigurationError, match=r"names: install what it names$"):
        installed.check(tmp_path, of_the_template=False)
    installed.check(project(tmp_path, line.replace(NEW, OLD)), of_the_template=True)


@pytest.mark.parametrize("commit", ["c" * 40, "c" * 64])
@pytest.mark.parametrize(
    "written",
    [
        'dependencies = ["loguru>=0.7.3", "{line}"]',
        "dependencies = ['{line}']",
        'dependencies = [\n    "{line}"\n]',
    ],
)
def test_it_is_found_however_the_list_is_written_and_whatever_the_hash(
    written: str, commit: str, tmp_path: Path, origin: dict[str, str | None]
) -> None:
    line = f"everytick[alerts] @ git+https://example.org/t.git@{commit}"
    text = f'[project]\n# not "everytick @ git+file:///x@{OLD}"\n{written.format(line=line)}\n'
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert installed.is_stale(tmp_path)
    found = installed.engine_line(text)
    assert found is not None
    assert (found.address, found.commit) == ("git+https://example.org/t.git", commit)
    assert text[slice(*found.span)] == f"git+https://example.org/t.git@{commit}"


@pytest.mark.parametrize(
    "line",
    [
        "everytick[alerts]>=0.2",
        "everytick",
        "everytick @ file:///srv/t",
        "everytick @ git+https://example.org/t.git",
        f"everytick-extras @ git+https://example.org/t.git@{NEW}",
    ],
)
def test_other_sources_are_not_judged(line: str, tmp_path: Path, origin: dict[str, str | None]) -> None:
    assert not installed.is_stale(project(tmp_path, line))


@pytest.mark.parametrize("said", [None, '{"url": "file:///srv/t", "dir_info": {"editable": true}}'])
def test_an_engine_that_came_in_another_way_is_not_judged(
    said: str | None, tmp_path: Path, origin: dict[str, str | None]
) -> None:
    origin["direct_url.json"] = said
    assert not installed.is_stale(project(tmp_path, f"everytick @ git+https://example.org/t.git@{NEW}"))


def test_an_application_without_a_project_is_not_judged(
    tmp_path: Path, origin: dict[str, str | None]
) -> None:
    assert not installed.is_stale(tmp_path)
    # Nor one whose line is undecided: two of them, between markers.
    line = f"everytick @ git+https://example.org/t.git@{NEW}"
    text = project(tmp_path, line).joinpath("pyproject.toml").read_text("utf-8")
    both = text.replace(f'    "{line}",\n', f'    "{line}",\n=======\n    "{line}",\n')
    (tmp_path / "pyproject.toml").write_text(both, encoding="utf-8")
    assert not installed.is_stale(tmp_path)


@pytest.mark.parametrize("command", [["jobs"], ["run"], ["doctor"], ["migrate"]])
def test_each_command_says_so(
    command: list[str],
    tmp_path: Path,
    origin: dict[str, str | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, said = ended(
        project(tmp_path, f"everytick @ git+file:///srv/t@{NEW}"), command, monkeypatch, capsys
    )
    assert code == 2
    assert said.startswith("error: the engine that is installed is not the one")
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", [["jobs"], ["runs"], ["doctor"]])
def test_the_command_everytick_says_so_too(
    command: list[str],
    tmp_path: Path,
    origin: dict[str, str | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = project(tmp_path, f"everytick @ git+file:///srv/t@{NEW}")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setenv(which.VARIABLE, "shop:create_scheduler")
    code, said = ended(None, command, monkeypatch, capsys)
    assert code == 2
    assert said.startswith("error: the engine that is installed is not the one that pyproject.toml names: ")
    assert said.count("\n") == 1
    assert ended(None, [*command, "--help"], monkeypatch, capsys) == (0, "")


@pytest.mark.parametrize("command", [["runs", "--help"], ["--help"], ["--version"]])
def test_help_always_works(
    command: list[str],
    tmp_path: Path,
    origin: dict[str, str | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = project(tmp_path, f"everytick @ git+file:///srv/t@{NEW}")
    assert ended(folder, command, monkeypatch, capsys) == (0, "")


@pytest.mark.parametrize("command", [["update"], ["outdated"], ["update", "--finish"]])
def test_the_commands_of_an_update_go_on(
    command: list[str],
    tmp_path: Path,
    origin: dict[str, str | None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("everytick.update.take.install", lambda *_, **__: 0)
    code, said = ended(
        project(tmp_path, f"everytick @ git+file:///srv/t@{NEW}"), command, monkeypatch, capsys
    )
    assert "the engine that is installed" not in said
    assert code == (0 if command[-1] == "--finish" else 1)


def ended(
    folder: Path | None,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int | str | None, str]:
    """Run a command for the application in a folder, or `everytick`; return its code and complaint."""
    monkeypatch.setattr("sys.argv", ["app", *command])
    monkeypatch.setattr("everytick.app._current", None)
    with pytest.raises(SystemExit) as end:
        cli.main(rendered(folder) if folder else None)
    return end.value.code, capsys.readouterr().err


def rendered(folder: Path) -> Application:
    """Return an application as the template makes one."""
    (folder / "app" / "core").mkdir(parents=True, exist_ok=True)
    (folder / "app" / "core" / "template.toml").write_text('answers = ".copier-answers.yml"\n')
    return Application(str(folder / "app" / "__init__.py"), root=folder)


def test_a_hint_names_the_environment_in_the_folder_if_there_is_one(tmp_path: Path) -> None:
    own = command_line.python()
    assert command_line.typed_in(tmp_path, "update --finish") == f"{own} -m app update --finish"
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").touch()
    assert command_line.typed_in(tmp_path, "update --finish") == ".venv/bin/python -m app update --finish"
