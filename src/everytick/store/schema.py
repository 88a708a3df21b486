"""The tables. All instants are microseconds since 1970-01-01 UTC (`..._us`).

Names begin with `scheduler_`, so that the ledger can live in a database that holds other things.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

VERSION_TABLE = "scheduler_ledger_version"

metadata = MetaData()

# SQLite numbers rows by itself only in a column of exactly the type INTEGER.
RunId = BigInteger().with_variant(Integer, "sqlite")

# On PostgreSQL: the rest of each page is free for newer versions of its rows, which then need no index entry.
_OFTEN_WRITTEN = {"fillfactor": 50}

jobs = Table(
    "scheduler_jobs",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("function", Text, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("zone", Text, nullable=False),
    # The canonical definition: equal text means equal ticks.
    Column("definition", Text, nullable=False),
    Column("registered_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    # Every tick up to here is accounted for; a claim moves it on and is refused behind it.
    Column("watermark_us", BigInteger, nullable=False),
    # The options that another process needs to recover a run of a job which its own code lacks.
    Column("on_crash", Text, nullable=False),
    Column("grace_us", BigInteger),
    Column("paused_us", BigInteger),
    Column("pause_note", Text),
    # Set while the job is not in the code any more.
    Column("removed_us", BigInteger),
    # A pause that ends by itself does so at the next tick after this.
    Column("paused_until_us", BigInteger),
    # The schedule as JSON: its ticks can be computed without the code that declared it.
    Column("schedule_data", Text),
    # For a job that was added while running: its arguments and options as JSON. Null: it is in the code.
    Column("call_data", Text),
    # Counted up by each change of such a job, so that others find the changes that are new to them.
    Column("serial", BigInteger),
    # Set when such a job has no tick left.
    Column("exhausted_us", BigInteger),
    # The queue in which a process leaves its runs that claims them and does not serve it. Null: `default`.
    Column("queue", Text),
    # The setting that disables it in all processes which claim: it counts as paused then.
    Column("disabled_by", Text),
    # The group whose limit its runs share. Null: none.
    Column("group_name", Text),
    # What its declaration says beside its ticks, as JSON. Null: an older version wrote the row.
    Column("options_data", Text),
    info=_OFTEN_WRITTEN,
)
_GROUPED = text("group_name IS NOT NULL")
Index("scheduler_jobs_group", jobs.c.group_name, sqlite_where=_GROUPED, postgresql_where=_GROUPED)
# None on the watermark: an indexed column costs each claim an entry in every index of the table.
Index("scheduler_jobs_serial", jobs.c.serial)

runs = Table(
    "scheduler_runs",
    metadata,
    Column("run_id", RunId, Identity(), primary_key=True),
    Column("job_id", Text, nullable=False),
    # scheduled, manual, startup or backfill
    Column("kind", Text, nullable=False),
    Column("tick_us", BigInteger),
    # A range row stands for all ticks from tick_us to last_tick_us; tick_count may be unknown.
    Column("last_tick_us", BigInteger),
    Column("tick_count", BigInteger),
    # Which start of the schedule a startup run belongs to.
    Column("start_number", BigInteger),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("attempt", Integer, nullable=False),
    # How many of the attempts ended with the death or the stop of their process.
    Column("crashes", Integer, nullable=False),
    # Set on a run that was lost or interrupted: until then it may begin its next attempt.
    Column("rerun_until_us", BigInteger),
    # Not to be started before (the tick with its jitter).
    Column("due_us", BigInteger, nullable=False),
    # The process that holds the lease; with `attempt` it is the token of every later write.
    Column("process_id", Text),
    Column("claimed_us", BigInteger),
    Column("started_us", BigInteger),
    Column("finished_us", BigInteger),
    Column("error", Text),
    Column("traceback", Text),
    # The tick that a run by hand, or of a backfill, stands in for: it has none of its own.
    Column("for_tick_us", BigInteger),
    # When its cancellation was requested.
    Column("cancel_us", BigInteger),
    # The tick for which it was asked to end; null where a person asked.
    Column("replaced_by_us", BigInteger),
    # The last attempt of which the alerts have taken note.
    Column("told_attempt", Integer),
    # The backfill that it was made for, whose runs have the kind `backfill`.
    Column("backfill_id", BigInteger),
    UniqueConstraint("job_id", "tick_us", name="scheduler_runs_tick"),
    # On SQLite it is a part of the table, which would have to be written anew to narrow it down.
    UniqueConstraint("job_id", "start_number", name="scheduler_runs_start").ddl_if(dialect="sqlite"),
)
_OF_STARTS = text("start_number IS NOT NULL")
Index(
    "scheduler_runs_startup", runs.c.job_id, runs.c.start_number, unique=True, postgresql_where=_OF_STARTS
).ddl_if(dialect="postgresql")

_HELD = text("state IN ('claimed', 'running')")
Index("scheduler_runs_held", runs.c.job_id, sqlite_where=_HELD, postgresql_where=_HELD)
_WAITING = text("state IN ('queued', 'retrying')")
Index("scheduler_runs_waiting", runs.c.due_us, sqlite_where=_WAITING, postgresql_where=_WAITING)
_ENDED = text("finished_us IS NOT NULL")
# Whole on SQLite, which would take a partial one in the place of the small `scheduler_runs_untold`.
Index("scheduler_runs_ended", runs.c.finished_us, postgresql_where=_ENDED)
_UNCOUNTED = text("last_tick_us IS NOT NULL AND tick_count IS NULL")
Index("scheduler_runs_uncounted", runs.c.job_id, sqlite_where=_UNCOUNTED, postgresql_where=_UNCOUNTED)
_CUT = text("rerun_until_us IS NOT NULL")
Index("scheduler_runs_cut", runs.c.rerun_until_us, sqlite_where=_CUT, postgresql_where=_CUT)
_ASKED = text("cancel_us IS NOT NULL")
Index("scheduler_runs_cancel", runs.c.process_id, sqlite_where=_ASKED, postgresql_where=_ASKED)
_UNTOLD = text(
    "(state IN ('failed', 'timed_out', 'lost', 'interrupted') OR reason IN ('missed', 'outage', 'overlap'))"
    " AND attempt > COALESCE(told_attempt, -1)"
)
# The same in pairs: of a longer list SQLite makes a table, each time that it looks at the condition.
_UNTOLD_IN_PAIRS = text(
    "(state IN ('failed', 'timed_out') OR state IN ('lost', 'interrupted')"
    " OR reason IN ('missed', 'outage') OR reason = 'overlap') AND attempt > COALESCE(told_attempt, -1)"
)
Index("scheduler_runs_untold", runs.c.finished_us, sqlite_where=_UNTOLD_IN_PAIRS, postgresql_where=_UNTOLD)

_STANDS_IN = text("for_tick_us IS NOT NULL")
Index(
    "scheduler_runs_for_tick",
    runs.c.job_id,
    runs.c.for_tick_us,
    sqlite_where=_STANDS_IN,
    postgresql_where=_STANDS_IN,
)

# Requests for runs of past ticks, which are made little by little.
backfills = Table(
    "scheduler_backfills",
    metadata,
    Column("backfill_id", RunId, Identity(), primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("asked_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("note", Text),
    # The ticks from one instant to another, both included, of the schedule that the job had then.
    Column("schedule_data", Text, nullable=False),
    Column("from_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    # 1 for those that are on record and did not succeed; 0 for all.
    Column("only_missed", Integer, nullable=False),
    # How many that were when it was asked for.
    Column("tick_count", BigInteger, nullable=False),
    # The most runs that begin in a minute. Null: as many as can.
    Column("rate", Integer),
    Column("max_instances", Integer, nullable=False),
    # running, stopped or finished, and since when it does not go on
    Column("state", Text, nullable=False),
    Column("ended_us", BigInteger),
    # Why it was stopped, if nobody asked for that.
    Column("why", Text),
    # Up to where its runs are made, how many that are, and when the next may be.
    Column("upto_us", BigInteger, nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("next_us", BigInteger, nullable=False),
)

# The attempts of a run before its latest, which stands in the run itself.
attempts = Table(
    "scheduler_attempts",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("process_id", Text),
    Column("started_us", BigInteger),
    Column("finished_us", BigInteger),
    Column("error", Text),
    Column("traceback", Text),
)
_LOST = text("state = 'lost'")
Index("scheduler_attempts_lost", attempts.c.finished_us, sqlite_where=_LOST, postgresql_where=_LOST)

processes = Table(
    "scheduler_processes",
    metadata,
    Column("process_id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    # Counted up by the living; others time how long it stays the same, each by its own clock.
    Column("beat", BigInteger, nullable=False),
    Column("beat_us", BigInteger, nullable=False),
    Column("start_number", BigInteger, nullable=False),
    # When its event loop was last seen to answer.
    Column("pass_us", BigInteger),
    # `scheduler` or `worker`; null does both. The queues that it serves, with commas; null for all.
    Column("role", Text),
    Column("queues", Text),
    # The jobs that were added and that it cannot run, as JSON: by their ids the reasons. Null: none.
    Column("cannot_run", Text),
    # The digest of the schedule that its code declares. Null: its version of the engine knows none.
    Column("schedule_digest", Text),
    # The jobs that it is set to run, as JSON: patterns of ids. Null: all.
    Column("job_filter", Text),
    # The limits of groups that it goes by, as JSON. Null: none.
    Column("group_limits", Text),
    info=_OFTEN_WRITTEN,
)

# The processes that are gone, for as long as runs are kept. Between them there was none.
past_processes = Table(
    "scheduler_past_processes",
    metadata,
    Column("process_id", Text, primary_key=True),
    Column("role", Text),
    # One that was declared dead and came back begins once more.
    Column("started_us", BigInteger, primary_key=True, autoincrement=False),
    # When it stopped. Of one that died its last heartbeat.
    Column("ended_us", BigInteger, nullable=False),
    # 1 if it died; 0 if it stopped in order.
    Column("has_died", Integer, nullable=False),
)
Index("scheduler_past_processes_ended", past_processes.c.ended_us)

# The newest log lines of the attempts of a run.
logs = Table(
    "scheduler_logs",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True),
    Column("text", Text, nullable=False),
)

# What an attempt of a run said of itself.
reports = Table(
    "scheduler_reports",
    metadata,
    Column("run_id", BigInteger, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True),
    # How far it is, in ten-thousandths and in words, and when it said so.
    Column("share", Integer),
    Column("note", Text),
    Column("at_us", BigInteger),
    # The value that its function returned: as JSON if `is_json` is 1, else described in words.
    Column("result", Text),
    Column("is_json", Integer, nullable=False),
)

# One row, or none: the digest of the schedule whose jobs are all in the ledger, each as the code declares it.
schedule = Table(
    "scheduler_schedule",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False),
)

# One row: whose ledger it is. Another application would take its jobs for removed ones.
application = Table(
    "scheduler_application",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("since_us", BigInteger, nullable=False),
)

# Requests and who made them: pauses, runs by hand, cancellations, added and removed jobs.
audit = Table(
    "scheduler_audit",
    metadata,
    Column("audit_id", RunId, Identity(), primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("job_id", Text),
    Column("run_id", BigInteger),
    Column("note", Text),
)
Index("scheduler_audit_at", audit.c.at_us)

# The sessions of the dashboard that somebody ended by signing out, each by its digest.
sign_outs = Table(
    "scheduler_sign_outs",
    metadata,
    Column("session", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
)
Index("scheduler_sign_outs_at", sign_outs.c.at_us)

# Incidents that people are alerted to: one for each job and kind, from the first time until it is over.
incidents = Table(
    "scheduler_incidents",
    metadata,
    Column("incident_id", RunId, Identity(), primary_key=True),
    Column("job_id", Text, nullable=False),
    # failed, lost, missed, overlap or late
    Column("kind", Text, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    # How many runs or ticks it is about.
    Column("count", BigInteger, nullable=False),
    # The last of them, its tick (or else when it ended), and the detail that the alert tells.
    Column("run_id", BigInteger),
    Column("mark_us", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
    Column("over_us", BigInteger),
    Column("changed_us", BigInteger, nullable=False),
)
Index("scheduler_incidents_job", incidents.c.job_id, incidents.c.kind)
Index("scheduler_incidents_changed", incidents.c.changed_us)
_OPEN = text("over_us IS NULL")
Index("scheduler_incidents_open", incidents.c.kind, sqlite_where=_OPEN, postgresql_where=_OPEN)

# How much of an incident a channel was told, and when.
notices = Table(
    "scheduler_notices",
    metadata,
    Column("incident_id", BigInteger, primary_key=True, autoincrement=False),
    Column("channel", Text, primary_key=True),
    Column("told_count", BigInteger, nullable=False),
    Column("told_us", BigInteger, nullable=False),
    # The end that it was told of last.
    Column("told_over_us", BigInteger),
)
Index("scheduler_notices_told", notices.c.channel, notices.c.told_us)

# The channels of the alerts, each by a digest of its address.
channels = Table(
    "scheduler_channels",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("since_us", BigInteger, nullable=False),
    # The process that sends through it now, and until when no other process does.
    Column("process_id", Text),
    Column("held_until_us", BigInteger),
    # How often in a row it took nothing, and when it is tried again.
    Column("tries", Integer, nullable=False),
    Column("try_us", BigInteger, nullable=False),
)

# One row: since when there are alerts, and when they were last seen to work.
alerting = Table(
    "scheduler_alerting",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("since_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
)
