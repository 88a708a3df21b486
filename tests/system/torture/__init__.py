"""The torture test: a schedule under kills, stops, locks, clock steps and redeploys, and its checker.

- `world`: the application under torture, and the schedule in plain numbers
- `keeper`: sees to it that its processes are under way
- `asking`: somebody elsewhere who asks for single runs
- `nemesis`: does harm, in several streams at once, and writes down what it did
- `evidence`: what was seen: harm, processes, the bodies' own file, the ledger's rows
- `checker`: decides from that whether the tick contract was kept; it shares no code with the scheduler. Its
  rules stand in `accounts`, `agreement`, `blame` and `conduct`; `harm` answers what excuses what
- `report`: what came of it, for people
- `python -m torture` runs it for as long as one likes, `--judge FOLDER` judges an earlier one again
"""

import sys
from pathlib import Path

# As a program it is started without the paths that pytest sets.
for _name in ("src", "tests/support", "scripts"):
    _path = str(Path(__file__).parents[3] / _name)
    if _path not in sys.path:
        sys.path.insert(0, _path)
