"""Notifier people what went wrong, and when it is over (`SCHEDULER_ALERT_...`).

The rooms, in the order in which bad news passes through them:

- `lateness`: which ticks are due for too long
- `messages`: what a channel is told, of one incident or of many
- `channels`: where messages go, by Apprise; it is imported when there is a channel, and only then
- `watch`: the thread that looks into the ledger and hands messages to the channels

What was told to whom is in the ledger (`ledger.incidents`, `ledger.notices`), so that several processes, one
after another or at once, tell it once.
"""
