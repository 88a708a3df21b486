"""Faults in simulated time: whole processes of the engine in one interpreter, from one seed.

- `world`: simulated time; processes, and their threads as steps of one loop
- `threads`, `loop`: what threads and coroutines wait with, in simulated time
- `seam`: puts all that in the place of the machine, in `everytick.system`
- `disk`: the ledger, a real SQLite in memory, behind a disk with faults
- `bodies`: the functions of the jobs, which write down what they do
- `engine`: one process of the engine, from its start to its end
- `plan`: what happens in the world of a seed; `nature` does it, `people` are those who ask for something
- `story`: a world from its beginning to its end, and its history, which the torture's `checker` judges
- `shrinking`: cuts a plan that breaks the contract to its shortest
- `found`: the plans of what seeds found, cut to their shortest
- `mutants`: bugs to be planted in the engine, each of which must be found
- `seeds`: the worlds of many seeds, over several processes
- `python -m simulation` runs it for any number of seeds
"""
