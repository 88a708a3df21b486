"""Which jobs an environment runs: patterns of job ids, so that staging does not send mails."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

ENABLED, DISABLED = "SCHEDULER_ENABLED_JOBS", "SCHEDULER_DISABLED_JOBS"


@dataclass(frozen=True)
class JobFilter:
    """The jobs of a process: those that `enabled` names, all if it is empty, without those of `disabled`."""

    enabled: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.enabled or self.disabled)

    def why_disabled(self, job_id: str) -> str | None:
        """Return the setting that disables a job, such as `SCHEDULER_DISABLED_JOBS=mail-*`; None if none."""
        for pattern in self.disabled:
            if fnmatchcase(job_id, pattern):
                return f"{DISABLED}={pattern}"
        if self.enabled and not any(fnmatchcase(job_id, pattern) for pattern in self.enabled):
            return f"{ENABLED}={','.join(self.enabled)}"
        return None

    def without_a_job(self, job_ids: Iterable[str]) -> list[tuple[str, str]]:
        """Return the patterns that no job has, each with its setting."""
        known = list(job_ids)
        named = [(ENABLED, it) for it in self.enabled] + [(DISABLED, it) for it in self.disabled]
        return [(name, it) for name, it in named if not any(fnmatchcase(job, it) for job in known)]

    @property
    def kept(self) -> str | None:
        """It as the ledger keeps it of a process; None for all jobs."""
        return json.dumps({"enabled": self.enabled, "disabled": self.disabled}) if self else None

    @staticmethod
    def of(kept: object) -> JobFilter:
        """Return what the ledger keeps; all jobs where that is nothing that `kept` returns."""
        try:
            found = json.loads(kept) if isinstance(kept, str) else {}
            lists = [tuple(map(str, found.get(name, ()))) for name in ("enabled", "disabled")]
        except (ValueError, RecursionError, AttributeError, TypeError):
            return JobFilter()
        return JobFilter(*lists)


ALL_JOBS = JobFilter()
