"""Schedules, instants, lengths of time and sizes in words. Pure.

- `instants`, `durations`, `sizes`: the one formatter of each; `instants` also reads them
- `time_input`: times as people type them: `2h`, `yesterday 02:30`
- `schedules`, `cron`: a schedule as a sentence
- `zone_hints`: the names of time zones, and which one a misspelt name most likely means
- `wording`: the smallest pieces of sentences
"""
