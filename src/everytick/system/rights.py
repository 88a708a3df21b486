"""Which other users of the machine can put files into a folder, or in its place.

POSIX only: on Windows folders have lists of rights, and no owner with a number.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .machine import name_of_user

ROOT = 0


class OtherWriter(NamedTuple):
    """One way in which others can put files into a folder."""

    # How a sentence about it begins: `the folder /x belongs to the user bob, who can`.
    begun: str
    # Whether they can also replace the folder or its files; else they can only put new ones there.
    replaces: bool


def other_writers(folder: Path, user: int | None = None) -> Iterator[OtherWriter]:
    """Give each way in which others can put files into a folder, or in its place; on Windows none.

    Root and the user are no others, nor is a group of that user alone.

    user: the number of the user whose folder it should be; by default the one of this process.
    """
    if os.name != "posix":
        return
    user = os.geteuid() if user is None else user
    folder = real(folder)
    for place in (folder, *folder.parents):
        found = look(place)
        if found is None:
            continue
        if found.st_uid not in (user, ROOT) and place == folder:
            owner = name_of_user(found.st_uid)
            yield OtherWriter(f"the folder {place} belongs to the user {owner}, who can", replaces=True)
        if who := _who_writes(found, user):
            replaces = not found.st_mode & stat.S_ISVTX
            if replaces or place == folder:
                yield OtherWriter(f"{who} may write to the folder {place}, and can", replaces)


def _who_writes(folder: os.stat_result, user: int) -> str | None:
    if folder.st_mode & stat.S_IWOTH:
        return "everybody on this machine"
    if folder.st_mode & stat.S_IWGRP and (group := _group_of_others(folder, user)):
        return f"the group {group}"
    return None


def _group_of_others(folder: os.stat_result, user: int) -> str | None:
    """Return the group of a folder; None if it is that of one user, as most systems make for each.

    A number without a name, as in a container, stands for nobody else.
    """
    import grp

    try:
        group = grp.getgrgid(folder.st_gid)
    except KeyError:
        return None
    own = {name_of_user(each) for each in (user, folder.st_uid, ROOT)}
    is_own = group.gr_name in own or folder.st_gid == ROOT
    return None if is_own and own.issuperset(group.gr_mem) else group.gr_name


def real(path: Path) -> Path:
    """Return what a name leads to behind all links; the name itself if it cannot be one."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:
        return path


def look(path: Path) -> os.stat_result | None:
    """Return what a file or a folder is, of a link the link itself; None if it cannot be seen."""
    try:
        return path.lstat()
    except (OSError, ValueError):
        return None
