"""The SQL statements about jobs, written for SQLite (3.35) and PostgreSQL (13)."""

from .bulk import Bulk, Load

_JOB_STATE = """
SELECT job_id, definition, watermark_us, paused_us, paused_until_us, removed_us, schedule_data, call_data,
       exhausted_us, disabled_by
FROM scheduler_jobs
"""

LIST_JOBS = _JOB_STATE + " ORDER BY job_id"

LIST_PAUSED_JOBS = "SELECT job_id, paused_us, paused_until_us FROM scheduler_jobs WHERE paused_us IS NOT NULL"

# All that a start compares: first the columns that UPDATE_JOBS writes, last those that it clears.
LIST_DEFINED = """
SELECT job_id, name, function, trigger, zone, on_crash, grace_us, queue, group_name, schedule_data,
       options_data, definition, watermark_us, paused_us, paused_until_us, removed_us, call_data,
       exhausted_us, disabled_by
FROM scheduler_jobs
"""

# By the code alone.
LIST_WATERMARKS = """
SELECT job_id, watermark_us FROM scheduler_jobs WHERE removed_us IS NULL AND call_data IS NULL
"""

READ_JOB = _JOB_STATE + " WHERE job_id = :job_id"

READ_TO_CHANGE = READ_JOB + " /* on a server: FOR NO KEY UPDATE */"

INSERT_JOBS = Load(
    "scheduler_jobs", "job_id", "name", "function", "trigger", "zone", "on_crash", "grace_us", "queue",
    "group_name", "schedule_data", "options_data", "definition", "watermark_us", "paused_us", "pause_note",
    "registered_us", "changed_us",
)  # fmt: skip

UPDATE_JOBS = Bulk(
    """
UPDATE scheduler_jobs
SET name = given.called, function = given.calls, trigger = given.at, zone = given.zone_name,
    on_crash = given.crashing, grace_us = given.grace, queue = given.to_queue, group_name = given.in_group,
    schedule_data = given.kept, options_data = given.said,
    call_data = NULL, removed_us = NULL, exhausted_us = NULL
FROM GIVEN AS given
WHERE BY_KEY AND job_id = given.job
RETURNING job_id
""",
    key="job_id", job="text", called="text", calls="text", at="text", zone_name="text", crashing="text",
    grace="bigint", to_queue="text", in_group="text", kept="text", said="text",
)  # fmt: skip

# Without numbers that no job has, to which one cannot be added on a server, and text, which is above all
# numbers: behind such a serial no process would find a job that is added.
_IS_SERIAL = "serial BETWEEN 0 AND 4611686018427387903"
LAST_SERIAL = f"SELECT COALESCE(max(serial), 0) FROM scheduler_jobs WHERE {_IS_SERIAL}"

# A job that was added while running has call_data; other processes find it by its serial.
KEEP_JOB = f"""
UPDATE scheduler_jobs
SET call_data = :call_data, serial = ({LAST_SERIAL}) + 1
WHERE job_id = :job_id
"""

# Options that an added job did not name are filled in by the process that runs it. This is no new definition,
# so there is no new serial; and it is done only where the job is still the one that the process has loaded.
KEEP_OPTIONS = """
UPDATE scheduler_jobs
SET call_data = :call_data, on_crash = :on_crash, grace_us = :grace, queue = :queue, group_name = :in_group,
    options_data = :said
WHERE job_id = :job_id AND call_data = :loaded
"""

_ADDED = """
SELECT job_id, name, function, schedule_data, call_data, watermark_us, removed_us, serial
FROM scheduler_jobs
"""

LIST_ADDED = f"{_ADDED} WHERE serial > :serial AND {_IS_SERIAL} ORDER BY serial"

READ_ADDED = _ADDED + " WHERE job_id = :job_id"

# A job without further ticks is kept only as long as a run of it is not over.
LIST_ADDED_AT_START = (
    _ADDED
    + """
WHERE call_data IS NOT NULL AND removed_us IS NULL AND (exhausted_us IS NULL OR EXISTS (
    SELECT 1 FROM scheduler_runs WHERE scheduler_runs.job_id = scheduler_jobs.job_id
    AND (state IN ('queued', 'claimed', 'running', 'retrying') OR rerun_until_us >= :now)))
ORDER BY job_id
"""
)

EXHAUST_JOB = """
UPDATE scheduler_jobs SET exhausted_us = :now WHERE job_id = :job_id AND call_data IS NOT NULL
"""

# Processes let go of such a job when its runs are over: by another serial they find it again.
SHOW_EXHAUSTED_JOB = f"""
UPDATE scheduler_jobs SET serial = ({LAST_SERIAL}) + 1
WHERE job_id = :job_id AND call_data IS NOT NULL AND removed_us IS NULL AND exhausted_us IS NOT NULL
"""

IS_OVER = """
SELECT 1 FROM scheduler_jobs WHERE job_id = :job_id AND exhausted_us IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM scheduler_runs WHERE scheduler_runs.job_id = scheduler_jobs.job_id
    AND (state IN ('queued', 'claimed', 'running', 'retrying') OR rerun_until_us >= :now))
"""

# A changed definition begins anew: instants before the change are not caught up. A watermark never goes
# back, or used-up ticks would come again after the clock was; the change is in force from there.
REDEFINE_JOBS = Bulk(
    """
UPDATE scheduler_jobs
SET definition = given.defined, changed_us = CASE WHEN watermark_us > :now THEN watermark_us ELSE :now END,
    watermark_us = CASE WHEN watermark_us > :watermark THEN watermark_us ELSE :watermark END
FROM GIVEN AS given
WHERE BY_KEY AND job_id = given.job
RETURNING job_id
""",
    key="job_id", job="text", defined="text",
)  # fmt: skip

# `upto`: the last tick that was recorded with that, or 0. The job may be there again while the clock is back.
REMOVE_JOBS = Bulk(
    f"""
UPDATE scheduler_jobs
SET removed_us = :now, serial = CASE WHEN serial IS NULL THEN NULL
    ELSE ({LAST_SERIAL}) + 1 END,
    watermark_us = CASE WHEN watermark_us > given.upto THEN watermark_us ELSE given.upto END
FROM GIVEN AS given
WHERE BY_KEY AND job_id = given.job AND removed_us IS NULL
RETURNING job_id
""",
    key="job_id",
    job="text",
    upto="bigint",
)

# A job that is in force under a former id goes on under another one.
FORGET_JOB = "DELETE FROM scheduler_jobs WHERE job_id = :job_id"

_COLUMNS = """name, function, trigger, zone, on_crash, grace_us, queue, group_name, schedule_data,
       options_data, definition, watermark_us, paused_us, paused_until_us, pause_note, registered_us,
       changed_us, exhausted_us, disabled_by"""
COPY_JOB = f"""
INSERT INTO scheduler_jobs (job_id, {_COLUMNS})
SELECT :job_id, {_COLUMNS} FROM scheduler_jobs WHERE job_id = :former
"""

# Runs that are not over go along at once, by the partial indexes of runs.
MOVE_OPEN = """
UPDATE scheduler_runs SET job_id = :job_id WHERE run_id IN (
    SELECT run_id FROM scheduler_runs WHERE state IN ('claimed', 'running') AND job_id = :former
    UNION ALL
    SELECT run_id FROM scheduler_runs WHERE state IN ('queued', 'retrying') AND job_id || '' = :former
    UNION ALL SELECT run_id FROM scheduler_runs WHERE rerun_until_us IS NOT NULL AND job_id || '' = :former)
"""
MOVE_BACKFILLS = "UPDATE scheduler_backfills SET job_id = :job_id WHERE job_id = :former"
MOVE_INCIDENTS = "UPDATE scheduler_incidents SET job_id = :job_id WHERE job_id = :former"

# The rest follows piece by piece, the newest ticks first. A tick, and the run of a start, has one outcome:
# runs for which both ids have one stay where they are.
MOVE_HISTORY = """
UPDATE scheduler_runs SET job_id = :job_id WHERE run_id IN (
    SELECT run_id FROM scheduler_runs AS past WHERE past.job_id = :former AND NOT EXISTS (
        SELECT 1 FROM scheduler_runs AS kept WHERE kept.job_id = :job_id
        AND (kept.tick_us = past.tick_us OR kept.start_number = past.start_number))
    ORDER BY past.tick_us DESC LIMIT :piece)
"""

PAUSE_JOB = """
UPDATE scheduler_jobs SET paused_us = :now, pause_note = :note, paused_until_us = :until
WHERE job_id = :job_id AND paused_us IS NULL AND removed_us IS NULL
"""

# A job that a person has paused stays so; it is looked at again when that is over.
DISABLE_JOB = """
UPDATE scheduler_jobs SET paused_us = :now, pause_note = :note, paused_until_us = NULL, disabled_by = :why
WHERE job_id = :job_id AND paused_us IS NULL AND removed_us IS NULL
"""

LIST_DISABLED = "SELECT job_id, disabled_by FROM scheduler_jobs WHERE disabled_by IS NOT NULL"

# A further pause changes the note and the end of the one that is there.
CHANGE_PAUSE = """
UPDATE scheduler_jobs
SET pause_note = COALESCE(:note, pause_note), paused_until_us = COALESCE(:until, paused_until_us)
WHERE job_id = :job_id AND paused_us IS NOT NULL AND (:note IS NOT NULL OR :until IS NOT NULL)
"""

# A job that was removed and is added again is another job, with a pause of its own or none.
RENEW_PAUSE = """
UPDATE scheduler_jobs
SET paused_us = :paused, pause_note = :note, paused_until_us = NULL, disabled_by = NULL
WHERE job_id = :job_id
"""

RESUME_JOB = """
UPDATE scheduler_jobs
SET paused_us = NULL, pause_note = NULL, paused_until_us = NULL, disabled_by = NULL,
    watermark_us = CASE WHEN watermark_us > :upto THEN watermark_us ELSE :upto END
WHERE job_id = :job_id AND paused_us IS NOT NULL
"""

# Moves each watermark from where this process saw it. Of two processes the second one changes nothing. On a
# server this locks the jobs; those that others have locked are passed over.
ADVANCE_WATERMARKS = Bulk(
    """
UPDATE scheduler_jobs SET watermark_us = given.upto FROM GIVEN AS given
WHERE job_id = given.job AND definition = given.defined AND watermark_us = given.seen
  AND paused_us IS NULL AND removed_us IS NULL
/* on a server: AND job_id IN (
    SELECT job_id FROM scheduler_jobs WHERE BY_KEY ORDER BY job_id FOR NO KEY UPDATE SKIP LOCKED) */
RETURNING job_id
""",
    key="job_id", job="text", defined="text", seen="bigint", upto="bigint",
)  # fmt: skip

# By the very transaction that moved them: nobody has seen it.
PUT_WATERMARKS_BACK = Bulk(
    """
UPDATE scheduler_jobs SET watermark_us = given.seen FROM GIVEN AS given WHERE BY_KEY AND job_id = given.job
RETURNING job_id
""",
    key="job_id",
    job="text",
    seen="bigint",
)

LIST_PAUSED = Bulk(
    """
SELECT job_id FROM GIVEN AS given CROSS JOIN scheduler_jobs
WHERE BY_KEY AND job_id = given.job AND paused_us IS NOT NULL
  AND (paused_until_us IS NULL OR paused_until_us > :now)
""",
    key="job_id",
    job="text",
)

_OF_GIVEN = _JOB_STATE.replace("FROM scheduler_jobs", "FROM GIVEN AS given CROSS JOIN scheduler_jobs")

# Whose ticks nobody has claimed up to an instant: as a rule none.
LIST_BEHIND = Bulk(
    """
SELECT given.job, COALESCE(watermark_us, 0) FROM GIVEN AS given
LEFT JOIN scheduler_jobs ON BY_KEY AND job_id = given.job
WHERE COALESCE(watermark_us, 0) < given.upto
""",
    key="job_id",
    job="text",
    upto="bigint",
)

READ_JOBS = Bulk(
    _OF_GIVEN + " WHERE BY_KEY AND job_id = given.job",
    key="job_id",
    job="text",
)

# On a server, those of the given jobs that others are not changing.
LOCK_JOBS = Bulk(
    """
SELECT job_id FROM GIVEN AS given CROSS JOIN scheduler_jobs
WHERE BY_KEY AND job_id = given.job ORDER BY job_id
/* on a server: FOR NO KEY UPDATE OF scheduler_jobs SKIP LOCKED */
""",
    key="job_id",
    job="text",
)

READ_ALL_TO_CHANGE = Bulk(
    _OF_GIVEN
    + """
WHERE BY_KEY AND job_id = given.job ORDER BY job_id
/* on a server: FOR NO KEY UPDATE OF scheduler_jobs */
""",
    key="job_id",
    job="text",
)
