"""The template is somewhere else now: what was recorded, and the engine's line, say so together.

If one of them changed alone, the next update would conflict on the other.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from everytick.answers import answer_in
from everytick.installed import TAKEN, engine_line

from .copier import Copier
from .problem import UpdateError, without_credentials
from .project import Project, is_remote


def move(project: Project, address: str) -> None:
    """Write down where the template is now.

    Args:
        address: a git address, or the path of a folder.

    Raises:
        UpdateError: it is not there, or not with the version that this project has.
    """
    project.check_working_tree()
    if not is_remote(address):
        address = str(Path(address).expanduser().resolve())
    copier = Copier(project, address)
    # Looked for first: if Copier is missing, the error must not blame the address.
    copier.command  # noqa: B018
    line = project.engine_line()
    commit = line.commit if line and line.commit else project.answer("_commit")
    old = project.answers_file.read_text(encoding="utf-8")
    with TemporaryDirectory(prefix="everytick-source-") as name:
        made = Path(name).resolve() / "made"
        try:
            copier.render(address, commit, old, made)
            if not (made / project.answers_file.name).exists():
                raise UpdateError("there is no template in it")
        except UpdateError as problem:
            raise UpdateError(
                f"the template is not at {address}, or not with the version that this project has"
                f" ({project.answer('_commit')}): {problem}"
            ) from None
        answers = (made / project.answers_file.name).read_text(encoding="utf-8")
        rendered = (made / "pyproject.toml").read_text(encoding="utf-8")
        written = made / TAKEN
        version = written.read_text(encoding="utf-8") if written.is_file() else ""
    _rewrite(project.answers_file, old, answers)
    new = engine_line(rendered)
    changed = [project.answers_file.name]
    if line and new:
        file = project.root / "pyproject.toml"
        text = file.read_text(encoding="utf-8")
        place = rendered[new.span[0] : new.span[1]]
        file.write_text(text[: line.span[0]] + place + text[line.span[1] :], encoding="utf-8")
        changed.append("pyproject.toml")
    own = project.root / TAKEN
    if version and own.is_file() and own.read_text(encoding="utf-8") != version:
        # A folder without commits became one with commits, or the reverse.
        own.write_text(version, encoding="utf-8")
        changed.append(TAKEN)
    place = without_credentials(str(answer_in(answers, "_src_path")))
    print(f"The template is at {place} now, by {_enumerated(changed)}.")
    print("Commit that, then run `make install`; `make update` takes new versions from there.")


def _enumerated(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _rewrite(file: Path, old: str, rendered: str) -> None:
    """Bring where the template is, and what its version is called there, into the file of answers."""
    for name in ("_src_path", "_commit"):
        line = re.compile(rf"^{name}:.*(?:\n +.+)*$", re.MULTILINE)
        new, former = line.search(rendered), line.search(old)
        if new is None or former is None:
            raise UpdateError("the template is no git repository: an update would not know its versions")
        old = old[: former.start()] + new[0] + old[former.end() :]
    file.write_text(old, encoding="utf-8")
