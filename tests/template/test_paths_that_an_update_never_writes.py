"""A template whose owner means harm, or whose address has got into other hands: what its update cannot write.

Nothing is installed here. A file `RAN` would tell that git ran a program which the template has named.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everytick.update import take
from everytick.update.never_taken import _by_look, _hides
from everytick.update.problem import UpdateError
from everytick.update.project import Project as Updated

from calling_update import call
from calling_update import taken as taken
from rendering import Project, TemplateHistory, fresh_folder, git

MINE = "SMTP_PASSWORD=mine\n"
CONFIG = """[core]
\trepositoryformatversion = 0
\tbare = false
\tfsmonitor = "echo $PWD >> {ran}; false"
\thooksPath = hooks
[filter "evil"]
\tclean = "echo $PWD >> {ran}; cat"
[user]
\tname = not mine
"""


def state(folder: Path) -> dict[str, Any]:
    """Return all that is in a folder, with what lies in `.git` but for what git renews when it is asked."""
    return {
        path.relative_to(folder).as_posix(): path.readlink() if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if (path.is_symlink() or path.is_file()) and path.name != "index" and "objects" not in path.parts
    }


class Evil:
    """The template, from its second release on."""

    def __init__(self, history: TemplateHistory) -> None:
        self.history = history
        self.ran = fresh_folder("ran") / "RAN"

    def write(self, name: str, text: str) -> None:
        """Add a file, of which `{ran}` is the path that tells of a program that was run."""
        file = self.history.folder / "template" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("{ran}", str(self.ran)), encoding="utf-8")

    def release(self) -> None:
        """Commit everything, also what git would ignore."""
        git(self.history.folder, "add", "--force", "--all")
        self.history.release("2.0.0")


@pytest.fixture
def evil(history: TemplateHistory) -> Iterator[Evil]:
    """A template of which a project exists already; nothing that it names is ever run."""
    made = Evil(history)
    yield made
    assert not made.ran.exists(), "a program of the template's was run"


def refusal(project: Project) -> list[str]:
    """Update; return the refused paths, and see that nothing was written."""
    before = state(project.folder)
    with pytest.raises(UpdateError) as problem:
        take.take(Updated(project.folder), None)
    said, *lines = str(problem.value).splitlines()
    assert said == (
        "the update was not taken, and nothing was written: this version of the template has files for places"
        " that are yours alone:"
    )
    assert state(project.folder) == before
    assert git(project.folder, "status", "--porcelain") == ""
    assert git(project.folder, "worktree", "list").count("\n") == 1
    return lines


@pytest.mark.full
@pytest.mark.parametrize(
    "name",
    [
        "{{ '.git' }}/config",
        "{{ '.GIT' }}/config",
        "app/{{ '.git' }}/config",
        "{{ pathjoin('app', '..', '.git', 'config') }}",
    ],
)
def test_the_settings_of_git_are_never_replaced(
    evil: Evil, project: Project, taken: list[str], name: str
) -> None:
    evil.write(name, CONFIG)
    evil.write(".gitattributes", "* filter=evil\n")
    evil.release()
    lines = refusal(project)
    assert all(line.endswith("(it is git's own)") for line in lines)
    assert any(line.partition(" (")[0].endswith("config") for line in lines)
    assert taken == []


@pytest.mark.full
@pytest.mark.parametrize(
    "name", ["{{ '.git' }}/hooks/post-index-change", "app/{{ '.git' }}", "{{ 'git~1' }}/x", "{{ '.git.' }}/x"]
)
def test_hooks_and_other_ways_to_a_repository_are_refused(evil: Evil, project: Project, name: str) -> None:
    evil.write(name, "#!/bin/sh\necho $PWD >> {ran}\n")
    evil.release()
    assert all(line.endswith("(it is git's own)") for line in refusal(project))


@pytest.mark.full
def test_names_that_hide_until_the_merge_write_nothing_to_git(
    evil: Evil, project: Project, taken: list[str]
) -> None:
    """Asked for its names, this template says nothing of `.git`."""
    evil.write("{{ 'made' if _copier_conf.pretend else '.git' }}/config", CONFIG)
    evil.release()
    config = (project.folder / ".git/config").read_text(encoding="utf-8")
    assert take.take(Updated(project.folder), None) == 0
    assert (project.folder / ".git/config").read_text(encoding="utf-8") == config


@pytest.mark.full
def test_a_link_to_the_settings_of_git_is_no_way_in(evil: Evil, project: Project) -> None:
    evil.history.edit("copier.yml", lambda text: f"{text}\n_preserve_symlinks: true\n")
    (evil.history.folder / "template/there").symlink_to(".git")
    evil.write("{{ 'there' }}/config", CONFIG)
    evil.release()
    before = state(project.folder)
    with pytest.raises(UpdateError):
        take.take(Updated(project.folder), None)
    assert state(project.folder) == before


@pytest.mark.full
@pytest.mark.parametrize("target", [".git", "/etc", "../..", ".venv/lib", "data"])
def test_a_link_to_another_place_is_refused(evil: Evil, project: Project, target: str) -> None:
    evil.history.edit("copier.yml", lambda text: f"{text}\n_preserve_symlinks: true\n")
    (evil.history.folder / "template/there").symlink_to(target)
    evil.release()
    assert refusal(project) == ["there (it is a link to what is not the template's)"]


@pytest.mark.full
def test_a_link_within_the_project_is_taken(evil: Evil, project: Project, taken: list[str]) -> None:
    evil.history.edit("copier.yml", lambda text: f"{text}\n_preserve_symlinks: true\n")
    (evil.history.folder / "template/there").symlink_to("app/core")
    evil.release()
    assert take.take(Updated(project.folder), None) == 0
    assert (project.folder / "there").readlink() == Path("app/core")


@pytest.mark.full
def test_secrets_state_and_the_environment_are_never_replaced(evil: Evil, project: Project) -> None:
    project.edit(".env", lambda _: MINE)
    evil.history.edit("copier.yml", lambda text: text.replace("    /.venv\n    /data\n", ""))
    evil.write(".env", "SCHEDULER_DASHBOARD_HOST=0.0.0.0\n")
    evil.write(".envrc", "echo\n")
    evil.write("app/prod.env", "A=1\n")
    evil.write(".venv/lib/python3/site-packages/evil.pth", "import os\n")
    evil.write("venv/x", "1\n")
    evil.write("data/dashboard.token", "known\n")
    evil.release()
    assert refusal(project) == [
        ".env (it is a file of secrets)",
        ".envrc (it is a file of secrets)",
        ".venv/lib/python3/site-packages/evil.pth (it lies in an environment of Python)",
        "app/prod.env (it is a file of secrets)",
        "data/dashboard.token (it lies in the folder of the application's data)",
        "venv/x (it lies in an environment of Python)",
    ]
    done = call(project, "update")
    assert done.returncode == 1
    assert "error: the update was not taken, and nothing was written: " in done.stderr
    assert (project.folder / ".env").read_text(encoding="utf-8") == MINE


@pytest.mark.full
def test_what_git_ignores_is_refused(evil: Evil, project: Project) -> None:
    evil.history.edit("copier.yml", lambda text: text.replace("    __pycache__\n    *.py[co]\n", ""))
    evil.write("secret.yaml", "theirs\n")
    evil.write("app/__pycache__/main.cpython-311.pyc", "x")
    evil.release()
    assert refusal(project) == [
        "app/__pycache__/main.cpython-311.pyc (git ignores it)",
        "secret.yaml (git ignores it)",
    ]


@pytest.mark.full
def test_what_the_update_itself_would_let_git_ignore_is_refused(evil: Evil, project: Project) -> None:
    evil.history.edit("template/.gitignore.jinja", lambda text: text.replace("/dist/", "/dist/\n/hidden.py"))
    evil.write("hidden.py", "import os\n")
    evil.release()
    assert refusal(project) == ["hidden.py (git ignores it)"]


@pytest.mark.full
def test_what_the_user_ignores_elsewhere_is_refused(evil: Evil, project: Project) -> None:
    (project.folder / ".git/info/exclude").write_text("/mine.py\n/linked\n/other/\n", encoding="utf-8")
    (project.folder / "linked").symlink_to(fresh_folder("elsewhere"))
    (project.folder / "other").mkdir()
    git(project.folder / "other", "init", "--quiet")
    project.edit("mine.py", lambda _: "mine\n")
    for name in ("mine.py", "linked/x.py", "other/x.py"):
        evil.write(name, "theirs\n")
    evil.release()
    assert refusal(project) == [
        "linked/x.py (it lies behind a link)",
        "mine.py (a file of yours that is not in git has this name)",
        "other/x.py (it lies in another repository)",
    ]


HIDING = ["*.py -diff", "app/** binary", "*.py diff=evil", "*.py filter=evil", "* ident", "[attr]mine -diff"]
HIDING += [
    "*.py !diff",
    "  *.py\ttext -diff",
    '"a b.py" -diff',
    "*.py merge=ours",
    "* working-tree-encoding=UTF-16",
]


@pytest.mark.full
@pytest.mark.parametrize("place", [".gitattributes", "app/.gitattributes"])
def test_what_would_keep_changes_out_of_a_diff_is_refused(evil: Evil, project: Project, place: str) -> None:
    file = evil.history.folder / "template" / place
    kept = file.read_text(encoding="utf-8") if file.is_file() else ""
    evil.write(place, f"{kept}*.py -diff\n.gitattributes -diff\n")
    evil.history.edit("template/app/__init__.py", lambda text: f"{text}import os\n")
    evil.release()
    assert refusal(project) == [f"{place} (it would keep changes out of `git diff`)"]


@pytest.mark.parametrize("line", HIDING)
def test_whatever_hides_a_change_is_seen_in_a_line_of_attributes(line: str) -> None:
    assert _hides(line)


@pytest.mark.parametrize(
    "line", ["", "# -diff", "* text=auto eol=lf", "*.bat eol=crlf", "*.x -text diff", "a"]
)
def test_a_line_of_attributes_about_line_ends_hides_nothing(line: str) -> None:
    assert not _hides(line)


@pytest.mark.full
def test_a_text_that_git_would_call_binary_is_refused(evil: Evil, project: Project) -> None:
    evil.history.edit("template/Makefile", lambda text: f"{text}# \0\nhidden:\n\ttouch {evil.ran}\n")
    evil.release()
    assert refusal(project) == ["Makefile (`git diff` would not show it, since it is no text any more)"]


@pytest.mark.full
def test_a_text_that_would_hide_its_lines_on_a_terminal_is_refused(
    evil: Evil, project: Project, taken: list[str]
) -> None:
    """The line that runs with each `make` is wiped away again where `git diff` goes to a terminal."""
    hidden = f"EVIL := $(shell touch {evil.ran}) # \x1b[2K\r\x1b[1A\n"
    evil.history.edit("template/Makefile", lambda text: f"{hidden}{text}")
    evil.write("app/new.py", "# \x1b[8m\nimport os\n")
    evil.write("app/\u2066new.py", "import os\n")
    evil.release()
    steers = "(`git diff` might not show it, since it has characters that steer a terminal)"
    assert refusal(project) == [f"Makefile {steers}", f"app/new.py {steers}", f"'app/\\u2066new.py' {steers}"]
    assert taken == []


@pytest.mark.parametrize(
    "content",
    [
        b"import os  # \x1b[2K\x1b[1A\n",
        b"import os\b\b\b\b\b\b\b\b\b#\n",
        b"import os\r# what is meant is here\n",
        b"import os # \xc2\x9b2K\n",
        b"import os # \x9b2K, and bytes that are no UTF-8: \xff\n",
        "import os # \u202e\n".encode(),
        "x = 1 # \u2028\n".encode(),
        b"x = 1\n" * 2_000 + b"\x1b[8mimport os\n" + b"\0",
    ],
)
def test_whatever_steers_a_terminal_is_seen_in_a_text(tmp_path: Path, content: bytes) -> None:
    for folder in ("mine", "theirs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "theirs/x.py").write_bytes(content)
    assert "steer a terminal" in (_by_look(tmp_path / "mine", tmp_path / "theirs", "x.py") or "nothing")
    (tmp_path / "theirs/link").symlink_to("app/\x1b[99A\x1b[J/../core")
    assert "steer a terminal" in (_by_look(tmp_path / "mine", tmp_path / "theirs", "link") or "nothing")


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffx = 1\r\n\ty = 'Gießkanne, \u00a0\U0001f468\u200d\U0001f469\u200d\U0001f467'\r\n".encode(),
        "# Gießkanne\n".encode("latin-1"),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"new = 1\n# mine: \x1b[1m\r\n",
        b"",
    ],
)
def test_a_text_that_steers_nothing_is_taken(tmp_path: Path, content: bytes) -> None:
    for folder in ("mine", "theirs"):
        (tmp_path / folder).mkdir()
    (tmp_path / "mine/x.py").write_bytes(b"# mine: \x1b[1m\n" if b"mine" in content else b"")
    (tmp_path / "theirs/x.py").write_bytes(content)
    assert _by_look(tmp_path / "mine", tmp_path / "theirs", "x.py") is None


@pytest.mark.full
def test_line_ends_of_more_files_are_taken(evil: Evil, project: Project, taken: list[str]) -> None:
    project.edit(".gitattributes", lambda text: f"{text}*.csv binary\n")
    project.commit("a picture of numbers")
    more = "# Windows\n*.bat text eol=crlf\n*.py diff\n"
    evil.history.edit("template/.gitattributes", lambda text: f"{more}{text}")
    evil.release()
    assert take.take(Updated(project.folder), None) == 0
    assert "*.bat" in (project.folder / ".gitattributes").read_text(encoding="utf-8")


def in_a_subfolder(evil: Evil) -> Project:
    """Return a project that is a folder of a repository of its user."""
    outer = fresh_folder("outer")
    project = evil.history.copy()
    (project.folder / ".git").rename(fresh_folder("old") / "git")
    project.folder.rename(outer / "inner")
    inner = Project(outer / "inner")
    git(outer, "init", "--quiet", "--initial-branch", "main")
    inner.commit("first")
    return inner


@pytest.mark.full
def test_a_folder_that_git_takes_for_a_repository_is_refused(evil: Evil) -> None:
    """Below the top of the user's repository, where git would find this one first, with its settings."""
    inner = in_a_subfolder(evil)
    evil.write("HEAD", "ref: refs/heads/main\n")
    evil.write("objects/x", "")
    evil.write("refs/x", "")
    evil.write("config", CONFIG.replace("bare = false", "bare = false\n\tworktree = ."))
    evil.release()
    assert "HEAD (git would take its folder for a repository)" in refusal(inner)


@pytest.mark.full
def test_a_project_in_a_subfolder_takes_what_is_good(evil: Evil, taken: list[str]) -> None:
    inner = in_a_subfolder(evil)
    evil.write("app/new.py", "NEW = 1\n")
    (evil.history.folder / "template/Makefile").chmod(0o755)
    (evil.history.folder / "template/.editorconfig").unlink()
    evil.release()
    assert take.take(Updated(inner.folder), None) == 0
    assert (inner.folder / "app/new.py").exists()
    assert (inner.folder / "Makefile").stat().st_mode & 0o111
    assert not (inner.folder / ".editorconfig").exists()
