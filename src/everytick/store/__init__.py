"""The ledger: what became of each tick.

Where it is:

- `opening`: which kind of ledger a URL names
- `database`: a ledger's place, whichever kind it is: opening, checking and upgrading it
- `sqlite`, `checkpoints`: the ledger as a file
- `file_locks`: who else of the process must not open that file
- `log_owner`: which file the one with its newest commits belongs to
- `file_owners`: which other users can put files in the place of a ledger, or beside it
- `postgres`, `postgres_connection`, `postgres_url`: the ledger on a server
- `connections`: what the operations ask of a connection, and transactions
- `locking`: which rows a transaction locks on a server, and in which order
- `querying`: reading it, for commands and pages
- `unreadable`: rows of a file that cannot be read, which are left out and reported
- `schema`, `migrations`: its tables, by SQLAlchemy and Alembic; loaded only to upgrade or move a ledger
- `migration_process`: what runs in the process that an upgrade starts for these two
- `index_building`: the indexes of a migration on a server, built ahead while others write
- `new_ledger`: makes the tables of a new one, by a script that is made from the migrations

Its operations, each inside of a transaction:

- `statements`, `job_statements`, `process_statements`, `limit_statements`, `bulk`: the SQL of the claim and
  finish path
- `records`: what goes in and out of the operations
- `claims`, `queue`, `runs`, `gaps`: from a due tick to its outcome
- `limits`: how many runs may be under way, and what becomes of the ticks that wait
- `reports`: how far runs are, and what their functions returned
- `definitions`, `declared_options`, `schedule_digest`, `renaming`: the jobs of the code, and those that were
  added
- `pauses`, `requests`: what people ask of jobs and of runs
- `backfills`, `backfill_statements`: requests for runs of past ticks, and the SQL about them
- `disabled`: the jobs that no process is set to run
- `not_begun`: the runs that are due and have not begun
- `makers`: who may make functions where the statements look for those of PostgreSQL
- `notifications`: how processes tell each other that there is something to look for
- `pruning`: removes old rows
- `sign_outs`: the sessions of the dashboard that were ended
- `workers`, `joining`, `owner`: the processes, and whose ledger it is
- `incidents`, `problems`, `notices`: the reasons for alerts, and which channels sent them
- `writer`: the one thread that does it all, many operations in one commit

A whole ledger:

- `upgrading`: brought up to this code without a start
- `transfer`, `copying`, `migration_fence`: taken to another place, and the marks that close one meanwhile
"""
