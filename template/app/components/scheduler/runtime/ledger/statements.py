"""Every SQL statement of the claim and finish path, written for SQLite (3.35) and PostgreSQL (13)."""

REGISTER_PROCESS = """
INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number)
VALUES (:process_id, :host, :pid, :now, 0, :now, :start_number)
"""

LIST_PROCESSES = "SELECT process_id, host, pid, beat, start_number FROM scheduler_processes"

BEAT = """
UPDATE scheduler_processes SET beat = beat + 1, beat_us = :now WHERE process_id = :process_id
"""

# Only if it has not moved since it was watched: a process that came back is not declared dead.
FORGET_PROCESS = """
DELETE FROM scheduler_processes WHERE process_id = :process_id AND beat = :beat
"""

LEAVE = "DELETE FROM scheduler_processes WHERE process_id = :process_id"

LAST_START_NUMBER = """
SELECT max(number) FROM (
    SELECT max(start_number) AS number FROM scheduler_processes
    UNION ALL SELECT max(start_number) AS number FROM scheduler_runs
) AS numbers
"""

LIST_JOBS = """
SELECT job_id, definition, watermark_us, paused_us, removed_us FROM scheduler_jobs
"""

INSERT_JOB = """
INSERT INTO scheduler_jobs (job_id, name, function, trigger, zone, definition, registered_us,
                            changed_us, watermark_us, paused_us, pause_note)
VALUES (:job_id, :name, :function, :trigger, :zone, :definition, :now, :now, :now, :paused_us, :note)
"""

UPDATE_JOB = """
UPDATE scheduler_jobs
SET name = :name, function = :function, trigger = :trigger, zone = :zone, removed_us = NULL
WHERE job_id = :job_id
"""

# A changed definition begins anew: instants before the change are not caught up.
REDEFINE_JOB = """
UPDATE scheduler_jobs
SET definition = :definition, changed_us = :now, watermark_us = :now
WHERE job_id = :job_id
"""

REMOVE_JOB = """
UPDATE scheduler_jobs SET removed_us = :now WHERE job_id = :job_id AND removed_us IS NULL
"""

PAUSE_JOB = """
UPDATE scheduler_jobs SET paused_us = :now, pause_note = :note
WHERE job_id = :job_id AND paused_us IS NULL
"""

RESUME_JOB = """
UPDATE scheduler_jobs SET paused_us = NULL, pause_note = NULL, watermark_us = :now
WHERE job_id = :job_id AND paused_us IS NOT NULL
"""

# Moves the watermark from where this process saw it. Whoever comes second changes nothing.
ADVANCE_WATERMARK = """
UPDATE scheduler_jobs SET watermark_us = :upto
WHERE job_id = :job_id AND definition = :definition AND watermark_us = :seen
  AND paused_us IS NULL AND removed_us IS NULL
"""

READ_JOB = """
SELECT definition, watermark_us, paused_us, removed_us FROM scheduler_jobs WHERE job_id = :job_id
"""

COUNT_HELD = """
SELECT count(*) FROM scheduler_runs WHERE job_id = :job_id AND state IN ('claimed', 'running')
"""

INSERT_RUN = """
INSERT INTO scheduler_runs (job_id, kind, tick_us, start_number, state, attempt, due_us,
                            process_id, claimed_us)
VALUES (:job_id, :kind, :tick, :start_number, 'claimed', 1, :due, :process_id, :now)
ON CONFLICT DO NOTHING
RETURNING run_id
"""

INSERT_SKIPPED = """
INSERT INTO scheduler_runs (job_id, kind, tick_us, last_tick_us, tick_count, state, reason, attempt,
                            due_us, finished_us)
VALUES (:job_id, 'scheduled', :tick, :last_tick, :count, 'skipped', :reason, 0, :tick, :now)
ON CONFLICT DO NOTHING
"""

# A run that its process gave back before it started: whoever is alive takes it.
LIST_QUEUED = """
SELECT run_id, job_id, kind, tick_us, attempt, due_us FROM scheduler_runs
WHERE state = 'queued' AND due_us <= :now ORDER BY due_us, run_id
"""

TAKE_QUEUED = """
UPDATE scheduler_runs SET state = 'claimed', process_id = :process_id, claimed_us = :now
WHERE run_id = :run_id AND state = 'queued'
"""

_HOLDING = """
WHERE run_id = :run_id AND process_id = :process_id AND attempt = :attempt
  AND state IN ('claimed', 'running')
"""

RELEASE_RUN = "UPDATE scheduler_runs SET state = 'queued', process_id = NULL" + _HOLDING

START_RUN = "UPDATE scheduler_runs SET state = 'running', started_us = :started" + _HOLDING

FINISH_RUN = (
    """
UPDATE scheduler_runs
SET state = :state, reason = :reason, started_us = :started, finished_us = :finished,
    error = :error, traceback = :traceback
"""
    + _HOLDING
)

LOSE_RUNS = """
UPDATE scheduler_runs SET state = 'lost', finished_us = :now, error = :error
WHERE process_id = :process_id AND state IN ('claimed', 'running')
"""
