"""Sizes of files and tables as text. Pure. Sizes are bytes."""

from __future__ import annotations

KILOBYTE = 1_024
MEGABYTE = 1_024 * KILOBYTE
GIGABYTE = 1_024 * MEGABYTE


def size(length: int) -> str:
    """Return a size in megabytes, or in gigabytes if it is one or more: `0.1 MB`, `1.5 GB`."""
    return f"{length / MEGABYTE:.1f} MB" if length < GIGABYTE else f"{length / GIGABYTE:.1f} GB"
