"""No file that a user may have edited is dropped, moved or taken over by a later version.

Copier deletes an edited file without a word when the template has it no more. So what any released
version gave the user has to stay where it is, be guarded from updates, or be named in a migration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import copier
import jinja2
import pathspec
import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from packaging.version import Version
from plumbum import local

from released_versions import KEPT, owners, unpack
from rendering import SETTINGS, files, fresh_folder, quickly, source

GUARDS = "the guards for updates in `_exclude` of copier.yml"
MIGRATION = "name it in an entry of `_migrations` that says what becomes of it"


def broken_promises(
    version: str,
    owned: Mapping[str, str],
    newest: Collection[str],
    guarded: Callable[[str], bool],
    migrations: Sequence[Any],
) -> list[str]:
    """Return a sentence for each path of a version on which a user's work would be lost.

    owned: whose each of its files is. newest: the files of the newest version. guarded: whether an
    update leaves a path alone. migrations: what copier.yml has as `_migrations`.
    """
    found = []
    for path, owner in owned.items():
        if owner == "the template's" or guarded(path) or is_migrated(path, version, migrations):
            continue
        if owner == "yours" and path in newest:
            found.append(
                f"{path} is the user's in {version}, and an update would now change it: put it back among"
                f" {GUARDS}, or {MIGRATION}."
            )
        elif owner == "yours":
            found.append(
                f"{path} is the user's in {version}, and an update would now delete it: keep its old path"
                f" among {GUARDS}, or {MIGRATION}."
            )
        elif path not in newest:
            found.append(
                f"{path} is shared with the user in {version}, and an update would now delete it with the"
                f" user's part: bring it back, or {MIGRATION}."
            )
    return found


def is_migrated(path: str, version: str, migrations: Sequence[Any]) -> bool:
    """Tell whether a migration that an update from that version passes names the path."""
    whole = re.compile(rf"(?<![\w./-]){re.escape(path)}(?![\w/-]|\.\w)")
    for entry in migrations:
        passed = isinstance(entry, dict) and "version" in entry
        if passed and Version(str(entry["version"])) <= Version(version):
            continue
        if any(whole.search(text) for text in texts(entry)):
            return True
    return False


def texts(entry: Any) -> Iterator[str]:
    """Yield every text in a part of copier.yml."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, list | dict):
        for part in entry.values() if isinstance(entry, dict) else entry:
            yield from texts(part)


def guard(patterns: Sequence[str], answers: Mapping[str, Any]) -> Callable[[str], bool]:
    """Return whether an update with those answers leaves a path alone, by Copier's `_exclude`."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    said = [environment.from_string(text).render(answers, _copier_operation="update") for text in patterns]
    spec = pathspec.GitIgnoreSpec.from_lines("\n".join(said).splitlines())
    return spec.match_file


# --- the versions as they are


def one_answer_at_a_time(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield answers such that every choice of a template is taken once."""
    config = yaml.safe_load((folder / "copier.yml").read_text(encoding="utf-8"))
    yield {}
    for name, question in config.items():
        if name[0] != "_" and (question["type"] == "bool" or "choices" in question):
            offered = question.get("choices", [True, False])
            for answer in offered.values() if isinstance(offered, dict) else offered:
                yield {name: [answer] if question.get("multiselect") else answer}


@cache
def renders(version: str | None) -> list[Path]:
    """Return renders of a version, or of the working tree, that have all its files between them."""
    folder = unpack(version, fresh_folder(version)) if version else source()
    found = []
    with quickly(), local.env(PATH=""):
        for answers in one_answer_at_a_time(folder):
            found.append(fresh_folder("render") / "project")
            copier.run_copy(str(folder), found[-1], data=answers, defaults=True, quiet=True)
    return found


def all_owners(version: str | None) -> dict[str, str]:
    """Return whose each file is that a version can have."""
    return {name: owner for folder in renders(version) for name, owner in owners(folder).items()}


def recorded(folder: Path) -> dict[str, Any]:
    """Return the answers of a render."""
    text = (folder / ".copier-answers.yml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_nothing_that_a_user_may_have_edited_is_lost(version: str) -> None:
    newest, migrations = all_owners(None), SETTINGS.get("_migrations", [])
    found: set[str] = set()
    for folder in renders(version):
        guarded = guard(SETTINGS["_exclude"], recorded(folder))
        found.update(broken_promises(version, owners(folder), newest, guarded, migrations))
    assert not found, "\n".join(sorted(found))


@pytest.mark.full
@pytest.mark.parametrize("version", KEPT)
def test_no_file_of_an_earlier_version_is_overlooked(version: str) -> None:
    shipped = files(unpack(version, fresh_folder(version)) / "template")
    names = {name.removesuffix(".jinja") for name in shipped if "{{" not in name}
    assert names <= set(all_owners(version))
    assert set(all_owners(version).values()) == {"yours", "shared", "the template's"}


# --- the guard itself

OWNED = {
    "app/services/my_tasks.py": "yours",
    "app/core/config.py": "yours",
    "Makefile": "shared",
    "app/cli.py": "the template's",
}
EXCLUDE = [
    "*.pyc",
    "{% if ci != 'github' %}/.github{% endif %}",
    "{% if _copier_operation == 'update' %}\n/app/services\n/app/core/config.py\n{% endif %}\n",
]


def complaints(
    newest: Collection[str] = OWNED.keys(),
    exclude: Sequence[str] = EXCLUDE,
    migrations: Sequence[Any] = (),
) -> list[str]:
    """Return what is said of version 1.2.0, where a user may edit three files."""
    return broken_promises("1.2.0", OWNED, newest, guard(exclude, {"ci": "github"}), migrations)


def test_a_version_that_keeps_everything_is_praised_by_silence() -> None:
    assert complaints() == []
    assert complaints(newest=OWNED.keys() - {"app/cli.py"}) == []


def test_a_guarded_file_may_go() -> None:
    assert complaints(newest={"Makefile"}) == []


def test_a_file_of_the_users_that_is_renamed_without_its_guard_is_reported() -> None:
    moved = {*OWNED, "app/core/settings.py"} - {"app/core/config.py"}
    renamed = [text.replace("config.py", "settings.py") for text in EXCLUDE]
    assert complaints(moved) == []
    (said,) = complaints(moved, renamed)
    assert said == (
        "app/core/config.py is the user's in 1.2.0, and an update would now delete it: keep its old path"
        " among the guards for updates in `_exclude` of copier.yml, or name it in an entry of `_migrations`"
        " that says what becomes of it."
    )


def test_a_file_of_the_users_that_loses_its_guard_is_reported() -> None:
    (said,) = complaints(exclude=[text.replace("/app/services\n", "") for text in EXCLUDE])
    assert said.startswith(
        "app/services/my_tasks.py is the user's in 1.2.0, and an update would now change it"
    )


def test_a_shared_file_that_is_removed_is_reported() -> None:
    (said,) = complaints(newest=OWNED.keys() - {"Makefile"})
    assert said.startswith("Makefile is shared with the user in 1.2.0, and an update would now delete it")


@pytest.mark.parametrize(
    ("migration", "names_it"),
    [
        ("mv Makefile tasks.mk", True),
        ({"version": "2.0.0", "command": ["mv", "Makefile", "tasks.mk"]}, True),
        ({"version": "2.0.0", "command": "true", "note": "Makefile: its lines belong into tasks.mk"}, True),
        ({"version": "1.2.0", "command": "mv Makefile tasks.mk"}, False),
        ({"version": "2.0.0", "command": "mv old/Makefile tasks.mk"}, False),
        ({"version": "2.0.0", "command": "mv Makefile.old tasks.mk"}, False),
    ],
)
def test_a_migration_that_names_the_path_settles_it(migration: Any, names_it: bool) -> None:
    said = complaints(newest=OWNED.keys() - {"Makefile"}, migrations=[migration])
    assert (said == []) == names_it


@pytest.mark.full
def test_breaches_planted_into_the_real_versions_are_reported() -> None:
    owned, newest = all_owners(KEPT[0]), set(all_owners(None))
    guarded = guard(SETTINGS["_exclude"], recorded(renders(KEPT[0])[0]))
    mine = {path for path, owner in owned.items() if owner == "yours"}
    shared = {path for path, owner in owned.items() if owner == "shared"}

    def reported(there: Collection[str], guarded: Callable[[str], bool]) -> set[str]:
        return {said.split()[0] for said in broken_promises(KEPT[0], owned, there, guarded, ())}

    assert reported(newest, guarded) == set()
    assert reported(newest - mine, guarded) == set()
    assert reported(newest - shared, guarded) == shared
    assert reported(newest, lambda _: False) == mine
    assert reported(newest - {"Makefile"} | {"tasks.mk"}, guarded) == {"Makefile"}
