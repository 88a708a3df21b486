"""Finds the conflicts that a merge left for a person to decide. Copier itself ends with 0 then."""

from __future__ import annotations

from everytick.command_line import typed_in
from everytick.installed import left_behind

from .problem import UpdateError
from .project import Project

# The ends of the markers that Copier leaves, so that this file is none of those it finds.
_MARKER = "^(<<<<<<< before updati|>>>>>>> after updati)ng"


def check(project: Project) -> None:
    """Fail if something is left to decide.

    Raises:
        UpdateError: with the list of the files.
    """
    if names := undecided(project):
        raise UpdateError(
            "you and the template changed the same lines. Decide in these files, `git add` them, then run"
            f" `{typed_in(project.root, 'update --finish')}`, and commit:\n" + "\n".join(names)
        )


def check_engine(project: Project) -> None:
    """Fail if the engine's line names another commit than the template was updated to.

    Raises:
        UpdateError: the line names another commit.
    """
    if wrong := left_behind(project.root):
        raise UpdateError(wrong)


def check_merged(project: Project) -> None:
    """Fail if there is no repository, or the merge of an update is not decided in the end.

    Raises:
        UpdateError: with the steps that are left.
    """
    project.check_repository()
    check(project)
    check_engine(project)


def undecided(project: Project) -> list[str]:
    """Return the files with markers, those that git counts as unmerged, and rejected changes."""
    if not project.git("rev-parse", "--git-dir", ok=(0, 128)):
        return []
    marked = project.names("grep", "--untracked", "-z", "-lE", _MARKER, ok=(0, 1))
    unmerged = project.names("diff", "-z", "--name-only", "--relative", "--diff-filter=U")
    rejected = project.names("ls-files", "-z", "--others", "--", "*.rej", ":!.venv")
    return sorted({*marked, *unmerged, *rejected})
