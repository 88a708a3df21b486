"""Alerts to people, and calls of heartbeat URLs.

- `notifier`: both, for one process; the engine is given this object and knows nothing else of this room
- `heartbeat_urls`: addresses that are called when a run begins and when it has ended
- `watch`: the thread that looks into the ledger for what went wrong (`SCHEDULER_ALERT_...`)
- `lateness`: which ticks have been due for too long
- `messages`: the messages of a channel, each about one incident or several
- `channels`: where messages go, by Apprise; imported when there is a channel, and only then
- `bounded_answers`: how much of what a service answers to a message is read
- `sender`: time limits, further tries and giving up, of all that goes out

The ledger records which alert was sent to which channel (`store.incidents`, `store.notices`), so that several
processes, one after another or at once, send it once.
"""
