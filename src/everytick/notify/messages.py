"""The messages that channels send: each about one incident or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple
from urllib.parse import urlencode

from everytick.engine.capture import without_secrets
from everytick.store.notices import Item
from everytick.system import system
from everytick.text.instants import at
from everytick.text.wording import one_line

# Short enough for every service that is known to have a limit.
_TITLE_LENGTH = 120
_LINE_LENGTH = 400
_BODY_LENGTH = 1_600
# How much of the end of a log is told: lines, characters of a line, and characters in all.
_LOG_LINES, _LOG_LINE_LENGTH, _LOG_LENGTH = 10, 160, 1_200


class _Words(NamedTuple):
    """The words for a kind of incident: when it happened once, several times, and when it is over."""

    once: str
    times: str
    had: str
    again: str


_WORDS = {
    "failed": _Words("failed", "failed {} times", "it had failed", "succeeded again"),
    "lost": _Words("was cut off", "was cut off {} times", "it had been cut off", "succeeded again"),
    "missed": _Words("did not run", "did not run {} times", "it had not run", "runs again"),
    "overlap": _Words("was skipped", "was skipped {} times", "it had been skipped", "runs again"),
    "late": _Words("is late", "was late {} times", "it had been late", "is no longer late"),
}
# For a kind that only another version of the engine knows.
_UNKNOWN = _Words("is in trouble", "was in trouble {} times", "it had been in trouble", "is well again")


@dataclass(frozen=True)
class Message:
    """One message. `tone` is `failure`, `success` or `warning`."""

    title: str
    body: str
    tone: str


@dataclass(frozen=True)
class Page:
    """Where people reach the dashboard; an empty `address`: nobody said."""

    address: str

    def of(self, item: Item) -> str:
        """Return the address of the run that an incident is about, or of its job; empty if there is none."""
        if not self.address or item.over_us is not None:
            return ""
        rest = f"run/{item.run_id}" if item.run_id is not None else f"job?{urlencode({'id': item.job_id})}"
        return f"{self.address}/{rest}"


def trial_message(application: str, page: Page) -> Message:
    """Return the message by which a channel is tried."""
    where = f"\nThey link to {page.address}\n" if page.address else ""
    body = f"This is a test. Alerts of {application} arrive here.\n{where}\n{_from(application)}"
    return Message(_title(application, "a test of the alerts"), body, "success")


def message(
    items: Sequence[Item], application: str, zone: tzinfo, page: Page, logs: Mapping[int, str]
) -> Message:
    """Return the one message that tells of all these incidents. Times are shown in the zone.

    `logs`: what runs logged, by their numbers; the end of each is told.
    """
    ends = [item for item in items if item.over_us is not None]
    going = [item for item in items if item.over_us is None]
    lines = ["\n".join(filter(None, [_line(item, zone), page.of(item)])) for item in [*going, *ends]]
    if len(items) == 1:
        subject = _headline(items[0])
    else:
        parts = [f"{len(going)} went wrong" if going else "", f"{len(ends)} over" if ends else ""]
        subject = ", ".join(part for part in parts if part)
    tone = "success" if not going else "failure" if not ends else "warning"
    told = _ends_of(
        {it.run_id: logs[it.run_id] for it in going if it.run_id is not None and it.run_id in logs},
        len(items),
    )
    body = f"{_fitting(lines)}\n\n{told}{_from(application)}"
    return Message(_title(application, subject), body, tone)


def _ends_of(logs: Mapping[int, str], incidents: int) -> str:
    """Return the ends of logs, as they are told: together they are no longer than that of one alone."""
    told = ""
    for run_id, log in logs.items():
        whose = "its log" if incidents == 1 else f"the log of run {run_id}"
        if lines := _end_of(log, len(logs)):
            told += "\n".join([f"The end of {whose}:", *lines, "", ""])
    return told


def _end_of(log: str, among: int) -> list[str]:
    """Return the last lines of one of several logs."""
    # Masked as a whole: a secret may have several lines.
    lines = [line for line in without_secrets(log).splitlines() if line.strip()]
    shown = [_cut(_printable(line), _LOG_LINE_LENGTH) for line in lines[-(_LOG_LINES // among) :]]
    while sum(map(len, shown)) > _LOG_LENGTH // among:
        del shown[0]
    return shown


def _printable(line: str) -> str:
    """Return a line of a log without what would steer a display; its indentation stays."""
    clean = one_line(line)
    return f"{' ' * (len(line) - len(line.lstrip(' ')))}{clean}"


def _headline(item: Item) -> str:
    words = _WORDS.get(item.kind, _UNKNOWN)
    if item.over_us is not None:
        return f"{item.job_id} {words.again}"
    return f"{item.job_id} {_times(item)}"


def _times(item: Item) -> str:
    words = _WORDS.get(item.kind, _UNKNOWN)
    return words.once if item.count == 1 else words.times.format(f"{item.count:,}")


def _line(item: Item, zone: tzinfo) -> str:
    words, first = _WORDS.get(item.kind, _UNKNOWN), at(item.first_us, zone)
    if item.over_us is None:
        since = "" if item.count == 1 else f" since {first}; the last"
        text = f"{item.job_id} {_times(item)}{since}: {item.detail}"
    else:
        number = "once" if item.count == 1 else f"{item.count:,} times since {first}"
        text = f"{item.job_id} {words.again}, after {words.had} {number}; the last: {item.detail}"
    return _cut(_plain(text), _LINE_LENGTH)


def _fitting(lines: Sequence[str]) -> str:
    shown: list[str] = []
    length = 0
    for line in lines:
        length += len(line) + 1
        if shown and length > _BODY_LENGTH:
            shown.append(f"... and {len(lines) - len(shown)} more")
            break
        shown.append(line)
    return "\n".join(shown)


def _title(application: str, subject: str) -> str:
    return _cut(_plain(f"[{application}] {subject}"), _TITLE_LENGTH)


def _from(application: str) -> str:
    return f"{_plain(application)} on {_plain(system.host_name())}"


def _plain(text: str) -> str:
    """Return text in one line, without secrets and without what would steer a display or a protocol."""
    return one_line(without_secrets(text))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 4]} ..."
