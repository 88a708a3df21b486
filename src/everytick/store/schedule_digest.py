"""One digest of all jobs of the code, so that a start that changes nothing compares no job with its row.

The ledger keeps the digest of a schedule whose jobs are all in it, each as that code declares it, and beside
which no other job of the code is in force. What changes a job of the code in the ledger forgets the digest in
the same transaction; then the next start compares job by job, and writes it down again.

A process of a version before 0007 knows nothing of it. As long as one is there no digest counts; and none can
join any more, since such a version refuses this ledger.

Called inside of a transaction, but for `digest_of`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from everytick.model.job import Job

from . import declared_options
from .connections import Connection

# Counted up when the rows of the same jobs are written otherwise.
_FORM = 3

_READ = """
SELECT digest FROM scheduler_schedule WHERE number = 1
AND NOT EXISTS (SELECT 1 FROM scheduler_processes WHERE schedule_digest IS NULL)
"""
_WRITE = """
INSERT INTO scheduler_schedule (number, digest) VALUES (1, :digest)
ON CONFLICT (number) DO UPDATE SET digest = excluded.digest
"""
_FORGET = "DELETE FROM scheduler_schedule WHERE number = 1"


def digest_of(jobs: Iterable[Job]) -> str:
    """Return the digest of what the ledger keeps of these jobs, in whichever order they are declared."""
    # The data of a schedule in place of the JSON that is kept of it, which takes three times as long to make.
    described = (
        (
            *(job.id, job.name, job.reference, job.schedule.text, job.schedule.zone_name, job.definition),
            *(
                job.options.on_crash,
                job.options.grace,
                job.options.queue,
                job.options.group,
                job.schedule.data,
                declared_options.identity(job),
            ),
        )
        for job in jobs
    )
    digest = hashlib.sha256(f"{_FORM}".encode())
    for line in sorted(map(repr, described)):
        digest.update(line.encode(errors="backslashreplace"))
    return digest.hexdigest()


def stands(connection: Connection, digest: str) -> bool:
    """Return whether the jobs of the code in the ledger are those of this digest."""
    row = connection.execute(_READ).fetchone()
    return row is not None and bool(row[0] == digest)


def write_down(connection: Connection, digest: str) -> None:
    """Write down that the jobs of the code in the ledger are those of this digest."""
    connection.execute(_WRITE, {"digest": digest})


def forget(connection: Connection) -> None:
    """Let the next start compare each job: one of the code has changed in the ledger."""
    connection.execute(_FORGET)
