"""What would happen: at the next start, after a deploy, over a year. No job runs, no ledger is written.

- `start`: what the next start would do, tried out in memory
- `diff`: what the schedule in the working tree changes against the one in force
- `simulation`: a span of it, with outages
"""
