"""The commands that bring the application up to a newer version of its template."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from .output import print_aside

if TYPE_CHECKING:
    from everytick.update.project import Project

commands = typer.Typer()

# The exit code of `outdated` if there is something newer, or the engine is older than the template; 1 means
# that it could not find out.
_OUTDATED = 3


@commands.command()
def update(
    ref: Annotated[
        str | None,
        typer.Option(metavar="REF", help="A tag, branch or commit of the template, not its newest release."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Only write down where the template is now."),
    ] = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="Only install, upgrade the ledger, check and test.")
    ] = False,
) -> None:
    """Take the newest version of the template.

    Merge it, install, check, and say what changed.
    """
    from everytick.errors import ConfigurationError

    if sum([ref is not None, source is not None, finish]) > 1:
        raise ConfigurationError("--ref, --source and --finish exclude each other")

    def act(project: Project) -> int:
        from everytick.update import source as moved
        from everytick.update.take import install, take

        if source is not None:
            moved.move(project, source)
            return 0
        return install(project, "HEAD") if finish else take(project, ref)

    raise typer.Exit(_for_the_project(act))


@commands.command()
def outdated() -> None:
    """Say whether the template has a newer version.

    If so, the exit code is 3.
    """

    def act(project: Project) -> int:
        from everytick.installed import left_behind
        from everytick.update.versions import standing

        found = standing(project)
        print(found.sentence())
        wrong = left_behind(project.root)
        if wrong:
            print(wrong)
        return _OUTDATED if found.newer or wrong else 0

    raise typer.Exit(_for_the_project(act))


def _for_the_project(act: Callable[[Project], int]) -> int:
    """Do something for the project of this application; return the exit code."""
    from everytick.app import current
    from everytick.errors import ConfigurationError
    from everytick.update.problem import UpdateError
    from everytick.update.project import Project

    if not current().is_of_the_template:
        raise ConfigurationError(
            "update and outdated are for applications that were made from the template:"
            " this one gets a newer everytick as any other package"
        )
    try:
        return act(Project(current().root))
    except UpdateError as problem:
        print_aside(f"error: {problem}")
        return 1
