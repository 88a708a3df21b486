"""Sizes of files and tables as text. Pure. Sizes are bytes."""

from __future__ import annotations

KILOBYTE = 1_024
MEGABYTE = 1_024 * KILOBYTE
GIGABYTE = 1_024 * MEGABYTE


def in_bytes(length: int) -> str:
    """Return a size in bytes, kilobytes, or as `size` does: `812 bytes`, `4.0 kB`, `1.5 MB`."""
    if length < KILOBYTE:
        return f"{length} byte{'' if length == 1 else 's'}"
    return f"{length / KILOBYTE:.1f} kB" if length < MEGABYTE else size(length)


def size(length: int) -> str:
    """Return a size in megabytes, or in gigabytes if it is one or more: `0.1 MB`, `1.5 GB`."""
    return f"{length / MEGABYTE:.1f} MB" if length < GIGABYTE else f"{length / GIGABYTE:.1f} GB"
