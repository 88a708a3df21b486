"""The signs of states, the same on pages and at the terminal: colour is never the only difference."""

from __future__ import annotations

# State: its sign, and the one where that cannot be shown.
SIGNS = {
    "queued": ("\u2026", "."),
    "claimed": ("\u25c7", "o"),
    "running": ("\u25b6", ">"),
    "retrying": ("\u21bb", "r"),
    "succeeded": ("\u2713", "+"),
    "failed": ("\u2717", "x"),
    "timed_out": ("\u25f7", "T"),
    "lost": ("\u2020", "L"),
    "interrupted": ("\u2225", "I"),
    "cancelled": ("\u2298", "c"),
    "skipped": ("\u2013", "-"),
}
