"""The end of an update, in a new process with the engine that came with it."""

from __future__ import annotations

import sys
from pathlib import Path

from everytick.answers import answer_in
from everytick.installed import is_stale, left_behind

from . import conflicts, edits, news, steps
from .problem import UpdateError
from .project import UNDO, Project
from .versions import release_of

# Where version 0.1 kept its changelog.
_FORMERLY = ".template/CHANGELOG.md"


def finish(project: Project, since: str, known: Path | None, *, merged_just_now: bool) -> int:
    """Keep what the update took away, upgrade the ledger, check and test; print what the update brought.

    Args:
        since: the commit before the update.
        known: the changelog as it was; without one, that of the commit before.
        merged_just_now: nobody but Copier has changed anything since.

    Returns:
        The exit code.

    Raises:
        UpdateError: something does not pass, or changes of the user's went with the template's files.
    """
    project.check_repository()
    conflicts.check(project)
    if wrong := left_behind(project.root):
        raise UpdateError(wrong)
    found = edits.save(project, since, merged_just_now=merged_just_now)
    edits.remove_traces(project, since)
    if remark := found.remark():
        print(f"\n{remark}\n", flush=True)
    gone = found.sentence()
    if is_stale(project.root):
        raise UpdateError("the engine is still another one than pyproject.toml names: run `make install`")
    for name, command in steps.checking(project):
        if steps.run(project, command):
            if gone:
                print(f"error: {gone}", file=sys.stderr)
            raise UpdateError(
                f"the update was taken, but `{name}` does not pass: mend that, run"
                f" `python -m app update --finish` again, then commit. To undo the update instead: {UNDO}"
            )
    old = known.read_text(encoding="utf-8") if known else ""
    old += project.git("show", f"{since}:./{_FORMERLY}", ok=(0, 128))
    answers = project.git("show", f"{since}:./{project.answers_file.name}", ok=(0, 128))
    before = release_of(answer_in(answers, "_commit") or "")
    changed = news.news(news.changelog(), old, before)
    print(f"\nUpdated to {project.answer('_commit')}. What changed for you:\n\n{changed}\n")
    locked = ", with uv.lock" if (project.root / "uv.lock").exists() else ""
    print(f"Look at it with `git diff`, then commit it{locked}.", flush=True)
    if gone:
        raise UpdateError(gone)
    return 0
