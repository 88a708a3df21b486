"""Which other users of the machine can put files in the place of a ledger, or beside it.

SQLite takes what it finds beside a ledger for its own: the newest commits from the file ending in `-wal`, an
undone transaction from the one ending in `-journal`. A user who plants such a file, or a whole ledger,
decides what runs. So nothing of a ledger is opened that another user may have put there. POSIX only: on
Windows files have lists of rights, and no owner with a number.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from everytick.errors import LedgerError
from everytick.system.machine import name_of_user

# The ends of the names of files that SQLite takes in beside a ledger.
_BESIDE = ("-wal", "-shm", "-journal")
_ROOT = 0
_IT = "the ledger, which decides what runs"


def refuse_planted(path: Path) -> None:
    """Raise LedgerError if another user may have put a ledger there, or a file beside it.

    Its files may belong to the user of this process, to root and to the owner of their folder, who can
    replace them anyway. Those beside it may also belong to the owner of the ledger, and to users who
    may write the ledger itself, since somebody gave them that right: a new ledger is its user's alone.
    """
    if os.name != "posix":
        return
    what, real = f"the ledger {path}", _real(path)
    refuse_file(path, what)
    ledger, folder = _look(real), _look(real.parent)
    for end in _BESIDE:
        beside = Path(f"{real}{end}")
        found = _look(beside)
        if found is not None and (ledger is None or not _may_write(found, ledger, folder)):
            refuse_file(beside, what)


def refuse_file(path: Path, what: str) -> None:
    """Raise LedgerError if a file belongs to another user, who may have put it there.

    Taken are those of this user, of root, and of the owner of the folder, unless that may be planted itself.
    Of a link the same is asked as of its file. what: names it in the error.
    """
    for place in dict.fromkeys((path, _real(path))):
        _refuse(place, what)


def refuse_link(path: Path, what: str) -> None:
    """Raise LedgerError if a file is written through a link that another user may have put there."""
    if path.is_symlink():
        _refuse(path, what)


def _refuse(place: Path, what: str) -> None:
    found = _look(place) if os.name == "posix" else None
    if found is None or found.st_uid in (os.geteuid(), _ROOT):
        return
    if found.st_uid not in _trusted_in(_real(place.parent)):
        owner = name_of_user(found.st_uid)
        raise LedgerError(
            f"{what} is not opened: {place} belongs to the user {owner}, who may have put it there for"
            " this process to take; move it away, or, if it is trusted, run this as that user, or give"
            " that user the folder"
        )


def who_else_writes(folder: Path, user: int | None = None) -> Iterator[str]:
    """Give a sentence on each way in which others can put files into a folder, or in its place.

    user: the number of the user whose ledger is there; by default the one of this process.
    """
    if os.name != "posix":
        return
    user = os.geteuid() if user is None else user
    folder = _real(folder)
    for place in (folder, *folder.parents):
        found = _look(place)
        if found is None:
            continue
        if found.st_uid not in (user, _ROOT) and place == folder:
            owner = name_of_user(found.st_uid)
            yield f"the folder {place} belongs to the user {owner}, who can replace {_IT}"
        if who := _who_writes(found, user):
            if not found.st_mode & stat.S_ISVTX:
                yield f"{who} may write to the folder {place}, and can replace {_IT}"
            elif place == folder:
                yield f"{who} may write to the folder {place}, and can put files beside {_IT}"


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
    own = {name_of_user(each) for each in (user, folder.st_uid, _ROOT)}
    is_own = group.gr_name in own or folder.st_gid == _ROOT
    return None if is_own and own.issuperset(group.gr_mem) else group.gr_name


def _trusted_in(folder: Path) -> set[int]:
    """Return the users whose files in a folder are taken."""
    trusted, own = {os.geteuid(), _ROOT}, _look(folder)
    if own is None or own.st_uid in trusted:
        return trusted
    # Where everybody may make folders, this one may be made for us to take.
    for place in (folder, *folder.parents):
        above, found = _look(place.parent), _look(place)
        if found is None or above is None or found.st_uid in trusted:
            continue
        if above.st_mode & stat.S_IWOTH:
            return trusted
    return trusted | {own.st_uid}


def _may_write(found: os.stat_result, ledger: os.stat_result, folder: os.stat_result | None) -> bool:
    """Return whether the owner of a file may write the ledger itself, and so needs no file beside it.

    In a folder that everybody may write to, a file's group says nothing about its owner.
    """
    if found.st_uid == ledger.st_uid or ledger.st_mode & stat.S_IWOTH:
        return True
    is_the_groups = folder is not None and not folder.st_mode & stat.S_IWOTH
    return bool(is_the_groups and ledger.st_mode & stat.S_IWGRP and found.st_gid == ledger.st_gid)


def _real(path: Path) -> Path:
    """Return what a name leads to behind all links; the name itself if it cannot be one."""
    try:
        return Path(os.path.realpath(path))
    except ValueError:
        return path


def _look(path: Path) -> os.stat_result | None:
    """Return what a file or a folder is, of a link the link itself; None if it cannot be seen."""
    try:
        return path.lstat()
    except (OSError, ValueError):
        return None
