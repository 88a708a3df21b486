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
from everytick.system import rights
from everytick.system.machine import name_of_user

# The ends of the names of files that SQLite takes in beside a ledger.
_BESIDE = ("-wal", "-shm", "-journal")
_IT = "the ledger, which decides what runs"


def refuse_planted(path: Path) -> None:
    """Raise LedgerError if another user may have put a ledger there, or a file beside it.

    Its files may belong to the user of this process, to root and to the owner of their folder, who can
    replace them anyway. Those beside it may also belong to the owner of the ledger, and to users who
    may write the ledger itself, since somebody gave them that right: a new ledger is its user's alone.
    """
    if os.name != "posix":
        return
    what, real = f"the ledger {path}", rights.real(path)
    refuse_file(path, what)
    ledger, folder = rights.look(real), rights.look(real.parent)
    for end in _BESIDE:
        beside = Path(f"{real}{end}")
        found = rights.look(beside)
        if found is not None and (ledger is None or not _may_write(found, ledger, folder)):
            refuse_file(beside, what)


def refuse_file(path: Path, what: str) -> None:
    """Raise LedgerError if a file belongs to another user, who may have put it there.

    Taken are those of this user, of root, and of the owner of the folder, unless that may be planted itself.
    Of a link the same is asked as of its file. what: names it in the error.
    """
    for place in dict.fromkeys((path, rights.real(path))):
        _refuse(place, what)


def refuse_link(path: Path, what: str) -> None:
    """Raise LedgerError if a file is written through a link that another user may have put there."""
    if path.is_symlink():
        _refuse(path, what)


def _refuse(place: Path, what: str) -> None:
    found = rights.look(place) if os.name == "posix" else None
    if found is None or found.st_uid in (os.geteuid(), rights.ROOT):
        return
    if found.st_uid not in _trusted_in(rights.real(place.parent)):
        owner = name_of_user(found.st_uid)
        raise LedgerError(
            f"{what} is not opened: {place} belongs to the user {owner}, who may have put it there for"
            " this process to take; move it away, or, if it is trusted, run this as that user, or give"
            " that user the folder"
        )


def give_to_owner(handle: int, folder: Path) -> None:
    """Give a new file that root makes in a folder to the folder's user, whose process has to read it.

    A folder's owner who may have put the folder there for root to take gets nothing. Others than root give
    nothing away.

    Raises:
        OSError: it cannot be given.
    """
    if os.name != "posix" or os.geteuid() != rights.ROOT:
        return
    found = rights.look(rights.real(folder))
    if found is not None and found.st_uid in _trusted_in(rights.real(folder)):
        os.fchown(handle, found.st_uid, found.st_gid)


def who_else_writes(folder: Path, user: int | None = None) -> Iterator[str]:
    """Give a sentence on each way in which others can put files into a folder, or in its place.

    user: the number of the user whose ledger is there; by default the one of this process.
    """
    for other in rights.other_writers(folder, user):
        yield f"{other.begun} {'replace' if other.replaces else 'put files beside'} {_IT}"


def _trusted_in(folder: Path) -> set[int]:
    """Return the users whose files in a folder are taken."""
    trusted, own = {os.geteuid(), rights.ROOT}, rights.look(folder)
    if own is None or own.st_uid in trusted:
        return trusted
    # Where everybody may make folders, this one may be made for us to take.
    for place in (folder, *folder.parents):
        above, found = rights.look(place.parent), rights.look(place)
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
