"""The end of an update, in a new process with the engine that came with it."""

from __future__ import annotations

import sys
from pathlib import Path

from everytick.answers import answer_in
from everytick.command_line import typed_in
from everytick.installed import TAKEN, commit_in, is_stale

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
    conflicts.check_merged(project)
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
                f" `{typed_in(project.root, 'update --finish')}` again, then commit. To undo the update"
                f" instead: {UNDO}"
            )
    print(f"\n{_news(project, since, known)}", flush=True)
    if gone:
        raise UpdateError(gone)
    return 0


def _news(project: Project, since: str, known: Path | None) -> str:
    """Return what the update brought, and what there is to do with it."""
    version = project.answer("_commit")
    answers = project.git("show", f"{since}:./{project.answers_file.name}", ok=(0, 128))
    former = answer_in(answers, "_commit")
    locked = ", with uv.lock" if (project.root / "uv.lock").exists() else ""
    look = f"Look at it with `git diff`, then commit it{locked}."
    # Another changelog was here: then the engine was still to be installed.
    if known is None and _is_same(project, since, former, version):
        changed = project.git("status", "--porcelain", "--", ".")
        if not changed:
            return f"Nothing changed since the last commit: this project is at {version}."
        return f"This project is at {version} of the template, as before: there is no news of it.\n{look}"
    old = known.read_text(encoding="utf-8") if known else ""
    old += project.git("show", f"{since}:./{_FORMERLY}", ok=(0, 128))
    brought = news.news(news.changelog(), old, release_of(former or ""))
    return f"Updated to {version}. What changed for you:\n\n{brought}\n\n{look}"


def _is_same(project: Project, since: str, former: str | None, version: str) -> bool:
    """Return whether the template is at the version that it was."""
    # By the commit where both versions write it down: its name changes when it gets a tag.
    before = commit_in(project.git("show", f"{since}:./{TAKEN}", ok=(0, 128)))
    own = project.root / TAKEN
    now = commit_in(own.read_text(encoding="utf-8")) if own.is_file() else None
    return before == now if before and now else former == version
