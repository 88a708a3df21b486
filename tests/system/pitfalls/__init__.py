"""What goes wrong with plain APScheduler 3 in production, told as stories that either class can live through.

- `world`: makes schedulers, ours or the plain ones, sets the clock, and says what became of the jobs
- `bodies`: what the jobs do
- `restarts`, `crashes`, `load`, `account`, `times`: the stories, each a coroutine that takes a world
- `victim`: a life that ends with the death of its process

A story uses only what both classes offer. It raises `Pitfall` where the scheduler fell into the pitfall, and
any other error where the story itself did not get that far.
"""
