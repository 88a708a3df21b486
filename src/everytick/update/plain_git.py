"""git as if its user had configured nothing but how to reach repositories.

Copier compares versions in repositories of its own, which it makes on the way. A user's settings for all
repositories must not matter there: with `.env*` in `core.excludesFile` Copier drops the user's lines in
`.env.example` without a word, a template for new repositories brings hooks, a whitespace rule rewrites lines.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from .problem import UpdateError

# Settings that reaching a repository may need, in the lower case of `git config --list`.
_TO_REACH = re.compile(
    r"^(credential|http|https|url|safe|ssh|protocol|user|filter|pack|windows)\."
    r"|^core\.(sshcommand|askpass|gitproxy|longpaths|protecthfs|protectntfs)$"
)
# How the files of the user's own repository look. The rest of `core` (quotePath, pager) is for people.
_IN_THE_PROJECT = re.compile(
    r"^core\.(excludesfile|attributesfile|autocrlf|eol|filemode|symlinks|ignorecase|precomposeunicode"
    r"|checkstat|trustctime)$"
)
# Also where the repository itself has other settings.
_ALWAYS = {
    "apply.whitespace": "nowarn",
    "color.ui": "false",
    # Like a hook, a program: a repository's settings can name one, and none of them is run.
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    # Copier takes names apart as git writes them by default, and looks for markers of that style.
    "core.quotePath": "true",
    "merge.conflictStyle": "merge",
    # Files that look like a repository are none: they would bring a configuration.
    "safe.bareRepository": "explicit",
    # Among the files that git does not know it finds what could not be merged.
    "status.showUntrackedFiles": "normal",
}
# Variables that name another repository (a hook sets them), another configuration, or another look.
_FOREIGN = re.compile(
    r"^GIT_(DIR|WORK_TREE|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|COMMON_DIR|NAMESPACE|PREFIX"
    r"|CONFIG.*|TEMPLATE_DIR|EXTERNAL_DIFF|DIFF_OPTS|PAGER|(LITERAL|GLOB|NOGLOB|ICASE)_PATHSPECS|DEFAULT_HASH)$"
)


@cache
def environment(root: Path) -> dict[str, str]:
    """Return the variables for git, and for Copier, which calls it, in the project at that folder.

    Raises:
        UpdateError: there is no git.
    """
    if shutil.which("git") is None:
        raise UpdateError("an update needs git, which is not on PATH: install it")
    plain = {name: value for name, value in os.environ.items() if not _FOREIGN.match(name)}
    folder = Path(mkdtemp(prefix="everytick-git-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    everywhere, here = folder / "everywhere", folder / "here"
    everywhere.touch()
    here.touch()
    for scope, name, value in _settings(root):
        if scope in ("system", "global", "command"):
            if _TO_REACH.match(name):
                _add(everywhere, name, value)
            elif _IN_THE_PROJECT.match(name):
                _add(here, name, value)
    repository = _said(root, "rev-parse", "--absolute-git-dir").strip()
    if repository:
        escaped = re.sub(r"([*?\[\\])", r"\\\1", Path(repository).as_posix())
        _add(everywhere, f"includeIf.gitdir:{escaped}.path", here.as_posix())
    plain["GIT_CONFIG_GLOBAL"] = str(everywhere)
    plain["GIT_CONFIG_NOSYSTEM"] = "1"
    plain["GIT_CONFIG_COUNT"] = str(len(_ALWAYS))
    for number, (name, value) in enumerate(_ALWAYS.items()):
        plain[f"GIT_CONFIG_KEY_{number}"], plain[f"GIT_CONFIG_VALUE_{number}"] = name, value
    return plain


def _settings(root: Path) -> list[tuple[str, str, str]]:
    """Return scope, name and value of all settings that git has for the project."""
    said = _said(root, "config", "--list", "--show-scope", "--null", "--includes").split("\0")
    found = []
    for scope, setting in zip(said[::2], said[1::2], strict=False):
        name, separator, value = setting.partition("\n")
        section, _, rest = name.partition(".")
        middle, dot, last = rest.rpartition(".")
        found.append(
            (scope, f"{section.lower()}.{middle}{dot}{last.lower()}", value if separator else "true")
        )
    return found


def _said(root: Path, *arguments: str) -> str:
    """Run git with what its user has configured; nothing if that fails."""
    return subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, encoding="utf-8", errors="surrogateescape"
    ).stdout


def _add(file: Path, name: str, value: str) -> None:
    subprocess.run(["git", "config", "--file", str(file), "--add", name, value], check=True)
