"""Schedules, instants, lengths of time and sizes in words. Pure.

- `instants`, `durations`, `sizes`: the one formatter of each; `instants` also reads them
- `schedules`, `cron`: a schedule as a sentence
- `wording`: the smallest pieces of sentences
"""
