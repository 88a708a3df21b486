"""What people and other services are told of runs.

- `notifier`: what leaves a process; handed to the engine, which knows no more of it
- `heartbeat_urls`: addresses that are called when a run begins and when it has ended
- `watch`: the thread that looks into the ledger for what went wrong (`SCHEDULER_ALERT_...`)
- `lateness`: which ticks are due for too long
- `messages`: what a channel is told, of one incident or of many
- `channels`: where messages go, by Apprise; imported when there is a channel, and only then
- `sender`: time limits, further tries and giving up, of all that goes out

What was told to whom is in the ledger (`store.incidents`, `store.notices`), so that several processes, one
after another or at once, tell it once.
"""
