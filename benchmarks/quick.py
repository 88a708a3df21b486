"""The small form: the peers that need no server, in less than two minutes; printed and not kept."""

from __future__ import annotations

from benchmarks.measures.capacity import capacity
from benchmarks.measures.starting import cold_start, idle
from benchmarks.measures.windows import window
from benchmarks.registry import BARE, MEMORY, OURS, SQLITE, Field
from benchmarks.servers import running_servers

PEERS = (OURS, BARE, MEMORY, SQLITE)


def quick() -> None:
    """Measure and print."""
    with running_servers(set()) as servers:
        field = Field(servers)
        for peer in PEERS:
            field.python(peer)
        print(f"{'':<46}cold ms  idle wakes  cpu s/min  p99 ms at 1,000  CPU µs aligned  spread  max runs/s")
        for peer in PEERS:
            start = cold_start(field, peer)
            calm = idle(field, peer, 6.0, 1.0)
            aligned = window(field, peer, 1000)
            spread = window(field, peer, 1000, spread=True)
            most = capacity(
                field, peer, int(0.7 / aligned.cpu_per_run) if aligned.lateness.done >= 0.99 else peer.guess
            )
            print(
                f"{peer.title:<46}{start * 1e3:7.0f}{calm.wakes:12.0f}{calm.cpu:11.3f}"
                f"{aligned.lateness.p99 * 1e3:17.0f}{aligned.cpu_per_run * 1e6:16.0f}"
                f"{spread.cpu_per_run * 1e6:8.0f}{most:12,}",
                flush=True,
            )
