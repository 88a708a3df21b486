"""All measures in turn, in one run: what is compared is measured in the same round, one after the other."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.environments import ROOT
from benchmarks.measures import commands, installing, templates
from benchmarks.measures.capacity import capacity
from benchmarks.measures.history import fill
from benchmarks.measures.starting import cold_start, idle
from benchmarks.measures.windows import window
from benchmarks.registry import ALL, BARE, MEMORY, OURS, OURS_POSTGRES, POSTGRES, SQLITE, Field, Peer
from benchmarks.results import Results
from benchmarks.running import PeerFailed

SIZES = (1, 100, 1_000, 10_000)
MANY = (10_000, 100_000)
HISTORIES = (0, 100_000, 1_000_000, 10_000_000)
# Where the numbers are kept, of a run that was cut short, too.
KEPT = ROOT / "build/benchmarks/results.json"
# The steps in their order, and how the names of what each measures begin.
STEPS = {
    "cold_starts": ("cold",), "commands": ("command-",), "idleness": ("idle-",),
    "aligned": ("cpu-", "p50-", "p99-", "memory-", "drain-"),
    "capacities": ("capacity",), "many_jobs": ("start-", "restart-"), "histories": ("history-",),
    "templates": ("template-",), "installation": ("install-",),
}  # fmt: skip
_NO_DASHBOARD = {"SCHEDULER_DASHBOARD": "false"}
# Of those whose ratios are looked at, more rounds are taken.
_COMPARED = (OURS, BARE, MEMORY)
# So long a drain is waited for.
_DRAIN = 8.0
_COMPARED_TEMPLATES = (templates.OURS, templates.SIMPLE)
_COMPARED_BY_CAPACITY = (OURS, MEMORY, SQLITE, OURS_POSTGRES, POSTGRES)


class Plan:
    """One run of everything."""

    def __init__(self, field: Field, results: Results, missing: set[str], rounds: int = 3) -> None:
        self._field, self._results, self._rounds = field, results, rounds
        self._peers = [peer for peer in ALL if peer.place not in missing]
        for peer in ALL:
            if peer.place in missing:
                results.failures[peer.key] = f"no {peer.place} could be had"

    def prepare(self) -> None:
        """Set up each peer in its own environment; who cannot be set up is left out, and that is said."""
        for peer in list(self._peers):
            try:
                self._field.python(peer)
            except Exception as problem:
                self._lost(peer.key, f"could not be set up: {problem}")
                self._peers.remove(peer)

    def measure(self, only: Sequence[str] = ()) -> None:
        """Measure all, or only some steps, of which the values that were there are forgotten."""
        for name in only or STEPS:
            begun = time.monotonic()
            step = getattr(self, name)
            print(f"{name}: {(step.__doc__ or '').splitlines()[0]}", flush=True)
            for measure in [known for known in self._results.values if known.startswith(STEPS[name])]:
                del self._results.values[measure]
            step()
            self._results.save(KEPT)
            print(f"  {time.monotonic() - begun:.0f} s", flush=True)

    def cold_starts(self) -> None:
        """From the start of the process to the running schedule."""
        # So that no measurement is the first to read or compile the files of a new environment.
        for peer in self._peers:
            self._take(peer, lambda: cold_start(self._field, peer), "warm")  # noqa: B023
        del self._results.values["warm"]
        for turn in range(2 + self._rounds):
            for peer in self._peers:
                if peer is OURS:
                    self._own_cold_starts()
                elif turn < 3 or peer in _COMPARED:
                    without = _NO_DASHBOARD if peer.ours else None
                    self._take(peer, lambda: cold_start(self._field, peer, settings=without), "cold")  # noqa: B023

    def _own_cold_starts(self) -> None:
        with _folder() as folder:
            url = f"sqlite:///{folder}/ledger.db"
            for name, settings in (
                ("cold-new", _NO_DASHBOARD),
                ("cold", _NO_DASHBOARD),
                ("cold-dashboard", None),
            ):
                self._take(OURS, lambda: cold_start(self._field, OURS, 1, url, settings=settings), name)  # noqa: B023

    def commands(self) -> None:
        """From the call of a command to its end."""
        with _folder() as folder:
            url = f"sqlite:///{folder}/ledger.db"
            self._take(
                OURS, lambda: cold_start(self._field, OURS, commands.JOBS, url, cron=True), "command-warm"
            )
            for turn in range(1 + 4 * self._rounds):
                for name, arguments in commands.COMMANDS.items():
                    # The first one reads and compiles the files of a new environment.
                    subject = f"command-{name}" if turn else "command-warm"
                    self._take(OURS, lambda: commands.seconds(arguments, url), subject)  # noqa: B023
        del self._results.values["command-warm"]

    def idleness(self, seconds: float = 45.0) -> None:
        """The resource use of all peers while nothing is due."""

        def rest(peer: Peer) -> None:
            try:
                found = idle(self._field, peer, seconds, settle=10.0)
            except PeerFailed as problem:
                self._lost(peer.key, f"idle: {problem}")
                return
            self._results.add("idle-cpu", peer.key, found.cpu)
            self._results.add("idle-wakes", peer.key, found.wakes)
            self._results.add("idle-memory", peer.key, found.memory)
            self._results.add("idle-resident", peer.key, found.resident)

        with ThreadPoolExecutor(len(self._peers)) as pool:
            list(pool.map(rest, self._peers))
        if OURS in self._peers:
            self._own_memory()

    def _own_memory(self) -> None:
        with _folder() as folder:
            url = f"sqlite:///{folder}/ledger.db"
            for name, settings in (
                ("at-first-start", _NO_DASHBOARD),
                ("without-dashboard", _NO_DASHBOARD),
                ("with-dashboard", None),
            ):
                self._take(
                    OURS,
                    lambda: idle(self._field, OURS, 1.0, 10.0, settings, url).resident,  # noqa: B023
                    f"idle-memory-{name}",
                )

    def aligned(self) -> None:
        """Lateness and cost at some numbers of jobs, all due at once or spread over the second."""
        for turn in range(self._rounds):
            for peer in self._peers:
                if turn == 0:
                    print(f"  {peer.title}", flush=True)
                    for jobs in SIZES:
                        if jobs < 1000 or self._may_hold(peer, jobs):
                            self._window(peer, jobs)
                elif peer in _COMPARED:
                    self._window(peer, 1000)
                if peer.spreads and ((turn == 0 and self._may_hold(peer, 1000)) or peer in _COMPARED):
                    self._window(peer, 1000, spread=True)

    def capacities(self) -> None:
        """The most runs a second that are sustained."""
        for turn in range(min(2, self._rounds)):
            for peer in self._peers:
                if turn and peer not in _COMPARED_BY_CAPACITY:
                    continue
                print(f"  {peer.title}", flush=True)
                last = self._results.middle("capacity", peer.key)
                guess = int(last * 1.05) if last else self._guess(peer)
                step = 1.15 if last else 1.4
                self._take(peer, lambda: capacity(self._field, peer, guess, step), "capacity")  # noqa: B023

    def many_jobs(self) -> None:
        """From the start of the process to the running schedule of many jobs, with intervals and by cron."""
        for jobs in MANY:
            for _turn in range(2 if jobs == MANY[0] else 1):
                self._take(BARE, lambda: cold_start(self._field, BARE, jobs), f"start-{jobs}")  # noqa: B023
                for cron in (False, True):
                    self._start_with(jobs, cron=cron)

    def _start_with(self, jobs: int, *, cron: bool) -> None:
        subject = f"cron-{jobs}" if cron else str(jobs)
        self._take(MEMORY, lambda: cold_start(self._field, MEMORY, jobs, cron=cron), f"start-{subject}")
        first = time.time() + 86_400
        for peer in (OURS, OURS_POSTGRES):
            if peer not in self._peers:
                continue
            with self._ledger_of(peer) as url:
                for name in ("start", "restart"):
                    self._take(
                        peer,
                        lambda: cold_start(self._field, peer, jobs, url, first, _NO_DASHBOARD, cron=cron),  # noqa: B023
                        f"{name}-{subject}",
                    )

    @contextmanager
    def _ledger_of(self, peer: Peer) -> Iterator[str]:
        """Give the address of a new ledger that outlasts a process."""
        if peer.place == "postgres":
            with self._field.place(peer.place) as url:
                yield url
            return
        with _folder() as folder:
            yield f"sqlite:///{folder}/ledger.db"

    def histories(self) -> None:
        """Cost of a run, and runs a second, as the history in the ledger grows."""
        with _folder() as folder:
            url = f"sqlite:///{folder}/ledger.db"
            cold_start(self._field, OURS, 1000, url)
            for rows in HISTORIES:
                fill(folder / "ledger.db", rows)
                self._results.add("history-size", str(rows), (folder / "ledger.db").stat().st_size / 1024**2)
                for _turn in range(2):
                    try:
                        found = window(self._field, OURS, 1000, url=url)
                    except PeerFailed as problem:
                        self._lost(OURS.key, f"{rows} rows: {problem}")
                        continue
                    self._results.add("history-cpu", str(rows), found.cpu_per_run)
                    self._results.add("history-p99", str(rows), found.lateness.p99)
                if rows in (HISTORIES[0], HISTORIES[-1]):
                    guess = int((self._results.middle("capacity", OURS.key) or OURS.guess) * 1.1)
                    self._take(
                        OURS,
                        lambda: capacity(self._field, OURS, guess, 1.15, url=url),  # noqa: B023
                        "history-capacity",
                        str(rows),
                    )

    def templates(self) -> None:
        """`copier copy` and `copier update`."""
        clones = {}
        for source in templates.SOURCES:
            try:
                clones[source] = templates.clone(source)
            except Exception:
                self._lost(source.key, f"{source.address} could not be fetched")
        for turn in range(self._rounds):
            for source, clone in clones.items():
                if turn and source not in _COMPARED_TEMPLATES:
                    continue
                try:
                    found = templates.times(source, clone)
                except Exception as problem:
                    self._lost(source.key, str(problem))
                    continue
                for name in ("copy", "update", "files", "size"):
                    self._results.add(f"template-{name}", source.key, getattr(found, name))
                self._results.versions[source.title] = " to ".join(found.releases)

    def installation(self) -> None:
        """Installing the rendered application."""
        for _turn in range(self._rounds):
            try:
                found = installing.install()
            except Exception as problem:
                self._lost("installation", str(problem))
                return
            for name, value in vars(found).items():
                self._results.add(f"install-{name}", "ours", value)

    def _window(self, peer: Peer, jobs: int, *, spread: bool = False) -> None:
        ticks = 3 if peer in _COMPARED else 2
        try:
            found = window(
                self._field, peer, jobs, spread=spread, ticks=ticks, patience=_DRAIN if jobs == 100 else 2.0
            )
        except PeerFailed as problem:
            self._lost(peer.key, f"{jobs} jobs: {problem}")
            return
        name = f"spread-{jobs}" if spread else str(jobs)
        # With fewer runs than were due there is no cost of a run that could be compared.
        if found.lateness.done >= 0.99:
            self._results.add(f"cpu-{name}", peer.key, found.cpu_per_run)
        self._results.add(f"p50-{name}", peer.key, found.lateness.p50)
        self._results.add(f"p99-{name}", peer.key, found.lateness.p99)
        if not spread:
            self._results.add(f"memory-{name}", peer.key, found.memory)
            self._results.add(f"drain-{name}", peer.key, found.drain)

    def _may_hold(self, peer: Peer, jobs: int) -> bool:
        """Return whether to try: at a tenth of the jobs less than half of the second was needed."""
        before = self._results.middle(f"p99-{jobs // 10}", peer.key)
        return before is not None and before < 0.5 and self._guess(peer) * 4 >= jobs

    def _guess(self, peer: Peer) -> int:
        """Return the runs a second that the cost of a run at a thousand jobs allows on one core."""
        cost = self._results.middle("cpu-1000", peer.key) or self._results.middle("cpu-100", peer.key)
        return max(1, int(0.7 / cost)) if cost and peer.place != "redis" else peer.guess

    def _take(self, peer: Peer, measure: Callable[[], float], name: str, subject: str = "") -> None:
        try:
            self._results.add(name, subject or peer.key, measure())
            self._results.save(KEPT)
        except (PeerFailed, OSError) as problem:
            self._lost(peer.key, f"{name}: {problem}")

    def _lost(self, key: str, reason: str) -> None:
        print(f"  {key}: {reason}", file=sys.stderr, flush=True)
        self._results.failures[key] = reason.splitlines()[0]


@contextmanager
def _folder() -> Iterator[Path]:
    """Give a temporary folder, for ledgers that outlast a process."""
    path = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
