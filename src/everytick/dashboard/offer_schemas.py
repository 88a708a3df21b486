"""The JSON of jobs that people add: what the code offers, what they ask for, and what would come of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from everytick.read.schemas import Fire, JobOptions, LeftOutTick
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from typing_extensions import TypedDict

from .schemas import Note


class OfferedParameter(TypedDict):
    """A parameter of a function. Dates are given as text."""

    name: str
    type: Annotated[
        str,
        Field(description="string, integer, number, boolean, date, datetime, choice, or json for any JSON"),
    ]
    required: bool
    nullable: Annotated[bool, Field(description="whether null is a value")]
    choices: Annotated[list[str | int | float | bool] | None, Field(description="null unless it is a choice")]
    default: Annotated[str | None, Field(description="as Python has it, without secrets; null: none")]


class OfferedFunction(TypedDict):
    """A function for which jobs can be added."""

    function: Annotated[str, Field(description="what a job names, `package.module:name`")]
    name: Annotated[str, Field(description="for people")]
    description: Annotated[str, Field(description="the first paragraph of its docstring")]
    parameters: list[OfferedParameter]


class Offers(TypedDict):
    """What the code offers."""

    offers: list[OfferedFunction]
    code_is_loaded: Annotated[
        bool,
        Field(description="false where this dashboard runs without the schedule's code, which offers them"),
    ]


class _Body(BaseModel):
    # Only the right types, as in code: `true` is no hour, and "5" no number.
    model_config = ConfigDict(extra="forbid", strict=True)


_Text = Annotated[str | None, Field(max_length=200)]
_Zone = Annotated[str | None, Field(max_length=100, description="an IANA name; null: the scheduler's zone")]
_Date = Annotated[
    str | None, Field(max_length=60, description="ISO 8601; without an offset in the schedule's zone")
]
_Number = Annotated[float | None, Field(allow_inf_nan=False)]
_Part = Annotated[str | int | None, Field(union_mode="left_to_right")]


class PublicHolidays(_Body):
    """The public holidays of a country, or of a part of it; from the package `holidays`."""

    country: Annotated[str, Field(max_length=100, description="its code", examples=["DE"])]
    subdivision: Annotated[
        str | None, Field(max_length=100, description="of a state or region", examples=["BY"])
    ] = None


def _kind_of_days(value: Any) -> str | None:
    kinds = ((str, "day"), (list, "range"), ((dict, PublicHolidays), "holidays"))
    return next((name for kind, name in kinds if isinstance(value, kind)), None)


# By its type, so that an error is about what was meant.
_Days = Annotated[
    Annotated[str, Tag("day")]
    | Annotated[list[str], Field(min_length=2, max_length=2), Tag("range")]
    | Annotated[PublicHolidays, Tag("holidays")],
    Discriminator(
        _kind_of_days,
        custom_error_type="days",
        custom_error_message="Write a date, a pair of dates, weekdays, or the country of public holidays",
    ),
]


class _Recurring(_Body):
    timezone: _Zone = None
    exclude: Annotated[
        list[_Days] | None,
        Field(
            max_length=1_000,
            description="days on which it is not due: dates, pairs of a first and a last date, `sat-sun`,"
            " public holidays",
        ),
    ] = None
    shift: Annotated[
        Literal["skip", "next-workday", "previous-workday"] | None,
        Field(description="what becomes of a tick on such a day"),
    ] = None


class _Bounded(_Recurring):
    start_date: _Date = None
    end_date: _Date = None
    jitter: Annotated[_Number, Field(description="it may be up to this many seconds later")] = None


class CronSchedule(_Bounded):
    """Due at times of the calendar, as `add_job(..., "cron", hour=9)`; weekdays by their names."""

    trigger: Literal["cron"]
    year: _Part = None
    month: _Part = None
    day: _Part = None
    week: _Part = None
    day_of_week: _Part = None
    hour: _Part = None
    minute: _Part = None
    second: _Part = None


class CrontabSchedule(_Bounded):
    """Due when a crontab with this line would be."""

    trigger: Literal["crontab"]
    line: Annotated[str, Field(max_length=500, examples=["30 2 * * 1-5"])]


class IntervalSchedule(_Bounded):
    """Due each time a length of time has passed."""

    trigger: Literal["interval"]
    weeks: _Number = None
    days: _Number = None
    hours: _Number = None
    minutes: _Number = None
    seconds: _Number = None


class DateSchedule(_Body):
    """Due once."""

    trigger: Literal["date"]
    run_date: Annotated[_Date, Field(description="null: now")] = None
    timezone: _Zone = None


class CalendarIntervalSchedule(_Bounded):
    """Due at a time of day, each number of years, months, weeks or days."""

    trigger: Literal["calendarinterval"]
    years: int | None = None
    months: int | None = None
    weeks: int | None = None
    days: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: int | None = None


Schedule = Annotated[
    CronSchedule | CrontabSchedule | IntervalSchedule | DateSchedule | CalendarIntervalSchedule,
    Field(discriminator="trigger"),
]


class OfferedOptions(_Body):
    """Options of `add_job`; those that are left out have the schedule's default. Lengths are seconds."""

    misfire_grace_time: Annotated[_Number, Field(description="null: without limit")] = None
    coalesce: bool | None = None
    max_instances: int | None = None
    max_catch_up: int | None = None
    timeout: Annotated[_Number, Field(description="null: without limit")] = None
    retries: int | None = None
    retry_delay: _Number = None
    on_crash: _Text = None
    alert: bool | None = None
    queue: _Text = None
    overlap: _Text = None
    group: Annotated[_Text, Field(description="null: without a group, whatever the default is")] = None


_Arguments = Annotated[dict[str, Any], Field(description="by the names of the function's parameters")]
_Name = Annotated[str | None, Field(max_length=1_000, description="for people")]
_Shown = Annotated[
    str | None,
    Field(
        max_length=100,
        description="that of a preview: it is refused if another job would come of it by now",
    ),
]


class JobWanted(_Body):
    """A job to be added."""

    function: Annotated[str, Field(max_length=500, description="one that the code offers")]
    id: Annotated[
        str | None, Field(max_length=500, description="null: derived from function, trigger and arguments")
    ] = None
    name: _Name = None
    schedule: Schedule
    arguments: _Arguments = {}
    options: OfferedOptions = OfferedOptions()
    shown: _Shown = None
    note: Note = None


class JobChange(_Body):
    """What to change of a job; all that is left out stays. Arguments are given all together."""

    name: _Name = None
    schedule: Schedule | None = None
    arguments: _Arguments | None = None
    options: OfferedOptions = OfferedOptions()
    version: Annotated[
        int | None, Field(description="the one that you have seen: it is refused if there is another by now")
    ] = None
    shown: _Shown = None
    note: Note = None


class JobPreview(TypedDict):
    """A job as it would be. Nothing was written."""

    job_id: str
    name: str
    function: str
    arguments: Annotated[list[str], Field(description="as code has them, without secrets")]
    trigger: str
    trigger_in_words: str
    timezone: str
    options: Annotated[JobOptions, Field(description="as they will be, with the schedule's defaults")]
    next_fires: list[Fire]
    left_out: Annotated[
        list[LeftOutTick],
        Field(
            description="ticks of the coming year whose date is left out, or that are moved: the first ten"
        ),
    ]
    warnings: list[str]
    shown: Annotated[str, Field(description="send it with the job, to have just this one or none")]


class JobKept(TypedDict):
    """A job that was added or changed; `changed` is false when the very same was there already."""

    job_id: str
    changed: bool
    said: str
