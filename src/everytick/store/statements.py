"""The SQL statements about runs, written for SQLite (3.35) and PostgreSQL (13)."""

from .bulk import Bulk
from .job_statements import LAST_SERIAL

# Asked job by job, each time the end of an index: a job is kept as long as any of its runs. Without numbers
# that no start can have had, and text, which is above all numbers.
LAST_START_NUMBER = """
SELECT max(number) FROM (
    SELECT max(start_number) AS number FROM scheduler_processes WHERE start_number < 2147483647
    UNION ALL SELECT (
        SELECT max(start_number) FROM scheduler_runs
        WHERE scheduler_runs.job_id = scheduler_jobs.job_id AND start_number BETWEEN 0 AND 2147483646
    ) AS number FROM scheduler_jobs
) AS numbers
"""

# Runs that had ended, and wait since a person had them tried again; with the small index's own condition.
LIST_TRIED_AGAIN = Bulk(
    """
SELECT run_id FROM scheduler_runs
WHERE state IN ('queued', 'retrying') AND state = 'queued' AND attempt > 1
  AND (job_id IN (SELECT job FROM GIVEN AS given)) IS TRUE
""",
    job="text",
)

# Runs that still wait when their job leaves the code would wait for ever. IS TRUE hides the column from the
# job's own index, which leads to all runs that the job ever had: so the planner takes the small partial index
# of the runs that wait, and looks up the job of each among the given ones.
CANCEL_WAITING = Bulk(
    """
UPDATE scheduler_runs
SET state = CASE WHEN state IN ('queued', 'retrying') THEN 'cancelled' ELSE state END,
    error = CASE WHEN state = 'queued' THEN 'its job was removed from the schedule' ELSE error END,
    finished_us = COALESCE(finished_us, :now), rerun_until_us = NULL
WHERE (state IN ('queued', 'retrying') OR rerun_until_us IS NOT NULL) AND run_id IN (
    /* on a server: SELECT run_id FROM scheduler_runs WHERE run_id IN ( */
    SELECT run_id FROM scheduler_runs
    WHERE state IN ('queued', 'retrying') AND (job_id IN (SELECT job FROM GIVEN AS given)) IS TRUE
    UNION ALL SELECT run_id FROM scheduler_runs
    WHERE rerun_until_us IS NOT NULL AND (job_id IN (SELECT job FROM GIVEN AS given)) IS TRUE
    /* on a server: ) FOR UPDATE SKIP LOCKED */)
RETURNING run_id
""",
    job="text",
)

# There is no catch-up for instants before a change.
SKIP_QUEUED = Bulk(
    """
UPDATE scheduler_runs SET state = 'skipped', reason = 'outage', finished_us = :now
WHERE state IN ('queued', 'retrying') AND state = 'queued' AND kind = 'scheduled' AND attempt = 1
  AND (job_id IN (SELECT job FROM GIVEN AS given)) IS TRUE
RETURNING run_id
""",
    job="text",
)

INSERT_RUN = """
INSERT INTO scheduler_runs (job_id, kind, tick_us, start_number, state, attempt, crashes, due_us,
                            process_id, claimed_us, started_us)
VALUES (:job_id, :kind, :tick, :start_number, :state, 1, 0, :due, :process_id, :claimed, :started)
ON CONFLICT DO NOTHING
RETURNING run_id
"""

# A run that begins at once is recorded as started in the very transaction that claims it.
INSERT_RUNS = Bulk(
    """
INSERT INTO scheduler_runs (job_id, kind, tick_us, state, attempt, crashes, due_us, claimed_us, process_id,
                            started_us)
SELECT job, 'scheduled', tick, put, 1, 0, due, claimed, CASE WHEN put <> 'queued' THEN :process_id END,
       CASE WHEN put <> 'running' THEN NULL WHEN due > claimed THEN due ELSE claimed END
FROM GIVEN AS given WHERE true
ON CONFLICT DO NOTHING
RETURNING job_id, tick_us, run_id
""",
    job="text", tick="bigint", due="bigint", put="text", claimed="bigint",
)  # fmt: skip

INSERT_SKIPPED = Bulk(
    """
INSERT INTO scheduler_runs (job_id, kind, tick_us, last_tick_us, tick_count, state, reason, attempt,
                            crashes, due_us, finished_us)
SELECT job, 'scheduled', tick, last_tick, ticks, 'skipped', why, 0, 0, tick, :now
FROM GIVEN AS given WHERE true
ON CONFLICT DO NOTHING
RETURNING run_id
""",
    job="text", tick="bigint", last_tick="bigint", ticks="bigint", why="text",
)  # fmt: skip

# Runs that any process may take that serves their queue: queued, given back before they started, due for a
# retry, or cut off. `:queues` is empty for all, or has a comma before and after each name.
_SERVED = "(:queues = '' OR :queues LIKE '%,' || COALESCE(queue, 'default') || ',%')"

_OF_WAITING = """
SELECT run_id, runs.job_id, kind, COALESCE(tick_us, for_tick_us), attempt, crashes, due_us,
       CASE WHEN kind = 'scheduled' AND (state = 'queued' AND attempt = 1 OR rerun_until_us IS NOT NULL)
            THEN claimed_us END
FROM scheduler_runs AS runs LEFT JOIN scheduler_jobs AS jobs ON jobs.job_id = runs.job_id
"""

# Page by page, in the order in which they were due.
LIST_WAITING = f"""{_OF_WAITING}
WHERE state IN ('queued', 'retrying') AND due_us <= :by AND (due_us, run_id) > (:after_due, :after_run)
  AND {_SERVED}
ORDER BY due_us, run_id LIMIT :page
"""

# Those that were claimed together with a run, as after an outage: they run after it, in its slot (R5). Very
# many may wait, which a server does not know: by IS TRUE it looks up the claim of each among the given ones,
# where it would compare each with each to join them.
LIST_FOLLOWERS = Bulk(
    """
SELECT run_id, job_id, kind, tick_us, attempt, crashes, due_us, claimed_us FROM scheduler_runs
WHERE state IN ('queued', 'retrying') AND state = 'queued' AND attempt = 1 AND kind = 'scheduled'
  AND ((job_id, claimed_us) IN (SELECT given.job, given.claimed FROM GIVEN AS given)) IS TRUE
ORDER BY due_us, run_id
""",
    job="text",
    claimed="bigint",
)

LIST_CUT = f"{_OF_WAITING} WHERE rerun_until_us >= :now AND {_SERVED} ORDER BY due_us, run_id"

# Looked for with each pulse, where very many may wait.
FIND_WAITING = f"""
SELECT 1 WHERE EXISTS ({_OF_WAITING} WHERE state IN ('queued', 'retrying') AND due_us <= :by AND {_SERVED})
OR EXISTS ({_OF_WAITING} WHERE rerun_until_us >= :now AND {_SERVED})
"""

# Startup runs that an earlier start left behind, and that had ended once: they wait for another attempt.
LIST_SUPERSEDED = """
SELECT run_id FROM scheduler_runs
WHERE job_id = :job_id AND kind = 'startup' AND start_number < :start_number
  AND state IN ('queued', 'retrying') AND attempt > 1
"""

# The startup run of a new start takes the place of one that an earlier start left behind. One that waits for
# another attempt is as its last one ended before this is asked; it has no row of that only where pruning or
# another process came between.
SUPERSEDE_STARTUP = """
UPDATE scheduler_runs
SET state = CASE WHEN state = 'queued' AND attempt = 1 THEN 'skipped'
                 WHEN state = 'queued' AND crashes > 0 THEN 'lost'
                 WHEN state IN ('queued', 'retrying') THEN 'failed' ELSE state END,
    reason = CASE WHEN state = 'queued' AND attempt = 1 THEN 'coalesced' ELSE reason END,
    finished_us = COALESCE(finished_us, :now), rerun_until_us = NULL
WHERE job_id = :job_id AND kind = 'startup' AND start_number < :start_number
  AND (state IN ('queued', 'retrying') OR rerun_until_us IS NOT NULL)
"""

# Only as it was found: meanwhile another process may have run it, and given it back. By its number, and not
# by the index of those that wait: very many may be due at one instant.
TAKE_WAITING = Bulk(
    """
UPDATE scheduler_runs
SET state = given.put, process_id = :process_id, claimed_us = given.claimed, started_us = given.begun
FROM GIVEN AS given
WHERE run_id = given.run AND state || '' IN ('queued', 'retrying') AND attempt = given.number
  AND due_us = given.due
/* on a server: AND run_id IN (SELECT run_id FROM scheduler_runs WHERE BY_KEY FOR UPDATE SKIP LOCKED) */
RETURNING run_id
""",
    key="run_id", run="bigint", number="bigint", due="bigint", put="text", claimed="bigint", begun="bigint",
)  # fmt: skip

TAKE_CUT = """
UPDATE scheduler_runs
SET state = 'claimed', attempt = attempt + 1, crashes = crashes + 1, rerun_until_us = NULL,
    process_id = :process_id, claimed_us = :now, started_us = NULL, finished_us = NULL
WHERE run_id = :run_id AND attempt = :attempt AND rerun_until_us >= :now
"""

_ARCHIVE = """
INSERT INTO scheduler_attempts (run_id, attempt, state, process_id, started_us, finished_us, error, traceback)
SELECT run_id, attempt, state, process_id, started_us, finished_us, error, traceback
FROM scheduler_runs WHERE run_id = :run_id"""
ARCHIVE_ATTEMPT = f"{_ARCHIVE} ON CONFLICT DO NOTHING"

# Under the condition of TAKE_CUT: since it was found, another process may have taken it and given it back.
ARCHIVE_CUT = f"{_ARCHIVE} AND attempt = :attempt AND rerun_until_us >= :now ON CONFLICT DO NOTHING"

# The time of the claim too: a process that was declared dead may have taken the same run once more.
_HOLDING = """
WHERE run_id = :run_id AND process_id = :process_id AND attempt = :attempt AND claimed_us = :claimed
  AND state IN ('claimed', 'running')
"""

_HOLDING_THESE = """
FROM GIVEN AS given
WHERE BY_KEY AND run_id = given.run AND process_id = :process_id AND attempt = given.number
  AND claimed_us = given.claimed AND state IN ('claimed', 'running')
RETURNING run_id, attempt
"""

_TOKEN = {"key": "run_id", "run": "bigint", "number": "bigint", "claimed": "bigint"}

# A run whose cancellation was requested meanwhile is not to run elsewhere.
_GIVEN_BACK = """
SET state = CASE WHEN cancel_us IS NULL THEN 'queued' ELSE 'cancelled' END,
    error = CASE WHEN cancel_us IS NULL THEN error ELSE :cancelled END,
    finished_us = CASE WHEN cancel_us IS NULL THEN finished_us ELSE :now END,
    process_id = NULL, started_us = NULL
"""

RELEASE_RUNS = Bulk(f"UPDATE scheduler_runs {_GIVEN_BACK}{_HOLDING_THESE}", **_TOKEN)

START_RUNS = Bulk(
    "UPDATE scheduler_runs SET state = 'running', started_us = :started" + _HOLDING_THESE, **_TOKEN
)

# For runs without an error, a traceback or log lines, which ended alike.
FINISH_RUNS = Bulk(
    """
UPDATE scheduler_runs
SET state = :ended, reason = :why, started_us = given.begun, finished_us = given.finished,
    error = NULL, traceback = NULL, rerun_until_us = NULL
"""
    + _HOLDING_THESE,
    **_TOKEN, begun="bigint", finished="bigint",
)  # fmt: skip

FINISH_RUN = (
    """
UPDATE scheduler_runs
SET state = :state, reason = :reason, started_us = :started, finished_us = :finished,
    error = :error, traceback = :traceback,
    rerun_until_us = CASE WHEN cancel_us IS NULL THEN CAST(:rerun_until AS BIGINT) END
"""
    + _HOLDING
)

RETRY_RUN = """
UPDATE scheduler_runs
SET state = 'retrying', attempt = attempt + 1, due_us = :retry_at, process_id = NULL,
    started_us = NULL, finished_us = NULL
WHERE run_id = :run_id
"""

# Gaps whose ticks are not counted yet, younger than the job's definition.
LIST_UNCOUNTED = """
SELECT run_id, scheduler_runs.job_id, tick_us, last_tick_us
FROM scheduler_runs JOIN scheduler_jobs ON scheduler_jobs.job_id = scheduler_runs.job_id
WHERE last_tick_us IS NOT NULL AND tick_count IS NULL AND tick_us > changed_us
"""

FILL_COUNT = "UPDATE scheduler_runs SET tick_count = :count WHERE run_id = :run_id AND tick_count IS NULL"

# The runs that a dead process held: reserved ones are given back, started ones are lost, and may begin their
# next attempt within the job's grace after the process's last heartbeat; not those that were to be cancelled.
RELEASE_RUNS_OF = f"""
UPDATE scheduler_runs {_GIVEN_BACK}
WHERE state IN ('claimed', 'running') AND state = 'claimed' AND process_id = :process_id
"""

LOSE_RUNS_OF = """
UPDATE scheduler_runs
SET state = CASE WHEN cancel_us IS NULL THEN 'lost' ELSE 'cancelled' END, finished_us = :now,
    error = CASE WHEN cancel_us IS NULL THEN :error ELSE :asked END, rerun_until_us = (
    SELECT CASE WHEN scheduler_runs.cancel_us IS NOT NULL THEN NULL
                WHEN scheduler_jobs.on_crash <> 'rerun' OR scheduler_runs.crashes >= :most THEN NULL
                WHEN scheduler_jobs.grace_us IS NULL OR scheduler_jobs.grace_us NOT BETWEEN 0 AND :most_grace
                THEN :forever
                ELSE :beat_us + scheduler_jobs.grace_us END
    FROM scheduler_jobs WHERE scheduler_jobs.job_id = scheduler_runs.job_id)
WHERE state IN ('claimed', 'running') AND state = 'running' AND process_id = :process_id
"""

# A run at a time of its own, without a tick, for any process that serves its queue.
INSERT_WAITING = """
INSERT INTO scheduler_runs (job_id, kind, state, attempt, crashes, due_us)
VALUES (:job_id, 'manual', 'queued', 1, 0, :due)
"""

# A run that was requested; it may replace a tick.
INSERT_MANUAL = """
INSERT INTO scheduler_runs (job_id, kind, for_tick_us, state, attempt, crashes, due_us)
VALUES (:job_id, 'manual', :for_tick, 'queued', 1, 0, :now)
RETURNING run_id
"""

# On a server, those of the given runs that others are not changing.
LOCK_RUNS = Bulk(
    """
SELECT run_id FROM GIVEN AS given CROSS JOIN scheduler_runs
WHERE BY_KEY AND run_id = given.run ORDER BY run_id
/* on a server: FOR UPDATE OF scheduler_runs SKIP LOCKED */
""",
    key="run_id",
    run="bigint",
)

READ_RUN = "SELECT job_id, state, tick_us, cancel_us FROM scheduler_runs WHERE run_id = :run_id"
READ_RUN_TO_CHANGE = READ_RUN + " /* on a server: FOR UPDATE */"

# One more attempt of a run that has ended, for any process that serves its queue.
RETRY_ENDED = """
UPDATE scheduler_runs
SET state = 'queued', attempt = attempt + 1, due_us = :now, process_id = NULL, claimed_us = NULL,
    started_us = NULL, finished_us = NULL, rerun_until_us = NULL, cancel_us = NULL, replaced_by_us = NULL
WHERE run_id = :run_id AND state IN ('failed', 'timed_out', 'cancelled', 'interrupted', 'lost')
  AND attempt BETWEEN 0 AND 1073741822
"""

# A waiting run is cancelled at once, and so is the next attempt of a run that was cut off.
CANCEL_RUN = """
UPDATE scheduler_runs
SET state = CASE WHEN state IN ('queued', 'retrying') THEN 'cancelled' ELSE state END,
    error = CASE WHEN state IN ('queued', 'retrying') THEN :error ELSE error END,
    finished_us = COALESCE(finished_us, :now), rerun_until_us = NULL, cancel_us = :now
WHERE run_id = :run_id AND (state IN ('queued', 'retrying') OR rerun_until_us IS NOT NULL)
"""

# A run that waits for one more attempt after one that ended gets that outcome back, as it was: it happened.
RESTORE_ENDED = """
UPDATE scheduler_runs
SET (state, attempt, process_id, claimed_us, started_us, finished_us, error, traceback, due_us) = (
        SELECT ended.state, ended.attempt, ended.process_id, ended.started_us, ended.started_us,
            ended.finished_us, ended.error, ended.traceback,
            COALESCE(CASE WHEN ended.attempt = 1 THEN scheduler_runs.tick_us END, ended.started_us,
                scheduler_runs.due_us)
        FROM scheduler_attempts AS ended
        WHERE ended.run_id = scheduler_runs.run_id AND ended.attempt = scheduler_runs.attempt - 1),
    rerun_until_us = NULL, cancel_us = :asked, replaced_by_us = NULL
WHERE run_id = :run_id AND state IN ('queued', 'retrying') AND EXISTS (
    SELECT 1 FROM scheduler_attempts AS ended
    WHERE ended.run_id = scheduler_runs.run_id AND ended.attempt = scheduler_runs.attempt - 1)
"""

# The latest attempt stands in the run itself.
FORGET_RESTORED = """
DELETE FROM scheduler_attempts WHERE run_id = :run_id AND attempt = (
    SELECT attempt FROM scheduler_runs WHERE scheduler_runs.run_id = :run_id)
"""

# A running run is asked to end: the process that runs it reads this.
ASK_TO_CANCEL = """
UPDATE scheduler_runs SET cancel_us = :now WHERE run_id = :run_id AND state IN ('claimed', 'running')
"""

LIST_TO_CANCEL = """
SELECT run_id, replaced_by_us FROM scheduler_runs
WHERE process_id = :process_id AND cancel_us IS NOT NULL AND state IN ('claimed', 'running')
"""

# All that an idle process looks for. Runs that are due later are counted whichever queue they are in.
LOOK = f"""
SELECT EXISTS ({FIND_WAITING}),
       (SELECT min(due_us) FROM scheduler_runs WHERE state IN ('queued', 'retrying') AND due_us > :by),
       EXISTS ({LIST_TO_CANCEL}),
       ({LAST_SERIAL}),
       (SELECT min(next_us) FROM scheduler_backfills WHERE state = 'running')
"""

INSERT_LOG = """
INSERT INTO scheduler_logs (run_id, attempt, text) VALUES (:run_id, :attempt, :text)
ON CONFLICT (run_id, attempt) DO UPDATE SET text = excluded.text
"""

INSERT_AUDIT = """
INSERT INTO scheduler_audit (at_us, who, action, job_id, run_id, note)
VALUES (:now, :who, :action, :job_id, :run_id, :note)
"""
