"""Examines the environment of the schedule: settings, zone data, the template's version."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from zoneinfo import TZPATH

from everytick import app, dotenv_file
from everytick.errors import ConfigurationError
from everytick.installed import left_behind
from everytick.model import ticks
from everytick.model.group_limits import SETTING
from everytick.model.job_filter import DISABLED, ENABLED
from everytick.settings import SchedulerSettings, alerts_not_installed, missing_part, settings
from everytick.text.wording import counted, cut_list

from .finding import Finding, ok

# From this resemblance on, a name is taken for a misspelt one.
_RESEMBLES = 0.85
# Zone data older than this many years lacks changes that governments have made since.
_OLD_YEARS = 2


def examine_settings() -> tuple[SchedulerSettings | None, list[Finding]]:
    """Return the settings, None if they are wrong, and findings on them."""
    try:
        chosen = settings()
        unknown = chosen.unknown_variables()
    except ConfigurationError as problem:
        variable = re.match(r"[A-Z_]+(?=[:= ])", str(problem))
        where = variable[0] if variable else None
        return None, [Finding("error", "settings", str(problem), where, "a value as in .env.example")]
    found = [
        Finding("warning", "settings", sentence, name, _instead_of(name))
        for sentence in unknown
        for name in [sentence.split()[0]]
    ]
    found += _misspelt(chosen)
    if what := alerts_not_installed(chosen):
        found.append(Finding("error", "settings", what, "SCHEDULER_ALERT_URLS", None))
    return chosen, found or [ok("settings", "the settings are valid")]


def examine_job_filter(chosen: SchedulerSettings, job_ids: Sequence[str]) -> list[Finding]:
    """Return which jobs the settings disable, and which of their patterns name no job."""
    found = [
        Finding(
            "warning", "environment", f"no job has the id {pattern}", setting, "the id of a job, or a pattern"
        )
        for setting, pattern in chosen.job_filter.without_a_job(job_ids)
    ]
    disabled = [job_id for job_id in job_ids if chosen.job_filter.why_disabled(job_id)]
    if disabled:
        number = f"{counted(len(disabled), 'job')} of {len(job_ids)}"
        what = f"{number} disabled by the settings: {cut_list(disabled)}"
        # That nothing at all runs is seldom meant.
        is_all = len(disabled) == len(job_ids)
        level, right = ("warning", "a pattern that leaves some jobs") if is_all else ("note", None)
        found.append(Finding(level, "environment", what, " ".join(_in_force(chosen)), right))
    return found


def examine_group_limits(chosen: SchedulerSettings, groups: Mapping[str, str | None]) -> list[Finding]:
    """Return which groups have no limit, and which limits have no group. `groups`: by job the name of its."""
    lacking = chosen.group_limits.without_a_limit(groups)
    # The whole value: one with this group alone would take their limits from the others.
    right = f"{SETTING}={chosen.group_limits.with_more(lacking, 2)}"
    found = [
        Finding(
            "warning",
            "groups",
            f"the group {group} has no limit: {cut_list(job_ids)} run as if they had no group",
            SETTING,
            right,
        )
        for group, job_ids in lacking.items()
    ]
    found += [
        Finding("warning", "groups", f"no job has the group {group}", SETTING, "group= of a job")
        for group in chosen.group_limits.without_a_job(groups)
    ]
    return found


def _in_force(chosen: SchedulerSettings) -> Iterator[str]:
    if chosen.job_filter.enabled:
        yield ENABLED
    if chosen.job_filter.disabled:
        yield DISABLED


def _instead_of(name: str) -> str:
    part = missing_part(name)
    if part is None:
        return "remove it, or write the real name"
    if app.current().template_version == "unknown":
        return f"remove it, or install the extra: pip install 'everytick[{part}]'"
    return f"remove it, or add the {part}: copier update --defaults --vcs-ref :current: --data {part}=true"


def _misspelt(chosen: SchedulerSettings) -> Iterator[Finding]:
    """Find variables that resemble a setting without its prefix being right."""
    known = {name.upper() for name in type(chosen).model_fields}
    ours = [name for name in known if name.startswith("SCHEDULER_")]
    for name in sorted(
        {name.upper() for name in os.environ} | dotenv_file.names_in(app.current().root / ".env")
    ):
        if name in known or name.startswith("SCHEDULER_"):
            continue
        near = difflib.get_close_matches(name, ours, n=1, cutoff=_RESEMBLES)
        if near:
            what = f"{name} is not a setting, and resembles {near[0]}"
            yield Finding("warning", "settings", what, name, f"{near[0]}=...")


def examine_zone_data() -> list[Finding]:
    """Tell which time zone data is in use, and whether it is old."""
    year = ticks.moment(ticks.now(), UTC).year
    installed, packaged = _system_version(), _packaged_version()
    if installed is None and packaged is None:
        what = "there is no time zone data: neither the system's nor the package tzdata"
        return [Finding("error", "zone data", what, None, "install the package tzdata")]
    # Python asks the system first.
    used, origin = (installed, "the system") if installed is not None else (packaged, "the package tzdata")
    stated = re.match(r"(\d{4})", used or "")
    if stated and year - int(stated[1]) >= _OLD_YEARS:
        what = f"the time zone data ({used}, of {origin}) is {year - int(stated[1])} years old"
        return [Finding("warning", "zone data", what, None, f"update {origin}: rules have changed since")]
    return [ok("zone data", f"time zone data {used or 'of unknown version'}, of {origin}")]


def _packaged_version() -> str | None:
    try:
        return version("tzdata")
    except PackageNotFoundError:
        return None


def _system_version() -> str | None:
    """Return the version of the system's zone data; empty if it does not say; None if there is none."""
    for folder in map(Path, TZPATH):
        if not (folder / "UTC").exists():
            continue
        for name, pattern in (("tzdata.zi", r"# version (\S+)"), ("+VERSION", r"(\S+)")):
            try:
                with (folder / name).open(encoding="utf-8") as file:
                    stated = re.match(pattern, file.readline())
            except OSError:
                continue
            if stated:
                return stated[1]
        return ""
    return None


def examine_template() -> list[Finding]:
    """Tell the versions, as `--version` does."""
    versions = app.current().versions()
    if "template unknown" in versions:
        return [Finding("note", "template", f"{versions}: the template's version is not known", None, None)]
    if wrong := left_behind(app.current().root):
        what, _, remedy = wrong.partition(": ")
        return [ok("template", versions), Finding("warning", "template", what, "pyproject.toml", remedy)]
    return [ok("template", versions)]


def examine_packages() -> list[Finding]:
    """Find another package with the name of the application's own: one hides the other, without a word."""
    package = re.split(r"[.:]", app.current().schedule or "")[0]
    owners = sorted(set(packages_distributions().get(package, [])))
    # An editable installation owns no files: its folder stands on the path.
    folders = [folder / package for folder in dict.fromkeys(Path(it).resolve() for it in sys.path)]
    places = [str(folder) for folder in folders if package and (folder / "__init__.py").is_file()]
    if len(owners) > 1:
        named = ", ".join(owners)
        what = f"the package {package} is in {len(owners)} distributions, {named}: one hides the other"
    elif len(places) > 1:
        what = f"there is more than one package {package}: {places[0]} hides {', '.join(places[1:])}"
    else:
        return []
    return [Finding("error", "packages", what, None, "an environment of its own for each application")]
