"""Schedules, instants and lengths of time in words. Pure.

- `instants`, `durations`: the one formatter of each
- `schedules`, `cron`: a schedule as a sentence
- `wording`: the smallest pieces of sentences
"""
