"""The SQL statements about processes, written for SQLite (3.35) and PostgreSQL (13)."""

# Its heartbeats count on from the present: one that was declared dead and comes back has none of those that
# others have watched since it fell silent, or they would declare it dead once more.
REGISTER_PROCESS = """
INSERT INTO scheduler_processes (process_id, host, pid, started_us, beat, beat_us, start_number, role, queues,
                                 schedule_digest, job_filter, group_limits)
VALUES (:process_id, :host, :pid, :now, :now, :now, :start_number, :role, :queues,
        :schedule_digest, :job_filter, :group_limits)
"""

# `joined`: when the process joined. Its row may say later, if it was declared dead and came back. Workers do
# not count, since they declare nothing.
IS_NEWEST = """
SELECT 1 FROM scheduler_processes WHERE process_id = :process_id AND NOT EXISTS (
  SELECT 1 FROM scheduler_processes AS other WHERE other.process_id <> :process_id
  AND other.started_us > :joined AND COALESCE(other.role, '') <> 'worker')
"""

LIST_PROCESSES = """
SELECT process_id, host, pid, beat, beat_us, start_number, role FROM scheduler_processes
"""

# Those of this host, of which it can be told that their pid is gone, and those that are silent. Since for
# ever all are, also where a file has text in the place of an instant.
LIST_SILENT = """
SELECT process_id, host, pid, beat, beat_us FROM scheduler_processes
WHERE process_id <> :process_id AND (host = :host OR beat_us < :since OR :since = :forever)
"""

# The living processes that claim, and whose code declares the same jobs as that of the given one.
_CLAIMERS = """
FROM scheduler_processes AS one JOIN scheduler_processes AS other
ON COALESCE(other.schedule_digest, '') = COALESCE(one.schedule_digest, '')
WHERE one.process_id = :process_id AND COALESCE(other.role, '') <> 'worker' AND other.beat_us >= :since
"""
LIST_CLAIMERS = f"SELECT other.process_id, other.pass_us, other.job_filter {_CLAIMERS}"

# Of the other processes that claim: who is found to be dead is not among them any more.
LIST_FILTERS = """
SELECT job_filter FROM scheduler_processes
WHERE process_id <> :process_id AND COALESCE(role, '') <> 'worker'
"""

# Differs when they do. Only on a server.
MARK_CLAIMERS = f"SELECT md5(string_agg(other.process_id, ',' ORDER BY other.process_id)) {_CLAIMERS}"

# Whatever somebody has written there, it moves, and does not reach the end of the column.
BEAT = """
UPDATE scheduler_processes
SET beat = CASE WHEN beat BETWEEN 0 AND 4611686018427387903 THEN beat + 1 ELSE CAST(:now AS BIGINT) END,
    beat_us = :now, pass_us = COALESCE(:passed, pass_us)
WHERE process_id = :process_id
"""

HAS_REPORT = "SELECT 1 FROM scheduler_processes WHERE process_id = :process_id AND cannot_run IS NOT NULL"
REPORT = "UPDATE scheduler_processes SET cannot_run = :cannot_run WHERE process_id = :process_id"

BEAT_AND_TELL = f"{BEAT} RETURNING beat"

# Works on a ledger of any version.
LIST_PIDS = "SELECT process_id, host, pid FROM scheduler_processes"

# Only if it has not moved since it was watched: a process that came back is not declared dead.
FORGET_PROCESS = """
DELETE FROM scheduler_processes WHERE process_id = :process_id AND beat = :beat
/* on a server: AND process_id IN (
    SELECT process_id FROM scheduler_processes WHERE process_id = :process_id FOR UPDATE SKIP LOCKED) */
RETURNING role, started_us
"""

LEAVE = "DELETE FROM scheduler_processes WHERE process_id = :process_id RETURNING role, started_us"

# Two may declare one dead at the same time.
KEEP_END = """
INSERT INTO scheduler_past_processes (process_id, role, started_us, ended_us, has_died)
VALUES (:process_id, :role, :started, :ended, :has_died)
ON CONFLICT (process_id, started_us) DO UPDATE SET ended_us = excluded.ended_us, has_died = excluded.has_died
"""

READ_END = """
SELECT has_died, ended_us FROM scheduler_past_processes WHERE process_id = :process_id
ORDER BY ended_us DESC LIMIT 1
"""

# On a server, before the row of the process: that may be alive, and about to write down how they ended.
LOCK_RUNS_OF = """
SELECT run_id FROM scheduler_runs WHERE run_id IN (
    SELECT run_id FROM scheduler_runs WHERE state IN ('claimed', 'running') AND process_id = :process_id)
ORDER BY run_id
/* on a server: FOR UPDATE */
"""
