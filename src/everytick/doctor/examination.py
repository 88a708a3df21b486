"""The whole examination. A part that cannot be examined becomes a finding, and the rest goes on."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from everytick import app
from everytick.call_site import is_library_file, shown_path
from everytick.errors import ConfigurationError, LedgerError
from everytick.ledger import ledger_of
from everytick.model import ticks
from everytick.read.known_job import Declared, jobs_in_force, undeclared
from everytick.settings import SchedulerSettings
from everytick.store.connections import UNAVAILABLE
from everytick.store.database import Ledger
from everytick.store.migration_fence import why_closed
from everytick.store.owner import why_not_ours
from everytick.store.querying import connect
from everytick.store.sqlite import SqliteLedger
from everytick.text.wording import counted

from .backfills import examine_backfills
from .environment import (
    examine_group_limits,
    examine_job_filter,
    examine_packages,
    examine_settings,
    examine_template,
    examine_zone_data,
)
from .finding import Finding, ok
from .history import examine_history
from .liveness import (
    examine_clock,
    examine_outages,
    examine_processes,
    examine_runs,
    examine_settings_in_force,
)
from .pitfalls import examine_schedule
from .server import examine_server
from .storage import examine_file, examine_numbers, examine_rows, examine_writing


def examine(load: Callable[[], Declared]) -> list[Finding]:
    """Return everything that was looked at, in order and not. Changes nothing; never raises.

    `load` returns what the user's schedule declares, or raises ConfigurationError or LedgerError.
    """
    settings, found = examine_settings()
    found += examine_zone_data()
    found += examine_template()
    found += examine_packages()
    if settings is None:
        what = "neither the ledger nor the schedule can be looked at before the settings are right"
        return [*found, Finding("note", "settings", what, None, None)]
    declared, remarks = _load_schedule(load)
    found += remarks
    if declared is not None:
        found += examine_schedule(declared.jobs, settings.scheduler_max_workers, ticks.now())
    return found + _examine_ledger(settings, declared or undeclared(settings))


def _load_schedule(load: Callable[[], Declared]) -> tuple[Declared | None, list[Finding]]:
    """Load the schedule; return it with findings on errors in it, and on former names that it uses."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            declared = load()
        except ConfigurationError as problem:
            place = re.match(r"\S+?:\d+|\S+\.py", str(problem))
            return None, [Finding("error", "schedule", str(problem), place[0] if place else None, None)]
        except LedgerError as problem:
            return None, [Finding("error", "schedule", str(problem), None, None)]
    # An import asks for a name more than once.
    used = dict.fromkeys(
        (str(warning.message), f"{shown_path(warning.filename)}:{warning.lineno}")
        for warning in seen
        if issubclass(warning.category, DeprecationWarning) and _is_own(warning.filename)
    )
    remarks = [Finding("warning", "former name", what, where, "the name of now") for what, where in used]
    return declared, [*remarks, ok("schedule", f"the schedule loads: {counted(len(declared.jobs), 'job')}")]


_URLS = "sqlite:///path/to/ledger.db, or postgresql://user:password@host/database"


def _is_own(filename: str) -> bool:
    own = Path(filename).is_relative_to(app.current().root) and "site-packages" not in filename
    return own and not is_library_file(filename)


def _examine_ledger(settings: SchedulerSettings, declared: Declared) -> list[Finding]:
    try:
        ledger = ledger_of(settings)
    except ConfigurationError as problem:
        return [Finding("error", "ledger", str(problem), "SCHEDULER_DATABASE_URL", _URLS)]
    if isinstance(ledger, SqliteLedger):
        readable, found = examine_file(ledger)
    else:
        readable, found = examine_server(ledger)
    if not readable:
        return found
    unwritable = examine_writing(ledger) if isinstance(ledger, SqliteLedger) else None
    found += filter(None, [unwritable])
    now, zone = ticks.now(), settings.zone
    try:
        found += _not_to_be_used(ledger)
        with connect(ledger) as connection:
            found += examine_rows(connection, ledger.place)
            found += examine_numbers(connection, ledger.place)
            found += examine_clock(connection, now, zone)
            found += examine_processes(connection, now, zone, is_held=unwritable is not None)
            in_force = list(jobs_in_force(connection))
            known = [*declared.in_code, *(job.id for job in in_force)]
            groups = {job.id: job.row.group_name for job in in_force}
            groups |= {job.id: job.options.group for job in declared.jobs}
            found += examine_group_limits(settings, groups)
            found += examine_job_filter(settings, list(dict.fromkeys(known)))
            found += examine_settings_in_force(connection, settings, list(dict.fromkeys(known)))
            found += examine_outages(connection, now, zone)
            found += examine_runs(connection, now, zone)
            found += examine_history(connection, declared, now, zone)
            found += examine_backfills(connection, now, zone)
    except LedgerError as problem:
        found.append(Finding("error", "ledger", str(problem), ledger.place, None))
    return found


def _not_to_be_used(ledger: Ledger) -> list[Finding]:
    """Tell of a ledger that was moved, or is another application's."""
    try:
        with closing(ledger.connect(read_only=True)) as connection:
            closed, refusal = why_closed(connection), why_not_ours(connection, ledger.application)
    except UNAVAILABLE as problem:
        raise LedgerError(ledger.unusable(problem)) from None
    return [
        Finding("error", "ledger", sentence, ledger.place, None) for sentence in (closed, refusal) if sentence
    ]
