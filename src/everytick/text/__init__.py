"""Schedules, instants, lengths of time and sizes in words. Pure.

- `instants`, `durations`, `sizes`: the one formatter of each; `instants` also reads them
- `schedules`, `cron`: a schedule as a sentence
- `zone_hints`: the zones that have a name, and which one is most likely meant by what is none
- `wording`: the smallest pieces of sentences
"""
