"""The torture test: a schedule under kills, stops, locks, clock steps and redeploys, and its checker.

- `world`: the application under torture, and the schedule in plain numbers
- `nemesis`: does harm, and writes down what it did
- `checker`: decides, from the schedule, the harm, the bodies' own file and the ledger's rows, whether the
  tick contract was kept; it shares no code with the scheduler
- `python -m torture` runs it for as long as one likes
"""
