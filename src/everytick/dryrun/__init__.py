"""Dry runs: of the next start, of a deploy, of a year. No job runs, no ledger is written.

- `start`: a dry run of the next start, in memory
- `diff`: the differences between the schedule in the working tree and the one in force
- `renames`: which of the removed jobs goes on under another id, probably
- `simulation`: a span of time, with outages
"""
