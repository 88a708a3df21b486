"""The time zone: every one of the database is accepted, and no other, which is answered with the nearest."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import pytest
from everytick.text.zone_hints import hints, nearest_zone

from lists import time_zones
from questions import included, refusal

NOTHING_NEAR = "Use Europe/Berlin, UTC or another IANA time zone."


def test_every_time_zone_of_the_database_is_accepted_and_no_other() -> None:
    listed = included("time-zones.txt")
    assert listed == sorted(set(listed))
    assert set(time_zones()) - set(listed) == set(), "run python scripts/lists.py"
    for name in listed:
        ZoneInfo(name)
    for name in ("UTC", "Europe/Berlin", "America/Argentina/ComodRivadavia", "US/Pacific"):
        assert refusal("timezone", name) == ""
    # The list's own first line is not a name.
    assert refusal("timezone", "# Made by scripts/lists.py; do not edit.") != ""


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("Europe/Belrin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        (" Europe/Berlin", "Europe/Berlin"),
        ("Europe/Berlin\n", "Europe/Berlin"),
        ("Europe\\Berlin", "Europe/Berlin"),
        ("berlin", "Europe/Berlin"),
        ("berln", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("America/NewYork", "America/New_York"),
        ("Amercia/Los_Angeles", "America/Los_Angeles"),
        ("Asia/Calcuta", "Asia/Calcutta"),
        ("Pacific", "US/Pacific"),
        ("utc", "UTC"),
        ("CET+1", "CET"),
        ("PST", "America/Los_Angeles"),
        ("Asia/Mumbai", "Asia/Kolkata"),
        ("München", "Europe/Berlin"),
        ("Eastern Standard Time", "America/New_York"),
        ("UTC+0", "UTC"),
        ("UTC+5:30", "Asia/Kolkata"),
        ("+05:30", "Asia/Kolkata"),
        ("Rom", "Europe/Rome"),
    ],
)
def test_a_wrong_time_zone_is_answered_with_the_nearest(answer: str, meant: str) -> None:
    assert refusal("timezone", answer) == f"Did you mean {meant}? Use an IANA time zone."


@pytest.mark.parametrize("answer", ["UTC+2", "GMT+02:00", "GMT+2", "UTC + 2", "+02:00", "utc+02"])
def test_a_fixed_offset_is_answered_with_the_zone_of_that_offset(answer: str) -> None:
    assert refusal("timezone", answer).startswith("Did you mean Etc/GMT-2 (there the sign is reversed)? ")


@pytest.mark.parametrize(
    "answer", ["", "XYZ", "local", "Factory", "Asia/Nagpur", "UTC+15", "UTC+7:10", "Etc/GMT+20", "a" * 5000]
)
def test_a_time_zone_that_is_near_to_none_gets_no_wrong_hint(answer: str) -> None:
    assert refusal("timezone", answer) == NOTHING_NEAR


@pytest.mark.full
def test_the_settings_and_the_code_give_the_hints_of_the_question() -> None:
    """One list serves all three: what is meant by a zone does not depend on where it is written."""
    letters, names = random.Random(7), included("time-zones.txt")
    asked = [*hints(), *(hint.upper() for hint in hints()), *SPELLINGS]
    for name in letters.sample(names, 25):
        place = letters.randrange(len(name))
        asked += [name[:place] + name[place + 1 :], name.rpartition("/")[2], name.upper()]
        asked.append(name[:place] + letters.choice("aeiou") + name[place:])
    for answer in asked:
        if answer not in names:
            near = nearest_zone(answer, names)
            reversed_sign = " (there the sign is reversed)" if near.startswith("Etc/") else ""
            said = f"Did you mean {near}{reversed_sign}? Use an IANA time zone." if near else NOTHING_NEAR
            assert refusal("timezone", answer) == said, answer
    for meant in hints().values():
        assert meant in names
        ZoneInfo(meant)


SPELLINGS = [
    *(
        "UTC+2",
        "GMT-5",
        "gmt-5",
        "GMT+0200",
        "UTC-03:00",
        "+1",
        "-0930",
        "UTC+5:30",
        "UTC+7:30",
        "Etc/GMT+20",
        "UTC+15",
        "CET+1",
        "IST+5",
    ),
    *(
        "Mumbai",
        "Asia/Mumbai",
        "Manama",
        "Leipzig",
        "Turin",
        "Nagpur",
        "local",
        "localtime",
        "None",
        "us-east-1",
    ),
    *(
        "Europe",
        "Europa/Berlin",
        "Europe/Kiew",
        "W. Europe Standard Time",
        "new  york",
        "XYZ",
        "B S T",
        "a" * 41,
    ),
]
