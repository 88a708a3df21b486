"""How many runs of a group of jobs may be under way at once, over all processes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from .roles import check_name

SETTING = "SCHEDULER_GROUP_LIMITS"
_MOST = 2**31 - 1


class GroupLimits(dict[str, int]):
    """By the name of a group its limit; a group that is not in it has none. Nobody changes it."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.kept)

    @staticmethod
    def read(text: str) -> GroupLimits:
        """Return what a text such as `database=2,api=5` says.

        Raises ValueError with a sentence.
        """
        found: dict[str, int] = {}
        for word in filter(None, re.split(r"[\s,]+", text)):
            name, separator, number = word.partition("=")
            if not separator or not number.isdecimal() or not 1 <= int(number) <= _MOST:
                raise ValueError(
                    f"{word!r} must be a group and how many of its runs may be under way: database=2"
                )
            if check_name("group", name) in found:
                raise ValueError(f"the group {name} has two limits")
            found[name] = int(number)
        return GroupLimits(found)

    def without_a_limit(self, groups: Mapping[str, str | None]) -> dict[str, list[str]]:
        """Return the groups that it does not name, with their jobs. `groups`: by job the name of its."""
        found: dict[str, list[str]] = {}
        for job_id, group in groups.items():
            if group is not None and group not in self:
                found.setdefault(group, []).append(job_id)
        return dict(sorted(found.items()))

    def without_a_job(self, groups: Mapping[str, str | None]) -> list[str]:
        """Return the groups that it names and no job has."""
        return sorted(self.keys() - set(groups.values()))

    def with_more(self, groups: Iterable[str], limit: int) -> str:
        """Return the text of these limits, and of one that each of some more groups has."""
        return ",".join(
            f"{name}={number}" for name, number in {**self, **dict.fromkeys(groups, limit)}.items()
        )

    @property
    def kept(self) -> str | None:
        """It as the ledger keeps it of a process; None without any."""
        return json.dumps(self, sort_keys=True) if self else None

    @staticmethod
    def of(kept: object) -> GroupLimits:
        """Return what the ledger keeps; none where that is nothing that `kept` returns."""
        try:
            found = json.loads(kept) if isinstance(kept, str) else {}
            return GroupLimits({str(name): int(limit) for name, limit in found.items()})
        except (ValueError, RecursionError, AttributeError, TypeError, OverflowError):
            return GroupLimits()


NO_LIMITS = GroupLimits()
