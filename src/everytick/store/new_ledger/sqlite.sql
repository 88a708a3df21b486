-- Made by scripts/ledger_scripts.py from the migrations; do not edit.

CREATE TABLE scheduler_ledger_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT scheduler_ledger_version_pkc PRIMARY KEY (version_num)
);

CREATE TABLE scheduler_jobs (
    job_id TEXT NOT NULL,
    name TEXT NOT NULL,
    function TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    zone TEXT NOT NULL,
    definition TEXT NOT NULL,
    registered_us BIGINT NOT NULL,
    changed_us BIGINT NOT NULL,
    watermark_us BIGINT NOT NULL,
    on_crash TEXT NOT NULL,
    grace_us BIGINT,
    paused_us BIGINT,
    pause_note TEXT,
    removed_us BIGINT,
    PRIMARY KEY (job_id)
);

CREATE TABLE scheduler_runs (
    run_id INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    tick_us BIGINT,
    last_tick_us BIGINT,
    tick_count BIGINT,
    start_number BIGINT,
    state TEXT NOT NULL,
    reason TEXT,
    attempt INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    rerun_until_us BIGINT,
    due_us BIGINT NOT NULL,
    process_id TEXT,
    claimed_us BIGINT,
    started_us BIGINT,
    finished_us BIGINT,
    error TEXT,
    traceback TEXT,
    PRIMARY KEY (run_id),
    CONSTRAINT scheduler_runs_tick UNIQUE (job_id, tick_us),
    CONSTRAINT scheduler_runs_start UNIQUE (job_id, start_number)
);

CREATE INDEX scheduler_runs_finished ON scheduler_runs (finished_us);

CREATE INDEX scheduler_runs_held ON scheduler_runs (job_id) WHERE state IN ('claimed', 'running');

CREATE INDEX scheduler_runs_waiting ON scheduler_runs (due_us) WHERE state IN ('queued', 'retrying');

CREATE INDEX scheduler_runs_cut ON scheduler_runs (rerun_until_us) WHERE rerun_until_us IS NOT NULL;

CREATE TABLE scheduler_attempts (
    run_id BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    process_id TEXT,
    started_us BIGINT,
    finished_us BIGINT,
    error TEXT,
    traceback TEXT,
    PRIMARY KEY (run_id, attempt)
);

CREATE TABLE scheduler_processes (
    process_id TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_us BIGINT NOT NULL,
    beat BIGINT NOT NULL,
    beat_us BIGINT NOT NULL,
    start_number BIGINT NOT NULL,
    PRIMARY KEY (process_id)
);

ALTER TABLE scheduler_jobs ADD COLUMN paused_until_us BIGINT;

ALTER TABLE scheduler_jobs ADD COLUMN schedule_data TEXT;

ALTER TABLE scheduler_jobs ADD COLUMN call_data TEXT;

ALTER TABLE scheduler_jobs ADD COLUMN serial BIGINT;

ALTER TABLE scheduler_jobs ADD COLUMN exhausted_us BIGINT;

CREATE INDEX scheduler_jobs_serial ON scheduler_jobs (serial);

CREATE INDEX scheduler_runs_uncounted ON scheduler_runs (job_id) WHERE last_tick_us IS NOT NULL AND tick_count IS NULL;

ALTER TABLE scheduler_runs ADD COLUMN for_tick_us BIGINT;

ALTER TABLE scheduler_runs ADD COLUMN cancel_us BIGINT;

ALTER TABLE scheduler_processes ADD COLUMN pass_us BIGINT;

CREATE INDEX scheduler_runs_cancel ON scheduler_runs (process_id) WHERE cancel_us IS NOT NULL;

CREATE TABLE scheduler_logs (
    run_id BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run_id, attempt)
);

CREATE TABLE scheduler_audit (
    audit_id INTEGER NOT NULL,
    at_us BIGINT NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    job_id TEXT,
    run_id BIGINT,
    note TEXT,
    PRIMARY KEY (audit_id)
);

CREATE INDEX scheduler_audit_at ON scheduler_audit (at_us);

ALTER TABLE scheduler_runs ADD COLUMN told_attempt INTEGER;

CREATE INDEX scheduler_runs_untold ON scheduler_runs (finished_us) WHERE (state IN ('failed', 'timed_out', 'lost', 'interrupted') OR reason IN ('missed', 'outage', 'overlap')) AND attempt > COALESCE(told_attempt, -1);

CREATE INDEX scheduler_attempts_lost ON scheduler_attempts (finished_us) WHERE state = 'lost';

CREATE TABLE scheduler_incidents (
    incident_id INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    count BIGINT NOT NULL,
    run_id BIGINT,
    mark_us BIGINT NOT NULL,
    detail TEXT NOT NULL,
    over_us BIGINT,
    changed_us BIGINT NOT NULL,
    PRIMARY KEY (incident_id)
);

CREATE INDEX scheduler_incidents_job ON scheduler_incidents (job_id, kind);

CREATE INDEX scheduler_incidents_changed ON scheduler_incidents (changed_us);

CREATE INDEX scheduler_incidents_open ON scheduler_incidents (kind) WHERE over_us IS NULL;

CREATE TABLE scheduler_notices (
    incident_id BIGINT NOT NULL,
    channel TEXT NOT NULL,
    told_count BIGINT NOT NULL,
    told_us BIGINT NOT NULL,
    told_over_us BIGINT,
    PRIMARY KEY (incident_id, channel)
);

CREATE INDEX scheduler_notices_told ON scheduler_notices (channel, told_us);

CREATE TABLE scheduler_channels (
    channel TEXT NOT NULL,
    since_us BIGINT NOT NULL,
    process_id TEXT,
    held_until_us BIGINT,
    tries INTEGER NOT NULL,
    try_us BIGINT NOT NULL,
    PRIMARY KEY (channel)
);

CREATE TABLE scheduler_alerting (
    number INTEGER NOT NULL,
    since_us BIGINT NOT NULL,
    seen_us BIGINT NOT NULL,
    PRIMARY KEY (number)
);

ALTER TABLE scheduler_jobs ADD COLUMN queue TEXT;

ALTER TABLE scheduler_processes ADD COLUMN role TEXT;

ALTER TABLE scheduler_processes ADD COLUMN queues TEXT;

CREATE TABLE scheduler_application (
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    since_us BIGINT NOT NULL,
    PRIMARY KEY (number)
);

CREATE TABLE scheduler_sign_outs (
    session TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (session)
);

CREATE INDEX scheduler_sign_outs_at ON scheduler_sign_outs (at_us);

ALTER TABLE scheduler_processes ADD COLUMN cannot_run TEXT;

ALTER TABLE scheduler_processes ADD COLUMN schedule_digest TEXT;

CREATE TABLE scheduler_schedule (
    number INTEGER NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (number)
);

DROP INDEX scheduler_runs_finished;

CREATE INDEX scheduler_runs_ended ON scheduler_runs (finished_us);

CREATE TABLE scheduler_past_processes (
    process_id TEXT NOT NULL,
    role TEXT,
    started_us BIGINT NOT NULL,
    ended_us BIGINT NOT NULL,
    has_died INTEGER NOT NULL,
    PRIMARY KEY (process_id, started_us)
);

CREATE INDEX scheduler_past_processes_ended ON scheduler_past_processes (ended_us);

ALTER TABLE scheduler_jobs ADD COLUMN disabled_by TEXT;

ALTER TABLE scheduler_processes ADD COLUMN job_filter TEXT;

ALTER TABLE scheduler_runs ADD COLUMN backfill_id BIGINT;

CREATE INDEX  IF NOT EXISTS scheduler_runs_for_tick ON scheduler_runs (job_id, for_tick_us) WHERE for_tick_us IS NOT NULL;

CREATE TABLE scheduler_backfills (
    backfill_id INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    asked_us BIGINT NOT NULL,
    who TEXT NOT NULL,
    note TEXT,
    schedule_data TEXT NOT NULL,
    from_us BIGINT NOT NULL,
    until_us BIGINT NOT NULL,
    only_missed INTEGER NOT NULL,
    tick_count BIGINT NOT NULL,
    rate INTEGER,
    max_instances INTEGER NOT NULL,
    state TEXT NOT NULL,
    ended_us BIGINT,
    why TEXT,
    upto_us BIGINT NOT NULL,
    made BIGINT NOT NULL,
    next_us BIGINT NOT NULL,
    PRIMARY KEY (backfill_id)
);

CREATE TABLE scheduler_reports (
    run_id BIGINT NOT NULL,
    attempt INTEGER NOT NULL,
    share INTEGER,
    note TEXT,
    at_us BIGINT,
    result TEXT,
    is_json INTEGER NOT NULL,
    PRIMARY KEY (run_id, attempt)
);

ALTER TABLE scheduler_runs ADD COLUMN replaced_by_us BIGINT;

ALTER TABLE scheduler_jobs ADD COLUMN group_name TEXT;

ALTER TABLE scheduler_processes ADD COLUMN group_limits TEXT;

CREATE INDEX scheduler_jobs_group ON scheduler_jobs (group_name) WHERE group_name IS NOT NULL;

ALTER TABLE scheduler_jobs ADD COLUMN options_data TEXT;

DROP INDEX scheduler_runs_untold;

CREATE INDEX scheduler_runs_untold ON scheduler_runs (finished_us) WHERE (state IN ('failed', 'timed_out') OR state IN ('lost', 'interrupted') OR reason IN ('missed', 'outage') OR reason = 'overlap') AND attempt > COALESCE(told_attempt, -1);

INSERT INTO scheduler_ledger_version (version_num) VALUES ('0015');
