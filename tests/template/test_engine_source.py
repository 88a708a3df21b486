"""Where a rendered application has its engine from: addresses of the template, and what becomes of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import copier
import jinja2
import pytest
from everytick.update.project import is_remote
from packaging.requirements import Requirement
from packaging.version import Version
from plumbum import local

from app_session import ROOT
from pythons import run_well, uv
from questions import environment
from rendering import QUESTIONS, TemplateHistory, edit, fresh_folder, git, quickly, render, source

COMMIT = "0123456789abcdef0123456789abcdef01234567"
# What stands in the line for each way of writing an address, before the commit.
REMOTE = {
    "gh:ada/template": "git+https://github.com/ada/template.git",
    "gh:/ada/template": "git+https://github.com/ada/template.git",
    "gh:ada/template.git": "git+https://github.com/ada/template.git",
    "gl:group/sub/template": "git+https://gitlab.com/group/sub/template.git",
    "https://github.com/ada/template": "git+https://github.com/ada/template",
    "https://example.org/template.git": "git+https://example.org/template.git",
    "https://example.org:8443/template.git": "git+https://example.org:8443/template.git",
    "git+https://example.org/template.git": "git+https://example.org/template.git",
    "https://ada:secret@example.org/template.git": "git+https://example.org/template.git",
    "https://token@example.org/template.git": "git+https://example.org/template.git",
    "git@github.com:ada/template.git": "git+ssh://git@github.com/ada/template.git",
    "ada@example.org:template.git": "git+ssh://ada@example.org/~/template.git",
    "ada@example.org:/srv/template.git": "git+ssh://ada@example.org/srv/template.git",
    "ssh://git@example.org:2222/ada/template.git": "git+ssh://git@example.org:2222/ada/template.git",
    "ssh://ada:secret@example.org/template.git": "git+ssh://ada@example.org/template.git",
    "git+ssh://git@example.org/template.git": "git+ssh://git@example.org/template.git",
    "file:///srv/template.git": "git+file://localhost/srv/template.git",
}
HOSTS = {
    "my-host:repo.git": "git+ssh://my-host/~/repo.git",
    "git1:repo.git": "git+ssh://git1/~/repo.git",
    "example.org:/srv/template.git": "git+ssh://example.org/srv/template.git",
}
REMOTE |= HOSTS
FOLDERS = ["a b", "a@b", "größe", "100%", "a+b", "it's", 'say "so"', "a;b", "[a]", "a&b", "%20"]


def macros(typed: str, *, commit: str | None = COMMIT, chosen: str = "template", **conf: Any) -> Any:
    """Return what the includes define of the engine, for a template whose address was typed so."""
    there = environment().overlay(loader=jinja2.FileSystemLoader(source()))
    context = {
        "_copier_answers": {"_src_path": typed},
        "_copier_conf": {"vcs_ref_hash": commit, "answers_file": ".copier-answers.yml", **conf},
        "engine_source": chosen,
    }
    names = {"engine.jinja": ("address", "engine"), "notes.jinja": ("notes", "web_page")}
    with quickly():
        found = {
            name: getattr(there.get_template(f"includes/{file}").make_module(context), name)
            for file, defined in names.items()
            for name in defined
        }
    return SimpleNamespace(**found)


def line(typed: str, *parts: str, **options: Any) -> Requirement:
    """Return the requirement for the engine, parsed as installers do."""
    return Requirement(str(macros(typed, **options).engine(list(parts))))


def refusal(typed: str, chosen: str = "template") -> str:
    """Return what the question says of such an address."""
    validator = environment().from_string(QUESTIONS["engine_source"]["validator"])
    context = {"_copier_answers": {"_src_path": typed}, "engine_source": chosen}
    return validator.render(context).strip()


# --- the line


@pytest.mark.parametrize("typed", REMOTE)
def test_an_address_on_the_network_becomes_a_reference_to_the_commit(typed: str) -> None:
    found = line(typed, "postgresql", "alerts")
    assert str(found.url) == f"{REMOTE[typed]}@{COMMIT}"
    assert found.extras == {"alerts", "postgresql"}
    assert refusal(typed) == ""


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_with_any_name_becomes_a_reference_that_leads_back_to_it(name: str) -> None:
    folder = fresh_folder() / name
    folder.mkdir()
    found = str(line(str(folder)).url)
    assert found.startswith("git+file://localhost/")
    assert Path(unquote(urlsplit(found).path.removesuffix(f"@{COMMIT}"))) == folder
    assert refusal(str(folder)) == ""


@pytest.mark.parametrize("typed", REMOTE)
def test_an_update_knows_what_is_on_the_network_by_the_same_rule(typed: str) -> None:
    assert is_remote(typed)


@pytest.mark.parametrize(
    "typed", ["/srv/template", "template", "./a:b", "../a", r"C:\t", "C:/t", "a:t", *FOLDERS]
)
def test_an_update_knows_a_folder_by_the_same_rule(typed: str) -> None:
    assert str(macros(typed).address()).startswith("file:")
    assert not is_remote(typed)


def test_a_folder_may_be_relative_below_the_home_or_behind_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "template").mkdir()
    (tmp_path / "link").symlink_to("template")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for typed in ("template", "./template", "link", "~/template", f"{tmp_path}/template/"):
        assert line(typed).url == f"git+file://localhost{tmp_path}/template@{COMMIT}", typed


def test_a_folder_that_is_no_repository_is_taken_as_it_is() -> None:
    assert line("/srv/my template", commit=None).url == "file:///srv/my%20template"
    assert str(macros("/srv/template", commit=None).engine([])) == "everytick @ file:///srv/template"


def test_from_an_index_it_is_a_usual_requirement() -> None:
    found = line("gh:ada/template", "alerts", chosen="index")
    assert (found.name, found.extras, found.url) == ("everytick", {"alerts"}, None)
    [bound] = found.specifier
    assert bound.operator == ">="
    # A version under development is on no index.
    version = Version(bound.version)
    assert not version.is_devrelease
    assert version.release <= Version(engine_version()).release
    said = str(macros("gh:ada/template", chosen="index").notes())
    assert f"your package index, which must have everytick {version} or newer." in said


def engine_version() -> str:
    """Return the engine's version in this tree."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return next(it.split('"')[1] for it in text.splitlines() if it.startswith("version = "))


# --- what cannot be


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("git://example.org/template.git", "git:// address, which uv does not fetch"),
        ("/srv/C# templates/one", "# or ? in it, which pip cuts off"),
        ("what?/template", "# or ? in it, which pip cuts off"),
        ("file:///srv/a#b.git", "# or ? in it, which pip cuts off"),
    ],
)
def test_an_address_that_an_installer_cannot_use_is_refused(typed: str, says: str) -> None:
    said = refusal(typed)
    assert says in said
    assert said.startswith("The engine cannot be installed from ")
    assert said.endswith(".")
    assert "\n" not in said
    # From an index it does not matter where the template is.
    assert refusal(typed, chosen="index") == ""


@pytest.mark.full
def test_a_bundle_is_refused_before_anything_is_written(history: TemplateHistory) -> None:
    bundle = fresh_folder() / "template.bundle"
    git(history.folder, "bundle", "create", "--quiet", str(bundle), "main", "--tags")
    target = fresh_folder() / "app"
    with pytest.raises(ValueError, match="cannot be installed from a file, such as a bundle: name a clone"):
        copier.run_copy(str(bundle), target, defaults=True, quiet=True)
    assert not target.exists() or not any(target.iterdir())
    with quickly():
        copier.run_copy(str(bundle), target, defaults=True, quiet=True, data={"engine_source": "index"})
    assert "everytick[alerts,dashboard,postgresql]>=" in (target / "pyproject.toml").read_text("utf-8")


# --- what is said of it


def test_a_source_on_one_machine_is_told_after_copying() -> None:
    assert "a folder of this machine" in str(macros("/srv/template").notes())
    for typed in ("gh:ada/template", "git@example.org:template.git"):
        assert str(macros(typed).notes()).strip() == ""
    assert "a folder of this machine" not in str(macros("/srv/template", chosen="index").notes())


def test_a_relative_path_that_leads_nowhere_from_the_project_is_told_after_copying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "template [1]").mkdir()
    (tmp_path / "template [1]/copier.yml").touch()
    (tmp_path / "deep/app").mkdir(parents=True)

    def said(typed: str, destination: str) -> str:
        return str(macros(typed, dst_path=destination).notes())

    for typed in ("template [1]", "./template [1]"):
        assert f"update --source '{tmp_path}/template [1]'" in said(typed, "deep/app")
        # A blank line is before each of the two notes.
        assert said(typed, "deep/app").count("\n\nThe ") == 2
    # From beside the template it leads there.
    (tmp_path / "app").mkdir()
    assert "relative path" not in said("../template [1]", "app")
    for typed in (str(tmp_path / "template [1]"), "~/template", "gh:ada/template", "ada@example.org:t.git"):
        assert "relative path" not in said(typed, "deep/app")


def test_a_password_is_nowhere_but_where_copier_puts_it_and_that_is_said() -> None:
    for scheme in ("https", "ssh", "git+https"):
        made = macros(f"{scheme}://ada:hunter2@example.org/template.git")
        for text in (made.engine([]), made.address(), made.web_page(), made.notes()):
            assert "hunter2" not in str(text)
        assert "has a password: pyproject.toml has it without" in str(made.notes())


def test_the_readme_leads_to_the_template_on_the_web_or_in_its_folder() -> None:
    assert str(macros("gh:ada/template").web_page()) == "https://github.com/ada/template"
    assert str(macros("git@github.com:ada/template.git").web_page()) == "https://github.com/ada/template"
    assert str(macros("https://example.org/x.git").web_page()) == "https://example.org/x"
    assert str(macros("/srv/template").web_page()) == ""
    readme = (render(fresh_folder() / "app") / "README.md").read_text(encoding="utf-8")
    assert f"`docs/` of\nthe template, `file://localhost{source()}`," in readme


# --- with git, pip and uv themselves


@pytest.fixture
def history() -> TemplateHistory:
    """A template with the engine and one release, 1.0.0."""
    made = TemplateHistory(engine=True)
    made.release("1.0.0")
    return made


@pytest.fixture
def forge(history: TemplateHistory, monkeypatch: pytest.MonkeyPatch) -> Iterator[TemplateHistory]:
    """A template that git has from this disk when it is asked for addresses on the network."""
    places = [
        "https://github.com/ada/template.git",
        "https://example.org/template.git",
        "ssh://git@example.org/template.git",
        "git@example.org:template.git",
    ]
    variables = {"GIT_CONFIG_COUNT": str(len(places))}
    for number, place in enumerate(places):
        variables[f"GIT_CONFIG_KEY_{number}"] = f"url.{history.folder.as_uri()}.insteadOf"
        variables[f"GIT_CONFIG_VALUE_{number}"] = place
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    # Copier has an environment of its own.
    with local.env(**variables):
        yield history


@pytest.mark.full
@pytest.mark.parametrize(
    ("typed", "installer"),
    [
        ("gh:ada/template", "uv"),
        ("gh:ada/template", "pip"),
        ("git+https://example.org/template.git", "uv"),
        ("git@example.org:template.git", "uv"),
    ],
)
def test_a_render_from_the_network_installs(forge: TemplateHistory, typed: str, installer: str) -> None:
    app = fresh_folder() / "app"
    with quickly():
        copier.run_copy(typed, app, defaults=True, quiet=True)
    check_that_it_installs(app, installer, forge)


@pytest.mark.full
@pytest.mark.parametrize(
    ("kind", "installer"),
    [
        *((kind, "uv") for kind in ("odd", "bare", "shallow", "worktree", "dirty", "plain")),
        # Not from a shallow clone: git 2.39 fetches without end for pip's partial clone of one.
        *((kind, "pip") for kind in ("odd", "bare", "plain")),
    ],
)
def test_a_render_from_a_folder_installs(history: TemplateHistory, kind: str, installer: str) -> None:
    place = fresh_folder() / """it's a "größe" @100%; [b]"""
    if kind == "bare":
        place = place.with_suffix(".git")
        git(history.folder, "clone", "--quiet", "--bare", ".", str(place))
    elif kind == "shallow":
        git(history.folder, "clone", "--quiet", "--depth", "1", history.folder.as_uri(), str(place))
    elif kind == "worktree":
        git(history.folder, "worktree", "add", "--quiet", "--detach", str(place))
    else:
        shutil.copytree(history.folder, place)
        if kind == "dirty":
            edit(place / "template/Makefile", lambda old: f"{old}# not committed\n")
        elif kind == "plain":
            shutil.rmtree(place / ".git")
    app = fresh_folder() / "app"
    with pytest.warns() if kind in ("dirty", "shallow") else quickly():
        copier.run_copy(
            str(place), app, defaults=True, quiet=True, vcs_ref="HEAD" if kind == "dirty" else None
        )
    check_that_it_installs(app, installer, None if kind in ("dirty", "plain") else history)


def check_that_it_installs(app: Path, installer: str, history: TemplateHistory | None) -> None:
    """Install the engine alone by the application's line; look which commit that is."""
    needed = tomllib.loads((app / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    [engine] = [it for it in needed if it.startswith("everytick")]
    target = fresh_folder()
    if installer == "uv":
        uv(app, "pip", "install", "--quiet", "--no-deps", "--target", target, engine)
    else:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(target),
            engine,
        ]
        subprocess.run(pip, check=True, capture_output=True, cwd=app, timeout=120)
    assert (target / "everytick/__init__.py").exists()
    [origin] = target.glob("everytick-*.dist-info/direct_url.json")
    commit = git(history.folder, "rev-parse", "HEAD").strip() if history else ""
    assert f'"commit_id":"{commit}"' in origin.read_text().replace(" ", "") or not history


@pytest.mark.full
def test_an_edit_of_a_folder_that_is_the_source_is_noticed_by_uv() -> None:
    place = fresh_folder() / "template"
    shutil.copytree(source(), place)
    app = fresh_folder() / "app"
    with quickly():
        copier.run_copy(str(place), app, defaults=True, quiet=True)
    uv(app, "venv", "--quiet")
    needed = str(macros(str(place), commit=None).engine([]))
    python = app / ".venv/bin/python"
    for said in ("one", "two"):
        (place / "src/everytick/mark.py").write_text(f"SAID = {said!r}\n", encoding="utf-8")
        uv(app, "pip", "install", "--quiet", "--no-deps", "--python", python, needed)
        assert run_well(app, python, "-c", "from everytick.mark import SAID; print(SAID)").strip() == said
