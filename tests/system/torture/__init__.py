"""The torture test: a schedule under kills, stops, locks, clock steps and redeploys, and its checker.

- `world`: the application under test, and its schedule in plain numbers
- `supervisor`: starts its processes, and starts the next one when one has ended
- `requester`: a process that requests single runs, as a web application does, and in which people add jobs
- `nemesis`: injects faults, in several threads at once, and records them; those of the server and of the
  network are in `server_faults` and `network_faults`
- `history`: everything that was recorded: faults, processes, the file that the tasks write, the ledger's rows
- `checker`: decides from the history whether the tick contract was kept; it shares no code with the
  scheduler. Its rules are in `completeness`, `consistency`, `causes`, `pauses`, `waiting`, `requests`,
  `filling`, `deploys`, `offers`, `reported` and `processes`; `faults` answers which fault excuses which
  deviation, and `places` which run held the place of another
- `report`: prints the result for people
- `made_up`: histories that the tests of the checker begin with; `pairs`: with an excuse, and without it
- `python -m torture` runs it for any length of time; `--judge FOLDER` checks a recorded history again
"""

import sys
from pathlib import Path

# As a program it is started without the paths that pytest sets.
for _name in ("src", "tests/support", "scripts"):
    _path = str(Path(__file__).parents[3] / _name)
    if _path not in sys.path:
        sys.path.insert(0, _path)
