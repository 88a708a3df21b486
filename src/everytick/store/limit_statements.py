"""The SQL statements about how many runs may be under way, for SQLite (3.35) and PostgreSQL (13)."""

from .bulk import Bulk

# A run that is only reserved, until its jitter is over, is not under way (R7). Runs claimed together run one
# after another, in one slot (R5). And how many of them do more than wait for a moment: those that are
# started, and those that should have been a second ago, since the process that has their lease may be frozen.
# A run that waited in the queue, and is recorded as started since a moment, may not have been entered yet.
_HELD = """
WITH given AS (SELECT job, by_us FROM GIVEN AS given)
SELECT given.job, count(DISTINCT process_id || ' ' || claimed_us),
       count(DISTINCT CASE WHEN state = 'running' AND NOT (started_us > given.by_us - 500000
                                AND due_us < CASE WHEN started_us > 0 THEN started_us - 1000000 END)
                             OR state = 'claimed' AND due_us < given.by_us - 1000000
                           THEN process_id || ' ' || claimed_us END), 0, 0, NULL
FROM given CROSS JOIN scheduler_runs
WHERE job_id = given.job AND state IN ('claimed', 'running') AND kind <> 'backfill'
  AND (state = 'running' OR due_us <= given.by_us)
GROUP BY given.job
"""
COUNT_HELD = Bulk(_HELD, job="text", by_us="bigint")

# And the ticks that wait for a process with room: those that are due :surely at once, and those that are due
# later, until the last of the given instants, one by one, each with when that is. And the runs that were cut
# off and may begin again. Runs of a backfill have a limit of their own.
#
# Very many may wait, which a server does not know: by IS TRUE it looks up the job of each among the given
# ones, where it would compare each with each to join them. What was cut off is not put together by job here:
# for that SQLite would go through all runs in the order of their jobs, instead of the few that were cut off.
COUNT_UNDER_WAY = Bulk(
    f"""{_HELD}
UNION ALL
SELECT job_id, 0, 0, count(*), 0, later_us FROM (
    SELECT job_id, CASE WHEN due_us > :surely THEN due_us END AS later_us FROM scheduler_runs
    WHERE state IN ('queued', 'retrying') AND state = 'queued' AND kind = 'scheduled' AND due_us <= :latest
      AND (job_id IN (SELECT job FROM given)) IS TRUE
) AS waiting GROUP BY job_id, later_us
UNION ALL
SELECT job_id, 0, 0, 0, 1, NULL FROM scheduler_runs
WHERE rerun_until_us >= :now AND kind <> 'backfill' AND (job_id IN (SELECT job FROM given)) IS TRUE
""",
    job="text", by_us="bigint",
)  # fmt: skip

# Several runs are due and wait for a slot: the earlier ones go first.
COUNT_HELD_BY_OTHERS = Bulk(
    """
SELECT given.run, count(DISTINCT process_id || ' ' || claimed_us),
       count(DISTINCT CASE WHEN state = 'running' OR due_us < given.due - 1000000
                           THEN process_id || ' ' || claimed_us END)
FROM GIVEN AS given CROSS JOIN scheduler_runs
WHERE job_id = given.job AND state IN ('claimed', 'running') AND kind <> 'backfill'
  AND NOT (process_id = :process_id AND claimed_us = given.claimed)
  AND (state = 'running' OR (due_us, run_id) < (given.due, given.run))
GROUP BY given.run
""",
    run="bigint", job="text", claimed="bigint", due="bigint",
)  # fmt: skip

# Of jobs that have a run which was only reserved until now, when the first is due of what waits: of the same
# runs that a new tick goes behind, see COUNT_UNDER_WAY. By IS TRUE as above; and the jobs as texts that were
# put together, since SQLite would go through all runs in the order of their jobs.
FIRST_WAITING = Bulk(
    """
WITH given AS (SELECT job FROM GIVEN AS given)
SELECT max(job_id), min(due_us) FROM scheduler_runs
WHERE state IN ('queued', 'retrying') AND state = 'queued' AND kind = 'scheduled' AND due_us < :latest
  AND (job_id IN (SELECT job FROM given)) IS TRUE
GROUP BY job_id || ''
UNION ALL
SELECT job_id, due_us FROM scheduler_runs
WHERE rerun_until_us >= :now AND kind <> 'backfill' AND due_us < :latest
  AND (job_id IN (SELECT job FROM given)) IS TRUE
""",
    job="text",
)

# Of the ticks of a job that wait the newest stay, and those that were due later than an instant. By IS TRUE
# as above; and of the jobs as texts that were put together, since SQLite would go through all runs in the
# order of their jobs and ticks.
SKIP_OLDER_QUEUED = Bulk(
    """
UPDATE scheduler_runs SET state = 'skipped', reason = 'coalesced', finished_us = :now
WHERE state || '' = 'queued' AND run_id IN (
    /* on a server: SELECT run_id FROM scheduler_runs WHERE run_id IN ( */
    SELECT run_id FROM (
        SELECT run_id, due_us, row_number() OVER (PARTITION BY job_id || '' ORDER BY tick_us DESC) AS place
        FROM scheduler_runs
        WHERE state IN ('queued', 'retrying') AND state = 'queued' AND kind = 'scheduled' AND attempt = 1
          AND (job_id IN (SELECT job FROM GIVEN AS given)) IS TRUE
    ) AS waiting
    WHERE place > :stay AND due_us < :before
    /* on a server: ) FOR UPDATE SKIP LOCKED */)
RETURNING run_id
""",
    job="text",
)

# Only as it was found: meanwhile another process may have taken it. By its number, and not by the index of
# those that wait: very many may be due at one instant.
SKIP_LATE = Bulk(
    """
UPDATE scheduler_runs SET state = 'skipped', reason = 'missed', error = given.why, finished_us = :now
FROM GIVEN AS given
WHERE run_id = given.run AND state || '' = 'queued' AND attempt = 1 AND due_us = given.due
/* on a server: AND run_id IN (SELECT run_id FROM scheduler_runs WHERE BY_KEY FOR UPDATE SKIP LOCKED) */
RETURNING job_id, tick_us
""",
    key="run_id", run="bigint", due="bigint", why="text",
)  # fmt: skip

# Of groups of jobs, runs of backfills too. A slot holds one run at a time, and counts from its claim to its
# outcome.
COUNT_IN_GROUPS = Bulk(
    """
SELECT given.name, count(DISTINCT runs.job_id || ' ' || runs.process_id || ' ' || runs.claimed_us)
FROM GIVEN AS given CROSS JOIN scheduler_jobs AS jobs CROSS JOIN scheduler_runs AS runs
WHERE jobs.group_name = given.name AND runs.job_id = jobs.job_id AND runs.state IN ('claimed', 'running')
GROUP BY given.name
""",
    name="text",
)

# On a server. The names of those that were locked, which others hold not.
LOCK_GROUPS = Bulk(
    """
SELECT given.name FROM GIVEN AS given
WHERE pg_try_advisory_xact_lock(1935892328, hashtext(current_schema()::text || ' ' || given.name))
""",
    name="text",
)

# Of each job whose given run still waits, the runs in the slot that was taken first. None while a run of the
# job is asked to end. By IS TRUE as above.
LIST_IN_THE_WAY = Bulk(
    """
SELECT run_id, runs.job_id, process_id, tick_us FROM scheduler_runs AS runs
WHERE state IN ('claimed', 'running')
  AND (runs.job_id IN (
    SELECT given.job FROM GIVEN AS given JOIN scheduler_runs AS waiting ON waiting.run_id = given.run
    WHERE waiting.state || '' = 'queued')) /* on a server: IS TRUE */
  AND (process_id, claimed_us) = (
    SELECT process_id, claimed_us FROM scheduler_runs AS first
    WHERE first.job_id = runs.job_id AND first.state IN ('claimed', 'running') AND first.state = 'running'
      AND first.kind <> 'backfill'
    ORDER BY first.due_us, first.run_id LIMIT 1)
  AND NOT EXISTS (
    SELECT 1 FROM scheduler_runs AS asked
    WHERE asked.job_id = runs.job_id AND asked.state IN ('claimed', 'running')
      AND asked.cancel_us + 0 IS NOT NULL AND asked.kind <> 'backfill')
ORDER BY run_id
""",
    job="text", run="bigint",
)  # fmt: skip

ASK_TO_MAKE_WAY = Bulk(
    """
UPDATE scheduler_runs SET cancel_us = :now, replaced_by_us = given.tick FROM GIVEN AS given
WHERE BY_KEY AND run_id = given.run AND state IN ('claimed', 'running') AND cancel_us IS NULL
RETURNING run_id
""",
    key="run_id", run="bigint", tick="bigint",
)  # fmt: skip
