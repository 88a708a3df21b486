"""The messages that channels send: each about one incident or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

from everytick.engine.capture import without_secrets
from everytick.store.notices import Item
from everytick.system import system
from everytick.text.instants import at
from everytick.text.wording import one_line

# Short enough for every service that is known to have a limit.
_TITLE_LENGTH = 120
_LINE_LENGTH = 400
_BODY_LENGTH = 1_600


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


@dataclass(frozen=True)
class Message:
    """One message. `tone` is `failure`, `success` or `warning`."""

    title: str
    body: str
    tone: str


def trial_message(application: str) -> Message:
    """Return the message by which a channel is tried."""
    body = f"This is a test. Alerts of {application} arrive here.\n\n{_from(application)}"
    return Message(_title(application, "a test of the alerts"), body, "success")


def message(items: Sequence[Item], application: str, zone: tzinfo) -> Message:
    """Return the one message that tells of all these incidents. Times are shown in the zone."""
    ends = [item for item in items if item.over_us is not None]
    going = [item for item in items if item.over_us is None]
    lines = [_line(item, zone) for item in [*going, *ends]]
    if len(items) == 1:
        subject = _headline(items[0])
    else:
        parts = [f"{len(going)} went wrong" if going else "", f"{len(ends)} over" if ends else ""]
        subject = ", ".join(part for part in parts if part)
    tone = "success" if not going else "failure" if not ends else "warning"
    body = f"{_fitting(lines)}\n\n{_from(application)}"
    return Message(_title(application, subject), body, tone)


def _headline(item: Item) -> str:
    words = _WORDS[item.kind]
    if item.over_us is not None:
        return f"{item.job_id} {words.again}"
    return f"{item.job_id} {_times(item)}"


def _times(item: Item) -> str:
    words = _WORDS[item.kind]
    return words.once if item.count == 1 else words.times.format(f"{item.count:,}")


def _line(item: Item, zone: tzinfo) -> str:
    words, first = _WORDS[item.kind], at(item.first_us, zone)
    if item.over_us is None:
        since = "" if item.count == 1 else f" since {first}"
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
