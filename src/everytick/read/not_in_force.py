"""What the code and the settings here say of jobs, and the processes that are up go by otherwise as yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from everytick.app import typed
from everytick.model.job_filter import JobFilter
from everytick.store.database import Ledger
from everytick.store.querying import connect_checked
from everytick.text.wording import cut_list

from .known_job import Declared, KnownJob, read_jobs
from .processes import Process, read_processes

_ANEW = "when the processes that are up are started anew"


def not_in_force(ledger: Ledger, declared: Declared, here: JobFilter) -> list[str]:
    """Return a sentence about each setting, and about the code, that differs from those in force.

    Nothing while no process is up that claims ticks: then the next start goes by the code and the settings.

    Args:
        ledger: where the schedule is in force.
        declared: the jobs of the code.
        here: the jobs that a process with the settings of this place would run.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    if not ledger.exists():
        return []
    with connect_checked(ledger) as connection:
        claiming = who_claims(read_processes(connection))
        if not claiming:
            return []
        known = read_jobs(connection)
    ids = list(dict.fromkeys([*declared.in_code, *(job.id for job in known if not job.gone)]))
    return [*settings_not_in_force(claiming, ids, here), *_code_not_in_force(known, declared)]


def who_claims(processes: Iterable[Process]) -> list[Process]:
    """Return the processes that are up and claim ticks."""
    return [process for process in processes if process.is_up and process.role.claims]


def settings_not_in_force(claiming: Sequence[Process], job_ids: Iterable[str], here: JobFilter) -> list[str]:
    """Return a sentence about each setting by which jobs will be disabled, or enabled, at the next start.

    `claiming`: the processes that are up and claim ticks. Where one of them has these settings, each goes by
    its own, which is told elsewhere.
    """
    if not claiming or any(process.job_filter == here for process in claiming):
        return []
    disabled: dict[str, list[str]] = {}
    enabled: dict[str, list[str]] = {}
    for job_id in job_ids:
        reasons = [process.job_filter.why_disabled(job_id) for process in claiming]
        running = reasons[0] if all(reasons) else None
        why = here.why_disabled(job_id)
        if why is not None and running is None:
            disabled.setdefault(why, []).append(job_id)
        elif why is None and running is not None:
            enabled.setdefault(running, []).append(job_id)
    return [*_disabled_later(disabled), *_enabled_later(enabled)]


def _disabled_later(found: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for why, jobs in found.items():
        until = f"until then {'it runs' if len(jobs) == 1 else 'they run'}"
        yield f"not in force yet: {why} disables {cut_list(jobs)} {_ANEW}; {until}"


def _enabled_later(found: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for why, jobs in found.items():
        until = f"until then {why} disables {'it' if len(jobs) == 1 else 'them'}"
        yield f"not in force yet: the settings here enable {cut_list(jobs)} {_ANEW}; {until}"


def _code_not_in_force(known: Iterable[KnownJob], declared: Declared) -> Iterator[str]:
    """Yield a sentence if the code here declares other jobs, or other schedules, than are in force."""
    in_force = {job.id: job for job in known if job.row.removed_us is None and not job.was_added}
    changed = [
        job.id
        for job in declared.in_code.values()
        if job.id in in_force and in_force[job.id].row.definition != job.definition
    ]
    added = [job_id for job_id in declared.in_code if job_id not in in_force]
    removed = [job_id for job_id in in_force if job_id not in declared.in_code]
    parts = [
        f"they have another schedule of {cut_list(changed)}" if changed else "",
        f"they do not have {cut_list(added)}" if added else "",
        f"they still have {cut_list(removed)}" if removed else "",
    ]
    if any(parts):
        yield (
            f"not in force yet: the processes that are up were started with other code or settings,"
            f" and {', '.join(filter(None, parts))} ({typed('diff')})"
        )
