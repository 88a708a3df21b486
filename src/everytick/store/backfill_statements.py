"""The SQL statements about backfills, written for SQLite (3.35) and PostgreSQL (13)."""

from .bulk import Bulk

READ = """
SELECT backfill_id, job_id, schedule_data, from_us, until_us, only_missed, rate, max_instances, state,
       upto_us, next_us
FROM scheduler_backfills WHERE backfill_id = :backfill_id
"""

# For a transaction that is alone, and waits for the one that makes runs of it.
READ_TO_CHANGE = READ + " /* on a server: FOR UPDATE */"

# For one that makes runs of it: another process that does so at this moment has it.
TAKE = READ + " AND state = 'running' /* on a server: FOR UPDATE SKIP LOCKED */"

# While its job is paused, or disabled, it makes no runs. One whose job is gone has to be stopped.
LIST_RUNNING = """
SELECT backfill_id, scheduler_backfills.job_id, max_instances, upto_us >= until_us, CASE
    WHEN removed_us IS NULL AND paused_us IS NOT NULL AND (paused_until_us IS NULL OR paused_until_us > :now)
    THEN NULL ELSE next_us END
FROM scheduler_backfills LEFT JOIN scheduler_jobs ON scheduler_jobs.job_id = scheduler_backfills.job_id
WHERE state = 'running' ORDER BY backfill_id
"""

# Its runs that are not over, by the small partial indexes.
COUNT_OPEN = """
SELECT (SELECT count(*) FROM scheduler_runs
        WHERE state IN ('queued', 'retrying') AND backfill_id = :backfill_id)
     + (SELECT count(*) FROM scheduler_runs
        WHERE state IN ('claimed', 'running') AND backfill_id = :backfill_id)
     + (SELECT count(*) FROM scheduler_runs WHERE rerun_until_us >= :now AND backfill_id = :backfill_id)
"""

FIND_OVERLAPPING = """
SELECT backfill_id FROM scheduler_backfills
WHERE state = 'running' AND job_id = :job_id AND from_us <= :until AND until_us >= :begin
ORDER BY backfill_id LIMIT 1
"""

INSERT = """
INSERT INTO scheduler_backfills (job_id, asked_us, who, note, schedule_data, from_us, until_us, only_missed,
                                 tick_count, rate, max_instances, state, upto_us, next_us, made)
VALUES (:job_id, :now, :who, :note, :schedule_data, :begin, :until, :only_missed, :count, :rate,
        :max_instances, 'running', :upto, :now, 0)
RETURNING backfill_id
"""

ADVANCE = """
UPDATE scheduler_backfills
SET upto_us = :upto, next_us = :next,
    made = CASE WHEN made BETWEEN 0 AND 4611686018427387903 THEN made + :made ELSE made END
WHERE backfill_id = :backfill_id
"""

PUT = """
UPDATE scheduler_backfills SET state = :state, ended_us = :ended, why = :why, next_us = :now
WHERE backfill_id = :backfill_id
"""

INSERT_RUNS = Bulk(
    """
INSERT INTO scheduler_runs (job_id, kind, for_tick_us, backfill_id, state, attempt, crashes, due_us)
SELECT :job_id, 'backfill', tick, :backfill_id, 'queued', 1, 0, :now FROM GIVEN AS given WHERE true
RETURNING run_id
""",
    tick="bigint",
)

# Ticks on record, by the unique index of job and tick: the row up to an instant, which may be a
# range that goes on behind it, and those after it that did not succeed. Piece by piece: most succeeded.
ROW_UP_TO = """
SELECT tick_us, last_tick_us FROM scheduler_runs
WHERE job_id = :job_id AND tick_us <= :after ORDER BY tick_us DESC LIMIT 1
"""
END_OF_PIECE = """
SELECT tick_us FROM scheduler_runs WHERE job_id = :job_id AND tick_us > :after AND tick_us <= :until
ORDER BY tick_us LIMIT 1 OFFSET :piece
"""
LIST_NOT_SUCCEEDED = """
SELECT tick_us, last_tick_us FROM scheduler_runs
WHERE job_id = :job_id AND tick_us > :after AND tick_us <= :until
  AND state IN ('failed', 'timed_out', 'cancelled', 'interrupted', 'lost', 'skipped')
ORDER BY tick_us
"""

# Ticks that succeeded, or still may: by themselves, or by a run that stands in for them.
_IS_SETTLED = "(state IN ('succeeded', 'queued', 'claimed', 'running', 'retrying') OR rerun_until_us >= :now)"
LIST_SETTLED = Bulk(
    f"""
SELECT given.tick FROM GIVEN AS given CROSS JOIN scheduler_runs
WHERE job_id = :job_id AND tick_us = given.tick AND {_IS_SETTLED}
UNION
SELECT given.tick FROM GIVEN AS given CROSS JOIN scheduler_runs
WHERE job_id = :job_id AND for_tick_us = given.tick AND {_IS_SETTLED}
""",
    tick="bigint",
)
