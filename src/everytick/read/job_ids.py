"""The ids of jobs: which there are, which a pattern means, and the sentence for one that there is not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from everytick.errors import NotFoundError
from everytick.store import unreadable
from everytick.store.database import Ledger
from everytick.store.querying import Reader, connect
from everytick.text.wording import no_job


def no_such_job(job_id: str, known: Iterable[str]) -> NotFoundError:
    """Return the error for a job that there is not, with the id that is meant if one is near."""
    return NotFoundError(no_job(job_id, known))


def check_job(connection: Reader, job_id: str) -> None:
    """Raise NotFoundError if the ledger never heard of a job, or its row cannot be read."""
    known = list_job_ids(connection)
    if job_id not in known:
        unreadable.refuse(connection.plain, "scheduler_jobs", job_id=job_id)
        raise no_such_job(job_id, known)


def matching(patterns: Iterable[str], known: Iterable[str]) -> set[str]:
    """Return the ids that are named, or meant by patterns such as `sync_*`.

    Raises:
        NotFoundError: one of the patterns means no job.
    """
    job_ids, found = list(known), set[str]()
    for pattern in patterns:
        # An id may hold the signs of a pattern itself.
        meant = {it for it in job_ids if it == pattern or fnmatchcase(it, pattern)}
        if not meant and any(sign in pattern for sign in "*?["):
            raise NotFoundError(f"no job has an id like {pattern!r}")
        if not meant:
            raise no_such_job(pattern, job_ids)
        found |= meant
    return found


def natural(job_id: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Return what sorts ids as people do: `sync_2` before `sync_10`. No two ids have the same."""
    parts = re.findall(r"\d+|\D+", job_id)
    # Without its zeros, a number with more digits is larger; Python makes no number of some thousand digits.
    return [
        (False, len(digits), digits) if (digits := part.lstrip("0") or "0").isdecimal() else (True, 0, part)
        for part in parts
    ], job_id


def list_job_ids(connection: Reader) -> list[str]:
    """Return the ids of all jobs of which the ledger ever heard."""
    return connection.values("SELECT job_id FROM scheduler_jobs")


def known_job_ids(ledger: Ledger) -> list[str]:
    """Return the ids of all jobs that the ledger knows and that are not removed, as people sort them."""
    if not ledger.exists():
        return []
    with connect(ledger) as connection:
        found = connection.values("SELECT job_id FROM scheduler_jobs WHERE removed_us IS NULL")
    return sorted(found, key=natural)
