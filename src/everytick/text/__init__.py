"""Schedules, instants, lengths of time and sizes in words. Pure.

- `instants`, `durations`, `sizes`: the one formatter of each; `instants` also reads them
- `schedules`, `cron`: a schedule as a sentence
- `zone_hints`: the names of time zones, and which one a misspelt name most likely means
- `wording`: the smallest pieces of sentences
"""
